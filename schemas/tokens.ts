// The token endpoint's messages (RFC 6749 §4.3.2, §5.1, §5.2) and the key set (RFC 7517 §5).
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'

/** RFC 6749 §A. */
const VSCHARS = '^[\\x20-\\x7e]*$'
/** Not a narrower one: a name or a scope that cannot be is answered as one that is not. */
const ANYTHING = '^[\\s\\S]*$'
const BASE64URL = '^[\\w-]*$'

/** The form of `POST /token`; unknown parameters are ignored (RFC 6749 §3.2), so they are allowed here. */
export const TokenRequest = Type.Object({
  grant_type: Type.String({ pattern: ANYTHING, maxLength: 64, description: '`password`.', examples: ['password'] }),
  username: Type.Optional(Type.String({ pattern: ANYTHING, maxLength: 256, description: 'The name of an account.', examples: ['alice'] })),
  password: Type.Optional(Type.String({ format: 'password', maxLength: 1024, description: 'Its password.', examples: ['correct horse battery staple'] })),
  scope: Type.Optional(Type.String({ pattern: ANYTHING, maxLength: 1024, description: 'Scopes with a space between them; none means all.', examples: ['me items:read'] })),
  client_id: Type.Optional(Type.String({ pattern: ANYTHING, maxLength: 256, description: '`demo`, or none.' })),
  client_secret: Type.Optional(Type.String({ format: 'password', maxLength: 1024, description: 'None: the client is public.' }))
}, { $id: 'TokenRequest', additionalProperties: true, description: 'A request for an access token.' })
export type TokenRequest = Static<typeof TokenRequest>

export const TokenResponse = Type.Object({
  access_token: Type.String({ pattern: '^[\\w-]+\\.[\\w-]+\\.[\\w-]+$', maxLength: 8192, description: 'A JWT (RFC 9068).' }),
  token_type: Type.Literal('Bearer', { description: 'How to send it (RFC 6750).' }),
  expires_in: Type.Integer({ format: 'int32', minimum: 1, maximum: 86400, description: 'Seconds until it expires.', examples: [900] }),
  scope: Type.String({ pattern: VSCHARS, maxLength: 1024, description: 'What was granted.', examples: ['me items:read'] })
}, { $id: 'TokenResponse', additionalProperties: false, description: 'An access token.' })
export type TokenResponse = Static<typeof TokenResponse>

/** RFC 6749 §5.2. */
export const TokenError = Type.Object({
  error: Type.String({ pattern: '^[a-z_]+$', maxLength: 64, description: 'What a program should look at.', examples: ['invalid_grant'] }),
  error_description: Type.Optional(Type.String({ pattern: VSCHARS, maxLength: 256, description: 'For people.', examples: ['The grant is invalid'] }))
}, { $id: 'TokenError', additionalProperties: false, description: 'An error of the token endpoint (RFC 6749 §5.2).' })
export type TokenError = Static<typeof TokenError>

export const JsonWebKeySet = Type.Object({
  keys: Type.Array(Type.Object({
    kty: Type.String({ pattern: BASE64URL, maxLength: 8, description: 'The type of the key.', examples: ['EC'] }),
    crv: Type.String({ pattern: BASE64URL, maxLength: 16, description: 'Its curve.', examples: ['P-256'] }),
    x: Type.String({ pattern: BASE64URL, maxLength: 128, description: 'The x coordinate.' }),
    y: Type.String({ pattern: BASE64URL, maxLength: 128, description: 'The y coordinate.' }),
    alg: Type.String({ pattern: BASE64URL, maxLength: 16, description: 'The algorithm of its signatures.', examples: ['ES256'] }),
    use: Type.Literal('sig', { description: 'Signatures only.' }),
    kid: Type.String({ pattern: BASE64URL, maxLength: 64, description: 'Its thumbprint (RFC 7638).' })
  }, { additionalProperties: false }), { maxItems: 16 })
}, { $id: 'JsonWebKeySet', additionalProperties: false, description: 'The public keys that verify our tokens.' })

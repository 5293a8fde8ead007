// The token endpoint's messages (RFC 6749 §4.3.2, §5.1, §5.2) and the key set (RFC 7517 §5).
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'

/** The form of `POST /token`; unknown parameters are ignored (RFC 6749 §3.2), so they are allowed here. */
export const TokenRequest = Type.Object({
  grant_type: Type.String({ maxLength: 64, description: '`password`.', examples: ['password'] }),
  username: Type.Optional(Type.String({ maxLength: 256, examples: ['alice'] })),
  password: Type.Optional(Type.String({ maxLength: 1024, examples: ['correct horse battery staple'] })),
  scope: Type.Optional(Type.String({ maxLength: 1024, description: 'Scopes with a space between them; none means all.', examples: ['me items:read'] })),
  client_id: Type.Optional(Type.String({ maxLength: 256 })),
  client_secret: Type.Optional(Type.String({ maxLength: 1024 }))
}, { $id: 'TokenRequest', additionalProperties: true, description: 'A request for an access token.' })
export type TokenRequest = Static<typeof TokenRequest>

export const TokenResponse = Type.Object({
  access_token: Type.String({ maxLength: 8192, description: 'A JWT (RFC 9068).' }),
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer({ minimum: 1, maximum: 86400, description: 'Seconds until it expires.', examples: [900] }),
  scope: Type.String({ maxLength: 1024, description: 'What was granted.', examples: ['me items:read'] })
}, { $id: 'TokenResponse', additionalProperties: false, description: 'An access token.' })
export type TokenResponse = Static<typeof TokenResponse>

/** RFC 6749 §5.2. */
export const TokenError = Type.Object({
  error: Type.String({ maxLength: 64, examples: ['invalid_grant'] }),
  error_description: Type.Optional(Type.String({ maxLength: 256 }))
}, { $id: 'TokenError', additionalProperties: false, description: 'An error of the token endpoint (RFC 6749 §5.2).' })
export type TokenError = Static<typeof TokenError>

export const JsonWebKeySet = Type.Object({
  keys: Type.Array(Type.Object({
    kty: Type.String({ maxLength: 8 }),
    crv: Type.String({ maxLength: 16 }),
    x: Type.String({ maxLength: 128 }),
    y: Type.String({ maxLength: 128 }),
    alg: Type.String({ maxLength: 16 }),
    use: Type.Literal('sig'),
    kid: Type.String({ maxLength: 64 })
  }, { additionalProperties: false }), { maxItems: 16 })
}, { $id: 'JsonWebKeySet', additionalProperties: false, description: 'The public keys that verify our tokens.' })

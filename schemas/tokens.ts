// The token endpoint's messages (RFC 6749 §4.3.2, §5.1, §5.2) and the key set (RFC 7517 §5).
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'

/** RFC 6749 §A. */
const VSCHARS = '^[\\x20-\\x7e]*$'
/** Not a narrower one: a name or a scope that cannot be is answered as one that is not. */
const ANYTHING = '^[\\s\\S]*$'
const BASE64URL = '^[\\w-]*$'

const clientId = Type.Optional(Type.String({ pattern: ANYTHING, maxLength: 256, description: 'Who asks; none means the public client, or `Basic`.' }))
const clientSecret = Type.Optional(Type.String({ format: 'password', maxLength: 1024, description: 'The secret of a confidential client, unless it is sent by `Basic`.' }))
const token = Type.String({ pattern: ANYTHING, maxLength: 8192, description: 'An access token or a refresh token.' })
const hint = Type.Optional(Type.String({ pattern: ANYTHING, maxLength: 64, description: 'Which of them; the token itself says it.', examples: ['refresh_token'] }))
const scope = Type.String({ pattern: VSCHARS, maxLength: 1024, description: 'Scopes with a space between them.', examples: ['me items:read'] })
const seconds = (description: string) => Type.Integer({ format: 'int64', minimum: 0, maximum: 99_999_999_999, description, examples: [1_795_000_000] })
const text = (description: string) => Type.String({ pattern: VSCHARS, maxLength: 2048, description })
const url = (description: string) => Type.String({ format: 'uri', maxLength: 2048, description })
const words = (description: string) => Type.Array(Type.String({ pattern: VSCHARS, maxLength: 64 }), { maxItems: 64, description })

/** The form of `POST /token`; unknown parameters are ignored (RFC 6749 §3.2), so they are allowed here. */
export const TokenRequest = Type.Object({
  grant_type: Type.String({ pattern: ANYTHING, maxLength: 64, description: '`refresh_token`, `client_credentials`, or the deprecated `password`.', examples: ['password'] }),
  refresh_token: Type.Optional(Type.String({ format: 'password', maxLength: 1024, description: 'The newest refresh token of a login.' })),
  username: Type.Optional(Type.String({ pattern: ANYTHING, maxLength: 256, deprecated: true, description: 'The name of an account.', examples: ['alice'] })),
  password: Type.Optional(Type.String({ format: 'password', maxLength: 1024, deprecated: true, description: 'Its password.', examples: ['correct horse battery staple'] })),
  scope: Type.Optional(Type.String({ pattern: ANYTHING, maxLength: 1024, description: 'Scopes with a space between them; none means all.', examples: ['me items:read'] })),
  client_id: clientId,
  client_secret: clientSecret
}, { $id: 'TokenRequest', additionalProperties: true, description: 'A request for an access token.' })
export type TokenRequest = Static<typeof TokenRequest>

export const TokenResponse = Type.Object({
  access_token: Type.String({ pattern: '^[\\w-]+\\.[\\w-]+\\.[\\w-]+$', maxLength: 8192, description: 'A JWT (RFC 9068).' }),
  token_type: Type.Literal('Bearer', { description: 'How to send it (RFC 6750).' }),
  expires_in: Type.Integer({ format: 'int32', minimum: 1, maximum: 86400, description: 'Seconds until it expires.', examples: [900] }),
  refresh_token: Type.Optional(Type.String({ pattern: BASE64URL, maxLength: 64, description: 'Gets the next tokens, once.' })),
  scope
}, { $id: 'TokenResponse', additionalProperties: false, description: 'An access token.' })
export type TokenResponse = Static<typeof TokenResponse>

/** RFC 7009 §2.1. */
export const RevocationRequest = Type.Object({ token, token_type_hint: hint, client_id: clientId, client_secret: clientSecret }, { $id: 'RevocationRequest', additionalProperties: true, description: 'A token to revoke.' })
/** RFC 7662 §2.1. */
export const IntrospectionRequest = Type.Object({ token, token_type_hint: hint, client_id: clientId, client_secret: clientSecret }, { $id: 'IntrospectionRequest', additionalProperties: true, description: 'A token to ask about.' })

/** RFC 7662 §2.2. */
export const IntrospectionResponse = Type.Object({
  active: Type.Boolean({ description: 'Whether it is good now; of one that is not, nothing else is said.' }),
  scope: Type.Optional(scope),
  client_id: Type.Optional(text('Whose token it is.')),
  sub: Type.Optional(text('On whose behalf.')),
  exp: Type.Optional(seconds('When it expires.')),
  iat: Type.Optional(seconds('When it was issued.')),
  iss: Type.Optional(text('Who issued it.')),
  aud: Type.Optional(text('Whom it is for.')),
  jti: Type.Optional(text('Its id.')),
  token_type: Type.Optional(Type.Literal('Bearer', { description: 'Of an access token.' }))
}, { $id: 'IntrospectionResponse', additionalProperties: false, description: 'What a token is.' })
export type IntrospectionResponse = Static<typeof IntrospectionResponse>

/** RFC 6749 §5.2. */
export const TokenError = Type.Object({
  error: Type.String({ pattern: '^[a-z_]+$', maxLength: 64, description: 'What a program should look at.', examples: ['invalid_grant'] }),
  error_description: Type.Optional(Type.String({ pattern: VSCHARS, maxLength: 256, description: 'For people.', examples: ['The grant is invalid'] }))
}, { $id: 'TokenError', additionalProperties: false, description: 'An error of the token endpoint (RFC 6749 §5.2).' })
export type TokenError = Static<typeof TokenError>

const part = (maxLength: number, description: string) => Type.Optional(Type.String({ pattern: BASE64URL, maxLength, description }))

export const JsonWebKeySet = Type.Object({
  keys: Type.Array(Type.Object({
    kty: Type.String({ pattern: BASE64URL, maxLength: 8, description: 'The type of the key.', examples: ['EC'] }),
    crv: part(16, 'The curve, of EC and OKP keys.'),
    x: part(128, 'A coordinate, of EC and OKP keys.'),
    y: part(128, 'The other one, of EC keys.'),
    n: part(1024, 'The modulus, of RSA keys.'),
    e: part(16, 'The exponent, of RSA keys.'),
    alg: Type.String({ pattern: BASE64URL, maxLength: 16, description: 'The algorithm of its signatures.', examples: ['ES256'] }),
    use: Type.Literal('sig', { description: 'Signatures only.' }),
    kid: Type.String({ pattern: BASE64URL, maxLength: 64, description: 'Its thumbprint (RFC 7638).' })
  }, { additionalProperties: false }), { maxItems: 16 })
}, { $id: 'JsonWebKeySet', additionalProperties: false, description: 'The public keys that verify our tokens.' })

/** RFC 8414 §2. */
export const AuthorizationServerMetadata = Type.Object({
  issuer: url('The `iss` of our tokens.'),
  token_endpoint: url('Where tokens are issued.'),
  jwks_uri: url('The keys that verify them.'),
  revocation_endpoint: url('RFC 7009.'),
  introspection_endpoint: url('RFC 7662.'),
  scopes_supported: words('What may be asked for.'),
  response_types_supported: words('None: there is no authorization endpoint.'),
  grant_types_supported: words('How tokens are got.'),
  token_endpoint_auth_methods_supported: words('How clients say who they are.'),
  revocation_endpoint_auth_methods_supported: words('The same for revocation.'),
  introspection_endpoint_auth_methods_supported: words('The same for introspection.')
}, { $id: 'AuthorizationServerMetadata', additionalProperties: false, description: 'What clients need to know (RFC 8414).' })

/** RFC 9728 §2. */
export const ProtectedResourceMetadata = Type.Object({
  resource: url('The `aud` of tokens for this API.'),
  authorization_servers: Type.Array(url('Who issues them.'), { maxItems: 8 }),
  scopes_supported: words('What routes require.'),
  bearer_methods_supported: words('How they are sent (RFC 6750 §2).')
}, { $id: 'ProtectedResourceMetadata', additionalProperties: false, description: 'Where tokens for this API come from (RFC 9728).' })

// The token endpoint (RFC 6749 §3.2): refresh tokens, clients that act for themselves, and the password grant, which OAuth
// 2.1 leaves out, for parity and for Swagger UI. Beside it revocation (RFC 7009) and introspection (RFC 7662).
import { fault, oauthError } from '../errors.ts'
import { IntrospectionRequest, IntrospectionResponse, RevocationRequest, TokenError, TokenRequest, TokenResponse } from '../schemas/tokens.ts'
import { clientOf, consumes, oauthRoute, refuseOtherMethods, takeForms } from './oauth-endpoint.ts'
import { oauthAnswer } from './oauth-errors.ts'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import type { AuthenticatedClient, IssuedToken, TokenOrigin } from '../plugins/tokens.ts'

/** RFC 6749 §3.3. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/** Options of {@link tokenRoutes}. */
export interface TokenRoutesOptions {
  /**
   * Whether a name and a password are a grant (RFC 6749 §4.3), which RFC 9700 §2.4 says must not be used.
   * @defaultValue false
   */
  passwordGrant?: boolean
}

interface Asked {
  readonly app: FastifyInstance
  readonly form: TokenRequest
  readonly origin: TokenOrigin
  readonly client: AuthenticatedClient
  /** `undefined`: all that there is. */
  readonly scopes: readonly string[] | undefined
}

type Issued = IssuedToken & { scopes: readonly string[]; refreshToken?: string }

const grants: ReadonlyMap<string, (asked: Asked) => Promise<Issued>> = new Map([
  ['password', byPassword],
  ['refresh_token', byRefreshToken],
  ['client_credentials', byClientCredentials]
])

async function byPassword ({ app, form, origin, client, scopes }: Asked): Promise<Issued> {
  const { username, password } = form
  if (username === undefined || password === undefined) throw oauthError('invalid_request')
  const authenticatedAt = new Date()
  const user = await app.accounts.login({ username, password, origin })
  if (user === null) throw oauthError('invalid_grant')
  const grant = { subject: user.id, clientId: client.clientId, scopes: shared(app.accounts.scopesOf(user), scopes, client.scopes) }
  if (client.grants.includes('refresh_token')) return await app.tokens.open(grant, { authenticatedAt, origin })
  return { ...app.tokens.issue(grant, { authenticatedAt, origin }), scopes: grant.scopes }
}

async function byRefreshToken ({ app, form, origin, client, scopes }: Asked): Promise<Issued> {
  const { refresh_token: refreshToken } = form
  if (refreshToken === undefined) throw oauthError('invalid_request')
  return await app.tokens.refresh({ refreshToken, clientId: client.clientId, allowed: client.scopes, scopes, origin })
}

async function byClientCredentials ({ app, origin, client: { clientId, scopes: allowed = [] }, scopes }: Asked): Promise<Issued> {
  const grant = { subject: clientId, clientId, scopes: shared(allowed, scopes) }
  return { ...app.tokens.issue(grant, { origin }), scopes: grant.scopes }
}

/** What is in all of the lists; asking for more grants what is left, and nothing left is an error. */
function shared (owned: readonly string[], ...others: readonly (readonly string[] | undefined)[]): readonly string[] {
  const scopes = owned.filter((scope) => others.every((other) => other?.includes(scope) ?? true))
  if (scopes.length === 0) throw oauthError('invalid_scope')
  return scopes
}

function scopesAsked ({ scope }: TokenRequest): readonly string[] | undefined {
  const scopes = scope?.split(' ')
  if (scopes?.every((name) => SCOPE.test(name)) === false) throw oauthError('invalid_scope')
  return scopes
}

/** `POST /token`, `/token/revoke` and `/token/introspect`. Needs `app.accounts`, `app.tokens` and `rateLimit`. */
export const tokenRoutes: FastifyPluginAsyncTypebox<TokenRoutesOptions> = async (app, { passwordGrant = false }) => {
  if (typeof passwordGrant !== 'boolean') throw fault('GATEHOUSE_OPTION_INVALID', 'tokenRoutes.passwordGrant must be true or false')
  if (passwordGrant) app.log.warn('the password grant is on, which RFC 9700 §2.4 advises against')
  for (const schema of [TokenResponse, TokenError, IntrospectionResponse]) app.addSchema(schema)
  const tags = ['tokens']
  const reason = 'The client says who it is in the request itself'
  const failures = app.limit({ name: 'token-failures', max: 20, timeWindow: '1 minute', by: 'address', counts: 'failures', whenFull: 'closed' })
  const requests = app.limit({ name: 'token', max: 600, timeWindow: '1 minute', by: 'address' })
  const onRequest = [app.publicAccess(reason), requests, failures]
  const refused = {
    401: oauthAnswer(401, 'Client authentication failed.', ['invalid_client']),
    415: oauthAnswer(415, 'The body is not a form.'),
    500: oauthAnswer(500, 'The service failed.')
  }
  const unavailable = oauthAnswer(503, 'The stores do not answer.')
  const invalid = oauthAnswer(400, 'The request is invalid.', ['invalid_request'])
  takeForms(app)

  app.post('/token', {
    ...oauthRoute,
    onRequest,
    schema: {
      operationId: 'issueToken',
      tags,
      summary: 'Get an access token',
      description: 'By a refresh token, or for a client itself. The password grant is deprecated: OAuth 2.1 leaves it out.',
      consumes,
      body: TokenRequest,
      response: {
        200: { $ref: 'TokenResponse#', description: 'The access token.' },
        400: oauthAnswer(400, 'The request, the grant or the scope is invalid.', ['invalid_request', 'invalid_grant', 'invalid_scope', 'unauthorized_client', 'unsupported_grant_type']),
        ...refused,
        503: oauthAnswer(503, 'Too many passwords wait to be checked, or the stores do not answer.')
      }
    }
  }, async (request) => {
    const client = await clientOf(app, request, request.body)
    const { grant_type: grantType } = request.body
    const grant = grantType === 'password' && !passwordGrant ? undefined : grants.get(grantType)
    if (grant === undefined) throw oauthError('unsupported_grant_type')
    if (!client.grants.includes(grantType)) throw oauthError('unauthorized_client')
    const { accessToken, expiresInSeconds, refreshToken, scopes } = await grant({ app, form: request.body, origin: app.eventOrigin(request), client, scopes: scopesAsked(request.body) })
    return {
      access_token: accessToken, token_type: 'Bearer' as const, expires_in: expiresInSeconds, scope: scopes.join(' '),
      ...(refreshToken === undefined ? {} : { refresh_token: refreshToken })
    }
  })

  app.post('/token/revoke', {
    ...oauthRoute,
    onRequest,
    schema: {
      operationId: 'revokeToken',
      tags,
      summary: 'Revoke a token (RFC 7009)',
      description: 'A refresh token takes all tokens of its login with it. What is not a token of yours is answered alike.',
      consumes,
      body: RevocationRequest,
      response: { 200: { type: 'null', description: 'It is not good any more.' }, 400: invalid, ...refused, 503: unavailable }
    }
  }, async (request, reply) => {
    const { clientId } = await clientOf(app, request, request.body)
    await app.tokens.revoke(request.body.token, clientId, app.eventOrigin(request))
    return reply.code(200).send()
  })

  app.post('/token/introspect', {
    ...oauthRoute,
    onRequest: [app.publicAccess(reason), app.limit({ name: 'introspection', max: 6000, timeWindow: '1 minute', by: 'address' }), failures],
    schema: {
      operationId: 'introspectToken',
      tags,
      summary: 'Ask what a token is (RFC 7662)',
      description: 'For confidential clients.',
      consumes,
      body: IntrospectionRequest,
      response: { 200: { $ref: 'IntrospectionResponse#', description: 'What it is, or only that it is not active.' }, 400: invalid, ...refused, 503: unavailable }
    }
  }, async (request) => {
    const { clientId, confidential } = await clientOf(app, request, request.body)
    if (!confidential) throw oauthError('invalid_client')
    return await app.tokens.introspect(request.body.token, clientId)
  })

  for (const url of ['/token', '/token/revoke', '/token/introspect']) refuseOtherMethods(app, url, reason)
}

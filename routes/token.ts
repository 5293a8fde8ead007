// The token endpoint (RFC 6749 §3.2) with the password grant, which OAuth 2.1 leaves out: for parity and for
// Swagger UI. Parameters come in a form, each at most once; every answer is `no-store`.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest, onSendHookHandler } from 'fastify'
import { fault, oauthError } from '../errors.ts'
import { JsonWebKeySet, TokenError, TokenRequest, TokenResponse } from '../schemas/tokens.ts'
import { parseForm } from '../strict-form.ts'
import { decodeUtf8 } from '../strict-json.ts'
import { oauthAnswer, oauthErrorHandler, oauthRefusal } from './oauth-errors.ts'

/** The public client: a request without client credentials is its. */
const PUBLIC_CLIENT = 'demo'
/** `Basic` with an empty name and an empty secret, which Swagger UI sends. */
const EMPTY_BASIC = /^basic +og==$/i
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

/** `POST /token` and `/.well-known/jwks.json`. Needs `app.accounts`, `app.tokens` and `rateLimit`. */
export const tokenRoutes: FastifyPluginAsyncTypebox<TokenRoutesOptions> = async (app, { passwordGrant = false }) => {
  if (typeof passwordGrant !== 'boolean') throw fault('GATEHOUSE_OPTION_INVALID', 'tokenRoutes.passwordGrant must be true or false')
  if (passwordGrant) app.log.warn('the password grant is on, which RFC 9700 §2.4 advises against')
  for (const schema of [TokenResponse, TokenError, JsonWebKeySet]) app.addSchema(schema)
  const tags = ['tokens']
  const reason = 'Whoever asks for a token has none yet'
  const config = { refusal: oauthRefusal }
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'buffer', bodyLimit: 16_384 }, (_request, bytes: Buffer, parsed) => {
    try {
      parsed(null, withoutEmpty(parseForm(decodeUtf8(bytes))))
    } catch {
      parsed(oauthError('invalid_request'))
    }
  })

  app.post('/token', {
    config,
    errorHandler: oauthErrorHandler,
    onSend: neverStore,
    onRequest: [
      app.publicAccess(reason),
      app.limit({ name: 'token', max: 600, timeWindow: '1 minute', by: 'address' }),
      app.limit({ name: 'token-failures', max: 20, timeWindow: '1 minute', by: 'address', counts: 'failures', whenFull: 'closed' })
    ],
    schema: {
      operationId: 'issueToken',
      tags,
      summary: 'Get an access token for a name and a password',
      deprecated: true,
      consumes: ['application/x-www-form-urlencoded'],
      body: TokenRequest,
      response: {
        200: { $ref: 'TokenResponse#', description: 'The access token.' },
        400: oauthAnswer(400, 'The request, the grant or the scope is invalid.', ['invalid_request', 'invalid_grant', 'invalid_scope', 'unsupported_grant_type']),
        401: oauthAnswer(401, 'Client authentication failed.', ['invalid_client']),
        415: oauthAnswer(415, 'The body is not a form.'),
        500: oauthAnswer(500, 'The service failed.'),
        503: oauthAnswer(503, 'Too many passwords wait to be checked, or the stores do not answer.')
      }
    }
  }, async (request, reply) => {
    const { grant_type: grantType, username, password, scope } = request.body
    assertPublicClient(request.raw.rawHeaders, request.body)
    if (grantType !== 'password' || !passwordGrant) throw oauthError('unsupported_grant_type')
    if (username === undefined || password === undefined) throw oauthError('invalid_request')
    const asked = scope === undefined ? null : [...new Set(scope.split(' '))]
    if (asked?.every((name) => SCOPE.test(name)) === false) throw oauthError('invalid_scope')
    const user = await app.accounts.login({ username, password })
    if (user === null) throw oauthError('invalid_grant')
    const owned = app.accounts.scopesOf(user)
    const granted = asked === null ? owned : asked.filter((name) => owned.includes(name))
    if (granted.length === 0) throw oauthError('invalid_scope')
    const { accessToken, expiresInSeconds } = app.tokens.issue({ subject: user.id, clientId: PUBLIC_CLIENT, scopes: granted })
    return reply.send({
      access_token: accessToken, token_type: 'Bearer' as const, expires_in: expiresInSeconds, scope: granted.join(' ')
    })
  })

  refuseOtherMethods(app, reason)

  app.get('/.well-known/jwks.json', {
    onRequest: app.publicAccess('Public keys are public'),
    schema: { operationId: 'getKeys', tags, summary: 'The keys that verify our tokens', response: { 200: { $ref: 'JsonWebKeySet#', description: 'A JSON Web Key Set.' } } }
  }, (_request, reply) => reply.header('cache-control', 'public, max-age=3600').send({ keys: app.tokens.jwks.keys.map((key) => ({ ...key })) }))
}

/** An empty value counts as absent (RFC 6749 §3.2). */
function withoutEmpty (form: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(form).filter(([, value]) => value !== ''))
}

function assertPublicClient (rawHeaders: readonly string[], { client_id: clientId, client_secret: clientSecret }: TokenRequest): void {
  // Of two `Authorization` fields Node keeps the first and says nothing.
  const [authorization, ...more] = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'authorization')
  if (more.length > 0) throw oauthError('invalid_request')
  if (authorization !== undefined && !EMPTY_BASIC.test(authorization)) throw oauthError('invalid_client')
  if (clientSecret !== undefined || (clientId !== undefined && clientId !== PUBLIC_CLIENT)) throw oauthError('invalid_client')
}

/** RFC 6749 §5.1, of every answer: errors, limits and 405 too. */
const neverStore: onSendHookHandler = (_request, reply, payload, done) => {
  void reply.header('cache-control', 'no-store').header('pragma', 'no-cache')
  done(null, payload)
}

/** RFC 9110 §15.5.6: an endpoint that takes POST alone says so, before it looks at a body. */
function refuseOtherMethods (app: FastifyInstance, reason: string): void {
  const refuse = async (_request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    await reply.code(405).header('allow', 'POST').type(oauthRefusal.contentType).send(JSON.stringify(oauthRefusal.write({ status: 405 })))
  }
  app.route({
    method: ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    url: '/token',
    onSend: neverStore,
    onRequest: [app.publicAccess(reason), refuse],
    schema: { hide: true },
    handler: refuse
  })
}

// The demo: every plugin in the order that is part of its security, then the routes.
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { databaseFileOf } from './config.ts'
import type { Configuration } from './config.ts'
import { accounts } from './plugins/accounts.ts'
import { apiKeyAuth } from './plugins/api-key-auth.ts'
import { audit } from './plugins/audit.ts'
import { basicAuth } from './plugins/basic-auth.ts'
import { bearerAuth } from './plugins/bearer-auth.ts'
import { cors } from './plugins/cors.ts'
import { csrf } from './plugins/csrf.ts'
import { detections } from './plugins/detections.ts'
import { guards } from './plugins/guards.ts'
import { https } from './plugins/https.ts'
import { loadShedding } from './plugins/load-shedding.ts'
import { metrics } from './plugins/metrics.ts'
import { openapi } from './plugins/openapi.ts'
import { passwords } from './plugins/passwords.ts'
import { problems } from './plugins/problems.ts'
import { rateLimit } from './plugins/rate-limit.ts'
import { redis } from './plugins/redis.ts'
import { scopes } from './plugins/scopes.ts'
import { securityHeaders } from './plugins/security-headers.ts'
import { serverOptions } from './plugins/server-options.ts'
import { sessionAuth } from './plugins/session-auth.ts'
import { stores } from './plugins/stores.ts'
import { strictBodies } from './plugins/strict-bodies.ts'
import { tokens } from './plugins/tokens.ts'
import { adminRoutes } from './routes/admin.ts'
import { apiKeyRoutes } from './routes/api-keys.ts'
import { auditRoutes } from './routes/audit.ts'
import { clientRoutes } from './routes/clients.ts'
import { healthRoutes } from './routes/health.ts'
import { itemRoutes } from './routes/items.ts'
import { pageRoutes } from './routes/pages.ts'
import { serviceRoutes } from './routes/service.ts'
import { sessionRoutes } from './routes/session.ts'
import { tokenRoutes } from './routes/token.ts'
import { userRoutes } from './routes/users.ts'
import { wellKnownRoutes } from './routes/well-known.ts'
import type { SecureOptions } from './tls.ts'

/** What a token or a key may be allowed, with the text that people see. */
export const SCOPES = {
  me: 'Read and change your profile and your keys',
  'items:read': 'Read items',
  'items:write': 'Make and delete items',
  admin: 'Administer the service'
} as const

const READ = ['me', 'items:read']
const WRITE = [...READ, 'items:write']
/** What each role stands for. */
export const ROLES = { viewer: READ, editor: WRITE, admin: [...WRITE, 'admin'] } as const

const MAX_CONNECTIONS = 10_000

const info = {
  title: 'Gatehouse demo',
  version: '0.1.0',
  description: 'Items behind guards: what a route declares is what is enforced and what stands here.',
  license: { name: 'MIT', identifier: 'MIT' }
}

const tags = [
  { name: 'service', description: 'A route that shows a limit.' },
  { name: 'health', description: 'For probes.' },
  { name: 'users', description: 'Accounts, and your own profile.' },
  { name: 'tokens', description: 'Access tokens, and the keys that verify them.' },
  { name: 'sessions', description: 'Logins by cookie, for browsers.' },
  { name: 'api-keys', description: 'Your own API keys.' },
  { name: 'items', description: 'What the demo is about.' },
  { name: 'admin', description: 'For administrators.' }
]

const servers = [{ url: '/', description: 'This service: in production, or where it is tested.', 'x-internal': false }]

/** A server with bounds, over TLS if it is given a certificate. */
function createServer ({ trustedProxies }: Configuration, logger: FastifyServerOptions['logger'], secure: SecureOptions | null): FastifyInstance {
  // Behind a proxy its log and ours tell of one request by one id.
  const options = serverOptions({ trustedProxies, logger: logger as never, ...(trustedProxies.length === 0 ? {} : { requestIdHeader: 'X-Request-Id' }) })
  const app = secure === null ? Fastify(options) : Fastify({ ...options, https: { ...options.http, ...secure } }) as unknown as FastifyInstance
  app.server.maxConnections = MAX_CONNECTIONS
  return app
}

/** What answers on `HTTP_REDIRECT_PORT`: pages are sent to the service, everything else is refused. Not yet listening. */
export async function buildRedirect (configuration: Configuration, logger: FastifyServerOptions['logger'] = false): Promise<FastifyInstance> {
  // Nobody's word on the protocol counts here: this port is plain.
  const app = createServer({ ...configuration, trustedProxies: [] }, logger, null)
  await app.register(securityHeaders)
  await app.register(problems)
  await app.register(https, { origin: new URL(configuration.publicUrl).origin })
  return app
}

/** The whole service, not yet listening. */
export async function buildApp (configuration: Configuration, logger: FastifyServerOptions['logger'] = false, secure: SecureOptions | null = null): Promise<FastifyInstance> {
  const { trustedProxies, publicUrl, databaseUrl, redisUrl, corsOrigins } = configuration
  const app = createServer(configuration, logger, secure)
  await app.register(securityHeaders)
  await app.register(cors, { origin: corsOrigins })
  if (secure !== null) await app.register(https, { origin: new URL(publicUrl).origin })
  await app.register(problems)
  await app.register(strictBodies)
  await app.register(guards, { defaultAccess: 'deny', trustedProxies })
  await app.register(loadShedding)
  if (redisUrl !== null) await app.register(redis, { url: redisUrl })
  if (redisUrl !== null && databaseUrl === null) app.log.warn('REDIS_URL without DATABASE_URL: other processes share the limits, and nothing else; an SQLite file is that of one process')
  await app.register(rateLimit)

  await app.register(stores, databaseUrl === null ? { file: databaseFileOf(configuration) } : { url: databaseUrl })
  await app.register(passwords, { serviceName: 'gatehouse' })
  await app.register(tokens, {
    issuer: publicUrl,
    keyFile: configuration.tokenKeyFile,
    createKey: configuration.development,
    publicClient: 'demo',
    loadOwner: (subject) => app.accounts.grantFor(subject)
  })
  await app.register(detections)
  await app.register(audit, { access: 'writes', keyFile: configuration.tokenKeyFile })
  await app.register(accounts, { roles: ROLES, defaultRoles: ['editor'], keepOne: 'admin' })
  await registerSchemes(app, publicUrl)
  await app.register(csrf, { origins: [new URL(publicUrl).origin] })
  await app.register(scopes)

  const basicLimit = app.limit({ name: 'basic-failures', max: 20, timeWindow: '1 minute', by: 'address', counts: 'failures', whenFull: 'closed' })
  const document = { info: { ...info, contact: { name: 'Whoever runs this service', url: publicUrl } }, tags, servers }
  if (configuration.docs === 'public') await app.register(openapi, document)
  else await app.register(openapi, configuration.docs === 'none' ? { ...document, docs: false, json: false, yaml: false } : { ...document, access: [basicLimit, app.anyOf(app.basic, app.session), app.requireScopes('admin')] })

  await app.register(metrics, { access: [app.anyOf(app.bearer, app.apiKey), app.requireScopes('admin')] })
  await app.register(tokenRoutes, { passwordGrant: true })
  await app.register(wellKnownRoutes, { scopes: Object.keys(SCOPES), passwordGrant: true })
  const signInLimits = [
    app.limit({ name: 'session', max: 600, timeWindow: '1 minute', by: 'address' }),
    app.limit({ name: 'session-failures', max: 20, timeWindow: '1 minute', by: 'address', counts: 'failures', whenFull: 'closed' })
  ]
  const passwordLimit = app.limit({ name: 'password-failures', max: 10, timeWindow: '15 minutes', by: 'principal', counts: 'failures', whenFull: 'closed' })
  await app.register(userRoutes, { basicLimit, passwordLimit })
  await app.register(sessionRoutes, { signInLimits })
  await app.register(pageRoutes, {
    service: 'Gatehouse demo', scopes: SCOPES, roles: Object.keys(ROLES), signInLimits, passwordLimit,
    docs: configuration.docs === 'none' ? null : '/docs', docsForAdministrators: configuration.docs === 'admin'
  })
  for (const routes of [serviceRoutes, healthRoutes, apiKeyRoutes, itemRoutes, adminRoutes, clientRoutes, auditRoutes]) await app.register(routes)
  return app
}

/** RFC 9728 §3.1: the path of a resource stands behind the well-known one. */
function resourceMetadataOf (publicUrl: string): string {
  const { origin, pathname } = new URL(publicUrl)
  return `${origin}/.well-known/oauth-protected-resource${pathname.replace(/\/$/, '')}`
}

async function registerSchemes (app: FastifyInstance, issuer: string): Promise<void> {
  await app.register(basicAuth, {
    description: 'Name and password with every request.',
    verify: ({ username, password, request }) => app.accounts.verifyPassword({ username, password, origin: app.eventOrigin(request) })
  })
  await app.register(bearerAuth, {
    description: 'An access token from `POST /token`, for your name and password. Leave `client_id` and `client_secret` empty. It is a JWT, signed and verified as RFC8725 asks.',
    keySource: app.tokens.keySource,
    isRevoked: app.tokens.isRevoked,
    issuer,
    audience: issuer,
    tokenUrl: '/token',
    refreshUrl: '/token',
    resourceMetadata: resourceMetadataOf(issuer),
    scopes: SCOPES,
    loadPrincipal: app.tokens.loadPrincipal
  })
  await app.register(sessionAuth, {
    description: 'The cookie that `POST /session` sets. What changes something needs the `csrf_token` of `GET /session` in `X-CSRF-Token`.',
    scopes: SCOPES,
    loadPrincipal: ({ subject }) => app.accounts.grantFor(subject)
  })
  await app.register(apiKeyAuth, {
    description: 'A key from `POST /api-keys`.',
    scopes: SCOPES,
    limits: true,
    verify: ({ key }) => app.accounts.verifyApiKey(key)
  })
}

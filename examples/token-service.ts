// A service that is its own authorization server: logins with refresh tokens, clients that act for themselves, and the
// metadata by which OAuth clients find all of it. Try it with any of them, by discovery from the issuer's URL.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import { accounts, bearerAuth, passwords, rateLimit, scopes, serverOptions, stores, tokens } from '../index.ts'
import { tokenRoutes } from '../routes/token.ts'
import { wellKnownRoutes } from '../routes/well-known.ts'
import type { FastifyInstance } from 'fastify'

const SCOPES = { 'reports:read': 'Read reports', 'reports:write': 'Write reports' }

/** The service, whose database and key file stand in `directory`. */
export async function buildApp ({ issuer, directory }: { issuer: string; directory: string }): Promise<FastifyInstance> {
  const app = Fastify(serverOptions())
  await app.register(rateLimit)
  await app.register(stores, { file: join(directory, 'service.sqlite') })
  await app.register(passwords)
  await app.register(tokens, {
    issuer,
    keyFile: join(directory, 'token-key'),
    createKey: true,
    publicClient: 'web',
    loadOwner: (subject) => app.accounts.grantFor(subject)
  })
  await app.register(accounts, { roles: { reporter: Object.keys(SCOPES) }, defaultRoles: ['reporter'] })
  await app.register(bearerAuth, {
    keySource: app.tokens.keySource,
    isRevoked: app.tokens.isRevoked,
    loadPrincipal: app.tokens.loadPrincipal,
    issuer,
    audience: issuer,
    tokenUrl: '/token',
    refreshUrl: '/token',
    scopes: SCOPES
  })
  await app.register(scopes)
  await app.register(tokenRoutes, { passwordGrant: true })    // for the web client of our own; others act for themselves
  await app.register(wellKnownRoutes, { scopes: Object.keys(SCOPES), passwordGrant: true })

  app.get('/reports', { onRequest: [app.bearer, app.requireScopes('reports:read')] }, (request) => {
    const { subject, clientId } = app.bearer.principal(request)
    return { subject, clientId }
  })
  await app.ready()
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const issuer = 'http://localhost:3000'
  const app = await buildApp({ issuer, directory: '.data' })
  const { client, secret } = await app.tokens.createClient({ name: 'nightly', grants: ['client_credentials'], scopes: ['reports:read'] })
  await app.listen({ port: 3000 })
  process.stdout.write(`curl -s ${issuer}/token -u ${client.client_id}:${secret} -d grant_type=client_credentials\n`)
}

// A service whose people log in elsewhere: at the issuer of the house, which is found by discovery, and at a partner's,
// whose keys stand at a URL. Each has an audience and claims of its own; a route takes the tokens of either, and
// Swagger UI logs in at both, with PKCE and without a secret. It starts, and goes on, while an issuer is down.
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import { bearerAuth, openapi, scopes, securityHeaders, serverOptions } from '../index.ts'
import type { FastifyInstance } from 'fastify'
import type { BearerGuard } from '../index.ts'

declare module 'fastify' {
  interface FastifyInstance {
    partner: BearerGuard
  }
}

export interface Trusted {
  /** The exact `iss` of its tokens. */
  issuer: string
  /** What this service is called there. */
  audience: string
}

/** `clientId` is what Swagger UI is registered as, with `<this service>/docs/static/oauth2-redirect.html` to come back to. */
export async function buildApp ({ house, partner, clientId }: { house: Trusted; partner: Trusted; clientId: string }): Promise<FastifyInstance> {
  const app = Fastify(serverOptions())
  await app.register(securityHeaders)
  await app.register(openapi, {
    info: { title: 'Orders', version: '1.0.0' },
    oauthClient: { clientId, scopes: ['orders:read'], parameters: { resource: house.audience } }
  })
  await app.register(bearerAuth, {
    ...house,
    discover: true,
    rolesClaim: ['realm_access', 'roles'],
    scopes: { 'orders:read': 'Read orders' }
  })
  await app.register(bearerAuth, {
    as: 'partner',
    ...partner,
    jwksUri: `${partner.issuer}/jwks`,
    scopeClaim: 'scp',
    authorizationUrl: `${partner.issuer}/auth`,
    tokenUrl: `${partner.issuer}/token`,
    scopes: { 'orders:read': 'Read orders' }
  })
  await app.register(scopes)

  const reader = app.anyOf(app.bearer, app.partner)
  app.get('/orders', { onRequest: [reader, app.requireScopes('orders:read')], schema: { operationId: 'listOrders' } }, (request) => {
    const { issuer, subject, roles } = reader.principal(request)
    return { reader: { issuer, subject, roles }, orders: [] }     // a person is issuer and subject together, never a name
  })
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { ISSUER = '', AUDIENCE = '', PARTNER_ISSUER = '', PARTNER_AUDIENCE = '', CLIENT_ID = 'docs' } = process.env
  const app = await buildApp({ house: { issuer: ISSUER, audience: AUDIENCE }, partner: { issuer: PARTNER_ISSUER, audience: PARTNER_AUDIENCE }, clientId: CLIENT_ID })
  process.stdout.write(`${await app.listen({ port: 3000 })}/docs\n`)
}

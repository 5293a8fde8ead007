// Routes that come from an OpenAPI document, each with the `security` that the document says, and nothing else.
// Documented is not enforced, so a service refuses to boot with it; `adoptSchemaSecurity` makes what was written true.
import { createHash, randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import { apiKeyAuth, bearerAuth, openapi } from '../index.ts'
import type { FastifyInstance, RouteOptions } from 'fastify'
import type { BearerAuthOptions, PrincipalGrant, SecurityRequirement } from '../index.ts'

export interface OpenapiFirstOptions {
  token: Pick<BearerAuthOptions, 'secret' | 'issuer' | 'audience'>
  /** Whoever a key belongs to, by the SHA-256 digest of the key in hex. */
  keys: ReadonlyMap<string, PrincipalGrant>
  /** @defaultValue `true` */
  adoptSchemaSecurity?: boolean
}

/** As a generator writes them: operation by operation, security by the names of the schemes. */
export const operations: (Pick<RouteOptions, 'method' | 'url' | 'handler'> & { security: SecurityRequirement[] })[] = [
  { method: 'GET', url: '/status', security: [], handler: () => ({ open: true }) },
  { method: 'GET', url: '/items', security: [{ bearer: ['items:read'] }, { apiKey: [] }], handler: ({ principal }) => ({ owner: principal.subject, kind: principal.kind }) },
  { method: 'POST', url: '/items', security: [{ bearer: ['items:read', 'items:write'] }], handler: ({ principal }) => ({ owner: principal.subject }) },
  { method: 'GET', url: '/prices', security: [{ apiKey: [] }, {}], handler: ({ headers }) => ({ rebate: 'x-api-key' in headers }) },
  { method: 'DELETE', url: '/items', security: [{ bearer: ['items:write'], apiKey: [] }], handler: () => ({ gone: true }) }
]

export async function buildApp ({ token, keys, adoptSchemaSecurity = true }: OpenapiFirstOptions): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(openapi, { info: { title: 'Items', version: '1.0.0' }, guards: { adoptSchemaSecurity } })
  await app.register(bearerAuth, { ...token, tokenUrl: '/token', scopes: { 'items:read': 'Read items', 'items:write': 'Write items' } })
  await app.register(apiKeyAuth, { verify: ({ key }) => keys.get(createHash('sha256').update(key).digest('hex')) ?? null })

  for (const { method, url, security, handler } of operations) app.route({ method, url, schema: { security }, handler })
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const key = randomBytes(32).toString('base64url')
  const app = await buildApp({
    token: { secret: randomBytes(32), issuer: 'https://id.example', audience: 'https://items.example' },
    keys: new Map([[createHash('sha256').update(key).digest('hex'), { subject: 'alice' }]])
  })
  const url = await app.listen({ port: 3000 })
  process.stdout.write(`Docs: ${url}/docs\ncurl -i ${url}/items\ncurl -i ${url}/items -H 'X-API-Key: ${key}'\n`)
}

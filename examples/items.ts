// Tokens or API keys on one route, scopes, and the OpenAPI document that says exactly that.
import { createHash, randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import { apiKeyAuth, bearerAuth, openapi, scopes, serverOptions } from '../index.ts'
import type { FastifyInstance } from 'fastify'
import type { BearerAuthOptions, PrincipalGrant } from '../index.ts'

/** What the service trusts, and whom it knows. */
export interface ItemsOptions {
  token: Pick<BearerAuthOptions, 'secret' | 'issuer' | 'audience'>
  /** Whoever a key belongs to, by the SHA-256 digest of the key in hex. */
  keys: ReadonlyMap<string, PrincipalGrant>
}

const items = [
  { owner: 'alice', title: 'A lamp' },
  { owner: 'bob', title: 'A chair' }
]

export async function buildApp ({ token, keys }: ItemsOptions): Promise<FastifyInstance> {
  const app = Fastify(serverOptions())
  await app.register(openapi, { info: { title: 'Items', version: '1.0.0' } })
  await app.register(bearerAuth, { ...token, tokenUrl: '/token', scopes: { 'items:read': 'Read items' } })
  await app.register(apiKeyAuth, {
    in: 'header',
    name: 'X-API-Key',
    verify: ({ key }) => keys.get(createHash('sha256').update(key).digest('hex')) ?? null
  })
  await app.register(scopes)

  const reader = app.anyOf(app.bearer, app.apiKey)
  app.get('/items', { onRequest: [reader, app.requireScopes('items:read')] }, (request) => {
    const principal = reader.principal(request)
    return items.filter(({ owner }) => owner === principal.subject).map(({ title }) => ({ title, readWith: principal.kind }))
  })
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const key = randomBytes(32).toString('base64url')
  const app = await buildApp({
    token: { secret: randomBytes(32), issuer: 'https://id.example', audience: 'https://items.example' },
    keys: new Map([[createHash('sha256').update(key).digest('hex'), { subject: 'alice', scopes: ['items:read'] }]])
  })
  const url = await app.listen({ port: 3000 })
  process.stdout.write(`Docs: ${url}/docs\ncurl -i ${url}/items -H 'X-API-Key: ${key}'\n`)
}

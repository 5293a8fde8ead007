// One plugin in a service of one's own: API keys, and nothing else of the suite.
import { createHash, randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import { apiKeyAuth } from '../index.ts'
import type { FastifyInstance } from 'fastify'

/** What a service keeps of a key: a key is random enough for a plain hash, and a lookup by hash tells nothing. */
export function digestOf (key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

/** A service in which every key belongs to somebody; `owners` maps digests to names. */
export async function buildApp (owners: ReadonlyMap<string, string>): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(apiKeyAuth, {
    verify ({ key }) {
      const owner = owners.get(digestOf(key))
      return owner === undefined ? null : { subject: owner }
    }
  })
  app.get('/me', { onRequest: app.apiKey }, (request) => ({ owner: app.apiKey.principal(request).subject }))
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const key = randomBytes(32).toString('base64url')
  const app = await buildApp(new Map([[digestOf(key), 'alice']]))
  const url = await app.listen({ port: 3000 })
  process.stdout.write(`curl -i ${url}/me -H 'X-API-Key: ${key}'\n`)
}

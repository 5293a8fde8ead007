// Keys of which the service keeps a digest: whoever reads its memory or its store has no key.
import { createHash, randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import { apiKeyAuth } from '../../index.ts'

const digestOf = (key: string): string => createHash('sha256').update(key).digest('hex')
const key = randomBytes(32).toString('base64url')           // 256 random bits, so a plain hash is enough
const owners = new Map([[digestOf(key), { subject: 'alice', keyId: 'laptop' }]])

const app = Fastify()
await app.register(apiKeyAuth, { verify: ({ key }) => owners.get(digestOf(key)) ?? null })

app.get('/me', { onRequest: app.apiKey }, (request) => {
  const { subject, keyId } = app.apiKey.principal(request)
  return { subject, keyId }
})

export { app, key }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/me -H 'X-API-Key: ${key}'\n`)

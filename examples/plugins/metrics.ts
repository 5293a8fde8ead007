// What the guards decide, as numbers for Prometheus, which authenticates with a key of its own.
import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import { apiKeyAuth, metrics, scopes } from '../../index.ts'

const key = randomBytes(24).toString('base64url')

const app = Fastify()
await app.register(apiKeyAuth, { verify: (presented) => presented.key === key ? { subject: 'prometheus', scopes: ['metrics'] } : null })
await app.register(scopes)
await app.register(metrics, { access: [app.apiKey, app.requireScopes('metrics')] })

app.get('/report', { onRequest: app.apiKey }, () => 'a report')

export { app, key }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/metrics -H 'X-API-Key: ${key}'\n`)

// The document that says what is enforced, for people at /docs and for machines at /openapi.json.
import Fastify from 'fastify'
import { apiKeyAuth, openapi } from '../../index.ts'

const app = Fastify()
await app.register(openapi, { info: { title: 'Items', version: '1.0.0' }, yaml: false })
await app.register(apiKeyAuth, { verify: ({ key }) => key === 'only-for-this-example' ? { subject: 'alice' } : null })

app.get('/items', { onRequest: app.apiKey, schema: { summary: 'List items', tags: ['items'] } }, () => [])

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`${await app.listen({ port: 3000 })}/docs\n`)

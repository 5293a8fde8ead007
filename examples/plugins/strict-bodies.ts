// A body has one reading, or is refused before the handler.
import Fastify from 'fastify'
import { problems, strictBodies } from '../../index.ts'

const app = Fastify()
await app.register(problems)
await app.register(strictBodies, { maxDepth: 4, maxKeys: 20, maxBytes: 10_000 })

app.post('/items', {
  schema: { body: { content: { 'application/json': { schema: { type: 'object', required: ['title'], properties: { title: { type: 'string' } } } } } } }
}, (request) => request.body)

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/items -H 'content-type: application/json' -d '{"title":"A lamp","title":"A chair"}'\n`)

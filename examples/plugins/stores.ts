// Users, items and API keys in SQLite; closed with the server.
import Fastify from 'fastify'
import { stores } from '../../index.ts'

const app = Fastify()
await app.register(stores, { file: ':memory:' })            // or '.data/items.sqlite'

app.post('/items', () => app.stores.items.create({ owner: 'alice', title: 'A lamp' }))
app.get('/items', (request) => app.stores.items.list(request.query as { cursor?: string }))

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/items\n`)

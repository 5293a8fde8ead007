// Items in SQLite, and an event for each that is kept with it or not at all; closed with the server.
import Fastify from 'fastify'
import { stores } from '../../index.ts'

const app = Fastify()
await app.register(stores, { file: ':memory:' })            // or '.data/items.sqlite', or url: 'postgres://…'

app.post('/items', () => app.stores.transaction(async ({ items, audit }) => {
  const item = await items.create({ owner: 'alice', title: 'A lamp' })
  await audit.append({ event: 'item_created', outcome: 'success', actor: 'alice', target: item.id })
  return item
}))
app.get('/items', (request) => app.stores.items.list(request.query as { cursor?: string }))

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/items\n`)

// Errors as RFC 9457 has them, and nothing of what went wrong inside.
import Fastify from 'fastify'
import { problems, refusal } from '../../index.ts'

const app = Fastify()
await app.register(problems)

app.get('/items/:id', () => { throw refusal('not_found', { detail: 'There is no such item.' }) })
app.get('/report', () => { throw new Error('connect ECONNREFUSED db.internal:5432') })
app.post('/items', { schema: { body: { type: 'object', required: ['title'] } } }, () => 'made')

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/report\n`)

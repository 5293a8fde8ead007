// Basic, which browsers send unasked: what changes something has to come from the service's own pages.
import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import { basicAuth, csrf } from '../../index.ts'

const password = randomBytes(18).toString('base64url')
const notes: string[] = []

const app = Fastify()
await app.register(basicAuth, { users: { alice: password } })
await app.register(csrf, { origins: ['https://app.example.com'] })

app.get('/notes', { onRequest: app.basic }, () => notes)                     // reads are not asked
app.post('/notes', { onRequest: app.basic }, () => notes.push('A lamp'))     // writes are; without csrf this does not start

export { app, password }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i -X POST ${await app.listen({ port: 3000 })}/notes -u alice:${password} -H 'Origin: https://app.example.com'\n`)

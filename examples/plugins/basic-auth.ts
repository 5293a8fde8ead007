// One user with a generated password. Over TLS only: Basic sends the password with every request.
import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import { basicAuth } from '../../index.ts'

const password = randomBytes(18).toString('base64url')

const app = Fastify()
await app.register(basicAuth, { users: { alice: password } })

app.get('/me', { onRequest: app.basic }, (request) => ({ username: app.basic.principal(request).subject }))

export { app, password }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/me -u 'alice:${password}'\n`)

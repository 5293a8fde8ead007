// Logins by cookie over accounts: in, who it is, out.
import Fastify from 'fastify'
import { accounts, csrf, passwords, problems, refusal, sessionAuth, stores } from '../../index.ts'

interface Registration { username: string; email: string; password: string }

const app = Fastify()
await app.register(problems)
await app.register(stores, { file: ':memory:' })
await app.register(passwords)
await app.register(accounts, { roles: { reader: ['items:read'] }, defaultRoles: ['reader'] })
await app.register(sessionAuth, { loadPrincipal: ({ subject }) => app.accounts.grantFor(subject) })
await app.register(csrf, { origins: ['https://app.example.com'] })

const text = { type: 'string', maxLength: 256 }
const bodyWith = (...required: string[]): object => ({ type: 'object', required, properties: { username: text, email: text, password: text } })

app.post<{ Body: Registration }>('/register', { schema: { body: bodyWith('username', 'email', 'password') } }, (request) => app.accounts.register(request.body))
app.post<{ Body: Registration }>('/session', { onRequest: app.refuseCrossSite, schema: { body: bodyWith('username', 'password') } }, async (request, reply) => {
  const user = await app.session.open(request, reply, (open) => app.accounts.login(request.body, ({ id }, stores) => open(id, stores)))
  if (user !== null) return { csrfToken: app.csrfToken(request) }             // for X-CSRF-Token
  reply.header('www-authenticate', app.session.challenge)
  throw refusal('invalid_credentials')
})
app.get('/session', { onRequest: app.session }, (request) => ({ subject: app.session.principal(request).subject, csrfToken: app.csrfToken(request) }))
app.delete('/session', { onRequest: app.session }, async (request, reply) => {
  await app.session.end(request, reply)
  return reply.code(204).send()
})

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/register -H 'content-type: application/json' -d '{"username":"alice","email":"alice@example.com","password":"a lamp beside the harbour"}'\n`)

// People with passwords, roles and keys, and routes of one's own over them.
import Fastify from 'fastify'
import { accounts, apiKeyAuth, basicAuth, csrf, passwords, problems, scopes, stores } from '../../index.ts'

const app = Fastify()
await app.register(problems)
await app.register(stores, { file: ':memory:' })
await app.register(passwords)
await app.register(accounts, {
  roles: { reader: ['items:read'], writer: ['items:read', 'items:write'] },
  defaultRoles: ['reader']
})
await app.register(basicAuth, { verify: ({ username, password, request }) => app.accounts.verifyPassword({ username, password, origin: app.eventOrigin(request) }) })
await app.register(apiKeyAuth, { limits: true, verify: ({ key }) => app.accounts.verifyApiKey(key) })
await app.register(csrf, { origins: ['https://app.example.com'] })  // browsers send Basic unasked
await app.register(scopes)

app.post<{ Body: { username: string; email: string; password: string } }>('/register', (request) => app.accounts.register(request.body))
app.post('/keys', { onRequest: app.basic }, (request) => app.accounts.createApiKey(app.basic.principal(request), { name: 'laptop', scopes: ['items:read'] }))
app.get('/items', { onRequest: [app.apiKey, app.requireScopes('items:read')] }, () => app.stores.items.list())

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/register -H 'content-type: application/json' -d '{"username":"alice","email":"alice@example.com","password":"a lamp beside the harbour"}'\n`)

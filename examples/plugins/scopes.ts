// Who may do what, once somebody said who it is: scopes, roles, and a decision of one's own.
import Fastify from 'fastify'
import { apiKeyAuth, scopes } from '../../index.ts'

const notes = new Map([['1', { owner: 'alice', text: 'Water the ficus' }]])
const people = new Map([
  ['key-of-alice', { subject: 'alice', scopes: ['notes:read', 'notes:write'] }],
  ['key-of-bob', { subject: 'bob', scopes: ['notes:read'], roles: ['auditor'] }]
])

const app = Fastify()
await app.register(apiKeyAuth, {
  verify: ({ key }) => people.get(key) ?? null,
  scopes: { 'notes:read': 'Read notes', 'notes:write': 'Write notes' }
})
await app.register(scopes)

const isOwner = app.requirePolicy('owner', ({ principal, request }) => {
  const { id } = request.params as { id: string }
  return notes.get(id)?.owner === principal.subject ? true : 'hidden'   // 404, as if there were no such note
})

app.get('/notes', { onRequest: [app.apiKey, app.requireScopes('notes:read')] }, () => notes.size)
app.post('/notes', { onRequest: [app.apiKey, app.requireScopes('notes:write')] }, () => 'written')
app.get('/notes/:id', { onRequest: [app.apiKey, app.requireScopes('notes:read'), isOwner] }, (request) => notes.get((request.params as { id: string }).id))
app.get('/audit', { onRequest: [app.apiKey, app.requireAnyRole('auditor', 'admin')] }, () => [])

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/notes/1 -H 'X-API-Key: key-of-bob'\n`)

// A service that issues its own tokens: short access tokens, refresh tokens that rotate, and a way to end both at once.
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { bearerAuth, stores, tokens } from '../../index.ts'

const issuer = 'https://items.example'
const directory = await mkdtemp(join(tmpdir(), 'items-'))    // in earnest: a directory that stays

const app = Fastify()
await app.register(stores, { file: join(directory, 'items.sqlite') })
await app.register(tokens, { issuer, keyFile: join(directory, 'token-key'), createKey: true, lifetimeSeconds: 300 })
await app.register(bearerAuth, { keySource: app.tokens.keySource, isRevoked: app.tokens.isRevoked, issuer, audience: issuer })

app.post('/token', { onRequest: app.publicAccess('In earnest, after a login') }, () => app.tokens.open({ subject: 'alice', clientId: 'web', scopes: ['items:read'] }))
app.get('/me', { onRequest: app.bearer }, (request) => app.bearer.principal(request).subject)
app.post('/log-out', { onRequest: app.bearer }, async (request) => {
  await app.tokens.revokeSubject(app.bearer.principal(request).subject)
  return 'Everywhere.'
})

export { app, directory }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -s -X POST ${await app.listen({ port: 3000 })}/token\n`)

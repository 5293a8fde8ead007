// A service that issues its own access tokens, and verifies them by the keys that it publishes.
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { bearerAuth, tokens } from '../../index.ts'

const issuer = 'https://items.example'
const directory = await mkdtemp(join(tmpdir(), 'items-'))    // in earnest: a directory that stays

const app = Fastify()
await app.register(tokens, { issuer, keyFile: join(directory, 'token-key.pem'), createKey: true, lifetimeSeconds: 300 })
await app.register(bearerAuth, { jwks: { keys: [...app.tokens.jwks.keys] }, issuer, audience: issuer })

app.post('/token', { onRequest: app.publicAccess('In earnest, after a login') }, () => app.tokens.issue({ subject: 'alice', clientId: 'web', scopes: ['items:read'] }))
app.get('/me', { onRequest: app.bearer }, (request) => app.bearer.principal(request).subject)

export { app, directory }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -s -X POST ${await app.listen({ port: 3000 })}/token\n`)

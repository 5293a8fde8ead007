// An API with one page: the page brings its own policy, everything else has the strict one.
import Fastify from 'fastify'
import { cspNonce, securityHeaders } from '../../index.ts'

const app = Fastify()
await app.register(securityHeaders)

app.get('/items', () => [])
app.get('/', (_request, reply) => reply
  .type('text/html')
  .send(`<!doctype html><title>Items</title><script nonce="${cspNonce(reply)}">document.title += '!'</script>`))
app.get('/about', (_request, reply) => reply
  .type('text/html')
  .header('content-security-policy', "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'")
  .header('cache-control', 'public, max-age=300')
  .send('<!doctype html><title>About</title>'))

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/items\n`)

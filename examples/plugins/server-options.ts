// What only `Fastify(…)` itself can take, beside what is one's own.
import Fastify from 'fastify'
import { serverOptions } from '../../index.ts'

const app = Fastify({
  ...serverOptions({ allowedHosts: ['localhost:3000', 'api.example.com'], trustedProxies: ['10.0.0.0/8'], requestTimeoutSeconds: 10 }),
  routerOptions: { ignoreTrailingSlash: true }
})

app.post('/items', { schema: { body: { type: 'object', properties: { count: { type: 'integer' } } } } }, (request) => request.body)

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/items -H 'content-type: application/json' -d '{"count":"1"}'\n`)

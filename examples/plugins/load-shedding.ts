// A process that has too much to do says so, at once, and goes on with what it has begun.
import Fastify from 'fastify'
import { loadShedding, rateLimit, securityHeaders, serverOptions } from '../../index.ts'

const app = Fastify(serverOptions())
await app.register(securityHeaders)
await app.register(loadShedding, { maxEventLoopDelayMilliseconds: 500 })
await app.register(rateLimit, { max: 300, timeWindow: '1 minute' })

app.get('/items', () => [])
app.get('/health/live', { config: { neverShed: 'A restart helps nobody' } }, () => 'alive')
app.get('/health/ready', () => 'ready')                       // 503 under pressure: traffic goes elsewhere

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/health/ready\n`)

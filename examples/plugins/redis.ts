// A limit that every process of the service counts together.
import Fastify from 'fastify'
import { rateLimit, redis } from '../../index.ts'

const app = Fastify()
await app.register(redis, { url: process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379/0', prefix: 'search-service:' })
await app.register(rateLimit)

app.get('/search', { onRequest: app.limit({ name: 'search', max: 5, timeWindow: '1 minute' }) }, () => [])
app.get('/ready', () => ({ status: app.gatehouseRedis.state() === 'up' ? 'ok' : 'degraded' }))

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`for i in 1 2 3 4 5 6; do curl -i ${await app.listen({ port: 3000 })}/search; done\n`)

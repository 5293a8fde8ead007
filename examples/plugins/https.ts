// Behind a proxy that ends TLS: what came to it over plain HTTP is sent to HTTPS, or refused if it carried credentials.
import Fastify from 'fastify'
import { https, securityHeaders, serverOptions } from '../../index.ts'

const app = Fastify(serverOptions({ trustedProxies: ['127.0.0.1'] }))
await app.register(securityHeaders)
await app.register(https, { origin: 'https://api.example.com' })

app.get('/', (_request, reply) => reply.type('text/html').send('<!doctype html><title>Items</title>'))
app.get('/items', () => [])
app.get('/health', { config: { plainHttp: 'The probe does not speak TLS' } }, () => 'ok')

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/ -H 'accept: text/html'\n`)

// One page of another origin may read the answers, and send cookies.
import Fastify from 'fastify'
import { cors } from '../../index.ts'

const app = Fastify()
await app.register(cors, { origin: ['https://app.example.com'], credentials: true })

app.get('/items', () => [])

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/items -H 'origin: https://app.example.com'\n`)

// One limit for the service, one for a route that is dear, one for guesses.
import Fastify from 'fastify'
import { rateLimit, refusal } from '../../index.ts'

const app = Fastify()
await app.register(rateLimit, { max: 300, timeWindow: '1 minute', guards: { trustedProxies: ['10.0.0.0/8'] } })

const search = app.limit({ name: 'search', max: 5, timeWindow: '1 minute' })
const guesses = app.limit({ name: 'guesses', max: 3, timeWindow: '15 minutes', counts: 'failures', whenFull: 'closed' })

app.get('/search', { onRequest: search }, () => [])
app.get('/suggest', { onRequest: search }, () => [])          // the same limit: five in all
app.post('/unlock', { onRequest: guesses }, (request) => {
  if ((request.body as { pin?: unknown } | undefined)?.pin !== '4711') throw refusal('access_denied')
  return { open: true }
})

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`for i in 1 2 3 4 5 6; do curl -i ${await app.listen({ port: 3000 })}/search; done\n`)

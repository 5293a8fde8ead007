// Every decision of the guards in the log and in the store, with a chain over the records that tells whether one was touched.
import Fastify from 'fastify'
import { apiKeyAuth, audit, stores, verifyChain } from '../../index.ts'

const app = Fastify({ logger: { level: 'warn' } })
await app.register(stores, { file: ':memory:' })
await app.register(audit, { access: 'writes' })
await app.register(apiKeyAuth, { verify: ({ key }) => key === 'k' ? { subject: 'alice' } : null })

app.get('/report', { onRequest: app.apiKey, config: { audit: true } }, () => 'a report')   // recorded, though it is a read
app.post('/mail', { onRequest: app.apiKey }, (request) => {
  app.audit.record({ ...app.eventOrigin(request), event: 'acme_mail_sent', outcome: 'success' })
  return 'sent'
})
app.get('/chain', { onRequest: app.apiKey }, async () => verifyChain(await app.stores.audit.sealed({ after: 0, limit: 100 })))

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/report -H 'X-API-Key: k'\n`)

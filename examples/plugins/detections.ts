// Ten names that fail from one address are one event, which whoever is on duty may subscribe to.
import { subscribe } from 'node:diagnostics_channel'
import Fastify from 'fastify'
import { basicAuth, detections, EVENT_CHANNEL } from '../../index.ts'
import type { SecurityEventMessage } from '../../index.ts'

const alarms: string[] = []

const app = Fastify()
await app.register(basicAuth, { users: { alice: 'wonderland' } })
await app.register(detections)
subscribe(EVENT_CHANNEL, (message) => {
  const { server, event } = message as SecurityEventMessage
  if (server === app.server && event.event === 'gatehouse_password_spraying') alarms.push(`from ${String(event.ip)}`)
})

app.get('/me', { onRequest: app.basic }, () => 'it is you')

export { app, alarms }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/me -u bob:guess\n`)

// Whether the process lives, and whether it can do its work.
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { refusal } from '../errors.ts'
import { Health, Readiness } from '../schemas/service.ts'

/** Whoever probes is told in time: the time-outs of a store that hangs add up to more. */
const READY_TIMEOUT_MS = 2000

/** `/health/live` and `/health/ready`. Needs `app.stores`; where `tokens` and `redis` are registered, it tells of them. */
export const healthRoutes: FastifyPluginAsyncTypebox = async (app) => {
  let asked: Promise<void> | null = null
  /** Anybody may probe: those who do at the same time cause one question to the stores. */
  function ready (): Promise<void> {
    asked ??= inTime(assertReady(app)).finally(() => { asked = null })
    return asked
  }

  app.addSchema(Health)
  app.addSchema(Readiness)
  app.protect(app.publicAccess('Probes have no credentials'))

  app.get('/health/live', {
    config: { neverShed: 'A process that has too much to do is not helped by a restart' },
    schema: { operationId: 'getLiveness', tags: ['health'], summary: 'The process is alive', response: { 200: { $ref: 'Health#', description: 'Alive.' } } }
  }, () => ({ status: 'ok' as const }))

  app.get('/health/ready', {
    schema: {
      operationId: 'getReadiness',
      tags: ['health'],
      summary: 'The stores answer, and tokens can be judged',
      response: {
        200: { $ref: 'Readiness#', description: 'Ready.' },
        503: { description: 'The stores do not answer within 2 seconds, tokens cannot be judged, or the service has too much to do.' }
      }
    }
  }, async () => {
    await ready()
    const isDegraded = app.hasDecorator('gatehouseRedis') && app.gatehouseRedis.state() === 'down'
    return { status: isDegraded ? 'degraded' as const : 'ok' as const }
  })
}

async function assertReady (app: FastifyInstance): Promise<void> {
  await app.stores.ping()
  if (app.hasDecorator('tokens')) await app.tokens.assertReady()
}

async function inTime (work: Promise<void>): Promise<void> {
  const settled = new AbortController()
  try {
    await Promise.race([work, refuseLate(settled.signal)])
  } finally {
    settled.abort()
  }
}

async function refuseLate (signal: AbortSignal): Promise<never> {
  await sleep(READY_TIMEOUT_MS, undefined, { ref: false, signal })
  throw refusal('unavailable', { retryAfterSeconds: 1, reason: 'the stores do not answer in time' })
}

// Whether the process lives, and whether it can do its work.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Health, Readiness } from '../schemas/service.ts'

/** `/health/live` and `/health/ready`. Needs `app.stores`; where `redis` is registered, it tells of it. */
export const healthRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(Health)
  app.addSchema(Readiness)
  app.protect(app.publicAccess('Probes have no credentials'))

  app.get('/health/live', {
    config: { neverShed: 'A process that has too much to do is not helped by a restart' },
    schema: { operationId: 'getLiveness', tags: ['health'], summary: 'The process is alive', response: { 200: { $ref: 'Health#', description: 'Alive.' } } }
  }, () => ({ status: 'ok' as const }))

  app.get('/health/ready', {
    schema: { operationId: 'getReadiness', tags: ['health'], summary: 'The stores answer', response: { 200: { $ref: 'Readiness#', description: 'Ready.' }, 503: { description: 'The stores do not answer.' } } }
  }, async () => {
    await app.stores.ping()
    const isDegraded = app.hasDecorator('gatehouseRedis') && app.gatehouseRedis.state() === 'down'
    return { status: isDegraded ? 'degraded' as const : 'ok' as const }
  })
}

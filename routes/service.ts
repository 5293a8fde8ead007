// A route that shows a limit.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Message } from '../schemas/service.ts'

/** `/limited`. Needs `rateLimit`. */
export const serviceRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(Message)

  app.get('/limited', {
    onRequest: [app.publicAccess('Shows a limit'), app.limit({ name: 'limited', max: 5, timeWindow: '1 minute', by: 'address' })],
    schema: { operationId: 'getLimited', tags: ['service'], summary: 'Five times a minute', response: { 200: { $ref: 'Message#', description: 'Within the limit.' } } }
  }, () => ({ message: 'You are within the limit.' }))
}

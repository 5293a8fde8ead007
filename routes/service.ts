// The way in for people, and a route that shows a limit.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Message } from '../schemas/service.ts'

/** `/` and `/limited`. Needs `rateLimit`. */
export const serviceRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(Message)

  app.get('/', {
    onRequest: app.publicAccess('The way to the documentation'),
    schema: { operationId: 'getRoot', tags: ['service'], summary: 'Go to the documentation', response: { 302: { type: 'null', description: 'To `/docs`.' } } }
  }, (_request, reply) => reply.redirect('/docs', 302))

  app.get('/limited', {
    onRequest: [app.publicAccess('Shows a limit'), app.limit({ name: 'limited', max: 5, timeWindow: '1 minute', by: 'address' })],
    schema: { operationId: 'getLimited', tags: ['service'], summary: 'Five times a minute', response: { 200: { $ref: 'Message#', description: 'Within the limit.' } } }
  }, () => ({ message: 'You are within the limit.' }))
}

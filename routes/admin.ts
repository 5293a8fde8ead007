// What administrators may do.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { refusal } from '../errors.ts'
import { SearchQuery } from '../schemas/common.ts'
import { Posture } from '../schemas/posture.ts'
import { Message } from '../schemas/service.ts'
import { User, UserChange, UserPage, UserParams } from '../schemas/users.ts'

/** `/admin` and what stands below it. Needs `app.stores`, `app.accounts`, `app.bearer`, `app.session`, `csrf` and `scopes`. */
export const adminRoutes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [Message, Posture, User, UserPage]) app.addSchema(schema)
  const tags = ['admin']
  app.protect(app.anyOf(app.bearer, app.session), app.requireScopes('admin'))

  app.get('/admin', {
    config: { audit: true },
    schema: { operationId: 'getAdmin', tags, summary: 'A greeting for administrators', response: { 200: { $ref: 'Message#', description: 'The greeting.' } } }
  }, () => ({ message: 'You are an administrator.' }))

  app.get('/admin/posture', {
    config: { audit: true },
    schema: { operationId: 'getPosture', tags, summary: 'What every route of this service requires', response: { 200: { $ref: 'Posture#', description: 'The posture of the running service.' } } }
  }, () => app.posture())

  app.get('/admin/users', {
    config: { audit: true },
    schema: { operationId: 'listUsers', tags, summary: 'List accounts, newest first', querystring: SearchQuery, response: { 200: { $ref: 'UserPage#', description: 'A page of accounts.' } } }
  }, (request) => app.stores.users.list(request.query))

  app.patch('/admin/users/:id', {
    schema: { operationId: 'updateUser', tags, summary: 'Turn an account on or off, or give it other roles', params: UserParams, body: UserChange, response: { 200: { $ref: 'User#', description: 'The account as it is now.' }, 404: { description: 'There is no such account.' }, 409: { description: 'It is the last administrator.' } } }
  }, async (request) => {
    const user = await app.accounts.update(request.params.id, request.body, { origin: app.eventOrigin(request) })
    if (user === null) throw refusal('not_found')
    return user
  })

  app.post('/admin/users/:id/unlock', {
    schema: { operationId: 'unlockUser', tags, summary: 'Forget the failed logins of an account', params: UserParams, response: { 204: { type: 'null', description: 'It neither waits nor is locked.' }, 404: { description: 'There is no such account.' } } }
  }, async (request, reply) => {
    if (!await app.accounts.unlock(request.params.id, { origin: app.eventOrigin(request) })) throw refusal('not_found')
    return reply.code(204).send()
  })
}

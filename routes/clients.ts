// Client applications, made and revoked by administrators.
import { refusal } from '../errors.ts'
import { Client, ClientPage, ClientParams, IssuedClient, NewClient } from '../schemas/clients.ts'
import { PageQuery } from '../schemas/common.ts'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

/** `/admin/clients`. Needs `app.stores`, `app.tokens`, `app.bearer`, `app.session`, `csrf` and `scopes`. */
export const clientRoutes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [Client, ClientPage, IssuedClient]) app.addSchema(schema)
  const tags = ['admin']
  app.protect(app.anyOf(app.bearer, app.session), app.requireScopes('admin'))

  app.post('/admin/clients', {
    schema: { operationId: 'createClient', tags, summary: 'Make a client; its secret is shown once', body: NewClient, response: { 201: { $ref: 'IssuedClient#', description: 'The new client.' } } }
  }, async (request, reply) => {
    const { client, secret } = await app.tokens.createClient({ ...request.body, origin: app.eventOrigin(request) })
    return reply.code(201).header('cache-control', 'no-store').send({ client_id: client.client_id, client_secret: secret })
  })

  app.get('/admin/clients', {
    config: { audit: true },
    schema: { operationId: 'listClients', tags, summary: 'List clients, newest first', querystring: PageQuery, response: { 200: { $ref: 'ClientPage#', description: 'A page of clients.' } } }
  }, (request) => app.stores.clients.list(request.query))

  app.delete('/admin/clients/:id', {
    schema: { operationId: 'revokeClient', tags, summary: 'Revoke a client, its tokens and its keys', params: ClientParams, response: { 204: { type: 'null', description: 'Revoked.' }, 404: { description: 'There is no such client.' } } }
  }, async (request, reply) => {
    if (!await app.tokens.revokeClient(request.params.id, { origin: app.eventOrigin(request) })) throw refusal('not_found')
    return reply.code(204).send()
  })
}

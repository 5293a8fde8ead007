// One's own API keys: made once, listed without the key, revoked. A key cannot manage keys.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { refusal } from '../errors.ts'
import { ApiKey, ApiKeyPage, ApiKeyParams, IssuedApiKey, NewApiKey } from '../schemas/api-keys.ts'
import { PageQuery } from '../schemas/common.ts'

/** `/api-keys`. Needs `app.stores`, `app.accounts`, `app.bearer` and `scopes`. */
export const apiKeyRoutes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [ApiKey, ApiKeyPage, IssuedApiKey]) app.addSchema(schema)
  const tags = ['api-keys']
  const owner = app.bearer
  const onRequest = [owner, app.requireScopes('me')]

  app.post('/api-keys', {
    onRequest,
    schema: { operationId: 'createApiKey', tags, summary: 'Make an API key; it is shown once', body: NewApiKey, response: { 201: { $ref: 'IssuedApiKey#', description: 'The new key.' } } }
  }, async (request, reply) => {
    const { name, scopes, expires_in_days: expiresInDays } = request.body
    const { apiKey, key } = await app.accounts.createApiKey(owner.principal(request), { name, scopes, expiresInDays })
    return reply.code(201).header('cache-control', 'no-store').send({ ...apiKey, key })
  })

  app.get('/api-keys', {
    onRequest,
    schema: { operationId: 'listApiKeys', tags, summary: 'List your API keys, newest first', querystring: PageQuery, response: { 200: { $ref: 'ApiKeyPage#', description: 'A page of keys.' } } }
  }, (request) => app.stores.apiKeys.listByOwner(owner.principal(request).subject, request.query))

  app.delete('/api-keys/:id', {
    onRequest,
    schema: { operationId: 'revokeApiKey', tags, summary: 'Revoke an API key of yours', params: ApiKeyParams, response: { 204: { type: 'null', description: 'Revoked.' }, 404: { description: 'You have no such key.' } } }
  }, async (request, reply) => {
    if (!await app.stores.apiKeys.revoke(request.params.id, owner.principal(request).subject)) throw refusal('not_found')
    return reply.code(204).send()
  })
}

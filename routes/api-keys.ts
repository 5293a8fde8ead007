// One's own API keys: made once, listed without the key, rotated, revoked. A key cannot manage keys.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { refusal } from '../errors.ts'
import { ApiKey, ApiKeyPage, ApiKeyParams, ApiKeyRotation, IssuedApiKey, NewApiKey } from '../schemas/api-keys.ts'
import { PageQuery } from '../schemas/common.ts'

/** `/api-keys`. Needs `app.stores`, `app.accounts`, `app.bearer`, `app.session`, `csrf` and `scopes`. */
export const apiKeyRoutes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [ApiKey, ApiKeyPage, IssuedApiKey]) app.addSchema(schema)
  const tags = ['api-keys']
  const owner = app.anyOf(app.allOf(app.bearer, app.requireScopes('me')), app.session)

  app.post('/api-keys', {
    onRequest: owner,
    schema: { operationId: 'createApiKey', tags, summary: 'Make an API key; it is shown once', body: NewApiKey, response: { 201: { $ref: 'IssuedApiKey#', description: 'The new key.' } } }
  }, async (request, reply) => {
    const { name, scopes, expires_in_days: expiresInDays, limit } = request.body
    const { apiKey, key } = await app.accounts.createApiKey(owner.principal(request), {
      name, scopes, expiresInDays, origin: app.eventOrigin(request), limit: limit && { max: limit.max, windowSeconds: limit.window_seconds }
    })
    return reply.code(201).header('cache-control', 'no-store').send({ ...apiKey, key })
  })

  app.get('/api-keys', {
    onRequest: owner,
    schema: { operationId: 'listApiKeys', tags, summary: 'List your API keys, newest first', querystring: PageQuery, response: { 200: { $ref: 'ApiKeyPage#', description: 'A page of keys.' } } }
  }, (request) => app.stores.apiKeys.listByOwner(owner.principal(request).subject, request.query))

  app.post('/api-keys/:id/rotate', {
    onRequest: owner,
    schema: { operationId: 'rotateApiKey', tags, summary: 'Put another key in the place of one of yours; it is shown once', params: ApiKeyParams, body: ApiKeyRotation, response: { 201: { $ref: 'IssuedApiKey#', description: 'The new key.' }, 404: { description: 'You have no such key, or it ended or was rotated before.' } } }
  }, async (request, reply) => {
    const issued = await app.accounts.rotateApiKey(owner.principal(request), { id: request.params.id, overlapSeconds: request.body.overlap_seconds, origin: app.eventOrigin(request) })
    if (issued === null) throw refusal('not_found')
    return reply.code(201).header('cache-control', 'no-store').send({ ...issued.apiKey, key: issued.key })
  })

  app.delete('/api-keys/:id', {
    onRequest: owner,
    schema: { operationId: 'revokeApiKey', tags, summary: 'Revoke an API key of yours', params: ApiKeyParams, response: { 204: { type: 'null', description: 'Revoked.' }, 404: { description: 'You have no such key.' } } }
  }, async (request, reply) => {
    if (!await app.accounts.revokeApiKey(owner.principal(request), { id: request.params.id, origin: app.eventOrigin(request) })) throw refusal('not_found')
    return reply.code(204).send()
  })
}

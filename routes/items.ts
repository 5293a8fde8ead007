// Items: read with `items:read`, made and deleted with `items:write`, by a token or an API key.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { refusal } from '../errors.ts'
import { SearchQuery } from '../schemas/common.ts'
import { Item, ItemPage, ItemParams, NewItem } from '../schemas/items.ts'

/** `/items`. Needs `app.stores`, `app.bearer`, `app.apiKey` and `scopes`. */
export const itemRoutes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [Item, ItemPage]) app.addSchema(schema)
  const tags = ['items']
  const missing = { description: 'There is no such item.' }
  const holder = app.anyOf(app.bearer, app.apiKey)
  const read = [holder, app.requireScopes('items:read')]
  const write = [holder, app.requireScopes('items:write')]

  app.get('/items', {
    onRequest: read,
    schema: { operationId: 'listItems', tags, summary: 'List items, newest first', querystring: SearchQuery, response: { 200: { $ref: 'ItemPage#', description: 'A page of items.' } } }
  }, (request) => app.stores.items.list(request.query))

  app.get('/items/:id', {
    onRequest: read,
    schema: { operationId: 'getItem', tags, summary: 'Read an item', params: ItemParams, response: { 200: { $ref: 'Item#', description: 'The item.' }, 404: missing } }
  }, async (request) => {
    const item = await app.stores.items.get(request.params.id)
    if (item === null) throw refusal('not_found')
    return item
  })

  app.post('/items', {
    onRequest: write,
    schema: { operationId: 'createItem', tags, summary: 'Make an item', body: NewItem, response: { 201: { $ref: 'Item#', description: 'The new item.', headers: { Location: { type: 'string', format: 'uri-reference', maxLength: 256, description: 'Where it stands.' } } } } }
  }, async (request, reply) => {
    const item = await app.stores.items.create({ ...request.body, owner: holder.principal(request).subject })
    return reply.code(201).header('location', `/items/${item.id}`).send(item)
  })

  app.delete('/items/:id', {
    onRequest: write,
    schema: { operationId: 'deleteItem', tags, summary: 'Delete an item of your own', params: ItemParams, response: { 204: { type: 'null', description: 'Deleted.' }, 404: missing } }
  }, async (request, reply) => {
    const { subject, scopes } = holder.principal(request)
    const item = await app.stores.items.get(request.params.id)
    if (item === null) throw refusal('not_found')
    if (item.owner !== subject && !scopes.includes('admin')) throw refusal('access_denied', { detail: 'The item belongs to somebody else.' })
    if (!await app.stores.items.remove(item.id)) throw refusal('not_found')
    return reply.code(204).send()
  })
}

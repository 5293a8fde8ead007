// What a document alone tells, this package's and others': what it refers to, what it says once for all operations.
import t from 'tap'
import { surfaceOfDocument } from '../../testing/attack/surface.ts'
import { mutationsOf } from '../../testing/attack/mutations.ts'

const document = {
  security: [{ bearer: ['read'] }],
  paths: {
    '/shops/{shop-id}/items': {
      parameters: [{ $ref: '#/components/parameters/Shop' }, { in: 'query', name: 'page', schema: { type: 'integer' } }],
      get: { parameters: [{ in: 'query', name: 'page', schema: { type: 'integer', maximum: 9 } }] },
      post: {
        security: [],
        requestBody: { $ref: '#/components/requestBodies/Item' },
        'x-csrf': 'form',
        'x-rate-limit': [{ name: 'few', by: 'address', max: 5 }]
      },
      put: {
        security: [{ session: [] }, {}],
        parameters: [{ in: 'header', name: 'X-CSRF-Token', schema: { type: 'string' } }],
        'x-required-scopes': ['a'], 'x-required-any-scope': [['b', 'c']], 'x-required-roles': ['r'], 'x-required-any-role': [['s', 't']]
      }
    },
    '/größe b': { get: { security: [], requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/a~1b~0c' } } } } } }
  },
  components: {
    parameters: { Shop: { in: 'path', name: 'shop-id', required: true, schema: { $ref: '#/components/schemas/Id' } } },
    requestBodies: { Item: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Item' } } } } },
    schemas: {
      Id: { type: 'string', maxLength: 3 },
      Item: { type: 'object', properties: { id: { $ref: '#/components/schemas/Id' }, parts: { type: 'array', items: { $ref: '#/components/schemas/Item' } }, lost: { $ref: '#/components/schemas/Nowhere' } } },
      'a/b~c': { type: 'object', title: 'escaped' }
    }
  }
} as const

t.test('the surface of a document', async (t) => {
  const [get, post, put, escaped] = surfaceOfDocument(document)
  t.match(get, {
    method: 'GET', url: '/shops/:shop_id/items', access: 'guarded', alternatives: [{ bearer: ['read'] }], anyOrigin: null, csrf: null,
    params: { properties: { shop_id: { type: 'string', maxLength: 3 } }, required: ['shop_id'] },
    query: { properties: { page: { maximum: 9 } } }
  }, 'what the path and the document say for all of theirs, and what the operation says otherwise')
  t.match(post, { access: 'public', csrf: 'form', limits: [{ name: 'few', by: 'address', max: 5 }], anyOrigin: String })
  t.strictSame(post?.body, { type: 'application/json', schema: { type: 'object', properties: { id: { type: 'string', maxLength: 3 }, parts: { type: 'array', items: {} }, lost: {} } } }, 'a schema inside itself ends')
  t.match(put, { access: 'optional', csrf: 'token', rights: { scopes: ['a'], anyScopes: [['b', 'c']], roles: ['r'], anyRoles: [['s', 't']] } })
  t.match(escaped, { url: '/gr%C3%B6%C3%9Fe%20b', body: { schema: { title: 'escaped' } } })
  t.strictSame(surfaceOfDocument({ paths: { '/': { get: {} } } }).map(({ access }) => access), ['undeclared'])
  t.strictSame(surfaceOfDocument({}), [])
  t.strictSame(surfaceOfDocument({ paths: { 'x-owner': {}, 'http://other.example/': { get: {} } } }), [], 'only what begins with a slash is a path')
})

t.test('schemas that all refer to each other are read in moments, and the first of them whole', async (t) => {
  const names = Array.from({ length: 40 }, (_, index) => `S${String(index)}`)
  const references = Object.fromEntries(names.map((name) => [name, { $ref: `#/components/schemas/${name}` }]))
  const schemas = Object.fromEntries(names.map((name) => [name, { type: 'object', title: name, properties: references }]))
  const begun = performance.now()
  const [post] = surfaceOfDocument({ paths: { '/': { post: { requestBody: { content: { 'application/json': { schema: references['S0'] } } } } } }, components: { schemas } })
  t.match(post?.body?.schema, { title: 'S0', properties: { S0: {}, S1: { title: 'S1' } } })
  t.ok(JSON.stringify(post).length < 2_000_000)
  t.ok(performance.now() - begun < 5000)
})

t.test('a pattern of another dialect is not tried', async (t) => {
  t.strictSame(mutationsOf({ type: 'string', pattern: '^[\\w-\\.]+$' }).map(({ keyword }) => keyword), ['type'])
})

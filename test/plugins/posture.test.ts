// `app.posture()`: what it tells of routes, bodies, lifetimes and headers, from the plugins as they are registered.
import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import t from 'tap'
import { bodyBounds, loosenessOf } from '../../guards/body-bounds.ts'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { bearerAuth } from '../../plugins/bearer-auth.ts'
import { scopes } from '../../plugins/scopes.ts'
import { securityHeaders } from '../../plugins/security-headers.ts'
import { buildDemo } from '../demo.ts'

t.test('a route, with the level of each guard, and its body with references resolved', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(securityHeaders)
  await app.register(bearerAuth, { secret: randomBytes(32), issuer: null, audience: null })
  await app.register(apiKeyAuth, { in: 'cookie', name: 'key', verify: () => null })
  await app.register(scopes)
  app.addSchema({ $id: 'Title', type: 'string', minLength: 1, maxLength: 200 })
  app.addSchema({ $id: 'Item', type: 'object', additionalProperties: false, required: ['title'], properties: { title: { $ref: 'Title#' }, parts: { type: 'array', items: { $ref: 'Item#' } } } })
  await app.register(async (admin) => {
    admin.protect(admin.bearer)
    admin.post('/items', { onRequest: admin.requireAnyScope('a', 'b'), schema: { body: { $ref: 'Item#' } } }, () => 'ok')
  }, { prefix: '/admin' })
  await app.ready()
  const { routes, schemes, headers, lifetimes, version } = app.posture()
  t.equal(version, 1)
  t.strictSame(schemes, { apiKey: { in: 'cookie', name: 'key', ambient: true }, bearer: { in: 'header', name: 'Authorization', ambient: false } })
  t.strictSame(lifetimes, {}, 'nothing is handed out')
  t.match(headers, { 'x-content-type-options': 'nosniff', 'strict-transport-security': /^max-age=/ })
  const [item] = routes.filter(({ url }) => url === '/admin/items')
  t.match(item, {
    method: 'POST', access: 'guarded', guards: [{ name: 'bearer', level: '/admin' }, { name: 'requireAnyScope(a, b)', level: 'route' }],
    scopes: [], anyScopes: [['a', 'b']], constraints: {},
    body: { '': { type: 'object', additionalProperties: false, required: ['title'] }, '/properties/title': { type: 'string', minLength: 1, maxLength: 200 } },
    loose: ['/properties/parts has no maxItems']
  })
  t.notOk('/properties/parts/items/properties/title' in (item?.body ?? {}), 'a schema that leads into itself is followed once')
  t.strictSame(JSON.parse(JSON.stringify(app.posture())), app.posture(), 'safe to serialise')
})

t.test('without securityHeaders there are no headers, and a route without a schema says so', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(apiKeyAuth, { verify: () => null })
  app.post('/a', () => 'ok')
  app.get('/b', { constraints: { host: 'b.example' } }, () => 'ok')
  await app.ready()
  const { headers, routes } = app.posture()
  t.equal(headers, null)
  t.match(routes, [{ url: '/a', access: 'undeclared', body: null, loose: ['there is no schema of the body'] }, { url: '/b', loose: [], constraints: { host: 'b.example' } }, { method: 'HEAD' }])
})

t.test('where a body is loose', async (t) => {
  const closed = { type: 'object', additionalProperties: false }
  const rows: [title: string, schema: object, loose: string[]][] = [
    ['a closed object of bounded members', { ...closed, properties: { a: { type: 'string', maxLength: 9 }, b: { type: 'integer', minimum: 0, maximum: 9 }, c: { type: 'array', maxItems: 3, items: { enum: ['x'] } } } }, []],
    ['an open object', { type: 'object' }, ['the body takes members that it does not name']],
    ['unevaluatedProperties closes it too', { type: 'object', unevaluatedProperties: false }, []],
    ['a string', { ...closed, properties: { a: { type: 'string' } } }, ['/properties/a has no maxLength']],
    ['a string that may be null', { ...closed, properties: { a: { type: ['string', 'null'] } } }, ['/properties/a has no maxLength']],
    ['a format that is short', { ...closed, properties: { a: { type: 'string', format: 'uuid' } } }, []],
    ['a format that is not', { ...closed, properties: { a: { type: 'string', format: 'email' } } }, ['/properties/a has no maxLength']],
    ['a list', { type: 'array', items: { const: 1 } }, ['the body has no maxItems']],
    ['a number', { ...closed, properties: { 'a/b': { type: 'number', minimum: 0 } } }, ['/properties/a~1b has no minimum or no maximum']],
    ['exclusive bounds', { ...closed, properties: { a: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 9 } } }, []],
    ['a member of any kind', { ...closed, properties: { a: {} } }, ['/properties/a takes any value']],
    ['alternatives', { anyOf: [{ ...closed }, { type: 'string' }] }, ['/anyOf/1 has no maxLength']],
    ['the values of a map', { type: 'object', additionalProperties: { type: 'string' } }, ['the body takes members that it does not name', '/additionalProperties has no maxLength']],
    ['one type of several', { content: { 'application/json': { schema: { type: 'object' } } } }, ['/content/application~1json/schema takes members that it does not name']],
    ['a reference inside', { ...closed, definitions: { name: { type: 'string' } }, properties: { a: { $ref: '#/definitions/name' } } }, ['/properties/a has no maxLength']],
    ['a reference into a shared schema', { $ref: 'Shared#/properties/a' }, ['the body has no maxItems']],
    ['a reference to nothing', { ...closed, properties: { a: { $ref: 'Nobody#' } } }, ['/properties/a refers to a schema that is not known']],
    ['a reference to what stands around it', { $id: 'Node', ...closed, properties: { next: { $ref: 'Node' } } }, []],
    ['a constant object', { const: { a: 1 } }, []],
    ['what must not be', { ...closed, not: { type: 'string' } }, []]
  ]
  for (const [title, schema, loose] of rows) await t.test(title, async (t) => { t.strictSame(loosenessOf(bodyBounds(schema, (id) => id === 'Shared' ? { properties: { a: { type: 'array' } } } : undefined)), loose) })
})

t.test('the demo: what it hands out lives as long as it says, and no body that is read is loose but those of OAuth', async (t) => {
  const { app } = await buildDemo(t)
  const { lifetimes, headers, routes } = app.posture()
  t.strictSame(lifetimes, {
    apiKeys: { standardSeconds: 7_776_000, verifiedSeconds: 1 },
    session: { cookie: '__Host-session=; Path=/; HttpOnly; Secure; SameSite=Lax', idleSeconds: 1800, absoluteSeconds: 43_200 },
    tokens: { accessTokenSeconds: 900, refreshIdleSeconds: 1_209_600, refreshAbsoluteSeconds: 7_776_000, replaySeconds: 10, signingKeySeconds: 2_592_000, algorithm: 'ES256' }
  })
  t.ok(headers !== null && Object.keys(headers).length > 8)
  t.strictSame(routes.filter(({ access }) => access === 'undeclared'), [])
  t.strictSame([...new Set(routes.filter(({ loose }) => loose.length > 0).map(({ url }) => url))], ['/admin/users/:id/unlock', '/token', '/token/introspect', '/token/revoke'], 'RFC 6749 has what nobody knows ignored at its endpoints; the other route reads no body')
  t.strictSame(routes.map(({ method, url }) => `${method} ${url}`), app.guardedRoutes().map(({ method, url }) => `${method} ${url}`))
})

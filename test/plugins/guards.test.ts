// That a guard holds wherever a route can come from.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import fastifyStatic from '@fastify/static'
import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import t from 'tap'
import { WebSocket } from 'ws'
import { guards } from '../../plugins/guards.ts'
import { headerScheme } from '../fixtures/header-scheme.ts'
import { assertGuarded, good, service } from '../fixtures/two-schemes.ts'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyPluginAsync, FastifyServerOptions, HTTPMethods, RouteOptions } from 'fastify'

async function boot (app: FastifyInstance): Promise<void> {
  await app.ready()
}

t.test('R009 HEAD twins, several methods and own HEAD routes', async (t) => {
  const made = await service(t)
  const { app, a, handler } = made
  app.get('/get', { onRequest: a }, handler)
  app.route({ method: ['GET', 'POST', 'DELETE'], url: '/many', onRequest: [a], handler })
  app.route({ method: ['HEAD', 'GET'], url: '/both', onRequest: [a], handler })
  app.head('/own', { onRequest: a }, handler)
  app.all('/all', { onRequest: a }, handler)
  app.addHttpMethod('LOCK', { hasBody: false })
  app.route({ method: 'LOCK', url: '/lock', onRequest: a, handler })
  for (const [method, url] of [['HEAD', '/get'], ['GET', '/many'], ['HEAD', '/many'], ['POST', '/many'], ['DELETE', '/many'], ['HEAD', '/both'], ['HEAD', '/own'], ['OPTIONS', '/all'], ['PATCH', '/all'], ['LOCK', '/lock']] as [HTTPMethods, string][]) {
    await assertGuarded(t, made, { method, url })
  }
  t.same(app.guardedRoutes().filter(({ access }) => access !== 'guarded'), [])
})

t.test('R009 spellings of a URL reach the route with its guards, or no route at all', async (t) => {
  const spellings = ['/admin', '/%61dmin', '/ADMIN', '/admin/', '//admin', '/./admin', '/x/../admin', '/admin?x=1', '/admin;x=1', '/admin%2f', '/admin%00', '/admin#x', '/AdMiN//', '/%2561dmin', '/admin?x=/public']
  const servers: FastifyServerOptions[] = [
    {}, { routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true } },
    { rewriteUrl: ({ url = '/' }) => url.toLowerCase() }
  ]
  for (const server of servers) {
    const made = await service(t, {}, server)
    made.app.get('/admin', { onRequest: made.a }, made.handler)
    for (const url of spellings) {
      for (const headers of [{}, { 'x-http-method-override': 'GET', 'x-original-url': '/admin', 'x-rewrite-url': '/admin' }]) {
        const { statusCode } = await made.app.inject({ url, headers })
        t.ok([400, 401, 404].includes(statusCode), `${url} answers ${String(statusCode)}`)
      }
    }
    t.equal(made.handled, 0)
    await assertGuarded(t, made, { url: '/admin' })
  }
})

t.test('R009 an odd method meets the guard or no route', async (t) => {
  const made = await service(t)
  made.app.get('/admin', { onRequest: made.a }, made.handler)
  for (const method of ['get', 'POST', 'PUT', 'OPTIONS', 'TRACE', 'PROPFIND', 'LOCK']) {
    const { statusCode } = await made.app.inject({ method, url: '/admin' })
    t.ok([400, 401, 404, 405].includes(statusCode), `${method} answers ${String(statusCode)}`)
  }
  t.equal(made.handled, 0)
})

t.test('R009 constraints, versions, parameters, wildcards and optional parameters', async (t) => {
  const made = await service(t)
  const { app, a, handler } = made
  app.get('/v', { onRequest: a, constraints: { version: '1.0.0' } }, handler)
  app.get('/v', { onRequest: a, constraints: { version: '2.0.0', host: 'api.example' } }, handler)
  app.get('/v', { onRequest: a }, handler)
  app.get('/items/:id?', { onRequest: a }, handler)
  app.get('/files/*', { onRequest: a }, handler)
  app.get('/re/:n(^\\d+$)', { onRequest: a }, handler)
  for (const [url, headers] of [['/v', { 'accept-version': '1.x' }], ['/v', { 'accept-version': '2.x', host: 'api.example' }], ['/v', {}], ['/items', {}], ['/items/7', {}], ['/files/x/y', {}], ['/re/12', {}]] as [string, Record<string, string>][]) {
    await assertGuarded(t, made, { url, headers })
  }
})

t.test('R009 R127 the root of a prefix is guarded with and without its slash', async (t) => {
  for (const place of ['route', 'protect']) {
    const made = await service(t)
    const { app, a, handler } = made
    const onRequest = place === 'route' ? { onRequest: [a] } : {}
    await app.register(async (child) => {
      if (place === 'protect') child.protect(a)
      child.get('/', onRequest, handler)
      child.route({ method: ['POST'], url: '/', ...onRequest, handler })
      child.get('/x', onRequest, handler)
      await child.register(async (inner) => { inner.get('/', { ...onRequest, prefixTrailingSlash: 'slash' }, handler) }, { prefix: '/slash' })
    }, { prefix: '/p' })
    for (const url of ['/p', '/p/', '/p/x', '/p/slash/']) await assertGuarded(t, made, { url })
    for (const url of ['/p', '/p/']) {
      await assertGuarded(t, made, { method: 'POST', url })
      await assertGuarded(t, made, { method: 'HEAD', url })
    }
  }
})

t.test('R127 protect covers the context and its children, outer ones first', async (t) => {
  const made = await service(t)
  const { app, a, b, handler } = made
  await app.register(async (outer) => {
    outer.protect(a, app.requireScopes('outer'))
    await outer.register(async (inner) => {
      inner.protect(b)
      inner.get('/in', { onRequest: app.requireScopes('own') }, handler)
    }, { prefix: '/inner' })
    outer.get('/out', handler)
  }, { prefix: '/outer' })
  app.get('/elsewhere', handler)
  const line = app.guardedRoutes().find(({ url, method }) => url === '/outer/inner/in' && method === 'GET')
  t.same(line?.guards, [{ name: 'a', level: '/outer' }, { name: 'requireScopes(outer)', level: '/outer' }, { name: 'b', level: '/outer/inner' }, { name: 'requireScopes(own)', level: 'route' }])
  t.same(line?.scopes, ['outer', 'own'])
  t.equal((await app.inject('/elsewhere')).statusCode, 200, 'nothing outside is covered')
  const headers = { 'x-a': 'alice;outer own', 'x-b': 'bob' }
  t.equal((await app.inject({ url: '/outer/inner/in', headers })).statusCode, 200)
  t.equal((await app.inject({ url: '/outer/inner/in', headers: { 'x-a': headers['x-a'] } })).statusCode, 401, 'the inner level stands')
  const lacking = await app.inject({ url: '/outer/inner/in', headers: { ...headers, 'x-a': 'alice;own' } })
  t.equal(lacking.statusCode, 403)
  t.equal(lacking.headers['www-authenticate'], 'Test realm="a", error="insufficient_scope", scope="outer own"', 'scopes of all levels, outer first')
})

t.test('R127 routes of plugins that are registered later are covered, and their own not-found handler is not', async (t) => {
  const made = await service(t)
  const { app, a, handler } = made
  app.protect(a)
  const plugin: FastifyPluginAsync = async (child) => {
    child.get('/plugin', handler)
    child.setNotFoundHandler((_request, reply) => { void reply.code(404).send('own 404') })
  }
  await app.register(plugin, { prefix: '/later' })
  await assertGuarded(t, made, { url: '/later/plugin' })
  const missing = await app.inject('/later/missing')
  t.equal(missing.statusCode, 404)
  t.equal(missing.body, 'own 404')
  t.equal((await app.inject('/missing')).statusCode, 404, 'an unknown URL stays a plain 404')
})

t.test('R127 sibling contexts join one registry', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const sibling = (name: string): FastifyPluginAsync => async (child) => {
    await child.register(guards)
    const guard = child.defineScheme(headerScheme(name))
    child.get('/', { onRequest: guard }, () => 'ok')
    child.get('/o/:id?', { onRequest: guard }, () => 'ok')
    child.put('/*', { onRequest: guard }, () => 'ok')
  }
  let first: FastifyInstance | undefined
  await app.register(async (child) => { first = child; await sibling('a')(child, {}) }, { prefix: '/a' })
  await app.register(sibling('b'), { prefix: '/b' })
  await app.register(sibling('c'), { prefix: '/c' })
  await app.ready()
  t.same([...new Set(first?.guardedRoutes().map(({ url }) => url.slice(0, 2)))], ['/a', '/b', '/c'])
  for (const url of ['/a', '/a/', '/a/o', '/b', '/b/', '/c', '/c/o/1']) t.equal((await app.inject(url)).statusCode, 401, url)
  t.notOk(app.hasDecorator('protect'), 'the parent has none of it')
})

const earlier: [string, FastifyPluginAsync][] = [
  ['a plain route', async (child) => { child.get('/b/plain', () => 'open') }],
  ['a wildcard route', async (child) => { child.put('/b/*', () => 'open') }],
  ['a route without HEAD', async (child) => { child.post('/b/post', () => 'open') }],
  ['a versioned route', async (child) => { child.post('/b/v', { constraints: { version: '1.0.0' } }, () => 'open') }]
]
for (const [title, declare] of earlier) {
  t.test(`R010 ${title} that stood before a sibling joined is found, whatever routes the registry counts`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(async (child) => {
      await child.register(guards)
      child.get('/', () => 'ok')
      child.get('', { constraints: { version: '1.0.0' } }, () => 'ok')
      child.put('/*', () => 'ok')
      child.get('/o/:id?', () => 'ok')
    }, { prefix: '/a' })
    void app.register(async (child) => {
      await declare(child, {})
      await child.register(guards)
    })
    await t.rejects(boot(app), { code: 'GATEHOUSE_EARLIER_ROUTES' })
  })
}

t.test('R010 under deny a context that was made before the core is found out when it declares a route later', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  let blind: FastifyInstance | undefined
  await app.register(async (child) => { blind = child })
  await app.register(guards, { defaultAccess: 'deny' })
  await app.register(async () => { blind?.get('/blind', () => 'open') })
  await t.rejects(boot(app), { code: 'GATEHOUSE_EARLIER_ROUTES' })
})

t.test('the same options object and the same config on several routes are not shared between them', async (t) => {
  const made = await service(t)
  const { app, a, b, handler } = made
  const config = { limit: 1 } as object
  const shared: Pick<RouteOptions, 'onRequest' | 'config'> = { onRequest: [a], config }
  app.get('/one', shared, handler)
  app.get('/two', shared, handler)
  app.get('/three', { onRequest: [b], config }, handler)
  await app.register(async (child) => {
    child.protect(b)
    child.get('/four', { config }, handler)
    child.get('/five', shared, handler)
  })
  app.get('/six', { config }, handler)
  t.same(Reflect.ownKeys(config), ['limit'], "the caller's config is not written on")
  t.same(shared.onRequest, [a], "nor the caller's list")
  const onlyA = { 'x-a': 'alice' }
  const expected: [string, Record<string, string>, number][] = [
    ['/one', onlyA, 200], ['/two', onlyA, 200], ['/three', onlyA, 401], ['/four', onlyA, 401], ['/five', onlyA, 401], ['/six', {}, 200],
    ['/one', { 'x-b': 'bob' }, 401], ['/three', { 'x-b': 'bob' }, 200], ['/four', { 'x-b': 'bob' }, 200], ['/five', good, 200]
  ]
  for (const [url, headers, status] of expected) t.equal((await app.inject({ url, headers })).statusCode, status, `${url} with ${Object.keys(headers).join()}`)
})

t.test('R010 @fastify/static under protect, and under deny', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'gatehouse-'))
  t.teardown(() => rm(root, { recursive: true }))
  await writeFile(join(root, 'secret.txt'), 'secret')
  for (const wildcard of [true, false]) {
    const made = await service(t, { defaultAccess: 'deny' })
    await made.app.register(async (child) => {
      child.protect(made.a)
      await child.register(fastifyStatic, { root, wildcard, prefix: '/files/' })
    })
    await assertGuarded(t, made, { url: '/files/secret.txt' })
    await assertGuarded(t, made, { method: 'HEAD', url: '/files/secret.txt' })
    t.notMatch((await made.app.inject('/files/secret%2etxt')).body, /secret$/)
    const open = await service(t, { defaultAccess: 'deny' })
    await open.app.register(fastifyStatic, { root, wildcard, prefix: '/files/' })
    await t.rejects(boot(open.app), { code: 'GATEHOUSE_NO_STANCE', message: /GET, HEAD \/files|GET \/files/ })
  }
})

for (const order of ['before', 'after']) {
  t.test(`WebSocket upgrades with @fastify/websocket registered ${order} the core`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    if (order === 'before') await app.register(fastifyWebsocket)
    await app.register(guards)
    if (order === 'after') await app.register(fastifyWebsocket)
    const a = app.defineScheme(headerScheme('a', { later: true }))
    let handled = 0
    app.get('/ws', { websocket: true, onRequest: a }, (socket, request) => {
      handled += 1
      socket.send(a.principal(request).subject)
    })
    app.route({ method: 'GET', url: '/both', onRequest: a, handler: () => 'http', wsHandler: (socket, request) => { handled += 1; socket.send(a.principal(request).subject) } })
    await app.register(async (child) => {
      child.protect(a)
      child.get('/', { websocket: true }, (socket, request) => { handled += 1; socket.send(a.principal(request).subject) })
    }, { prefix: '/p' })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    for (const path of ['/ws', '/both', '/p', '/p/']) {
      const refused = new WebSocket(`ws://127.0.0.1:${String(port)}${path}`)
      refused.on('error', () => {})
      const [, response] = await once(refused, 'unexpected-response') as [unknown, { statusCode: number; headers: Record<string, string> }]
      t.equal(response.statusCode, 401, `${path} refuses the upgrade`)
      t.equal(response.headers['www-authenticate'], 'Test realm="a"')
      refused.terminate()
      t.equal(handled, 0, 'the handler never ran')
    }
    for (const path of ['/ws', '/both', '/p', '/p/']) {
      const accepted = new WebSocket(`ws://127.0.0.1:${String(port)}${path}`, { headers: { 'x-a': 'alice' } })
      const [data] = await once(accepted, 'message') as [Buffer]
      t.equal(data.toString(), 'alice')
      accepted.terminate()
    }
    t.equal(handled, 4)
    t.equal((await app.inject('/both')).statusCode, 401)
    t.equal((await app.inject({ url: '/both', headers: good })).body, 'http')
  })
}

t.test('R008 a stranger\'s body is never parsed', async (t) => {
  const made = await service(t)
  const { app, a, handler } = made
  let parsed = 0
  app.addContentTypeParser('application/x-test', { parseAs: 'string' }, (_request, body, done) => { parsed += 1; done(null, body) })
  app.post('/x', { onRequest: a, schema: { body: { type: 'string' } } }, handler)
  const request = { method: 'POST', url: '/x', payload: 'hello', headers: { 'content-type': 'application/x-test' } } as const
  t.equal((await app.inject(request)).statusCode, 401)
  t.equal((await app.inject({ ...request, headers: { 'content-type': 'application/json' }, payload: '{' })).statusCode, 401, 'malformed bodies too')
  t.equal(parsed, 0)
  t.equal((await app.inject({ ...request, headers: { ...request.headers, ...good } })).statusCode, 200)
  t.equal(parsed, 1)
})

t.test('R189 a response schema keeps what a handler must not tell', async (t) => {
  const made = await service(t)
  const { app, a } = made
  const response = { 200: { type: 'object', properties: { id: { type: 'string' } }, additionalProperties: false } }
  app.get('/row', { onRequest: a, schema: { response } }, () => ({ id: '1', passwordHash: 'argon2', keyHash: 'sha' }))
  t.equal((await app.inject({ url: '/row', headers: good })).body, '{"id":"1"}')
})

// That there is no way round a guard: not by tampering, by mistake or by an odd registration.
import { extname } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import { guards } from '../../plugins/guards.ts'
import { headerScheme } from '../fixtures/header-scheme.ts'
import { assertGuarded, good, service } from '../fixtures/two-schemes.ts'
import type { FastifyInstance, RouteOptions } from 'fastify'
import type { Service } from '../fixtures/two-schemes.ts'

t.test('a guard that runs where no compiled list holds it is a 500 that names app.protect', async (t) => {
  const rows: [string, (made: Service) => void | Promise<void>][] = [
    ['addHook(onRequest)', ({ app, a, handler }) => { app.addHook('onRequest', a); app.get('/x', handler) }],
    ['addHook(preHandler)', ({ app, a, handler }) => { app.addHook('preHandler', a); app.get('/x', handler) }],
    ['a call by hand with a callback', ({ app, a, handler }) => {
      app.get('/x', { preHandler: (request, reply, done) => { a(request, reply, () => { done() }) } }, handler)
    }],
    ['a call by hand without one', ({ app, a, handler }) => {
      app.get('/x', { preHandler: async (request, reply) => { (a as unknown as (request: object, reply: object) => void)(request, reply) } }, handler)
    }],
    ['a call by hand on a route with another guard', ({ app, a, b, handler }) => {
      app.get('/x', { onRequest: b, preHandler: (request, reply, done) => { a(request, reply, () => { done() }) } }, handler)
    }],
    ['an onRoute hook that adds it behind the core', ({ app, a, handler }) => {
      app.addHook('onRoute', (route) => { route.onRequest = a })
      app.get('/x', handler)
    }],
    ['a context of another registration', async ({ app, handler }) => {
      const other = Fastify()
      await other.register(guards)
      app.get('/x', { preHandler: [(request, reply, done) => { other.optional(other.defineScheme(headerScheme('z')))(request, reply, done) }] }, handler)
    }]
  ]
  for (const [title, declare] of rows) {
    t.test(title, async (t) => {
      const made = await service(t)
      await declare(made)
      const response = await made.app.inject({ url: '/x', headers: good })
      t.equal(response.statusCode, 500)
      t.match(response.json(), { code: 'GATEHOUSE_GUARD_UNDECLARED', message: /(a|optional\(z\)) at GET \/x: .*app\.protect\(\)/ })
      t.equal(made.handled, 0)
    })
  }
  t.test('but the same guard passes where the route declares it as well', async (t) => {
    const made = await service(t)
    const { app, a, handler } = made
    app.get('/x', { onRequest: a, preHandler: [(request, reply, done) => { a(request, reply, done) }] }, handler)
    await assertGuarded(t, made, { url: '/x' })
  })
})

t.test('a later plugin that takes the compiled hook away turns the route into a 500', async (t) => {
  const rows: [string, (app: FastifyInstance) => void][] = [
    ['from the route', (app) => { app.addHook('onRoute', (route) => { route.onRequest = [] }) }],
    ['with the config', (app) => { app.addHook('onRoute', (route) => { route.config = {}; delete (route as Partial<RouteOptions>).onRequest }) }],
    ['behind a handler of its own', (app) => {
      app.addHook('onRoute', (route) => {
        const { handler } = route
        route.onRequest = []
        route.handler = function (request, reply) { return handler.call(this, request, reply) }
      })
    }]
  ]
  for (const [title, tamper] of rows) {
    for (const place of ['route', 'protect']) {
      t.test(`${title}, guarded by ${place}`, async (t) => {
        const made = await service(t)
        const { app, a, handler } = made
        tamper(app)
        await app.register(async (child) => {
          if (place === 'protect') child.protect(a)
          child.get('/x', place === 'protect' ? {} : { onRequest: a }, handler)
        })
        const stranger = await app.inject('/x')
        t.ok([401, 500].includes(stranger.statusCode), `a stranger gets ${String(stranger.statusCode)}`)
        t.equal(made.handled, 0)
        if (place === 'route') t.match(stranger.json(), { code: 'GATEHOUSE_GUARDS_DID_NOT_RUN', message: /GET \/x/ })
      })
    }
  }
})

t.test('R127 protect from the inside out covers as well, and asks once', async (t) => {
  const made = await service(t)
  const { app, a, b, handler } = made
  const counting = headerScheme('counting')
  const counted = app.defineScheme(counting)
  await app.register(async (child) => {
    child.protect(counted, b)
    app.protect(a)
    child.get('/x', handler)
  })
  await assertGuarded(t, made, { url: '/x', headers: { 'x-counting': 'carol' } })
  t.equal((await app.inject({ url: '/x', headers: { 'x-counting': 'carol' } })).statusCode, 401)
  counting.asked = 0
  t.equal((await app.inject({ url: '/x', headers: { ...good, 'x-counting': 'carol' } })).statusCode, 200)
  t.equal(counting.asked, 1)
})

t.test('hooks that answer early, hijack or call for the 404 do not reach the handler', async (t) => {
  const made = await service(t)
  const { app, a, b, handler } = made
  app.setNotFoundHandler((_request, reply) => { void reply.code(404).send('own 404') })
  app.get('/early', { onRequest: [(_request, reply, done) => { void reply.send('early'); done() }, a] }, handler)
  app.get('/late', { onRequest: [b, (_request, reply) => { void reply.send('late') }] }, handler)
  app.get('/lost', { onRequest: [(_request, reply) => { reply.callNotFound() }, a] }, handler)
  app.get('/hijack', { onRequest: [(_request, reply, done) => { reply.hijack(); reply.raw.end('hijacked'); done() }, a] }, handler)
  t.equal((await app.inject('/early')).body, 'early')
  t.equal((await app.inject('/late')).statusCode, 401)
  t.equal((await app.inject('/lost')).body, 'own 404')
  t.equal((await app.inject('/hijack')).body, 'hijacked')
  t.equal(made.handled, 0)
  t.equal((await app.inject({ url: '/late', headers: good })).body, 'late')
})

t.test('a route that a plugin declares again under another URL is guarded or fails, and deny sees it', async (t) => {
  const clone = (app: FastifyInstance): void => {
    app.addHook('onRoute', function (route) {
      if (!route.url.startsWith('/again')) this.route({ ...route, url: `/again${route.url}`, exposeHeadRoute: false })
    })
  }
  const made = await service(t)
  const { app, a, b, handler } = made
  clone(app)
  app.get('/x', { onRequest: a }, handler)
  await app.register(async (child) => {
    child.protect(a)
    child.get('/y', { onRequest: b }, handler)
  })
  for (const url of ['/again/x', '/again/y']) {
    for (const headers of [{}, { 'x-a': 'alice' }]) {
      const { statusCode } = await app.inject({ url, headers })
      t.ok([401, 500].includes(statusCode) || (url === '/again/x' && 'x-a' in headers), `${url} answers ${String(statusCode)}`)
    }
  }
  const denying = await service(t, { defaultAccess: 'deny' })
  clone(denying.app)
  denying.app.get('/x', { onRequest: denying.a }, denying.handler)
  await t.rejects((async () => { await denying.app.ready() })(), { code: 'GATEHOUSE_NO_STANCE', message: /\/again\/x/ })
})

t.test('a guard is itself when it is handed out by getDecorator, or bound', async (t) => {
  const made = await service(t)
  const { app, a, handler } = made
  t.equal(app.getDecorator('a'), a)
  app.get('/bound', { onRequest: a.bind(app) }, handler)
  app.get('/handed', { onRequest: [app.getDecorator<typeof a>('a'), app.requireScopes('s').bind(null)] }, () => 'ok')
  await assertGuarded(t, made, { url: '/bound' })
  t.equal((await app.inject({ url: '/handed', headers: good })).statusCode, 403)
})

t.test('a guard before a not-found handler is a 500 too', async (t) => {
  const made = await service(t)
  made.app.setNotFoundHandler({ preHandler: (request, reply, done) => { made.a(request, reply, done) } }, made.handler)
  const response = await made.app.inject({ url: '/missing', headers: good })
  t.equal(response.statusCode, 500)
  t.match(response.json(), { code: 'GATEHOUSE_GUARD_UNDECLARED' })
  t.equal(made.handled, 0)
})

t.test('a decorator where its guard was meant is a 500, never the handler', async (t) => {
  const names = ['anyOf', 'allOf', 'optional', 'publicAccess', 'protect', 'requireScopes', 'requireRoles', 'requirePolicy', 'defineScheme'] as const
  const made = await service(t)
  for (const name of names) made.app.get(`/${name}`, { onRequest: made.app[name] as never }, made.handler)
  for (const name of names) t.equal((await made.app.inject({ url: `/${name}`, headers: good })).statusCode, 500, name)
  t.equal(made.handled, 0)
})

t.test('another copy of the core does not boot beside the first', async (t) => {
  const copy = `../../plugins/guards${extname(import.meta.filename)}?another-copy`
  const { guards: other } = await import(copy) as { guards: typeof guards }
  t.not(other, guards)
  const { app, a, handler } = await service(t)
  app.get('/x', { onRequest: a }, handler)
  await t.rejects((async () => { await app.register(other) })(), { code: 'GATEHOUSE_EARLIER_ROUTES' })
})

// The limit of the whole service: `max` and `timeWindow` of the plugin itself.
import Fastify from 'fastify'
import t from 'tap'
import { cors } from '../../plugins/cors.ts'
import { guards } from '../../plugins/guards.ts'
import { rateLimit } from '../../plugins/rate-limit.ts'
import { defineWho, limitedService, minute, statuses } from '../fixtures/limited-service.ts'
import type { InjectOptions } from 'fastify'

t.test('R011 R159 unknown URLs are limited, under a policy apart, and no answer echoes the path', async (t) => {
  for (const handler of ['default', 'own']) {
    const { app } = await limitedService(t, { max: 2, timeWindow: minute })
    if (handler === 'own') app.setNotFoundHandler((_request, reply) => reply.code(404).send({}))
    app.get('/', () => ({}))
    t.equal((await app.inject('/missing')).headers['ratelimit-policy'], '"unrouted";q=2;w=60')
    t.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 404)
    const refused = await app.inject('/a-path-that-is-not-there')
    t.equal(refused.statusCode, 429, handler)
    t.same(refused.json()['violated-policies'], ['unrouted'])
    t.notMatch(refused.body, 'a-path')
    t.match(await app.inject('/'), { statusCode: 200, headers: { 'ratelimit-policy': '"service";q=2;w=60', ratelimit: '"service";r=1;t=60' } })
    t.same((await statuses(app, 2, { url: '/' })).sort(), [200, 429])
  }
})

t.test('R159 preflights are counted with the unknown, of routes that declare OPTIONS too', async (t) => {
  const { app } = await limitedService(t, { max: 2, timeWindow: minute })
  await app.register(cors, { origin: ['https://app.example.com'] })
  app.get('/', () => ({}))
  app.options('/declared', () => ({}))
  const preflight: InjectOptions = { method: 'OPTIONS', headers: { origin: 'https://app.example.com', 'access-control-request-method': 'GET' } }
  t.match(await app.inject({ url: '/', ...preflight }), { statusCode: 204, headers: { 'ratelimit-policy': /^"unrouted"/ } })
  t.equal((await app.inject({ url: '/declared', ...preflight })).statusCode, 204)
  t.equal((await app.inject({ url: '/', ...preflight })).statusCode, 429)
  t.match(await app.inject({ url: '/', headers: { origin: 'https://app.example.com' } }), { statusCode: 200, headers: { 'ratelimit-policy': /^"service"/ } })
})

t.test('R156 it counts before anyone is authenticated, and shares the lists of the limits of a route', async (t) => {
  const { app } = await limitedService(t, { max: 2, timeWindow: '1 hour' })
  const { guard, asked } = defineWho(app)
  app.protect(guard)
  app.get('/', { onRequest: app.limit({ max: 9, timeWindow: minute }) }, (request) => ({ subject: request.principal.subject }))
  const response = await app.inject({ url: '/', headers: { 'x-who': '|alice' } })
  t.same(response.json(), { subject: 'alice' })
  t.equal(response.headers['ratelimit-policy'], '"service";q=2;w=3600, "address-9-60s";q=9;w=60')
  t.same((await statuses(app, 3, { url: '/', headers: { 'x-who': 'wrong' } })).sort(), [401, 429, 429])
  t.equal(asked(), 2)
  t.match(app.guardedRoutes().find(({ method }) => method === 'GET')?.limits, [{ name: 'service', by: 'address', max: 2, windowSeconds: 3600 }, { name: 'address-9-60s' }])
})

t.test('several named limits hold for the whole service at once, and in the posture', async (t) => {
  const { app } = await limitedService(t, { max: 9, timeWindow: minute })
  const { guard } = defineWho(app)
  app.protect(app.limit({ name: 'brief', max: 2, timeWindow: '1 second' }), app.limit({ name: 'long', max: 3, timeWindow: '1 hour' }), guard, app.limit({ name: 'each', max: 1, timeWindow: minute, by: 'principal' }))
  await app.register(async (child) => { child.get('/child', () => ({})) })
  app.get('/', { onRequest: app.limit({ name: 'own', max: 9, timeWindow: minute }) }, () => ({}))
  const as = (who: string, url: string): InjectOptions => ({ url, headers: { 'x-who': `|${who}` } })
  t.equal((await app.inject(as('alice', '/'))).headers['ratelimit-policy'], '"service";q=9;w=60, "brief";q=2;w=1, "long";q=3;w=3600, "own";q=9;w=60, "each";q=1;w=60')
  t.same((await app.inject(as('alice', '/child'))).json()['violated-policies'], ['each'])
  t.same(app.guardedRoutes().find(({ url }) => url === '/child')?.limits.map(({ name }) => name), ['service', 'brief', 'long', 'each'])
})

t.test('it covers children and answers in the form of the route', async (t) => {
  const { app } = await limitedService(t, { max: 1, timeWindow: minute })
  const format = { schema: {}, contentType: 'application/json', write: ({ code }: { code: string }) => ({ error: code }) }
  await app.register(async (child) => { child.get('/token', { config: { refusal: format } }, () => ({})) })
  await app.inject('/token')
  t.match((await app.inject('/token')).json(), { error: 'quota_exceeded' })
})

t.test('it is refused where it would not cover the whole service', async (t) => {
  const { app } = await limitedService(t)
  app.get('/earlier', () => ({}))
  await t.rejects(Promise.resolve(app.register(async (child) => { await child.register(rateLimit, { max: 1, timeWindow: minute }) })), { code: 'GATEHOUSE_OPTION_INVALID' })
  const late = Fastify()
  t.teardown(() => late.close())
  await late.register(guards)
  late.get('/earlier', () => ({}))
  await t.rejects(Promise.resolve(late.register(rateLimit, { max: 1, timeWindow: minute })), { code: 'GATEHOUSE_LIMIT_TOO_LATE', message: /GET \/earlier/ })
})

t.test('after app.protect() it would count too late: no request is answered', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(guards)
  const { guard, asked } = defineWho(app)
  app.protect(guard)
  await app.register(rateLimit, { max: 1, timeWindow: minute })
  app.get('/', () => ({}))
  const response = await app.inject({ url: '/', headers: { 'x-who': '|alice' } })
  t.equal(response.statusCode, 500)
  t.equal(response.json().code, 'GATEHOUSE_LIMIT_TOO_LATE')
  t.equal(asked(), 1)
})

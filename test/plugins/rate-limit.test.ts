import fastifyRateLimit from '@fastify/rate-limit'
import Fastify from 'fastify'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import t from 'tap'
import { rateLimit } from '../../plugins/rate-limit.ts'
import { assertOptionRefused } from '../fixtures/guarded-service.ts'
import { defineWho, limitedService, minute, passed, statuses } from '../fixtures/limited-service.ts'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { LimitOptions } from '../../plugins/rate-limit.ts'

/** The limits of a `RateLimit` field, by name. */
function limitsOf (response: LightMyRequestResponse): Record<string, { r: number; t: number }> {
  const members = String(response.headers.ratelimit).split(', ').map((member) => /^"([^"]+)";r=(\d+);t=(\d+)$/.exec(member) ?? [])
  return Object.fromEntries(members.map(([, name, r, t]) => [name, { r: Number(r), t: Number(t) }]))
}

t.test('R150 R151 R152 past the limit it is 429 with Retry-After, RateLimit and the limit that was violated', async (t) => {
  const { app, log } = await limitedService(t)
  let handled = 0
  app.get('/limited', { onRequest: app.limit({ max: 2, timeWindow: minute }) }, () => ({ handled: ++handled }))
  const first = await app.inject('/limited')
  t.equal(first.statusCode, 200)
  t.equal(first.headers['ratelimit-policy'], '"address-2-60s";q=2;w=60')
  t.equal(first.headers.ratelimit, '"address-2-60s";r=1;t=60')
  await app.inject('/limited')
  await app.inject('/limited')
  const refused = await app.inject('/limited')
  t.equal(refused.statusCode, 429)
  t.match(refused.headers['content-type'], /^application\/problem\+json(;|$)/)
  t.equal(refused.headers['cache-control'], 'no-store')
  const { r, t: seconds } = limitsOf(refused)['address-2-60s'] ?? { r: -1, t: 0 }
  t.equal(r, 0)
  t.ok(seconds >= 1 && seconds <= 60)
  t.match(refused.headers['retry-after'], /^[1-9]\d*$/)
  t.ok(Number(refused.headers['retry-after']) >= seconds)
  t.match(refused.json(), { status: 429, code: 'quota_exceeded', type: 'https://iana.org/assignments/http-problem-types#quota-exceeded', 'violated-policies': ['address-2-60s'] })
  t.equal(handled, 2)
  t.match(log.join(''), '"reason":"limit address-2-60s"')
})

t.test('ADV @fastify/rate-limit: none of the header names of older drafts', async (t) => {
  const { app } = await limitedService(t, { max: 9, timeWindow: minute })
  app.get('/', { onRequest: app.limit({ max: 1, timeWindow: minute }) }, () => ({}))
  for (const status of [200, 429]) {
    const { statusCode, headers } = await app.inject('/')
    t.equal(statusCode, status)
    t.same(Object.keys(headers).filter((name) => name.includes('ratelimit')).sort(), ['ratelimit', 'ratelimit-policy'])
  }
})

t.test('R152 two limits on one route: one list each, and Retry-After waits for every exhausted one', async (t) => {
  const { app } = await limitedService(t)
  const hour = app.limit({ name: 'hour', max: 2, timeWindow: '1 hour' })
  const brief = app.limit({ name: 'brief', max: 1, timeWindow: '30s' })
  app.get('/both', { onRequest: [hour, brief] }, () => ({}))
  t.equal((await app.inject('/both')).headers['ratelimit-policy'], '"hour";q=2;w=3600, "brief";q=1;w=30')
  const refused = await app.inject('/both')
  t.same(refused.json()['violated-policies'], ['brief'])
  t.match(limitsOf(refused), { hour: { r: 0 }, brief: { r: 0 } })
  t.ok(Number(refused.headers['retry-after']) >= Math.max(...Object.values(limitsOf(refused)).map(({ t }) => t)))
})

t.test('R150 of 500 parallel requests exactly 5 pass, and the window opens again when it ends', async (t) => {
  const { app } = await limitedService(t)
  app.get('/limited', { onRequest: app.limit({ max: 5, timeWindow: minute }) }, () => ({}))
  app.get('/brief', { onRequest: app.limit({ max: 1, timeWindow: 300 }) }, () => ({}))
  t.equal(passed(await statuses(app, 500, { url: '/limited' })), 5)
  t.same((await statuses(app, 2, { url: '/brief' })).sort(), [200, 429])
  await sleep(320)
  t.same((await statuses(app, 2, { url: '/brief' })).sort(), [200, 429])
})

t.test('R157 every way to write a request is in one bucket', async (t) => {
  const { app } = await limitedService(t)
  const limit = app.limit({ max: 1, timeWindow: minute })
  app.get('/items/:id', { onRequest: limit }, () => ({}))
  app.get('/other', { onRequest: limit }, () => ({}))
  app.get('/apart', { onRequest: app.limit({ max: 1, timeWindow: minute }) }, () => ({}))
  t.equal((await app.inject('/items/1')).statusCode, 200)
  for (const url of ['/items/1?cache=no', '/items/2', '/%69tems/1', '/items/%31', '/items/1#x', '/other']) {
    t.equal((await app.inject(url)).statusCode, 429, url)
  }
  t.equal((await app.inject({ method: 'HEAD', url: '/items/1' })).statusCode, 429)
  for (const url of ['/ITEMS/1', '/items/1/', '//items/1']) t.equal((await app.inject(url)).statusCode, 404, url)
  t.equal((await app.inject('/apart')).statusCode, 200, 'another value is another limit, of the same options too')
})

t.test('clients are told apart by address alone', (t) => {
  const forwarded = (address: string): InjectOptions => ({ headers: { 'x-forwarded-for': address } })
  const cases: [title: string, trustedProxies: string[], first: InjectOptions, second: InjectOptions, shared: boolean][] = [
    ['R153 two addresses of one IPv6 /64 share', [], { remoteAddress: '2001:db8:0:1::1' }, { remoteAddress: '2001:db8:0:1:ffff::2' }, true],
    ['R153 two IPv6 networks do not', [], { remoteAddress: '2001:db8:0:1::1' }, { remoteAddress: '2001:db8:0:2::1' }, false],
    ['R153 mapped IPv4 is IPv4', [], { remoteAddress: '::ffff:192.0.2.1' }, { remoteAddress: '192.0.2.1' }, true],
    ['CVE-2026-30827 R153 mapped IPv4 addresses do not share', [], { remoteAddress: '::ffff:192.0.2.1' }, { remoteAddress: '::ffff:192.0.2.2' }, false],
    ['R153 a zone id makes no other client', [], { remoteAddress: 'fe80::1%eth0' }, { remoteAddress: 'fe80::1%eth1' }, true],
    ['R154 X-Forwarded-For of a stranger gets no new bucket', [], forwarded('192.0.2.1'), forwarded('192.0.2.2'), true],
    ['R154 behind a trusted proxy clients are apart', ['127.0.0.1'], forwarded('192.0.2.1'), forwarded('192.0.2.2'), false],
    ['R154 what a client puts to the left gets no new bucket', ['127.0.0.1'], forwarded('198.51.100.1, 192.0.2.1'), forwarded('198.51.100.2, 192.0.2.1'), true],
    ['R155 no other header gets a new bucket', [], { headers: { 'x-real-ip': '192.0.2.1', forwarded: 'for=192.0.2.1' } }, { headers: { 'x-client-ip': '192.0.2.2', authorization: 'Basic eDp5' } }, true]
  ]
  for (const [title, trustedProxies, first, second, shared] of cases) {
    t.test(title, async (t) => {
      const { app } = await limitedService(t, { guards: { trustedProxies } })
      app.get('/', { onRequest: app.limit({ max: 1, timeWindow: minute }) }, () => ({}))
      app.get('/address', (request) => app.clientAddress(request))
      t.equal((await app.inject({ url: '/', ...first })).statusCode, 200)
      t.equal((await app.inject({ url: '/', ...second })).statusCode, shared ? 429 : 200)
      const [one, other] = [await app.inject({ url: '/address', ...first }), await app.inject({ url: '/address', ...second })]
      t.equal(one.body === other.body, shared, 'app.clientAddress tells the same')
    })
  }
  t.end()
})

t.test('R155 by principal: no two principals share a bucket, and a stranger has that of the address', async (t) => {
  const { app } = await limitedService(t)
  const { guard } = defineWho(app)
  const other = defineWho(app, 'other').guard
  const limit = app.limit({ max: 1, timeWindow: minute, by: 'principal' })
  app.get('/who', { onRequest: [app.optional(guard), limit] }, () => ({}))
  app.get('/other', { onRequest: [other, limit] }, () => ({}))
  const names = ['a|b', 'a|b:c', 'a:b|c', '|a:b:c', '|a', 'b|a', '1:a|1:b', '|-', '-|a', '|127.0.0.1', 'a,b|c']
  for (const who of names) {
    t.equal((await app.inject({ url: '/who', headers: { 'x-who': who } })).statusCode, 200, who)
    t.equal((await app.inject({ url: '/who', headers: { 'x-who': who }, remoteAddress: '192.0.2.9' })).statusCode, 429, `${who} from elsewhere`)
    t.equal((await app.inject({ url: '/other', headers: { 'x-who': who } })).statusCode, 200, `${who} of another scheme`)
  }
  t.same(await statuses(app, 1, { url: '/who' }), [200])
  t.same(await statuses(app, 1, { url: '/who' }), [429])
  t.same(await statuses(app, 1, { url: '/who', remoteAddress: '192.0.2.8' }), [200])
})

t.test('R156 limits by address count before authentication, those by principal after it, wherever they are written', async (t) => {
  const { app } = await limitedService(t)
  const { guard, asked } = defineWho(app)
  app.get('/address', { onRequest: [guard, app.limit({ max: 2, timeWindow: minute })] }, () => ({}))
  app.get('/principal', { onRequest: [app.limit({ max: 1, timeWindow: minute, by: 'principal' }), guard] }, () => ({}))
  const wrong = { headers: { 'x-who': 'wrong' } }
  t.same((await statuses(app, 4, { url: '/address', ...wrong })).sort(), [401, 401, 429, 429])
  t.equal(asked(), 2, 'past the limit no credentials are looked at')
  t.same(await statuses(app, 3, { url: '/principal', ...wrong }), [401, 401, 401])
  t.same((await statuses(app, 2, { url: '/principal', headers: { 'x-who': '|a' } })).sort(), [200, 429])
})

t.test('a limit by a function of its own', async (t) => {
  const { app } = await limitedService(t)
  const { guard } = defineWho(app)
  const answers: Record<string, unknown> = { empty: '', number: 7, none: undefined }
  const by: LimitOptions['by'] = async ({ principal, request }) => {
    const tenant = request.headers['x-tenant'] as string
    if (tenant === 'broken') throw new Error('the secret of the tenant')
    return Promise.resolve(tenant in answers ? answers[tenant] as string : `${principal?.subject ?? ''} ${tenant}`)
  }
  app.get('/', { onRequest: [app.limit({ max: 1, timeWindow: minute, by }), guard] }, () => ({}))
  const ask = async (who: string, tenant: string): Promise<LightMyRequestResponse> => app.inject({ url: '/', headers: { 'x-who': who, 'x-tenant': tenant } })
  t.match(await ask('|a', 'red'), { statusCode: 200, headers: { 'ratelimit-policy': '"custom-1-60s";q=1;w=60' } })
  t.equal((await ask('|a', 'red')).statusCode, 429)
  t.equal((await ask('|a', 'blue')).statusCode, 200)
  t.equal((await ask('|b', 'red')).statusCode, 200)
  for (const tenant of ['broken', ...Object.keys(answers)]) {
    const response = await ask('|a', tenant)
    t.match(response, { statusCode: 503, headers: { 'retry-after': '1' } }, tenant)
    t.notMatch(response.body, 'secret')
  }
})

t.test('R156 counting failures', (t) => {
  async function loginService (t: Test, options: Partial<LimitOptions> = {}): Promise<{ app: FastifyInstance; handled: () => number; login: (times: number, status: number) => Promise<number[]> }> {
    const { app } = await limitedService(t)
    let handled = 0
    app.post('/token', { onRequest: app.limit({ max: 3, timeWindow: minute, counts: 'failures', whenFull: 'closed', ...options }) }, async (request, reply) => {
      handled += 1
      await sleep(20)
      return reply.code(Number(request.headers['x-status'])).send({})
    })
    const login = async (times: number, status: number): Promise<number[]> => statuses(app, times, { method: 'POST', url: '/token', headers: { 'x-status': String(status) } })
    return { app, handled: () => handled, login }
  }

  for (const status of [400, 401, 403]) {
    t.test(`an answer of ${String(status)} counts`, async (t) => {
      const { login } = await loginService(t)
      for (let attempt = 0; attempt < 3; attempt += 1) await login(1, status)
      t.same(await login(1, 200), [429])
    })
  }
  for (const status of [200, 302, 404, 409, 429, 500, 503]) {
    t.test(`an answer of ${String(status)} does not`, async (t) => {
      const { login } = await loginService(t)
      for (let attempt = 0; attempt < 5; attempt += 1) t.same(await login(1, status), [status])
    })
  }
  t.test('of 50 parallel wrong attempts no more than the limit are tried', async (t) => {
    const { login, handled } = await loginService(t)
    t.equal((await login(50, 401)).filter((status) => status === 401).length, 3)
    t.equal(handled(), 3)
    t.same(await login(1, 200), [429])
  })
  t.test('what was refused meanwhile does not count', async (t) => {
    const { login } = await loginService(t)
    t.equal(passed(await login(50, 200)), 3)
    t.equal(passed(await login(3, 200)), 3)
  })
  t.test('a success gives back itself, not the failures before it', async (t) => {
    const { login } = await loginService(t)
    await login(2, 401)
    for (let attempt = 0; attempt < 4; attempt += 1) t.same(await login(1, 200), [200])
    t.same(await login(1, 401), [401])
    t.same(await login(1, 200), [429])
  })
  t.test('an attempt whose client leaves before the answer stays counted', async (t) => {
    const { app, handled, login } = await loginService(t, { max: 1 })
    await app.listen({ port: 0 })
    const attempt = httpRequest({ method: 'POST', port: (app.server.address() as AddressInfo).port, path: '/token', headers: { 'x-status': '200' } })
    attempt.end()
    while (handled() === 0) await sleep(1)
    attempt.destroy()
    await once(attempt, 'error')
    await sleep(50)
    t.same(await login(1, 200), [429])
  })
  t.end()
})

t.test('R158 the table is bounded, and 20,000 other keys do not free an exhausted one', async (t) => {
  const { app } = await limitedService(t, { maxKeys: 1000 })
  const { limit } = app.limit({ max: 2, timeWindow: minute, by: ({ request }) => request.id })
  const exceeded = async (id: string): Promise<boolean> => (await limit.consume({ principal: null, request: { id } as never, reply: {} as never }))?.exceeded === true
  await exceeded('guilty')
  await exceeded('guilty')
  await exceeded('once')
  for (let other = 0; other < 20_000; other += 1) await exceeded(String(other))
  t.equal(await exceeded('guilty'), true)
  await exceeded('once')
  t.equal(await exceeded('once'), false, 'a count that is not exhausted makes room')
})

t.test('R158 a table full of exhausted keys', (t) => {
  const fill = async (t: Test, options: Partial<LimitOptions>): Promise<{ log: string[]; ask: (last: number) => Promise<LightMyRequestResponse> }> => {
    const { app, log } = await limitedService(t, { maxKeys: 2 })
    app.get('/', { onRequest: app.limit({ max: 1, timeWindow: minute, ...options }) }, () => ({}))
    await app.inject({ url: '/', remoteAddress: '192.0.2.1' })
    await app.inject({ url: '/', remoteAddress: '192.0.2.2' })
    return { log, ask: async (last) => app.inject({ url: '/', remoteAddress: `192.0.2.${String(last)}` }) }
  }
  t.test('lets new keys through, with one line in the log', async (t) => {
    const { log, ask } = await fill(t, {})
    for (const last of [3, 4, 4, 5]) t.equal((await ask(last)).statusCode, 200)
    t.equal((await ask(1)).statusCode, 429)
    t.equal(log.filter((line) => line.includes('full of exhausted keys')).length, 1)
  })
  t.test('answers 503 to new keys where the limit is for logins', async (t) => {
    const { log, ask } = await fill(t, { whenFull: 'closed' })
    const response = await ask(3)
    t.match(response, { statusCode: 503, headers: { 'retry-after': /^(59|60)$/ } })
    t.equal(response.json().code, 'unavailable')
    t.equal((await ask(1)).statusCode, 429)
    t.equal(log.filter((line) => line.includes('"limit":"address-1-60s"')).length, 1)
  })
  t.end()
})

t.test('R158 in production the log says that counts are of this process', async (t) => {
  const before = process.env.NODE_ENV
  t.teardown(() => { if (before === undefined) delete process.env.NODE_ENV; else process.env.NODE_ENV = before })
  for (const [environment, lines] of [['production', 1], ['development', 0]] as const) {
    process.env.NODE_ENV = environment
    const { log } = await limitedService(t)
    t.equal(log.filter((line) => line.includes('by this process alone')).length, lines, environment)
  }
})

t.test('a service with @fastify/rate-limit of its own keeps it, in either order, and cannot change our keys', async (t) => {
  for (const order of ['before', 'after']) {
    const app = Fastify()
    t.teardown(() => app.close())
    if (order === 'before') await app.register(fastifyRateLimit, { max: 100, timeWindow: 1000 })
    await app.register(rateLimit)
    if (order === 'after') await app.register(fastifyRateLimit, { max: 100, timeWindow: 1000 })
    const limit = app.limit({ max: 1, timeWindow: minute })
    app.get('/a', { onRequest: limit, config: { rateLimit: { max: 7, groupId: 'a' } } }, () => ({}))
    app.get('/b', { onRequest: limit, config: { rateLimit: { max: 8, groupId: 'b' } } }, () => ({}))
    t.match(await app.inject('/a'), { statusCode: 200, headers: { 'x-ratelimit-limit': '7', 'ratelimit-policy': '"address-1-60s";q=1;w=60' } }, order)
    t.equal((await app.inject('/b')).statusCode, 429, order)
    t.type(app.createRateLimit, 'function')
  }
})

t.test('a limit protects a context and its children', async (t) => {
  const { app } = await limitedService(t)
  app.get('/free', () => ({}))
  await app.register(async (child) => {
    child.protect(child.limit({ max: 1, timeWindow: minute }))
    child.get('/a', () => ({}))
    await child.register(async (grandchild) => { grandchild.get('/b', () => ({})) })
  })
  t.same([(await app.inject('/a')).statusCode, (await app.inject('/b')).statusCode], [200, 429])
  t.same(await statuses(app, 2, { url: '/free' }), [200, 200])
})

t.test('options that contradict the contract are refused', (t) => {
  const plugin: [option: string, options: object][] = [
    ['rateLimit.maximum', { maximum: 5 }], ['rateLimit.max', { max: '100', timeWindow: minute }], ['rateLimit.max', { max: 0, timeWindow: minute }], ['rateLimit.max', { max: NaN, timeWindow: minute }],
    ['rateLimit', { max: 5 }], ['rateLimit', { timeWindow: minute }], ['rateLimit.maxKeys', { maxKeys: 0 }], ['rateLimit.maxKeys', { maxKeys: '5' }]
  ]
  const windows = [undefined, null, '', '100', '0 s', '-1 s', '1.5 h', '1e3 s', ' 1 s', '1 fortnight', '1 s 1 s', 'Infinity', 0, -1, 0.5, NaN, Infinity, '366 days', [minute]]
  const guard: [option: string, options: object][] = [
    ['limit.maximum', { maximum: 5 }], ['limit.max', { max: '5' }], ['limit.max', { max: 1.5 }], ['limit.max', { max: -1 }], ['limit.max', { max: undefined }],
    ['limit.by', { by: 'ip' }], ['limit.by', { by: null }], ['limit.counts', { counts: 'successes' }], ['limit.whenFull', { whenFull: 'shut' }],
    ...['', 'a"b', 'a\\b', 'a\nb', 'ü', 'x'.repeat(65), 5].map((name): [string, object] => ['limit.name', { name }]),
    ...windows.map((timeWindow): [string, object] => ['limit.timeWindow', { timeWindow }])
  ]
  for (const [option, options] of plugin) {
    t.test(`register with ${inspect(options)}`, async (t) => assertOptionRefused(t, async (app) => app.register(rateLimit, options), option))
  }
  for (const [option, options] of guard) {
    t.test(`app.limit with ${inspect(options)}`, async (t) => assertOptionRefused(t, async (app) => {
      await app.register(rateLimit)
      app.limit(Object.freeze({ max: 5, timeWindow: minute, ...options }))
    }, option))
  }
  t.test('names: one limit each, derived ones never clash', async (t) => {
    const { app } = await limitedService(t)
    const nameOf = (options: Partial<LimitOptions>): string => app.limit({ max: 5, timeWindow: '1 m', ...options }).limit.name
    t.same([nameOf({}), nameOf({}), nameOf({ by: 'principal' }), nameOf({ timeWindow: 1500 }), nameOf({ counts: 'failures' })], ['address-5-60s', 'address-5-60s-2', 'principal-5-60s', 'address-5-1500ms', 'address-failures-5-60s'])
    t.equal(nameOf({ name: 'login' }), 'login')
    t.throws(() => nameOf({ name: 'login' }), { code: 'GATEHOUSE_OPTION_INVALID', message: /limit\.name login is taken/ })
    t.throws(() => app.limit(undefined as never), { code: 'GATEHOUSE_OPTION_INVALID' })
  })
  t.end()
})

t.test('a limit of failures gives back whatever is no failure, wherever it is answered', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(rateLimit)
  const limit = (name: string): ReturnType<typeof app.limit> => app.limit({ name, max: 2, timeWindow: '1 minute', counts: 'failures' })
  app.addHook('onRoute', (route) => { if (route.url === '/replaced') route.onResponse = [(_request, _reply, done) => { done() }] })
  app.get('/not-found', { onRequest: [app.publicAccess('a test'), limit('a')] }, (_request, reply) => { reply.callNotFound() })
  app.get('/replaced', { onRequest: [app.publicAccess('a test'), limit('b')] }, () => ({}))
  app.get('/hijacked', { onRequest: [app.publicAccess('a test'), limit('c')] }, (_request, reply) => {
    reply.hijack()
    reply.raw.end('as it comes')
  })
  app.get('/failing', { onRequest: [app.publicAccess('a test'), limit('d')] }, (_request, reply) => reply.code(401).send({}))
  for (const [url, statuses] of [['/not-found', [404, 404, 404, 404]], ['/replaced', [200, 200, 200, 200]], ['/hijacked', [200, 200, 200, 200]], ['/failing', [401, 401, 429, 429]]] as const) {
    for (const status of statuses) t.equal((await app.inject(url)).statusCode, status, url)
  }
})

// Limits that processes count together. Each service here is what a process of its own would be: they share Redis alone.
import { setTimeout as sleep } from 'node:timers/promises'
import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import t from 'tap'
import WebSocket from 'ws'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { rateLimit } from '../../plugins/rate-limit.ts'
import { sharedCountsOn } from '../../plugins/rate-limit-shared.ts'
import { redis } from '../../plugins/redis.ts'
import { refusal } from '../../errors.ts'
import { assertOptionRefused } from '../fixtures/guarded-service.ts'
import { defineWho, minute, passed, statuses } from '../fixtures/limited-service.ts'
import { aPrefix, keysOf, lookAt, noRedis, redisUrl } from '../fixtures/redis.ts'
import { tcpProxy } from '../fixtures/tcp-proxy.ts'
import type { FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { RateLimitOptions } from '../../plugins/rate-limit.ts'
import type { RedisOptions } from '../../plugins/redis.ts'

interface Member { app: FastifyInstance; log: string[] }

/** One process of a service. */
async function member (t: Test, options: Partial<RedisOptions>, limits: RateLimitOptions = {}): Promise<Member> {
  const log: string[] = []
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { log.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(redis, { url: redisUrl, ...options })
  await app.register(rateLimit, limits)
  // A busy machine may take longer than Redis may.
  if (options.url === undefined) await until(() => app.gatehouseRedis.state() === 'up')
  return { app, log }
}

/** `count` processes of one service. */
async function members (t: Test, count: number, limits: RateLimitOptions = {}): Promise<{ apps: FastifyInstance[]; prefix: string }> {
  const prefix = aPrefix()
  const all = await Promise.all(Array.from({ length: count }, () => member(t, { prefix }, limits)))
  return { apps: all.map(({ app }) => app), prefix }
}

async function until (check: () => boolean | Promise<boolean>): Promise<void> {
  while (!await check()) await sleep(20)
}

function onRedis (title: string, test: (t: Test) => Promise<void>): void {
  void t.test(title, { skip: noRedis }, test)
}

onRedis('R158 of 500 parallel requests against a limit of 5 exactly 5 pass, over one process and over three', async (t) => {
  for (const count of [1, 3]) {
    const { apps } = await members(t, count)
    for (const app of apps) app.get('/', { onRequest: app.limit({ max: 5, timeWindow: minute }) }, () => ({}))
    const codes = (await Promise.all(apps.map((app) => statuses(app, Math.ceil(500 / count), { url: '/' })))).flat()
    t.equal(passed(codes), 5)
    t.ok(codes.every((code) => code === 200 || code === 429))
  }
})

onRedis('R150 R151 R152 the answers are those of a limit in memory, and the window is fixed', async (t) => {
  const { apps: [app, other] } = await members(t, 2)
  for (const each of [app, other]) each?.get('/', { onRequest: each.limit({ max: 2, timeWindow: 700 }) }, () => ({}))
  t.match(await app?.inject('/'), { statusCode: 200, headers: { 'ratelimit-policy': '"address-2-700ms";q=2;w=1', ratelimit: '"address-2-700ms";r=1;t=1' } })
  t.equal((await other?.inject('/'))?.statusCode, 200)
  const refused = await app?.inject('/')
  t.match(refused, { statusCode: 429, headers: { 'retry-after': '1', 'cache-control': 'no-store' } })
  t.match(refused?.json(), { code: 'quota_exceeded', 'violated-policies': ['address-2-700ms'] })
  for (let waited = 0; waited < 6; waited += 1) {
    await sleep(50)
    await other?.inject('/')
  }
  await sleep(420)
  t.equal((await other?.inject('/'))?.statusCode, 200, 'refusals do not prolong it')
})

onRedis('R157 R158 several limits of a stage are one round trip, counted up to the first that is exceeded', async (t) => {
  const { apps: [app], prefix } = await members(t, 1, { max: 50, timeWindow: minute })
  if (app === undefined) return
  const { guard } = defineWho(app)
  const wide = app.limit({ name: 'wide', max: 9, timeWindow: minute })
  const narrow = app.limit({ name: 'narrow', max: 2, timeWindow: minute })
  const last = app.limit({ name: 'last', max: 9, timeWindow: minute })
  const own = app.limit({ name: 'own', max: 9, timeWindow: minute, by: ({ request }) => `tenant-${String(request.headers['x-tenant'])}` })
  const each = app.limit({ name: 'each', max: 9, timeWindow: minute, by: 'principal' })
  app.get('/', { onRequest: [wide, narrow, last, guard, own, each] }, () => ({}))
  const client = await lookAt(t)
  const scripts = await scriptsOn(t, prefix)
  const first = await app.inject({ url: '/', headers: { 'x-who': '|alice', 'x-tenant': 'a' } })
  t.equal(first.headers['ratelimit-policy'], '"service";q=50;w=60, "wide";q=9;w=60, "narrow";q=2;w=60, "last";q=9;w=60, "own";q=9;w=60, "each";q=9;w=60')
  t.equal(await scripts(), 3, 'one for the service, one before and one after authentication')
  await app.inject({ url: '/', headers: { 'x-who': '|alice' } })
  t.same((await app.inject('/')).json()['violated-policies'], ['narrow'])
  const keys = await keysOf(client, prefix)
  const count = async (name: string): Promise<string[]> => (await Promise.all(keys.filter((key) => key.includes(`:${name}:`)).map((key) => client.hget(key, 'count')))).map(String)
  t.same(await count('wide'), ['3'])
  t.same(await count('narrow'), ['2'], 'what is refused takes nothing')
  t.same(await count('last'), ['2'], 'nor from the limits behind it')
  t.same(await count('own'), ['1', '1'])
  t.same(await count('each'), ['2'])
  for (const key of keys) {
    t.ok(await client.pttl(key) > 0, `${key} ends by itself`)
    t.notMatch(key, /alice|tenant|127\.0\.0\.1/)
  }
  t.match(app.guardedRoutes().find(({ method }) => method === 'GET')?.limits.map(({ name }) => name), ['service', 'wide', 'narrow', 'last', 'own', 'each'])
})

/** How many scripts were run for a prefix since it was asked last. */
async function scriptsOn (t: Test, prefix: string): Promise<() => Promise<number>> {
  const client = await lookAt(t)
  const monitor = await (await lookAt(t)).monitor()
  t.teardown(() => { monitor.disconnect() })
  let [count, ended] = [0, '']
  monitor.on('monitor', (_time: string, [command = '', ...values]: string[], source: string) => {
    if (command.startsWith('eval') && source !== 'lua' && values.some((value) => value.startsWith(prefix))) count += 1
    if (command === 'echo') ended = values[0] ?? ''
  })
  return async () => {
    // What the server did before this it has told before this.
    const mark = aPrefix()
    await client.echo(mark)
    await until(() => ended === mark)
    return count
  }
}

onRedis('failures of all processes count together, and what was none is given back to its own window', async (t) => {
  const { apps } = await members(t, 3)
  for (const app of apps) {
    app.post('/', { onRequest: app.limit({ name: 'failures', max: 3, timeWindow: minute, counts: 'failures', whenFull: 'closed' }) }, (request) => {
      if (request.headers['x-pin'] !== 'right') throw refusal('access_denied')
      return {}
    })
  }
  const [first, second, third] = apps as [FastifyInstance, FastifyInstance, FastifyInstance]
  const right = { method: 'POST', url: '/', headers: { 'x-pin': 'right' } } as const
  for (const app of [...apps, ...apps]) t.equal((await app.inject(right)).statusCode, 200)
  // What is given back is on its way when the answer is there.
  await until(async () => (await first.inject(right)).headers.ratelimit === '"failures";r=2;t=60' || sleep(20).then(() => false))
  t.same(await Promise.all([first, second, third].map(async (app) => (await app.inject({ method: 'POST', url: '/' })).statusCode)), [403, 403, 403])
  for (const app of apps) t.equal((await app.inject(right)).statusCode, 429)
})

onRedis('what is given back late is not taken out of a later window, nor twice below nothing', async (t) => {
  const { apps: [app], prefix } = await members(t, 1)
  if (app === undefined) return
  const client = await lookAt(t)
  const counts = sharedCountsOn(app.gatehouseRedis)
  const count = async (windowMs: number) => {
    const [found] = await counts.count([{ name: 'late', key: 'k', max: 9, windowMs }])
    if (found === undefined) throw new Error('nothing was counted')
    return found
  }
  const kept = async (): Promise<string | null> => client.hget((await keysOf(client, `${prefix}limit:`)).join(), 'count')
  const first = await count(300)
  t.match(first, { exceeded: false, remaining: 8 })
  await sleep(350)
  const second = await count(60_000)
  t.equal(second.remaining, 8, 'a new window')
  await first.giveBack()
  t.equal(await kept(), '1')
  await second.giveBack()
  await second.giveBack()
  t.equal(await kept(), '0')
})

onRedis('API keys have their own limits over all processes', async (t) => {
  const prefix = aPrefix()
  const apps = await Promise.all([1, 2].map(async () => {
    const { app } = await member(t, { prefix })
    await app.register(apiKeyAuth, { limits: true, verify: ({ key }) => ({ subject: 'alice', keyId: key, limit: { max: key === 'wide' ? 9 : 2, windowSeconds: 60 } }) })
    app.get('/', { onRequest: app.apiKey }, () => ({}))
    return app
  }))
  const asked = (key: string) => Promise.all(apps.flatMap((app) => [1, 2].map(() => app.inject({ url: '/', headers: { 'x-api-key': key } }))))
  t.equal(passed((await asked('narrow')).map(({ statusCode }) => statusCode)), 2)
  const wide = await asked('wide')
  t.same(wide.map(({ headers }) => String(headers.ratelimit).replace(/;t=\d+$/, '')).sort(), ['"apiKey";r=5', '"apiKey";r=6', '"apiKey";r=7', '"apiKey";r=8'])
})

onRedis('R158 refused, hanging or cut: logins are 503, the rest counts alone, and it comes back by itself', async (t) => {
  const proxy = await tcpProxy(t, redisUrl)
  const { app, log } = await member(t, { prefix: aPrefix(), url: proxy.before(redisUrl) })
  await until(() => app.gatehouseRedis.state() === 'up')
  app.get('/open', { onRequest: app.limit({ name: 'open', max: 2, timeWindow: minute }) }, () => ({}))
  app.get('/login', { onRequest: app.limit({ name: 'login', max: 9, timeWindow: minute, counts: 'failures', whenFull: 'closed' }) }, () => ({}))
  const outages = (): number => log.filter((line) => line.includes('Redis does not answer')).length
  const returns = (): number => log.filter((line) => line.includes('Redis answers again')).length
  const [outagesBefore, returnsBefore] = [outages(), returns()]
  let address = 0
  for (const [round, way] of (['refuse', 'hang'] as const).entries()) {
    const remoteAddress = `192.0.2.${String(++address)}`
    await proxy.become(way)
    const began = performance.now()
    t.match(await app.inject({ url: '/login', remoteAddress }), { statusCode: 503, headers: { 'retry-after': '1' } }, way)
    t.ok(performance.now() - began < 5000, 'nothing hangs')
    t.equal(app.gatehouseRedis.state(), 'down')
    t.same((await statuses(app, 3, { url: '/open', remoteAddress })).sort(), [200, 200, 429], 'this process counts alone')
    t.equal(outages() - outagesBefore, round + 1, 'said once')
    await proxy.become('pass')
    await until(() => app.gatehouseRedis.state() === 'up')
    t.equal((await app.inject({ url: '/login', remoteAddress })).statusCode, 200)
    t.equal(returns() - returnsBefore, round + 1, 'said once')
  }
  t.notMatch(log.join(''), /"args"/)
})

onRedis('R158 a server that takes no writes is down', async (t) => {
  const client = await lookAt(t)
  const prefix = aPrefix()
  await client.call('ACL', 'SETUSER', prefix, 'on', '>secret-of-the-test', '~*', '&*', '+@all', '-eval', '-evalsha', '-set')
  t.teardown(async () => { await client.call('ACL', 'DELUSER', prefix) })
  const url = new URL(redisUrl)
  Object.assign(url, { username: prefix, password: 'secret-of-the-test' })
  const { app, log } = await member(t, { prefix, url: url.href })
  app.get('/login', { onRequest: app.limit({ max: 9, timeWindow: minute, whenFull: 'closed' }) }, () => ({}))
  t.equal(app.gatehouseRedis.state(), 'down')
  const refused = await app.inject('/login')
  t.equal(refused.statusCode, 503)
  t.notMatch(log.join('') + refused.body, /secret-of-the-test/)
  url.password = 'a-wrong-secret'
  const wrong = await member(t, { prefix, url: url.href })
  t.match(wrong.log.join(''), /WRONGPASS/)
  t.notMatch(wrong.log.join(''), /a-wrong-secret/)
})

t.test('R158 without a Redis to begin with it starts, and says so; no secret is in a line', async (t) => {
  const { app, log } = await member(t, { url: 'redis://service:hunter2-hunter2@127.0.0.1:1/0' })
  app.get('/open', { onRequest: app.limit({ max: 1, timeWindow: minute }) }, () => ({}))
  app.get('/login', { onRequest: app.limit({ max: 1, timeWindow: minute, whenFull: 'closed' }) }, () => ({}))
  t.same(await statuses(app, 2, { url: '/open' }), [200, 429])
  t.same(await statuses(app, 1, { url: '/login' }), [503])
  t.equal(log.filter((line) => line.includes('Redis does not answer')).length, 1)
  t.match(log.join(''), /ECONNREFUSED/)
  t.notMatch(log.join(''), /hunter2/)
})

t.test('a failure limit on a WebSocket route gives back what was let in, and keeps what was not', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket)
  await app.register(rateLimit)
  const { guard } = defineWho(app)
  app.get('/ws', { websocket: true, onRequest: [app.limit({ name: 'sockets', max: 2, timeWindow: minute, counts: 'failures' }), guard] }, (socket) => { socket.send('hello') })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const open: WebSocket[] = []
  t.teardown(() => { for (const socket of open) socket.terminate() })
  /** `101`, or the status of the refusal. */
  const dial = (headers: Record<string, string>): Promise<number> => new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${String(port)}/ws`, { headers })
    open.push(socket)
    socket.on('error', () => undefined)
    socket.once('message', () => { resolve(101) })
    socket.once('unexpected-response', (_request, response) => { resolve(response.statusCode ?? 0) })
  })
  for (let times = 0; times < 4; times += 1) t.equal(await dial({ 'x-who': '|alice' }), 101)
  t.equal(await dial({ 'x-who': 'wrong' }), 401)
  t.equal(await dial({}), 401)
  t.equal(await dial({ 'x-who': '|alice' }), 429)
})

t.test('options that are refused', (t) => {
  const url = redisUrl
  const cases: [title: string, options: object, member: string][] = [
    ['no URL', {}, 'redis.url'],
    ['another protocol', { url: 'http://127.0.0.1' }, 'redis.url'],
    ['a port alone', { url: '6379' }, 'redis.url'],
    ['options in the URL', { url: 'redis://127.0.0.1/0?enableOfflineQueue=true' }, 'redis.url'],
    ['a database that is no number', { url: 'redis://127.0.0.1/items' }, 'redis.url'],
    ['an escape that is none', { url: 'redis://a:%zz@127.0.0.1' }, 'redis.url'],
    ['a prefix with a pattern', { url, prefix: 'a*' }, 'redis.prefix'],
    ['no prefix', { url, prefix: '' }, 'redis.prefix'],
    ['no time to answer', { url, timeoutMilliseconds: 0 }, 'redis.timeoutMilliseconds'],
    ['an unknown option', { url, cluster: true }, 'redis.cluster']
  ]
  for (const [title, options, option] of cases) {
    t.test(title, async (t) => {
      await assertOptionRefused(t, (app) => app.register(redis, options as RedisOptions), option)
    })
  }
  t.end()
})

t.test('after what would have needed it, it is refused: nobody would count there', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(rateLimit)
  await t.rejects(Promise.resolve(app.register(redis, { url: redisUrl })), { code: 'GATEHOUSE_REDIS_LATE', message: /app\.limit/ })
})

onRedis('what is published reaches every process that asked, also after its connection was lost', async (t) => {
  const prefix = aPrefix()
  const proxy = await tcpProxy(t, redisUrl)
  const apps = [await member(t, { prefix }), await member(t, { prefix, url: proxy.before(redisUrl) })].map(({ app }) => app)
  const heard = new Set<string>()
  for (const [index, app] of apps.entries()) app.gatehouseRedis.subscribe('news', (message) => { heard.add(`${String(index)} ${message}`) })
  const tell = (message: string): Promise<void> => until(async () => {
    apps[0]?.gatehouseRedis.publish('news', message)
    await sleep(20)
    return heard.has(`0 ${message}`) && heard.has(`1 ${message}`)
  })
  await tell('first')
  proxy.cut()
  await tell('second')
})

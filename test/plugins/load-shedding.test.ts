import t from 'tap'
import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import Fastify from 'fastify'
import fastifyUnderPressure from '@fastify/under-pressure'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { cors } from '../../plugins/cors.ts'
import { loadShedding } from '../../plugins/load-shedding.ts'
import { openapi } from '../../plugins/openapi.ts'
import { problems } from '../../plugins/problems.ts'
import { rateLimit } from '../../plugins/rate-limit.ts'
import { securityHeaders } from '../../plugins/security-headers.ts'
import { buildDemo, form } from '../demo.ts'
import type { FastifyInstance, InjectOptions } from 'fastify'
import type { Test } from 'tap'
import type { LoadSheddingOptions } from '../../plugins/load-shedding.ts'

interface Service {
  readonly app: FastifyInstance
  /** What handlers and `verify` were reached. */
  readonly reached: string[]
  readonly log: { level: number; msg: string; [member: string]: unknown }[]
}

/** Any process has more than this in use. */
const surelyExceeded: LoadSheddingOptions = { maxHeapUsedBytes: 1 }
const PAGE = { schema: { type: 'string' }, contentType: 'text/html', write: () => '<!doctype html><title>Not now</title>' }

async function serve (t: Test, options: LoadSheddingOptions): Promise<Service> {
  const reached: string[] = []
  const log: Service['log'] = []
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { log.push(JSON.parse(line) as Service['log'][number]) } } } })
  t.teardown(() => app.close())
  await app.register(securityHeaders)
  await app.register(cors, { origin: ['https://app.example.com'] })
  await app.register(problems)
  await app.register(loadShedding, options)
  await app.register(openapi, { info: { title: 'Items', version: '1' } })
  await app.register(rateLimit)
  await app.register(apiKeyAuth, { verify: ({ key }) => { reached.push('verify'); return key === 'good' ? { subject: 'alice' } : null } })
  const limit = app.limit({ name: 'all', max: 1000, timeWindow: '1 hour' })
  const handler = (url: string) => (): string => { reached.push(url); return url }
  app.get('/public', { onRequest: [app.publicAccess('a demonstration'), limit] }, handler('/public'))
  app.get('/guarded', { onRequest: [app.apiKey, limit] }, handler('/guarded'))
  app.get('/page', { onRequest: app.apiKey, config: { refusal: PAGE } }, handler('/page'))
  app.get('/live', { onRequest: app.publicAccess('a probe'), config: { neverShed: 'A restart helps nobody' } }, handler('/live'))
  app.get('/guarded-live', { onRequest: app.apiKey, config: { neverShed: 'A restart helps nobody' } }, handler('/guarded-live'))
  await app.ready()
  return { app, reached, log }
}

/** Asks until the service answers so; the measures are taken once a second, and what is asked meanwhile is served as ever. */
async function until (app: FastifyInstance, status: number, blockingMilliseconds = 0): Promise<void> {
  while ((await app.inject('/nowhere')).statusCode !== status) await block(blockingMilliseconds)
}

/** Holds the event loop up for longer than a measure takes, as a computation would; then what is due may run. */
async function block (milliseconds: number): Promise<void> {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
  await new Promise((resolve) => { setTimeout(resolve, 5) })
}

t.test('under pressure every request is turned away, before anything is done for it', async (t) => {
  const { app, reached, log } = await serve(t, surelyExceeded)
  await until(app, 503)
  reached.length = 0
  const rows: [string, InjectOptions][] = [
    ['a public route', { url: '/public' }],
    ['a guarded route without credentials', { url: '/guarded' }],
    ['a guarded route with bad credentials', { url: '/guarded', headers: { 'x-api-key': 'bad' } }],
    ['a guarded route with good credentials', { url: '/guarded', headers: { 'x-api-key': 'good' } }],
    ['an unknown URL', { url: '/nowhere' }],
    ['HEAD', { method: 'HEAD', url: '/public' }],
    ['the document', { url: '/openapi.json' }]
  ]
  for (const [title, request] of rows) {
    await t.test(title, async (t) => {
      const answer = await app.inject({ ...request, headers: { origin: 'https://app.example.com', ...request.headers } })
      t.match(answer, {
        statusCode: 503,
        headers: { 'retry-after': '5', 'cache-control': 'no-store', 'content-type': 'application/problem+json; charset=utf-8', 'x-content-type-options': 'nosniff', 'access-control-allow-origin': 'https://app.example.com' }
      })
      t.equal(answer.headers['www-authenticate'], undefined)
      t.equal(answer.headers['ratelimit'], undefined, 'no limit has counted it')
      if (request.method !== 'HEAD') t.match(answer.json(), { status: 503, code: 'unavailable', title: 'Temporarily unavailable', instance: /^urn:request:/ })
    })
  }
  t.match(await app.inject('/page'), { statusCode: 503, headers: { 'content-type': 'text/html', 'retry-after': '5' }, body: '<!doctype html><title>Not now</title>' }, 'in the form of the route')
  t.strictSame(reached, [], 'no callback and no handler')
  t.match(await app.inject('/live'), { statusCode: 200, body: '/live' })
  t.equal((await app.inject({ method: 'HEAD', url: '/live' })).statusCode, 200)
  t.equal((await app.inject('/guarded-live')).statusCode, 401, 'which does not open a guarded route')
  const lines = log.filter(({ level }) => level >= 40)
  t.match(lines.filter(({ msg }) => msg.includes('pressure')), [{
    level: 40, maxEventLoopDelayMilliseconds: 1000, maxHeapUsedBytes: 1, maxRssBytes: Math.floor(0.9 * Math.min(process.constrainedMemory() || Infinity, totalmem())), heapUsed: Number, rssBytes: Number, eventLoopDelay: Number
  }], 'with the bounds, by default or not')
  t.strictSame(lines.filter(({ level }) => level >= 50), [], 'no line for each request')
})

t.test('an event loop that is late is pressure, until it is not', async (t) => {
  const { app, log } = await serve(t, { maxEventLoopDelayMilliseconds: 500 })
  await until(app, 503, 1500)
  await until(app, 404)
  t.strictSame(log.filter(({ msg }) => /pressure|taken again/.test(msg)).slice(0, 2).map(({ level, msg }) => [level, msg]), [
    [40, 'the process is under pressure: requests are turned away'], [30, 'requests are taken again']
  ])
})

t.test('so is memory beyond what the process may hold', async (t) => {
  const { app, log } = await serve(t, { maxRssBytes: 1 })
  await until(app, 503)
  t.match(log.filter(({ msg }) => msg.includes('pressure')), [{ maxRssBytes: 1, maxHeapUsedBytes: Math.floor(0.9 * getHeapStatistics().heap_size_limit) }])
})

t.test('R208 OpenAPI says 503 wherever it can happen', async (t) => {
  interface Document { paths: Record<string, { get: { responses: Record<string, { description: string; headers: object; content: object }> } }> }
  const { app } = await serve(t, {})
  const { paths } = (await app.inject('/openapi.json')).json<Document>()
  t.strictSame(Object.fromEntries(Object.entries(paths).map(([url, { get }]) => [url, get.responses['503']?.description])), {
    '/public': 'The service has too much to do.',
    '/guarded': 'The service has too much to do, or the credentials could not be checked.',
    '/page': 'The service has too much to do, or the credentials could not be checked.',
    '/live': undefined,
    '/guarded-live': 'The credentials could not be checked.'
  })
  t.match(paths['/public']?.get.responses['503'], { headers: { 'Retry-After': {} }, content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } })
})

t.test('the demo under pressure lives, and is not ready', async (t) => {
  const demo = await buildDemo(t)
  const statusOf = async (url: string): Promise<number> => (await demo.send({ url })).statusCode
  const asked: number[][] = []
  // Between two answers that say so, it was under pressure.
  do {
    await block(2500)
    asked.push([await statusOf('/nowhere'), await statusOf('/health/live'), await statusOf('/health/ready'), await statusOf('/metrics'), await statusOf('/nowhere')])
  } while (asked.at(-1)?.[0] !== 503 || asked.at(-1)?.[4] !== 503)
  t.strictSame(asked.at(-1), [503, 200, 503, 401, 503], 'who may read the metrics reads them')
  let refused
  do {
    await block(2500)
    refused = await demo.send({ method: 'POST', url: '/token', ...form({ grant_type: 'password' }) })
  } while (refused.statusCode !== 503)
  t.match(refused.headers, { 'retry-after': '5' })
  t.match(refused.json(), { error: 'temporarily_unavailable' })
})

t.test('refused at boot', (t) => {
  const rows: [string, unknown, RegExp][] = [
    ['a delay of nothing', { maxEventLoopDelayMilliseconds: 0 }, /maxEventLoopDelayMilliseconds must be a whole number/],
    ['a delay as a text', { maxEventLoopDelayMilliseconds: '1000' }, /maxEventLoopDelayMilliseconds/],
    ['a heap below one byte', { maxHeapUsedBytes: 0.5 }, /maxHeapUsedBytes/],
    ['memory without a bound', { maxRssBytes: Infinity }, /maxRssBytes/],
    ['an option of the official plugin', { maxEventLoopDelay: 1000 }, /maxEventLoopDelay is not an option/]
  ]
  for (const [title, options, message] of rows) {
    t.test(title, async (t) => {
      const app = Fastify()
      t.teardown(() => app.close())
      await t.rejects(async () => { await app.register(loadShedding, options as LoadSheddingOptions) }, { code: 'GATEHOUSE_OPTION_INVALID', message })
    })
  }
  t.test('a child context', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => { await app.register(async (child) => { await child.register(loadShedding) }) }, { code: 'GATEHOUSE_OPTION_INVALID', message: /only on the root/ })
  })
  t.test('after a route', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(rateLimit)
    app.get('/early', () => '')
    await t.rejects(async () => { await app.register(loadShedding) }, { code: 'GATEHOUSE_OPTIONS_LATE', message: /GET.* \/early/ })
  })
  for (const why of ['', true]) {
    t.test(`a route that does not say why: ${JSON.stringify(why)}`, async (t) => {
      const app = Fastify()
      t.teardown(() => app.close())
      await app.register(loadShedding)
      t.throws(() => { app.get('/live', { config: { neverShed: why as string } }, () => '') }, { code: 'GATEHOUSE_OPTION_INVALID', message: /must say why/ })
    })
  }
  t.end()
})

for (const order of ['before', 'after']) {
  t.test(`loadShedding ${order} a service's own @fastify/under-pressure: its measures stand`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    if (order === 'before') await app.register(loadShedding, surelyExceeded)
    await app.register(fastifyUnderPressure, { maxRssBytes: Number.MAX_SAFE_INTEGER })
    if (order === 'after') await app.register(loadShedding, surelyExceeded)
    await app.ready()
    await until(app, 503)
    t.equal(app.isUnderPressure(), false, 'of its own it knows no pressure')
  })
}

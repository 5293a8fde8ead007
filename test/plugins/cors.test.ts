// CORS beside guards, limits and what no hook sees; the protocol itself is in http-surface.test.ts and differential.test.ts.
import t from 'tap'
import Fastify from 'fastify'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyServerOptions, InjectOptions, onSendAsyncHookHandler } from 'fastify'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { basicAuth } from '../../plugins/basic-auth.ts'
import { cors } from '../../plugins/cors.ts'
import { guards } from '../../plugins/guards.ts'
import { problems } from '../../plugins/problems.ts'
import { rateLimit } from '../../plugins/rate-limit.ts'
import { scopes } from '../../plugins/scopes.ts'
import { securityHeaders } from '../../plugins/security-headers.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import { buildDemo, form } from '../demo.ts'
import type { CorsOptions } from '../../plugins/cors.ts'

const APP = 'https://app.example.com'
const EVIL = 'https://evil.example'
const SECRET = 'hunter2'

interface Service { app: FastifyInstance; ran: string[] }

async function build (t: { teardown (close: () => Promise<void>): void }, options: CorsOptions = { origin: [APP], credentials: true }, server: FastifyServerOptions = serverOptions()): Promise<Service> {
  const ran: string[] = []
  const app = Fastify({ ...server, forceCloseConnections: true })
  t.teardown(async () => { await app.close() })
  await app.register(securityHeaders)
  await app.register(cors, options)
  await app.register(problems)
  await app.register(guards, { defaultAccess: 'deny' })
  await app.register(rateLimit, { max: 50, timeWindow: '1 minute' })
  await app.register(basicAuth, { verify: ({ username }) => { ran.push('verify'); return username === 'alice' ? { subject: 'alice', scopes: [] } : null } })
  await app.register(apiKeyAuth, { verify: ({ key }) => { ran.push('verify'); if (key === 'broken') throw new Error(SECRET); return null } })
  await app.register(scopes)
  const handler = async (): Promise<string> => { ran.push('handler'); return 'handled' }
  const open = app.publicAccess('a test')
  app.get('/open', { onRequest: open }, handler)
  app.get('/guarded', { onRequest: app.anyOf(app.basic, app.apiKey) }, handler)
  app.get('/scoped', { onRequest: [app.basic, app.requireScopes('items:write')] }, handler)
  app.get('/limited', { onRequest: [open, app.limit({ name: 'one', max: 1, timeWindow: '1 minute' })] }, handler)
  app.options('/guarded', { onRequest: app.basic }, handler)
  app.get('/broken', { onRequest: open }, async () => { throw new Error(SECRET) })
  app.get('/items/:id', { onRequest: open }, handler)
  app.post('/items', { onRequest: open, schema: { body: { type: 'object', required: ['title'] } }, bodyLimit: 100 }, handler)
  await app.ready()
  return { app, ran }
}

const alice = { authorization: `Basic ${btoa('alice:x')}` }
const json = { 'content-type': 'application/json' }

t.test('R163 R164 every answer can be read by an allowed origin alone, and varies on it', (t) => {
  const rows: [string, InjectOptions, number][] = [
    ['200', { url: '/open' }, 200],
    ['HEAD', { method: 'HEAD', url: '/open' }, 200],
    ['OPTIONS that is no preflight', { method: 'OPTIONS', url: '/guarded', headers: alice }, 200],
    ['401 without credentials', { url: '/guarded' }, 401],
    ['401 with a bad key', { url: '/guarded', headers: { 'x-api-key': 'k' } }, 401],
    ['401 with what is no Basic', { url: '/guarded', headers: { authorization: 'Basic' } }, 401],
    ['403', { url: '/scoped', headers: alice }, 403],
    ['503 of a callback', { url: '/guarded', headers: { 'x-api-key': 'broken' } }, 503],
    ['500', { url: '/broken' }, 500],
    ['404', { url: '/nowhere' }, 404],
    ['another method', { method: 'DELETE', url: '/open' }, 404],
    ['a body that is no JSON', { method: 'POST', url: '/items', headers: json, payload: '{' }, 400],
    ['a body that does not fit', { method: 'POST', url: '/items', headers: json, payload: '{}' }, 400],
    ['a body too large', { method: 'POST', url: '/items', headers: json, payload: JSON.stringify({ title: 'x'.repeat(200) }) }, 413],
    ['a media type', { method: 'POST', url: '/items', headers: { 'content-type': 'a/b' }, payload: 'x' }, 415],
    ['a bad URL, which reaches no hook', { url: '/%' }, 400],
    ['a bad escape, which reaches no hook', { url: '/items/%c0%80' }, 400],
    ['a parameter that is too long, which reaches no hook', { url: `/items/${'x'.repeat(200)}` }, 414],
    ['too many headers, which reach no hook', { url: '/open', headers: Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`x-${String(at)}`, '1'])) }, 431]
  ]
  for (const [title, request, status] of rows) {
    t.test(title, async (t) => {
      const { app } = await build(t)
      const ask = async (origin?: string) => app.inject({ ...request, headers: { ...request.headers, ...(origin === undefined ? {} : { origin }) } })
      const allowed = await ask(APP)
      t.equal(allowed.statusCode, status)
      t.match(allowed.headers, { 'access-control-allow-origin': APP, 'access-control-allow-credentials': 'true', 'access-control-expose-headers': /Retry-After, WWW-Authenticate$/, vary: 'Origin' })
      for (const other of [await ask(EVIL), await ask()]) {
        t.equal(other.statusCode, status, 'R162')
        t.same(Object.keys(other.headers).filter((name) => name.startsWith('access-control-')), [])
        t.equal(other.headers.vary, 'Origin')
        t.equal(other.headers['x-content-type-options'], 'nosniff')
      }
    })
  }
  t.end()
})

t.test('R164 429 of a limit on a route and of one on the service can be read, with when to come again', async (t) => {
  const { app } = await build(t)
  const ask = async (url: string) => app.inject({ url, headers: { origin: APP } })
  await ask('/limited')
  for (const url of ['/limited', '/open']) {
    let answer = await ask(url)
    for (let at = 0; answer.statusCode !== 429 && at < 60; at += 1) answer = await ask(url)
    t.equal(answer.statusCode, 429)
    t.match(answer.headers, { 'access-control-allow-origin': APP, vary: 'Origin', 'retry-after': /^\d+$/ })
    t.match(answer.headers['access-control-expose-headers'], /RateLimit, RateLimit-Policy, Retry-After/)
  }
})

t.test('R164 R165 preflights reach no guard, no limit, no handler, and learn nothing of a private network', async (t) => {
  const { app, ran } = await build(t)
  for (const origin of [APP, EVIL]) {
    for (const url of ['/open', '/guarded', '/scoped', '/limited', '/nowhere', '/%']) {
      for (let at = 0; at < 10; at += 1) {
        const answer = await app.inject({ method: 'OPTIONS', url, headers: { origin, ...alice, 'x-api-key': 'broken', 'access-control-request-method': 'GET', 'access-control-request-private-network': 'true' } })
        t.equal(answer.statusCode, url === '/%' ? 400 : 204, `${url} of ${origin}`)
        t.equal(answer.headers['access-control-allow-origin'], origin === APP ? APP : undefined)
        t.equal(answer.headers['access-control-allow-private-network'], undefined)
        t.equal(answer.headers.vary, 'Origin')
        t.equal(answer.headers['ratelimit'], undefined)
      }
    }
  }
  t.same(ran, [])
  t.equal((await app.inject({ url: '/limited' })).statusCode, 200, 'and count for nothing')
})

t.test('R163 R171 what the parser refuses varies on the origin too, and has the headers as they are configured', async (t) => {
  const app = Fastify({ ...serverOptions(), forceCloseConnections: true })
  t.teardown(async () => { await app.close() })
  await app.register(securityHeaders, { xFrameOptions: 'SAMEORIGIN', referrerPolicy: false, contentSecurityPolicy: "default-src 'none'" })
  await app.register(cors, { origin: [APP] })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const ask = async (text: string): Promise<string> => {
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
    let answer = ''
    socket.on('data', (chunk) => { answer += chunk.toString() })
    socket.on('error', () => undefined)
    socket.write(text)
    await new Promise((resolve) => socket.on('close', resolve))
    return answer.toLowerCase()
  }
  const rows: [string, string, number][] = [
    ['no HTTP', 'NONSENSE\r\n\r\n', 400],
    ['headers too large', `GET / HTTP/1.1\r\nHost: a\r\nOrigin: ${APP}\r\nX-A: ${'a'.repeat(17_000)}\r\n\r\n`, 431],
    ['no Host', `GET / HTTP/1.1\r\nOrigin: ${APP}\r\nConnection: close\r\n\r\n`, 400],
    ['a bad URL', `GET /% HTTP/1.1\r\nHost: a\r\nOrigin: ${APP}\r\nConnection: close\r\n\r\n`, 400]
  ]
  for (const [title, text, status] of rows) {
    const answer = await ask(text)
    t.ok(answer.startsWith(`http/1.1 ${String(status)} `), title)
    for (const line of ['vary: origin', 'x-frame-options: sameorigin', "content-security-policy: default-src 'none'", 'content-type: application/problem+json; charset=utf-8']) t.ok(answer.includes(`\r\n${line}\r\n`), `${title}: ${line}`)
    t.notMatch(answer, 'referrer-policy', title)
    t.notMatch(answer, 'strict-transport-security', title)
  }
})

t.test('R005 R164 a header that Node refuses is a 500 that its page can read', (t) => {
  const servers: [string, (app: FastifyInstance) => Promise<void>][] = [
    ['beside problems', async (app) => { await app.register(problems) }],
    ['beside an error handler of your own', async (app) => { app.setErrorHandler((_error, _request, reply) => { void reply.code(500).send({ failed: true }) }) }],
    ['beside none', async () => undefined]
  ]
  const values: [string, string, string | string[]][] = [['a line break', 'x-name', 'a\r\nset-cookie: b'], ['a character beyond Latin-1', 'x-name', 'Zoë ✓'], ['one of several', 'x-name', ['fine', 'a\nb']], ['a name that is none', 'x name', 'a']]
  const ways: [string, (app: FastifyInstance, set: [string, string | string[]]) => void][] = [
    ['a promise', (app, set) => { app.get('/', async (_request, reply) => { void reply.header(...set); return SECRET }) }],
    ['send', (app, set) => { app.get('/', (_request, reply) => { void reply.header(...set).send(SECRET) }) }],
    ['a handler that then fails', (app, set) => { app.get('/', async (_request, reply) => { void reply.header(...set); throw new Error('for another reason') }) }],
    ['an onSend hook', (app, set) => {
      const hook: onSendAsyncHookHandler = async (_request, reply) => { if (reply.statusCode === 200) void reply.header(...set) }
      app.get('/', { onSend: hook }, () => SECRET)
    }]
  ]
  for (const [title, register] of servers) {
    for (const [what, name, value] of values) {
      for (const [how, declare] of ways) {
        t.test(`${what} by ${how}, ${title}`, async (t) => {
          const app = Fastify({ ...serverOptions(), forceCloseConnections: true })
          t.teardown(async () => { await app.close() })
          await app.register(securityHeaders)
          await app.register(cors, { origin: [APP] })
          await register(app)
          declare(app, [name, value])
          await app.listen({ port: 0, host: '127.0.0.1' })
          const answer = await fetch(`http://127.0.0.1:${String((app.server.address() as AddressInfo).port)}/`, { headers: { origin: APP } })
          t.equal(answer.status, 500)
          t.equal(answer.headers.get('access-control-allow-origin'), APP)
          t.equal(answer.headers.get('vary'), 'Origin')
          t.equal(answer.headers.get('x-content-type-options'), 'nosniff')
          t.equal(answer.headers.get('set-cookie'), null)
          t.notMatch(await answer.text(), SECRET)
        })
      }
    }
  }
  t.end()
})

t.test('R160 anyOrigin is told by guardedRoutes(), for the context that it holds for', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(guards)
  await app.register(async (data) => {
    await data.register(cors, { origin: '*', anyOrigin: 'the data are public' })
    data.get('/data', { onRequest: data.publicAccess('open data') }, () => [])
    await data.register(async (child) => { child.get('/data/child', () => []) })
  })
  await app.register(async (own) => {
    await own.register(cors, { origin: [APP] })
    own.get('/own', () => [])
  })
  app.get('/other', () => [])
  await app.ready()
  t.strictSame(Object.fromEntries(app.guardedRoutes().filter(({ method }) => method === 'GET').map(({ url, anyOrigin }) => [url, anyOrigin])), {
    '/data': 'the data are public', '/data/child': 'the data are public', '/other': null, '/own': null
  })
  t.equal((await app.inject({ url: '/data', headers: { origin: EVIL } })).headers['access-control-allow-origin'], '*')
  t.equal((await app.inject({ url: '/other', headers: { origin: EVIL } })).headers['access-control-allow-origin'], undefined)
})

t.test('R148 R162 the demo: pages of other origins read its answers without cookies, and /token never with them', async (t) => {
  const demo = await buildDemo(t, { CORS_ORIGINS: APP })
  for (const url of ['/token', '/token/revoke', '/items', '/users/me', '/nowhere']) {
    for (const origin of [APP, EVIL]) {
      const answers = [
        await demo.send({ method: 'POST', url, headers: { origin, ...form({ grant_type: 'password' }).headers }, payload: 'grant_type=password' }),
        await demo.send({ method: 'OPTIONS', url, headers: { origin, 'access-control-request-method': 'POST' } })
      ]
      for (const { headers } of answers) {
        t.equal(headers['access-control-allow-credentials'], undefined, url)
        t.equal(headers['access-control-allow-origin'], origin === APP ? APP : undefined, url)
        t.equal(headers.vary, 'Origin', url)
      }
    }
  }
  t.ok(demo.app.guardedRoutes().every(({ anyOrigin }) => anyOrigin === null))
})

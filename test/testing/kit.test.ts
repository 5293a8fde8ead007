// The test kit: acting as somebody, what a refusal has to be, and a clock. With node:test as users have it, and with tap.
import '../fixtures/test-environment.ts'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import t from 'tap'
import { fault } from '../../errors.ts'
import { apiKeyAuth, basicAuth, bearerAuth, csrf, rateLimit, scopes, serverOptions } from '../../index.ts'
import { as, expectDenied, testClock } from '../../testing/index.ts'
import { secret, sign } from '../fixtures/tokens.ts'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { TestPrincipal } from '../../testing/index.ts'

const origin = 'https://app.example'

/** A route of each sort, which count how often their handlers ran. */
async function build (t: Test): Promise<{ app: FastifyInstance; entered: string[] }> {
  const app = Fastify(serverOptions())
  const entered: string[] = []
  t.teardown(() => app.close())
  await app.register(basicAuth, { users: { alice: 'wonderland' } })
  await app.register(bearerAuth, { secret, issuer: 'https://id.example', audience: 'https://api.example', scopes: { 'items:read': 'Read' } })
  await app.register(apiKeyAuth, { verify: () => null })
  await app.register(csrf, { origins: [origin] })
  await app.register(scopes)
  await app.register(rateLimit)
  app.defineScheme({
    name: 'pass',
    definition: { type: 'apiKey', in: 'cookie', name: 'pass' },
    carrier: { in: 'cookie', name: 'pass' },
    ambient: true,
    csrfSecret: () => null,
    authenticate: () => null,
    challenge: () => 'Cookie realm="api"'
  })
  const pass = app.getDecorator<typeof app.basic>('pass')
  const handler = async (request: { principal: { subject: string } }) => {
    entered.push(request.principal.subject)
    return { subject: request.principal.subject }
  }
  app.get('/items', { onRequest: [app.anyOf(app.bearer, app.apiKey), app.requireScopes('items:read')] }, handler)
  app.get('/admin', { onRequest: [app.bearer, app.requireRoles('admin'), app.requirePolicy('own', ({ principal }) => principal.subject === 'alice')] }, handler)
  app.get('/both', { onRequest: [app.allOf(app.basic, app.apiKey)] }, handler)
  app.get('/limited', { onRequest: [app.bearer, app.limit({ max: 2, timeWindow: '1 minute', by: 'principal' })] }, handler)
  app.post('/form', { onRequest: pass, schema: { body: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } } } }, handler)
  app.get('/nested', { onRequest: app.bearer }, async () => {
    const inner = await app.inject('/items')
    return { inner: inner.statusCode }
  })
  return { app, entered }
}

const alice: TestPrincipal = { kind: 'bearer', subject: 'alice', scopes: ['items:read'], roles: ['admin'] }
const basic = { authorization: `Basic ${Buffer.from('alice:wonderland').toString('base64')}` }

t.test('as: the scheme answers with the principal, and the handler has the whole of it', async (t) => {
  const { app } = await build(t)
  t.strictSame((await as(app, alice).inject('/items')).json(), { subject: 'alice' })
  t.strictSame((await as(app, { kind: 'apiKey', subject: 'bob', scopes: ['items:read'] }).inject({ url: '/items' })).json(), { subject: 'bob' })
  t.equal((await as(app, { kind: 'custom', scheme: 'pass', subject: 'carol' }).inject({ method: 'POST', url: '/form' })).statusCode, 403)
  const { principal } = as(app, { kind: 'bearer', subject: 'alice', claims: { tenant: 'x' } })
  t.match(principal, { kind: 'bearer', scheme: 'bearer', subject: 'alice', scopes: [], roles: [], attributes: {}, issuer: null, clientId: null, claims: { tenant: 'x' } })
  t.ok(Object.isFrozen(principal) && Object.isFrozen(principal.scopes))
})

t.test('as: what the route requires besides still has to hold', async (t) => {
  const { app, entered } = await build(t)
  const cases: [string, TestPrincipal, string, { status: number; code: string; challenge?: string | RegExp }][] = [
    ['a scope', { kind: 'bearer', subject: 'alice' }, '/items', { status: 403, code: 'insufficient_scope', challenge: /scope="items:read"/ }],
    ['a role', { kind: 'bearer', subject: 'alice' }, '/admin', { status: 403, code: 'insufficient_role' }],
    ['a policy', { kind: 'bearer', subject: 'bob', roles: ['admin'] }, '/admin', { status: 403, code: 'access_denied' }],
    ['another scheme', { kind: 'apiKey', subject: 'alice' }, '/admin', { status: 401, code: 'credentials_required', challenge: /^Bearer / }],
    ['the other scheme of the two', { kind: 'apiKey', subject: 'alice' }, '/both', { status: 401, code: 'credentials_required', challenge: /^Basic / }]
  ]
  for (const [title, principal, url, denial] of cases) t.test(title, async () => { expectDenied(await as(app, principal).inject(url), denial) })
  t.strictSame(entered, [])
  t.equal((await as(app, { kind: 'apiKey', subject: 'alice' }).inject({ url: '/both', headers: basic })).statusCode, 200, 'what is presented beside it is verified')
})

t.test('as: limits count, CSRF is judged, bodies are validated', async (t) => {
  const { app, entered } = await build(t)
  const client = as(app, alice)
  const statuses = [await client.inject('/limited'), await client.inject('/limited'), await client.inject('/limited'), await as(app, { kind: 'bearer', subject: 'bob' }).inject('/limited')].map(({ statusCode }) => statusCode)
  t.strictSame(statuses, [200, 200, 429, 200])

  const browser = as(app, { kind: 'custom', scheme: 'pass', subject: 'carol' })
  const post = (headers: Record<string, string>, payload: object = { name: 'x' }) => browser.inject({ method: 'POST', url: '/form', headers, payload })
  const evidence = browser.csrfHeaders()
  t.match(evidence, { 'sec-fetch-site': 'same-origin', 'x-csrf-token': /./ })
  expectDenied(await post({}), { status: 403, code: 'cross_site_request' })
  expectDenied(await post({ ...evidence, 'sec-fetch-site': 'cross-site' }), { status: 403, code: 'cross_site_request' })
  expectDenied(await post({ 'sec-fetch-site': 'same-origin' }), { status: 403, code: 'csrf_token_invalid' })
  expectDenied(await post(as(app, { kind: 'custom', scheme: 'pass', subject: 'carol' }).csrfHeaders()), { status: 403, code: 'csrf_token_invalid' })
  t.equal((await post(evidence, {})).statusCode, 400)
  t.equal((await post(evidence)).statusCode, 200)
  t.strictSame(entered.filter((subject) => subject === 'carol'), ['carol'])
})

t.test('as: nobody else is let in', async (t) => {
  const { app } = await build(t)
  const client = as(app, alice)
  t.strictSame((await client.inject('/nested')).json(), { inner: 401 }, 'what a handler asks of the service itself')
  const [own, stranger] = await Promise.all([client.inject('/items'), app.inject('/items')])
  t.strictSame([own.statusCode, stranger.statusCode], [200, 401], 'a request at the same time')
  const { raw } = own
  const sent = await app.inject({ url: '/items', headers: raw.req.headers as Record<string, string> })
  t.equal(sent.statusCode, 401, 'the same headers')
  await app.listen({ port: 0 })
  const { port } = app.server.address() as { port: number }
  t.equal((await fetch(`http://127.0.0.1:${String(port)}/items`)).status, 401, 'over a socket')
  const other = await build(t)
  t.equal((await other.app.inject('/items')).statusCode, 401, 'another service')
})

t.test('as: what is no principal of this service is refused', async (t) => {
  const { app } = await build(t)
  const cases: [string, unknown][] = [
    ['no subject', { kind: 'bearer' }],
    ['an empty subject', { kind: 'bearer', subject: '' }],
    ['scopes as a text', { kind: 'bearer', subject: 'a', scopes: 'items:read' }],
    ['a scheme that no route takes', { kind: 'session', subject: 'a' }]
  ]
  for (const [title, principal] of cases) t.throws(() => as(app, principal as TestPrincipal), { code: 'GATEHOUSE_OPTION_INVALID' }, title)
  t.throws(() => as(Fastify(), alice), { code: 'GATEHOUSE_OPTION_INVALID' }, 'a service without guards')
})

t.test('the kit refuses production, when it is loaded and when it is used', async (t) => {
  const { app } = await build(t)
  t.intercept(process, 'env', { value: { ...process.env, NODE_ENV: 'production' } })
  t.throws(() => as(app, alice), { code: 'GATEHOUSE_TESTING_IN_PRODUCTION' })
  const url = new URL('../../testing/index.ts', import.meta.url).href
  const load = (environment: Record<string, string>): Promise<unknown> => promisify(execFile)(process.execPath, [...process.execArgv, '--input-type=module', '-e', `await import('${url}')`], { env: { ...process.env, NODE_ENV: '', ...environment } })
  await t.rejects(load({ NODE_ENV: 'production' }), /GATEHOUSE_TESTING_IN_PRODUCTION/)
  await t.rejects(load({}), /GATEHOUSE_TESTING_IN_PRODUCTION/, 'unset is production')
  await t.resolves(load({ NODE_ENV: 'test' }))
})

t.test('expectDenied: what it takes and what it does not', async (t) => {
  const { app } = await build(t)
  const denied = await app.inject('/items')
  const right = { status: 401, code: 'credentials_required' }
  const [bearer, apiKey] = denied.headers['www-authenticate'] as unknown as [string, string]
  for (const challenge of [undefined, /^ApiKey /, [bearer, apiKey], [/^Bearer/, /^ApiKey/]]) t.doesNotThrow(() => { expectDenied(denied, challenge === undefined ? right : { ...right, challenge }) })
  const open = { statusCode: 200, headers: {}, body: '{}' }
  const cases: [string, Pick<LightMyRequestResponse, 'statusCode' | 'headers' | 'body'>, Parameters<typeof expectDenied>[1]][] = [
    ['another status', denied, { ...right, status: 403 }],
    ['another code', denied, { ...right, code: 'invalid_token' }],
    ['no refusal', open, right],
    ['no problem', { ...denied, body: 'no' }, right],
    ['a 401 without a challenge', { ...denied, headers: { ...denied.headers, 'www-authenticate': undefined } }, right],
    ['a challenge where none should be', denied, { ...right, challenge: null }],
    ['one challenge of two', denied, { ...right, challenge: bearer }],
    ['no challenge that matches', denied, { ...right, challenge: /^Basic/ }],
    ['another order', denied, { ...right, challenge: [apiKey, bearer] }],
    ['a cache may keep it', { ...denied, headers: { ...denied.headers, 'cache-control': 'public' } }, right]
  ]
  for (const [title, response, denial] of cases) t.throws(() => { expectDenied(response, denial) }, { code: 'ERR_ASSERTION' }, title)
})

t.test('testClock: what expires when it is moved', async (t) => {
  const { app } = await build(t)
  const real = Date
  const clock = testClock()
  t.teardown(() => { clock.restore() })
  const before = Date.now()
  const headers = { authorization: `Bearer ${await sign()}` }
  t.equal((await app.inject({ url: '/items', headers })).statusCode, 200)
  clock.advance(3600)
  expectDenied(await app.inject({ url: '/items', headers }), { status: 401, code: 'invalid_token' })
  t.ok(new Date().getTime() - before >= 3_600_000)
  t.equal(new Date(0).getTime(), 0)
  clock.restore()
  t.equal(Date, real)
})

t.test('the fault says what to do', (t) => {
  t.match(fault('GATEHOUSE_TESTING_IN_PRODUCTION', 'x').message, /NODE_ENV/)
  t.end()
})

// What the core tells of each decision, to whoever subscribes to the channel.
import Fastify from 'fastify'
import t from 'tap'
import { hashOfName } from '../../credentials/attempted-names.ts'
import { refusal } from '../../errors.ts'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { basicAuth } from '../../plugins/basic-auth.ts'
import { csrf } from '../../plugins/csrf.ts'
import { rateLimit } from '../../plugins/rate-limit.ts'
import { scopes } from '../../plugins/scopes.ts'
import { sessionAuth } from '../../plugins/session-auth.ts'
import { stores } from '../../plugins/stores.ts'
import { isHeard, securityEvents } from '../../guards/events.ts'
import { hear } from '../fixtures/events.ts'
import type { FastifyInstance, InjectOptions } from 'fastify'
import type { Test } from 'tap'

const basic = (password: string) => ({ authorization: `Basic ${btoa(`alice:${password}`)}` })

async function service (t: Test): Promise<FastifyInstance> {
  const app = Fastify() as FastifyInstance
  t.teardown(() => app.close())
  await app.register(rateLimit, { guards: { trustedProxies: ['127.0.0.1'] } })
  await app.register(stores, { file: ':memory:' })
  await app.register(sessionAuth, { loadPrincipal: ({ subject }) => ({ subject }) })
  await app.register(basicAuth, { users: { alice: 'wonderland' } })
  await app.register(apiKeyAuth, {
    verify ({ key }) {
      if (key === 'down') throw new Error('the store is down')
      return key === 'k' ? { subject: 'bob', scopes: ['read'] } : key === 'off' ? { subject: 'carol', disabled: true } : null
    }
  })
  await app.register(csrf, { origins: ['https://app.example'] })
  await app.register(scopes)
  app.get('/open', { onRequest: app.publicAccess('for a test') }, () => 'ok')
  app.get('/me/:id', { onRequest: app.anyOf(app.basic, app.apiKey) }, () => 'ok')
  app.get('/write', { onRequest: [app.apiKey, app.requireScopes('write')] }, () => 'ok')
  app.get('/hidden', { onRequest: [app.apiKey, app.requirePolicy('nobody', () => 'hidden')] }, () => 'ok')
  app.get('/limited', { onRequest: [app.apiKey, app.limit({ name: 'few', max: 1, timeWindow: '1 minute', by: 'principal' })] }, () => 'ok')
  app.post('/change', { onRequest: app.basic }, () => 'ok')
  app.post('/form', { onRequest: app.session, config: { csrf: 'form' } }, () => 'ok')
  app.post('/login', { onRequest: [app.publicAccess('for a test'), app.refuseCrossSite] }, async (request, reply) => {
    await app.session.open(request, reply, 'dave')
    return 'ok'
  })
  await app.ready()
  return app
}

type Row = [title: string, request: InjectOptions & { url: string }, status: number, events: object[]]

const why = 'unknown user or wrong password'
const rows: Row[] = [
  ['a stranger on a public route is nothing', { url: '/open' }, 200, []],
  ['an unknown URL is nothing', { url: '/nowhere' }, 404, []],
  ['no credentials', { url: '/me/1' }, 401, [{ event: 'gatehouse_challenged', outcome: 'failure', actor: null, scheme: null, reason: 'credentials_required' }]],
  ['good credentials', { url: '/me/1', headers: basic('wonderland') }, 200, [{ event: 'gatehouse_authenticated', outcome: 'success', actor: 'alice', scheme: 'basic' }]],
  ['a wrong password tells the hash of the name', { url: '/me/1', headers: basic('looking-glass') }, 401, [{ event: 'authn_login_fail', outcome: 'failure', actor: hashOfName('ALICE'), scheme: 'basic', reason: 'invalid_credentials', details: { why } }]],
  ['an unknown key', { url: '/write', headers: { 'x-api-key': 'wrong' } }, 401, [{ event: 'authn_login_fail', actor: null, scheme: 'apiKey', reason: 'invalid_credentials' }]],
  ['the key of a disabled account', { url: '/write', headers: { 'x-api-key': 'off' } }, 403, [{ event: 'authn_login_fail', scheme: 'apiKey', reason: 'account_disabled' }]],
  ['a scope is lacking', { url: '/write', headers: { 'x-api-key': 'k' } }, 403, [{ event: 'authz_fail', outcome: 'failure', actor: 'bob', scheme: 'apiKey', reason: 'insufficient_scope' }]],
  ['a policy hides', { url: '/hidden', headers: { 'x-api-key': 'k' } }, 404, [{ event: 'authz_fail', actor: 'bob', reason: 'not_found' }]],
  ['a change from elsewhere', { method: 'POST', url: '/change', headers: { ...basic('wonderland'), origin: 'https://evil.example' } }, 403, [{ event: 'malicious_csrf', outcome: 'failure', actor: 'alice', scheme: 'basic', reason: 'cross_site_request' }]],
  ['a login from elsewhere', { method: 'POST', url: '/login', headers: { origin: 'https://evil.example' } }, 403, [{ event: 'malicious_csrf', actor: null, reason: 'cross_site_request' }]],
  ['a store that fails is no event of security', { url: '/write', headers: { 'x-api-key': 'down' } }, 503, []]
]

t.test('R200 R201 each decision of the guards is one event', async (t) => {
  const app = await service(t)
  const heard = hear(t, app)
  for (const [title, request, status, expected] of rows) {
    await t.test(title, async (t) => {
      const response = await app.inject({ ...request, headers: { ...request.headers, 'x-forwarded-for': '203.0.113.7' } })
      t.equal(response.statusCode, status)
      const route = request.url.replace('/1', '/:id')
      t.match(heard.take(), expected.map((event) => ({ ...event, ip: '203.0.113.7', method: request.method ?? 'GET', route, request_id: String })))
    })
  }
})

t.test('R200 a limit names itself and whom it counts', async (t) => {
  const app = await service(t)
  const heard = hear(t, app)
  const request = { url: '/limited', headers: { 'x-api-key': 'k' } }
  await app.inject(request)
  t.equal((await app.inject(request)).statusCode, 429)
  t.match(heard.take(), [{ event: 'gatehouse_authenticated' }, { event: 'excess_rate_limit_exceeded', actor: 'bob', scheme: 'apiKey', reason: 'quota_exceeded', details: { limit: ['few'] } }])
})

t.test('R200 the token of a form is judged late, and told all the same', async (t) => {
  const app = await service(t)
  const login = await app.inject({ method: 'POST', url: '/login', headers: { host: 'localhost' } })
  const heard = hear(t, app)
  const headers = { cookie: String(login.headers['set-cookie']).split(';', 1).join(), 'sec-fetch-site': 'same-origin' }
  t.equal((await app.inject({ method: 'POST', url: '/form', headers, payload: { csrf_token: 'wrong' } })).statusCode, 403)
  t.match(heard.take().filter(({ event }) => event === 'malicious_csrf'), [{ actor: 'dave', scheme: 'session', reason: 'csrf_token_invalid', route: '/form' }])
})

t.test('what a store keeps is told when it is kept, and not what a transaction takes back', async (t) => {
  const app = await service(t)
  const heard = hear(t, app)
  const event = { event: 'user_created', outcome: 'success' } as const
  const { id } = await app.stores.audit.append(event)
  t.match(heard.takeMessages(), [{ event: { ...event, id }, keptAs: id }])
  await app.stores.transaction(async ({ audit }) => {
    await audit.append(event)
    t.strictSame(heard.take(), [], 'not before it counts')
  })
  t.match(heard.take(), [event])
  await t.rejects(app.stores.transaction(async ({ audit }) => {
    await audit.append(event)
    throw refusal('conflict')
  }))
  t.strictSame(heard.take(), [])
})

t.test('two services in a process are told apart, and nobody is told where nobody listens', async (t) => {
  t.equal(isHeard(), false)
  const [one, other] = [await service(t), await service(t)]
  const heard = hear(t, one)
  t.equal(isHeard(), true)
  await other.inject('/me/1')
  t.strictSame(heard.take(), [])
  await one.inject('/me/1')
  t.equal(heard.take().length, 1)
})

t.test('the names are those of the OWASP logging vocabulary, or begin with gatehouse_', (t) => {
  for (const name of Object.keys(securityEvents)) t.match(name, /^(authn|authz|excess|input|malicious|session|sys|user|gatehouse)_[a-z0-9_]+$/)
  t.end()
})

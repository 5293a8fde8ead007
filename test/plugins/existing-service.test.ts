// A service that uses the official plugins, an error handler and hooks of its own, before ours came: nothing of it
// changes, and each of ours works in it, whichever was registered first.
import t from 'tap'
import Fastify from 'fastify'
import officialBasic from '@fastify/basic-auth'
import officialJwt from '@fastify/jwt'
import officialLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { basicAuth } from '../../plugins/basic-auth.ts'
import { bearerAuth } from '../../plugins/bearer-auth.ts'
import { rateLimit } from '../../plugins/rate-limit.ts'
import { scopes } from '../../plugins/scopes.ts'

const OWN_SECRET = 'N7qk0yWf3Zr5Xc8Vb1Lm4Ts6Hd9Jg2PaEeUoIi'
const SECRET = 'Zx9Kq2Lw7Tn4Yb6Rm1Vc8Hd3Jf5Gs0PpOoUuIiAa'
const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`

async function official (app: FastifyInstance): Promise<void> {
  await app.register(officialJwt, { secret: OWN_SECRET })
  await app.register(officialLimit, { global: false })
  await app.register(officialBasic, {
    authenticate: { realm: 'own' },
    async validate (username: string, password: string) {
      if (username !== 'own' || password !== 'pair') throw new Error('the service refuses')
    }
  })
}

async function ours (app: FastifyInstance): Promise<void> {
  await app.register(basicAuth, { users: { alice: 'correct horse' } })
  await app.register(bearerAuth, { secret: SECRET, issuer: null, audience: null, type: null })
  await app.register(apiKeyAuth, { verify: ({ key }) => (key === 'k-1' ? { subject: 'machine', scopes: ['read'] } : null) })
  await app.register(scopes)
  await app.register(rateLimit)
}

async function build (order: readonly ((app: FastifyInstance) => Promise<void>)[]): Promise<{ app: FastifyInstance; seen: string[]; own: () => string }> {
  const app = Fastify()
  const seen: string[] = []
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => reply.code(error.statusCode ?? 500).send({ own: error.message }))
  app.addHook('onRequest', async (request) => { seen.push(`onRequest ${request.url}`) })
  app.addHook('onSend', async (_request, reply) => { void reply.header('x-own', 'yes') })
  for (const register of order) await register(app)

  app.get('/own/jwt', { onRequest: async (request: FastifyRequest) => { await request.jwtVerify() } }, (request) => ({ user: request.user }))
  app.get('/own/basic', { onRequest: app.basicAuth.bind(app) }, () => ({ ok: true }))
  app.get('/own/limit', { config: { rateLimit: { max: 1, timeWindow: 60_000 } } }, () => ({ ok: true }))
  app.get('/own/throws', () => { throw new Error('as before') })
  app.get('/basic', { onRequest: app.basic }, (request) => ({ subject: app.basic.principal(request).subject }))
  app.get('/bearer', { onRequest: app.bearer }, (request) => ({ subject: app.bearer.principal(request).subject }))
  app.get('/key', { onRequest: [app.apiKey, app.requireScopes('read')] }, (request) => ({ subject: request.principal.subject }))
  app.get('/mixed', { onRequest: [ownHook(seen), app.apiKey, ownHook(seen)] }, () => ({ ok: true }))
  app.get('/limit', { onRequest: app.limit({ max: 1, timeWindow: '1 minute' }) }, () => ({ ok: true }))
  await app.ready()
  return { app, seen, own: () => app.jwt.sign({ sub: 'own-user' }) }
}

function ownHook (seen: string[]) {
  return async (_request: FastifyRequest, _reply: FastifyReply): Promise<void> => { seen.push('route hook') }
}

async function ownToken (): Promise<string> {
  const { SignJWT } = await import('jose')
  return new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).setSubject('alice').setExpirationTime('5m').sign(Buffer.from(SECRET))
}

const orders = [
  { name: 'ours after the official plugins', order: [official, ours] },
  { name: 'ours before the official plugins', order: [ours, official] }
]

for (const { name, order } of orders) {
  t.test(name, async (t) => {
    const { app, seen, own } = await build(order)
    t.teardown(() => app.close())

    t.test('what the service had works as before', async (t) => {
      const jwt = await app.inject({ url: '/own/jwt', headers: { authorization: `Bearer ${own()}` } })
      t.equal(jwt.statusCode, 200)
      t.match(jwt.json(), { user: { sub: 'own-user' } })
      const refused = await app.inject('/own/jwt')
      t.match(refused.json(), { own: /No Authorization/ }, 'its own error handler answers')
      t.equal((await app.inject({ url: '/own/basic', headers: { authorization: basic('own:pair') } })).statusCode, 200)
      const realm = await app.inject('/own/basic')
      t.match(realm.headers['www-authenticate'], /realm="own"/)
      t.equal((await app.inject('/own/limit')).headers['x-ratelimit-limit'], '1')
      t.equal((await app.inject('/own/limit')).statusCode, 429)
      const thrown = await app.inject('/own/throws')
      t.same(thrown.json(), { own: 'as before' })
      t.equal(thrown.statusCode, 500)
    })

    t.test('each of ours works, and keeps its own keys', async (t) => {
      const accepted = [
        { url: '/basic', headers: { authorization: basic('alice:correct horse') }, subject: 'alice' },
        { url: '/bearer', headers: { authorization: `Bearer ${await ownToken()}` }, subject: 'alice' },
        { url: '/key', headers: { 'x-api-key': 'k-1' }, subject: 'machine' }
      ]
      for (const { url, headers, subject } of accepted) {
        const response = await app.inject({ url, headers })
        t.equal(response.statusCode, 200, url)
        t.match(response.json(), { subject })
      }
      const foreign = await app.inject({ url: '/bearer', headers: { authorization: `Bearer ${own()}` } })
      t.equal(foreign.statusCode, 401, 'a token of the service itself is not ours')
      t.match(await app.inject({ url: '/own/jwt', headers: { authorization: `Bearer ${await ownToken()}` } }), { statusCode: 401 })
      t.match(await app.inject({ url: '/basic', headers: { authorization: basic('own:pair') } }), { statusCode: 401 })
      t.equal((await app.inject('/limit')).statusCode, 200)
      t.equal((await app.inject('/limit')).statusCode, 429)
    })

    t.test('its hooks see our refusals, its error handler does not change them', async (t) => {
      const response = await app.inject('/basic')
      t.equal(response.statusCode, 401)
      t.equal(response.headers['www-authenticate'], 'Basic realm="api", charset="UTF-8"')
      t.match(response.headers['content-type'], /^application\/problem\+json/)
      t.equal(response.headers['x-own'], 'yes')
      t.ok(seen.includes('onRequest /basic'))
    })

    t.test('the compiled guards stand where the first guard stood', async (t) => {
      seen.length = 0
      t.equal((await app.inject('/mixed')).statusCode, 401)
      t.same(seen, ['onRequest /mixed', 'route hook'], 'the hook before the guard ran, the one after it did not')
      seen.length = 0
      t.equal((await app.inject({ url: '/mixed', headers: { 'x-api-key': 'k-1' } })).statusCode, 200)
      t.same(seen, ['onRequest /mixed', 'route hook', 'route hook'])
    })
  })
}

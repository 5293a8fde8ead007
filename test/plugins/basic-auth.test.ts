import fastifyBasicAuth from '@fastify/basic-auth'
import Fastify from 'fastify'
import t from 'tap'
import { scopes } from '../../plugins/scopes.ts'
import { basicAuth } from '../../plugins/basic-auth.ts'
import { registryOf } from '../../plugins/guards.ts'
import { assertOptionRefused, assertRefused, guardedService } from '../fixtures/guarded-service.ts'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { BasicGuard } from '../../guards/guard.ts'
import type { BasicAuthOptions } from '../../plugins/basic-auth.ts'
import type { GuardedService } from '../fixtures/guarded-service.ts'

declare module '../../guards/principal.ts' {
  interface PrincipalAttributes {
    team?: string
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    ops: BasicGuard
  }
}

const challenge = 'Basic realm="api", charset="UTF-8"'
const alice = { authorization: `Basic ${Buffer.from('alice:secret').toString('base64')}` }
const wrong = { authorization: `Basic ${Buffer.from('alice:wrong-guess').toString('base64')}` }

async function basicService (t: Test, options: BasicAuthOptions): Promise<GuardedService> {
  return await guardedService(t, async (app) => {
    await app.register(basicAuth, options)
    return app.basic
  })
}

t.test('the principal is what verify granted, frozen in all its parts', async (t) => {
  const grant = { subject: 'u1', scopes: ['items:read', 'items:read'], roles: ['editor'], attributes: { team: 'blue' } }
  let principal: unknown
  const service = await guardedService(t, async (app) => {
    await app.register(basicAuth, { verify: ({ request }) => (request.method === 'GET' ? grant : null) })
    app.get('/keep', { onRequest: app.basic }, (request) => {
      principal = app.basic.principal(request)
      return {}
    })
    return app.basic
  })
  t.same((await service.get(alice)).json(), { kind: 'basic', scheme: 'basic', subject: 'u1', scopes: ['items:read'], roles: ['editor'], attributes: { team: 'blue' } })
  await service.get(alice, '/keep')
  const { scopes, roles, attributes } = principal as { scopes: object; roles: object; attributes: object }
  for (const part of [principal, scopes, roles, attributes]) t.ok(Object.isFrozen(part))
  t.notOk(Object.isFrozen(grant.roles), "the callback's own object is left alone")
})

t.test('a verify that answers later is waited for', async (t) => {
  const service = await basicService(t, { verify: async ({ password }) => Promise.resolve(password === 'secret' ? { subject: 'alice' } : null) })
  t.equal((await service.get(alice)).statusCode, 200)
  await assertRefused(t, service, { headers: wrong, status: 401, code: 'invalid_credentials', challenge, secret: 'wrong-guess' })
})

t.test('a verify that answers at once costs no promise', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(basicAuth, { users: { alice: 'secret' } })
  app.get('/me', { onRequest: app.basic }, (request) => app.basic.principal(request))
  const scheme = registryOf(app).schemes.get('basic')
  const found = scheme?.authenticate({ headers: alice, raw: { rawHeaders: ['Authorization', alice.authorization] } } as never)
  t.match(found, { subject: 'alice' })
  t.notOk(found instanceof Promise)
})

t.test('a disabled account is the same answer as a wrong password', async (t) => {
  const disabled = await basicService(t, { verify: () => ({ subject: 'alice', disabled: true }) })
  const refused = await basicService(t, { verify: () => null })
  const [one, other] = [await disabled.get(alice), await refused.get(alice)]
  t.equal(one.statusCode, 401)
  t.equal(one.headers['www-authenticate'], challenge)
  t.same({ ...one.json<object>(), instance: '' }, { ...other.json<object>(), instance: '' })
})

const faulty: [string, BasicAuthOptions['verify']][] = [
  ['throws', () => { throw new Error('db password=hunter2') }],
  ['rejects', () => Promise.reject(new Error('db password=hunter2'))],
  ['answers true', () => true as never],
  ['answers no subject', () => ({}) as never],
  ['answers an empty subject', () => ({ subject: '' })],
  ['answers disabled: 1', () => ({ subject: 'alice', disabled: 1 as never })],
  ['answers scopes as a string', () => ({ subject: 'alice', scopes: 'items:read' as never })],
  ['answers a malformed scope', () => ({ subject: 'alice', scopes: ['items read'] })],
  ['answers roles with a number', () => ({ subject: 'alice', roles: [1 as never] })],
  ['answers attributes as a string', () => ({ subject: 'alice', attributes: 'x' as never })]
]
for (const [what, verify] of faulty) {
  t.test(`R007 a verify that ${what} is 503, never a way in`, async (t) => {
    const service = await basicService(t, { verify: verify as NonNullable<typeof verify> })
    await assertRefused(t, service, { headers: alice, status: 503, code: 'unavailable', challenge: undefined, secret: alice.authorization })
  })
}

const badOptions: [string, unknown, string][] = [
  ['neither verify nor users', {}, 'basicAuth'],
  ['both verify and users', { verify: () => null, users: { a: 'b' } }, 'basicAuth'],
  ['a verify that is no function', { verify: 'yes' }, 'basicAuth.verify'],
  ['an empty list of users', { users: {} }, 'basicAuth.users'],
  ['users as an array', { users: ['alice'] }, 'basicAuth.users'],
  ['a username with a colon', { users: { 'a:b': 'c' } }, 'basicAuth.users'],
  ['an empty username', { users: { '': 'c' } }, 'basicAuth.users'],
  ['a username with a control character', { users: { 'a\n': 'c' } }, 'basicAuth.users'],
  ['an empty password', { users: { alice: '' } }, 'basicAuth.users'],
  ['a password that is no string', { users: { alice: 1 } }, 'basicAuth.users'],
  ['an unknown option', { users: { a: 'b' }, user: {} }, 'basicAuth.user'],
  ['a name of its own for __proto__', JSON.parse('{ "users": { "a": "b" }, "__proto__": { "realm": "x" } }'), 'basicAuth.__proto__'],
  ['a name that OpenAPI does not allow', { users: { a: 'b' }, as: 'my basic' }, 'basicAuth.as'],
  ['an empty description', { users: { a: 'b' }, description: '' }, 'basicAuth.description'],
  ['scopes as a list', { users: { a: 'b' }, scopes: ['read'] }, 'basicAuth.scopes'],
  ['a scope without a text', { users: { a: 'b' }, scopes: { read: true } }, 'basicAuth.scopes'],
  ['a malformed scope name', { users: { a: 'b' }, scopes: { 'a b': 'x' } }, 'basicAuth.scopes'],
  ['an unknown option of the core', { users: { a: 'b' }, guards: { open: true } }, 'guards.open']
]
for (const [what, options, option] of badOptions) {
  t.test(`refuses to boot with ${what}`, async (t) => {
    await assertOptionRefused(t, (app) => app.register(basicAuth, options as BasicAuthOptions), option)
  })
}

t.test('as names the decorator, the OpenAPI scheme and the principal\'s scheme', async (t) => {
  const service = await guardedService(t, async (app) => {
    await app.register(basicAuth, { as: 'ops', users: { alice: 'secret' }, realm: 'operations', description: 'For operators.' })
    return app.ops
  })
  t.match((await service.get(alice)).json(), { scheme: 'ops', subject: 'alice' })
  await assertRefused(t, service, { status: 401, code: 'credentials_required', challenge: 'Basic realm="operations", charset="UTF-8"' })
  t.match(service.app.guardedRoutes().find(({ method }) => method === 'GET'), { requirement: [{ ops: [] }] })
})

t.test('app.getDecorator hands out a guard that works', async (t) => {
  const service = await guardedService(t, async (app) => {
    await app.register(basicAuth, { as: 'ops', users: { alice: 'secret' } })
    return app.getDecorator<BasicGuard>('ops')
  })
  t.match((await service.get(alice)).json(), { scheme: 'ops', subject: 'alice' })
})

t.test('what is published is a scheme of type http basic, ambient, in Authorization', async (t) => {
  const service = await basicService(t, { users: { alice: 'secret' }, description: 'For operators.', scopes: { me: 'Read yourself' } })
  const scheme = registryOf(service.app).schemes.get('basic')
  t.same(scheme?.definition, { type: 'http', scheme: 'basic', description: 'For operators.' })
  t.same(scheme?.carrier, { in: 'header', name: 'Authorization' })
  t.equal(scheme?.ambient, true)
  t.same(scheme?.scopes, { me: 'Read yourself' })
})

t.test('a lacking scope is 403 without a challenge', async (t) => {
  const service = await guardedService(t, async (app) => {
    await app.register(basicAuth, { verify: () => ({ subject: 'alice', scopes: ['me'] }) })
    await app.register(scopes)
    app.get('/items', { onRequest: [app.basic, app.requireScopes('items:read')] }, () => ({}))
    return app.basic
  })
  await assertRefused(t, service, { url: '/items', headers: alice, status: 403, code: 'insufficient_scope', challenge: undefined })
})

type Registration = (app: FastifyInstance) => PromiseLike<unknown>
const official: Registration = (app) => app.register(fastifyBasicAuth, { validate: (_username, _password, _request, _reply, done) => { done() } })
const ours: Registration = (app) => app.register(basicAuth, { users: { alice: 'secret' } })
for (const [order, registrations] of [['before', [official, ours]], ['after', [ours, official]]] as const) {
  t.test(`a service that registers @fastify/basic-auth ${order} ours keeps its own`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    for (const register of registrations) await register(app)
    app.get('/ours', { onRequest: app.basic }, (request) => app.basic.principal(request))
    app.get('/theirs', { onRequest: app.basicAuth }, () => ({ theirs: true }))
    t.equal((await app.inject({ url: '/ours', headers: wrong })).statusCode, 401)
    t.equal((await app.inject({ url: '/ours', headers: alice })).statusCode, 200)
    t.same((await app.inject({ url: '/theirs', headers: wrong })).json(), { theirs: true })
  })
}

// What a principal may do: scopes and roles by exact name, and policies of the service's own.
import Fastify from 'fastify'
import t from 'tap'
import { refusal } from '../../errors.ts'
import { problems } from '../../plugins/problems.ts'
import { scopes } from '../../plugins/scopes.ts'
import { headerScheme } from '../fixtures/header-scheme.ts'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { AuthorizationGuard, Guard } from '../../guards/guard.ts'
import type { CustomPrincipal } from '../../guards/principal.ts'

interface Service { app: FastifyInstance; a: Guard<CustomPrincipal>; b: Guard<CustomPrincipal> }

async function service (t: Test): Promise<Service> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(problems)
  await app.register(scopes)
  return { app, a: app.defineScheme(headerScheme('a')), b: app.defineScheme(headerScheme('b', { later: true })) }
}

t.test('R120 R121 names are compared exactly, as sets', async (t) => {
  const rows: [demand: (app: FastifyInstance) => AuthorizationGuard, credentials: string, code: string | null][] = [
    [(app) => app.requireScopes('orders:read'), 'alice;orders:read', null],
    [(app) => app.requireScopes('orders:read'), 'alice;x orders:read', null],
    [(app) => app.requireScopes('orders:read'), 'alice;orders:readonly', 'insufficient_scope'],
    [(app) => app.requireScopes('orders:read'), 'alice;orders', 'insufficient_scope'],
    [(app) => app.requireScopes('orders:read'), 'alice;Orders:read', 'insufficient_scope'],
    [(app) => app.requireScopes('orders:read'), 'alice;orders:*', 'insufficient_scope'],
    [(app) => app.requireScopes('orders:read'), 'alice;*', 'insufficient_scope'],
    [(app) => app.requireScopes('orders:read'), 'alice', 'insufficient_scope'],
    [(app) => app.requireScopes('constructor'), 'alice', 'insufficient_scope'],
    [(app) => app.requireScopes('length'), 'alice;x', 'insufficient_scope'],
    [(app) => app.requireScopes('x', 'y'), 'alice;x', 'insufficient_scope'],
    [(app) => app.requireScopes('x', 'y'), 'alice;y x', null],
    [(app) => app.requireScopes('x'), 'alice;;x', 'insufficient_scope'],
    [(app) => app.requireAnyScope('x', 'y'), 'alice;y', null],
    [(app) => app.requireAnyScope('x', 'y'), 'alice;z', 'insufficient_scope'],
    [(app) => app.requireRoles('admin'), 'alice;;admin', null],
    [(app) => app.requireRoles('admin'), 'alice;;administrator', 'insufficient_role'],
    [(app) => app.requireRoles('toString'), 'alice;;x', 'insufficient_role'],
    [(app) => app.requireRoles('x', 'y'), 'alice;;x', 'insufficient_role'],
    [(app) => app.requireRoles('x'), 'alice;x', 'insufficient_role'],
    [(app) => app.requireAnyRole('x', 'y'), 'alice;;y', null],
    [(app) => app.requireAnyRole('x', 'y'), 'alice;;z', 'insufficient_role']
  ]
  for (const [demand, credentials, code] of rows) {
    const { app, a } = await service(t)
    let handled = false
    const guard = demand(app)
    app.get('/x', { onRequest: [a, guard] }, () => {
      handled = true
      return 'ok'
    })
    const response = await app.inject({ url: '/x', headers: { 'x-a': credentials } })
    const title = `${guard.authorization.kind} ${guard.authorization.names.join(' ')} of ${credentials}`
    t.equal(response.statusCode, code === null ? 200 : 403, title)
    t.equal(handled, code === null, title)
    if (code !== null) t.equal(response.json<{ code: string }>().code, code, title)
  }
})

t.test('R122 requireScopes() is authenticated only', async (t) => {
  const { app, a } = await service(t)
  app.get('/x', { onRequest: [a, app.requireScopes()] }, () => 'ok')
  t.equal((await app.inject('/x')).statusCode, 401)
  t.equal((await app.inject({ url: '/x', headers: { 'x-a': 'alice' } })).statusCode, 200)
})

t.test('R123 scope, role and owner are all required, and anyOf says otherwise', async (t) => {
  const { app, a, b } = await service(t)
  const owner = app.requirePolicy('owner', ({ principal, request }) => Promise.resolve(principal.subject === (request.params as { owner: string }).owner))
  app.get('/all/:owner', { onRequest: [a, app.requireScopes('s'), app.requireRoles('r'), owner] }, () => 'ok')
  app.get('/any/:owner', { onRequest: app.anyOf(app.allOf(a, app.requireScopes('s'), owner), app.allOf(b, app.requireRoles('r'))) }, () => 'ok')
  const rows: [string, Record<string, string>, number][] = [
    ['/all/alice', { 'x-a': 'alice;s;r' }, 200], ['/all/bob', { 'x-a': 'alice;s;r' }, 403], ['/all/alice', { 'x-a': 'alice;;r' }, 403], ['/all/alice', { 'x-a': 'alice;s' }, 403],
    ['/any/alice', { 'x-a': 'alice;s' }, 200], ['/any/bob', { 'x-a': 'alice;s' }, 403], ['/any/bob', { 'x-a': 'alice;s', 'x-b': 'bob;;r' }, 200],
    ['/any/alice', { 'x-a': 'alice;;r' }, 403], ['/any/alice', { 'x-a': 'alice;;r', 'x-b': 'bob;s' }, 403]
  ]
  for (const [url, headers, status] of rows) t.equal((await app.inject({ url, headers })).statusCode, status, `${url} with ${JSON.stringify(headers)}`)
})

t.test('an authorization judges the first authenticating member of its own group or list', async (t) => {
  const { app, a, b } = await service(t)
  app.get('/list', { onRequest: [a, app.requireScopes('s'), b] }, () => 'ok')
  app.get('/after', { onRequest: [app.optional(a), b, app.requireScopes('s')] }, () => 'ok')
  app.get('/group', { onRequest: [a, app.allOf(b, app.requireScopes('s'))] }, () => 'ok')
  const rows: [string, Record<string, string>, number][] = [
    ['/list', { 'x-a': 'alice;s', 'x-b': 'bob' }, 200], ['/list', { 'x-a': 'alice', 'x-b': 'bob;s' }, 403],
    ['/after', { 'x-a': 'alice', 'x-b': 'bob;s' }, 200], ['/after', { 'x-a': 'alice', 'x-b': 'bob' }, 403], ['/after', { 'x-b': 'bob;s' }, 200], ['/after', { 'x-a': 'alice;s' }, 401],
    ['/group', { 'x-a': 'alice', 'x-b': 'bob;s' }, 200], ['/group', { 'x-a': 'alice;s', 'x-b': 'bob' }, 403]
  ]
  for (const [url, headers, status] of rows) t.equal((await app.inject({ url, headers })).statusCode, status, `${url} with ${JSON.stringify(headers)}`)
})

t.test('R123 of several alternatives the one whose principal has the right lets the request in', async (t) => {
  const { app, a, b } = await service(t)
  const either = app.anyOf(a, b)
  app.get('/x', { onRequest: [either, app.requireScopes('s')] }, (request) => ({ who: either.principal(request).subject, principal: request.principal.subject }))
  const rows: [Record<string, string>, number, string | undefined][] = [
    [{ 'x-a': 'alice;s', 'x-b': 'bob;s' }, 200, 'alice'], [{ 'x-a': 'alice', 'x-b': 'bob;s' }, 200, 'bob'],
    [{ 'x-a': 'bad', 'x-b': 'bob;s' }, 200, 'bob'], [{ 'x-a': 'alice;s', 'x-b': 'bad' }, 200, 'alice'],
    [{ 'x-a': 'alice', 'x-b': 'bob' }, 403, undefined], [{ 'x-a': 'alice' }, 403, undefined], [{ 'x-a': 'alice', 'x-b': 'bad' }, 403, undefined]
  ]
  for (const [headers, status, who] of rows) {
    const response = await app.inject({ url: '/x', headers })
    t.equal(response.statusCode, status, JSON.stringify(headers))
    if (who !== undefined) t.same(response.json(), { who, principal: who })
  }
})

t.test('R007 a foreign thenable decides by what it resolves to, whatever its own then returns', async (t) => {
  const { app, a } = await service(t)
  const thenable = (answer: unknown): Promise<boolean> => ({
    then (resolve: (value: unknown) => void) {
      setImmediate(() => { resolve(answer) })
      return null
    }
  }) as unknown as Promise<boolean>
  app.get('/no', { onRequest: [a, app.requirePolicy('no', () => thenable(false))] }, () => 'ok')
  app.get('/yes', { onRequest: [a, app.requirePolicy('yes', () => thenable(true))] }, () => 'ok')
  app.get('/odd', { onRequest: [a, app.requirePolicy('odd', () => thenable('maybe'))] }, () => 'ok')
  const statuses = ['/no', '/yes', '/odd'].map(async (url) => (await app.inject({ url, headers: { 'x-a': 'alice' } })).statusCode)
  t.same(await Promise.all(statuses), [403, 200, 503])
})

t.test('R124 a hidden resource is the 404 of one that is missing', async (t) => {
  const { app, a } = await service(t)
  const items = new Map([['1', 'alice'], ['2', 'bob']])
  const idOf = (request: { params: unknown }): string => (request.params as { id: string }).id
  const mine = app.requirePolicy('mine', ({ principal, request }) => {
    const owner = items.get(idOf(request))
    return owner === undefined || owner === principal.subject ? true : 'hidden'
  })
  app.get('/items/:id', { onRequest: [a, mine] }, (request) => {
    if (!items.has(idOf(request))) throw refusal('not_found')
    return { id: idOf(request) }
  })
  const [own, foreign, missing] = await Promise.all(['1', '2', '3'].map(async (id) => {
    const { statusCode, headers: { date: _date, ...headers }, body } = await app.inject({ url: `/items/${id}`, headers: { 'x-a': 'alice' } })
    return { statusCode, headers, body: body.replace(/urn:request:[^"]+/, '') }
  }))
  t.equal(own?.statusCode, 200)
  t.equal(foreign?.statusCode, 404)
  t.same(foreign, missing)
})

t.test('a policy that denies is 403 access_denied', async (t) => {
  const { app, a } = await service(t)
  app.get('/x', { onRequest: [a, app.requirePolicy('never', () => false)] }, () => 'ok')
  const response = await app.inject({ url: '/x', headers: { 'x-a': 'alice' } })
  t.equal(response.statusCode, 403)
  t.match(response.json(), { code: 'access_denied', status: 403 })
})

t.test('unknown options are refused', async (t) => {
  await t.rejects((async () => { await Fastify().register(scopes, { scope: 'x' } as never) })(), { code: 'GATEHOUSE_OPTION_INVALID', message: /scopes\.scope/ })
})

t.test('R123 two policies of one name are two policies', async (t) => {
  const { app, a } = await service(t)
  const policy = (name: string): AuthorizationGuard => app.requirePolicy('mine', ({ principal }) => principal.subject === name)
  app.get('/x', { onRequest: app.anyOf(app.allOf(a, policy('alice')), app.allOf(a, policy('bob'))) }, () => 'ok')
  const statuses = ['alice', 'bob', 'eve'].map(async (subject) => (await app.inject({ url: '/x', headers: { 'x-a': subject } })).statusCode)
  t.same(await Promise.all(statuses), [200, 200, 403])
})

t.test('a scheme may have members of its own, whatever their names', async (t) => {
  const { app } = await service(t)
  const own = app.defineScheme(Object.assign(headerScheme('own'), { authorization: 'Signed', judges: true, names: [] }))
  app.get('/x', { onRequest: [own, app.requireScopes('s')] }, () => 'ok')
  const statuses = [{ 'x-own': 'alice;s' }, { 'x-own': 'alice' }, {}].map(async (headers) => (await app.inject({ url: '/x', headers: headers as Record<string, string> })).statusCode)
  t.same(await Promise.all(statuses), [200, 403, 401])
})

t.test('R032 of several accepted schemes only the one that lacked the right challenges', async (t) => {
  const { app, a, b } = await service(t)
  app.get('/x', { onRequest: [a, b, app.requireScopes('s')] }, () => 'ok')
  const refused = await app.inject({ url: '/x', headers: { 'x-a': 'alice', 'x-b': 'bob;s' } })
  t.equal(refused.statusCode, 403)
  t.equal(refused.headers['www-authenticate'], 'Test realm="a", error="insufficient_scope", scope="s"')
})

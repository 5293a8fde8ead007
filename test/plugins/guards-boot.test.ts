// What the core refuses to boot with, what it reads from a service at boot, and what it publishes of it.
import Fastify from 'fastify'
import t from 'tap'
import { limitGuard } from '../../guards/guard.ts'
import { guards, registryOf, useGuards } from '../../plugins/guards.ts'
import { scopes } from '../../plugins/scopes.ts'
import { defineHeaderScheme, headerScheme } from '../fixtures/header-scheme.ts'
import type { FastifyInstance, RouteShorthandOptions } from 'fastify'
import type { Guard } from '../../guards/guard.ts'
import type { Limit } from '../../guards/limit.ts'
import type { CustomPrincipal } from '../../guards/principal.ts'
import type { GuardsOptions } from '../../plugins/guards.ts'

interface Parts { app: FastifyInstance; a: Guard<CustomPrincipal>; b: Guard<CustomPrincipal>; scoped: Guard<CustomPrincipal> }

const handler = (): string => 'ok'
const limitBy = (by: Limit['by']): ReturnType<typeof limitGuard> => limitGuard({ name: 'few', by, max: 3, windowSeconds: 60, consume: () => ({ exceeded: false, remaining: 2, resetSeconds: 60 }) })

/** Boots a service as `declare` builds it, and returns it. */
async function boot (declare: (parts: Parts) => unknown, options: GuardsOptions = {}): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(guards, options)
  await app.register(scopes)
  const parts = {
    app,
    a: app.defineScheme(headerScheme('a')),
    b: app.defineScheme(headerScheme('b')),
    scoped: app.defineScheme(headerScheme('scoped', { scopes: { 'items:read': 'Read' } }))
  }
  await declare(parts)
  await app.ready()
  return app
}

const security = (...alternatives: Record<string, string[]>[]): RouteShorthandOptions => ({ schema: { security: alternatives } })

const refused: [title: string, code: string, message: RegExp, declare: (parts: Parts) => unknown, options?: GuardsOptions][] = [
  ['an authorization guard alone', 'UNAUTHENTICATED_AUTHORIZATION', /GET \/x: requireScopes\(s\)/, ({ app }) => app.get('/x', { onRequest: app.requireScopes('s') }, handler)],
  ['an authorization guard first', 'UNAUTHENTICATED_AUTHORIZATION', /PUT \/x/, ({ app, a }) => app.put('/x', { onRequest: [app.requireRoles('r'), a] }, handler)],
  ['an authorization guard after optional alone', 'UNAUTHENTICATED_AUTHORIZATION', /GET \/x/, ({ app, a }) => app.get('/x', { onRequest: [app.optional(a), app.requireAnyScope('s')] }, handler)],
  ['an authorization guard after anyOf with optional', 'UNAUTHENTICATED_AUTHORIZATION', /GET \/x/, ({ app, a, b }) => app.get('/x', { onRequest: [app.anyOf(a, app.optional(b)), app.requireScopes('s')] }, handler)],
  ['an authorization guard after optional in allOf', 'UNAUTHENTICATED_AUTHORIZATION', /GET \/x/, ({ app, a }) => app.get('/x', { onRequest: app.allOf(app.optional(a), app.requireScopes('s')) }, handler)],
  ['an authorization guard first in allOf', 'UNAUTHENTICATED_AUTHORIZATION', /GET \/x/, ({ app, a }) => app.get('/x', { onRequest: app.allOf(app.requireScopes('s') as never, a) }, handler)],
  ['an authorization guard in anyOf', 'UNAUTHENTICATED_AUTHORIZATION', /GET \/x/, ({ app, a }) => app.get('/x', { onRequest: app.anyOf(a, app.requireScopes('s') as never) }, handler)],
  ['an authorization guard in optional', 'UNAUTHENTICATED_AUTHORIZATION', /GET \/x/, ({ app }) => app.get('/x', { onRequest: app.optional(app.requireScopes('s') as never) }, handler)],
  ['protect with an authorization guard first', 'UNAUTHENTICATED_AUTHORIZATION', /GET \/x/, ({ app, a }) => { app.protect(app.requireScopes('s')); app.get('/x', { onRequest: a }, handler) }],
  ['a limit by principal without one', 'UNAUTHENTICATED_AUTHORIZATION', /GET \/x/, ({ app }) => app.get('/x', { onRequest: limitBy('principal') }, handler)],
  ['a scope that no scheme of the route declares', 'SCOPE_UNKNOWN', /POST \/x: requireScopes\(items:write\)/, ({ app, scoped }) => app.post('/x', { onRequest: [scoped, app.requireScopes('items:write')] }, handler)],
  ['a scope that differs in case', 'SCOPE_UNKNOWN', /GET \/x/, ({ app, a, scoped }) => app.get('/x', { onRequest: [app.anyOf(a, scoped), app.requireAnyScope('items:read', 'Items:read')] }, handler)],
  ['a scope named like a member of Object.prototype', 'SCOPE_UNKNOWN', /GET \/x/, ({ app, scoped }) => app.get('/x', { onRequest: [scoped, app.requireScopes('constructor')] }, handler)],
  ['schema.security of another scheme', 'SECURITY_DIFFERS', /GET \/x/, ({ app, a }) => app.get('/x', { onRequest: a, ...security({ b: [] }) }, handler)],
  ['schema.security with an alternative too many', 'SECURITY_DIFFERS', /GET \/x/, ({ app, a }) => app.get('/x', { onRequest: a, ...security({ a: [] }, { b: [] }) }, handler)],
  ['schema.security that says public', 'SECURITY_DIFFERS', /GET \/x/, ({ app, a }) => app.get('/x', { onRequest: a, ...security() }, handler)],
  ['schema.security beside publicAccess', 'SECURITY_DIFFERS', /GET \/x/, ({ app }) => app.get('/x', { onRequest: app.publicAccess('free'), ...security({ a: [] }) }, handler)],
  ['schema.security without a guard', 'SECURITY_NOT_ENFORCED', /GET \/x/, ({ app }) => app.get('/x', security({ a: [] }), handler)],
  ['schema.security beside a limit alone', 'SECURITY_NOT_ENFORCED', /GET \/x/, ({ app }) => app.get('/x', { onRequest: limitBy('address'), ...security({ a: [] }) }, handler)],
  ['schema.security that is no list', 'SECURITY_DIFFERS', /GET \/x/, ({ app }) => app.get('/x', { schema: { security: { a: [] } as never } }, handler), { adoptSchemaSecurity: true }],
  ['schema.security with scopes that are no list', 'SECURITY_DIFFERS', /GET \/x/, ({ app }) => app.get('/x', { schema: { security: [{ a: null }] as never } }, handler), { adoptSchemaSecurity: true }],
  ['adopted schema.security of an unknown scheme', 'SECURITY_UNKNOWN', /GET \/x: nobody/, ({ app }) => app.get('/x', security({ nobody: [] }), handler), { adoptSchemaSecurity: true }],
  ['hand-written security of several methods', 'SECURITY_NOT_ENFORCED', /GET, POST \/x/, ({ app }) => app.route({ method: ['GET', 'POST'], url: '/x', ...security({ a: [] }), handler })],
  ['publicAccess beside a guard', 'PUBLIC_AND_GUARDED', /GET \/x/, ({ app, a }) => app.get('/x', { onRequest: [a, app.publicAccess('free')] }, handler)],
  ['publicAccess under a guard', 'PUBLIC_AND_GUARDED', /GET \/p\/x/, ({ app, a }) => app.register(async (child) => { child.protect(a); child.get('/x', { onRequest: app.publicAccess('free') }, handler) }, { prefix: '/p' })],
  ['publicAccess without a reason', 'PUBLIC_REASON_MISSING', /publicAccess/, ({ app }) => app.publicAccess(' ')],
  ['onRequest that is undefined', 'GUARD_MISSING', /GET \/x/, ({ app }) => app.get('/x', { onRequest: (app as unknown as Record<string, Guard>)['bearer'] } as RouteShorthandOptions, handler)],
  ['a list that holds undefined', 'GUARD_MISSING', /DELETE \/x/, ({ app, a }) => app.delete('/x', { onRequest: [a, undefined] as never }, handler)],
  ['a composition that holds undefined', 'GUARD_MISSING', /anyOf/, ({ app, a }) => app.anyOf(a, undefined as never)],
  ['a guard that is called', 'GUARD_UNDECLARED', /a\(\) was called; write it without the parentheses/, ({ app, a }) => app.get('/x', { onRequest: (a as unknown as () => never)() }, handler)],
  ['protect with a plain hook', 'GUARD_MISSING', /protect\(\) at \//, ({ app }) => { app.protect((() => {}) as never) }],
  ['protect after a route', 'PROTECT_TOO_LATE', /\//, ({ app, a }) => { app.get('/x', handler); app.protect(a) }],
  ['protect after a route of a child', 'PROTECT_TOO_LATE', /\//, async ({ app, a }) => { await app.register(async (child) => { child.get('/x', handler) }); app.protect(a) }],
  ['a limit inside anyOf', 'GUARD_NESTING', /limit\(few\) inside anyOf/, ({ app, a }) => app.anyOf(a, limitBy('address') as never)],
  ['publicAccess inside optional', 'GUARD_NESTING', /publicAccess inside optional/, ({ app }) => app.optional(app.publicAccess('free') as never)],
  ['an empty allOf', 'OPTION_INVALID', /allOf/, ({ app }) => (app.allOf as () => unknown)()],
  ['two schemes under one name', 'NAME_TAKEN', /a/, ({ app }) => app.defineScheme(headerScheme('a'))],
  ['two schemes under one name in siblings', 'NAME_TAKEN', /twin/, async ({ app }) => { for (const prefix of ['/1', '/2']) await app.register(async (child) => { defineHeaderScheme(child, 'twin') }, { prefix }) }],
  ['a scheme named as a decorator', 'NAME_TAKEN', /app\.requireScopes/, ({ app }) => app.defineScheme(headerScheme('requireScopes'))],
  ['a scheme named as a method of the instance', 'NAME_TAKEN', /app\.get/, ({ app }) => app.defineScheme(headerScheme('get'))],
  ['a route format that cannot write', 'OPTION_INVALID', /GET \/x: config\.refusal/, ({ app, a }) => app.get('/x', { onRequest: a, config: { refusal: { schema: {}, contentType: 'text/plain' } as never } }, handler)],
  ['principal: false after request.principal was made', 'OPTIONS_LATE', /guards\.principal/, ({ app }) => app.register(guards, { principal: false })],
  ['deny in a child', 'DENY_NOT_ROOT', /defaultAccess/, ({ app }) => app.register(async (child) => { await child.register(guards, { defaultAccess: 'deny' }) })],
  ['a child that opens what the root denies', 'DENY_NOT_ROOT', /defaultAccess/, ({ app }) => app.register(async (child) => { await child.register(guards, { defaultAccess: 'open' }) }), { defaultAccess: 'deny' }],
  ['deny with earlier routes', 'OPTION_INVALID', /earlierRoutes/, () => {}, { defaultAccess: 'deny', earlierRoutes: 'ignore' }],
  ['R010 deny and a plain route with its HEAD', 'NO_STANCE', /GET \/x; HEAD \/x/, ({ app }) => app.get('/x', handler), { defaultAccess: 'deny' }],
  ['R010 deny and a limit alone', 'NO_STANCE', /POST \/x/, ({ app }) => app.post('/x', { onRequest: limitBy('address') }, handler), { defaultAccess: 'deny' }],
  ['R010 deny and a route of another plugin', 'NO_STANCE', /GET \/other\/\*/, ({ app }) => app.register(async (child) => { child.get('/*', handler) }, { prefix: '/other' }), { defaultAccess: 'deny' }],
  ['R010 deny and hand-written security that says public', 'NO_STANCE', /GET \/x/, ({ app }) => app.get('/x', security(), handler), { defaultAccess: 'deny' }]
]
for (const hook of ['preParsing', 'preValidation', 'preHandler', 'preSerialization', 'onSend', 'onResponse', 'onTimeout', 'onError', 'onRequestAbort']) {
  refused.push([`a guard in ${hook}`, 'GUARD_WRONG_HOOK', new RegExp(`GET /x: a in ${hook}`), ({ app, a }) => app.get('/x', { onRequest: a, [hook]: [a] }, handler)])
}

t.test('what does not boot', async (t) => {
  for (const [title, code, message, declare, options] of refused) {
    t.test(`${title}: ${code}`, async (t) => {
      await t.rejects(boot(declare, options), { code: `GATEHOUSE_${code}`, message })
    })
  }
})

t.test('R122 a policy or a name that is undefined does not boot', async (t) => {
  const app = await boot(() => {})
  const rows: [string, () => unknown][] = [
    ['requireScopes(undefined)', () => app.requireScopes(undefined as never)],
    ['requireScopes([])', () => app.requireScopes([] as never)],
    ['requireScopes(1)', () => app.requireScopes(1 as never)],
    ["requireScopes('a b')", () => app.requireScopes('a b')],
    ["requireScopes('')", () => app.requireScopes('')],
    ['requireAnyScope()', () => app.requireAnyScope()],
    ['requireRoles()', () => app.requireRoles()],
    ["requireRoles('')", () => app.requireRoles('')],
    ['requireAnyRole()', () => app.requireAnyRole()],
    ['requirePolicy without a name', () => app.requirePolicy('', () => true)],
    ['requirePolicy without a function', () => app.requirePolicy('owner', undefined as never)]
  ]
  for (const [title, call] of rows) t.throws(call, { code: 'GATEHOUSE_OPTION_INVALID' }, title)
})

t.test('options of the wrong type are refused by name, and the caller\'s object is not changed', async (t) => {
  const rows: [string, unknown][] = [
    ['defaultAccess', 'closed'], ['adoptSchemaSecurity', 'yes'], ['trustedProxies', '10.0.0.0/8'], ['trustedProxies', [10]], ['trustedProxies', ['no address']], ['earlierRoutes', true],
    ['refusal', null], ['refusal', { schema: null, contentType: 'a/b', write () {} }], ['refusal', { schema: 'text', contentType: 'a/b', write () {} }], ['refusal', { schema: {}, contentType: 1, write () {} }], ['refusal', Object.assign(() => {}, { schema: {}, contentType: 'a/b', write () {} })], ['principal', 'false'], ['callbackTimeoutSeconds', 0], ['callbackTimeoutSeconds', '1'], ['callbackTimeoutSeconds', Infinity], ['defaultAcces', 'deny'], ['__proto__x', 1]
  ]
  for (const [name, value] of rows) {
    t.test(`${name}: ${JSON.stringify(value)}`, async (t) => {
      await t.rejects(boot(() => {}, Object.freeze({ [name]: value })), { code: 'GATEHOUSE_OPTION_INVALID', message: new RegExp(name === '__proto__x' ? 'guards' : name === 'trustedProxies' ? 'trustedProxies' : `guards.${name}`) })
    })
  }
})

t.test('what is no scheme is refused by the member that is wrong', async (t) => {
  const app = await Promise.resolve(Fastify())
  await app.register(guards)
  for (const [member, value] of [['name', 'a b'], ['name', undefined], ['definition', undefined], ['carrier', undefined], ['carrier', { in: 'body', name: 'x' }], ['ambient', undefined], ['scopes', 'x'], ['authenticate', undefined], ['challenge', 'Basic']] as const) {
    t.throws(() => app.defineScheme({ ...headerScheme('fine'), [member]: value }), { code: 'GATEHOUSE_OPTION_INVALID', message: new RegExp(member) })
  }
})

t.test('options cannot change after boot', async (t) => {
  const app = await boot(() => {})
  t.throws(() => useGuards(app, { callbackTimeoutSeconds: 1 }), { code: 'GATEHOUSE_OPTIONS_LATE' })
  t.throws(() => registryOf(Fastify()).runtime, { code: 'GATEHOUSE_GUARDS_DID_NOT_RUN' })
})

t.test('R010 routes that were declared before the core', async (t) => {
  const early = async (declare: (app: FastifyInstance) => void, options: GuardsOptions = {}): Promise<FastifyInstance> => {
    const app = Fastify()
    declare(app)
    await app.register(guards, options)
    await app.ready()
    return app
  }
  await t.rejects(early((app) => { app.get('/early', handler) }), { code: 'GATEHOUSE_EARLIER_ROUTES' })
  await t.rejects(early((app) => { void app.register(async (child) => { child.get('/early', handler) }, { prefix: '/p' }) }), { code: 'GATEHOUSE_EARLIER_ROUTES' })
  const ignored = await early((app) => { app.get('/early', handler) }, { earlierRoutes: 'ignore' })
  t.equal((await ignored.inject('/early')).statusCode, 200)
  const outside = async (): Promise<FastifyInstance> => {
    const app = Fastify()
    await app.register(async (child) => { await child.register(guards) })
    app.get('/outside', { onRequest: (app as unknown as Record<string, Guard>)['a'] } as RouteShorthandOptions, handler)
    await app.ready()
    return app
  }
  await t.rejects(outside(), { code: 'GATEHOUSE_GUARD_MISSING' }, 'a guard of a child, asked for outside of it, is undefined')
  const unawaited = Fastify()
  void unawaited.register(guards)
  unawaited.get('/early', handler)
  await t.rejects((async () => { await unawaited.ready() })(), { code: 'GATEHOUSE_EARLIER_ROUTES' }, 'a register that was not awaited')
})

t.test('R010 deny lets routes with a stance boot, and an unknown URL stays a plain 404', async (t) => {
  const app = await boot(({ app, a }) => {
    app.get('/public', { onRequest: app.publicAccess('it is the front page') }, handler)
    app.get('/limited', { onRequest: [limitBy('address'), app.publicAccess('a demo')] }, handler)
    app.get('/optional', { onRequest: app.optional(a) }, handler)
    app.get('/guarded', { onRequest: a }, handler)
    return app.register(async (child) => { child.protect(a); child.get('/', handler) }, { prefix: '/p' })
  }, { defaultAccess: 'deny' })
  for (const [url, status] of [['/public', 200], ['/limited', 200], ['/optional', 200], ['/guarded', 401], ['/p', 401], ['/p/', 401], ['/unknown', 404], ['/p/unknown', 404]] as const) {
    t.equal((await app.inject(url)).statusCode, status, url)
  }
  t.same(app.guardedRoutes().filter(({ url, method }) => url === '/public' && method === 'HEAD').map(({ access, reason, requirement }) => ({ access, reason, requirement })), [{ access: 'public', reason: 'it is the front page', requirement: [] }])
})

t.test('publicAccess routes do not make protect late', async (t) => {
  const app = await boot(({ app, a }) => {
    app.get('/docs', { onRequest: app.publicAccess('docs') }, handler)
    app.protect(a)
    app.get('/x', handler)
  })
  t.equal((await app.inject('/docs')).statusCode, 200)
  t.equal((await app.inject('/x')).statusCode, 401)
})

t.test('adoptSchemaSecurity enforces what was written', async (t) => {
  const app = await boot(({ app }) => {
    app.get('/or', security({ a: [] }, { b: [] }), handler)
    app.get('/and', security({ a: [], b: [] }), handler)
    app.get('/scopes', security({ scoped: ['items:read'] }), handler)
    app.get('/optional', security({ a: [] }, {}), handler)
    app.get('/public', security(), handler)
    app.get('/nobody', security({}), handler)
    app.post('/limited', { onRequest: limitBy('address'), ...security({ a: [] }) }, handler)
    return app.register(async (child) => { child.protect(limitBy('address')); child.get('/x', security({ a: [] }), handler) }, { prefix: '/p' })
  }, { adoptSchemaSecurity: true, defaultAccess: 'deny' })
  const rows: [string, Record<string, string>, number][] = [
    ['/or', {}, 401], ['/or', { 'x-b': 'bob' }, 200], ['/and', { 'x-a': 'alice' }, 401], ['/and', { 'x-a': 'alice', 'x-b': 'bob' }, 200],
    ['/scopes', {}, 401], ['/scopes', { 'x-scoped': 'alice;items:readonly' }, 403], ['/scopes', { 'x-scoped': 'alice;items:read' }, 200],
    ['/optional', {}, 200], ['/optional', { 'x-a': 'bad' }, 401], ['/public', {}, 200], ['/nobody', {}, 200], ['/limited', {}, 401], ['/p/x', {}, 401], ['/p/x', { 'x-a': 'alice' }, 200]
  ]
  for (const [url, headers, status] of rows) {
    t.equal((await app.inject({ method: url === '/limited' ? 'POST' : 'GET', url, headers })).statusCode, status, `${url} with ${JSON.stringify(headers)}`)
  }
  t.equal((await app.inject({ method: 'HEAD', url: '/or' })).statusCode, 401)
  const published = Object.fromEntries(app.guardedRoutes().filter(({ method }) => method !== 'HEAD').map(({ url, requirement }) => [url, requirement]))
  t.same(published['/or'], [{ a: [] }, { b: [] }])
  t.same(published['/and'], [{ a: [], b: [] }])
  t.same(published['/optional'], [{ a: [] }, {}])
  const declared = Object.fromEntries(app.guardedRoutes().filter(({ method }) => method !== 'HEAD').map(({ url, access, reason, guards }) => [url, { access, reason, guards }]))
  t.same(declared['/or'], { access: 'guarded', reason: null, guards: [{ name: 'anyOf(allOf(a), allOf(b))', level: 'route' }] })
  t.same(declared['/optional'], { access: 'optional', reason: null, guards: [{ name: 'optional(anyOf(allOf(a)))', level: 'route' }] })
  for (const url of ['/public', '/nobody']) t.same(declared[url], { access: 'public', reason: 'schema.security is empty', guards: [{ name: 'publicAccess', level: 'route' }] }, url)
})

t.test('adopted alternatives ask a scheme once, and keep the limits of the route', async (t) => {
  const asking = headerScheme('asking')
  const app = await boot(({ app }) => {
    app.defineScheme(asking)
    app.get('/x', { onRequest: limitBy('address'), ...security({ asking: [], a: [] }, { asking: ['s'] }, { asking: [] }) }, handler)
  }, { adoptSchemaSecurity: true })
  t.equal((await app.inject({ url: '/x', headers: { 'x-asking': 'alice' } })).statusCode, 200)
  t.equal(asking.asked, 1)
  t.same(app.guardedRoutes()[0]?.limits, [{ name: 'few', by: 'address', max: 3, windowSeconds: 60 }])
})

t.test('schema.security that says what the guards say may stand, in any order', async (t) => {
  await t.resolves(boot(({ app, a, b }) => app.get('/x', { onRequest: [app.anyOf(a, b), app.optional(a)], ...security({ b: [] }, { b: [], a: [] }, { a: [] }) }, handler)))
})

t.test('a service with a request.principal of its own', async (t) => {
  const own = (options: GuardsOptions) => boot(async () => {}, options)
  const app = Fastify()
  app.decorateRequest('principal', { getter: () => 'own' } as never)
  await t.rejects((async () => { await app.register(guards) })(), { code: 'GATEHOUSE_PRINCIPAL_TAKEN' })
  const second = Fastify()
  second.decorateRequest('principal', { getter: () => 'own' } as never)
  await second.register(guards, { principal: false })
  await second.register(scopes, { guards: { principal: false } })
  const a = second.defineScheme(headerScheme('a'))
  second.get('/x', { onRequest: a }, (request) => [request.principal, a.principal(request).subject])
  t.same((await second.inject({ url: '/x', headers: { 'x-a': 'alice' } })).json(), ['own', 'alice'])
  t.equal((await own({ principal: false })).hasRequestDecorator('principal'), false)
})

t.test('guardedRoutes is sorted, safe to serialise and a copy', async (t) => {
  const app = await boot(({ app, a, b, scoped }) => {
    app.post('/b', { onRequest: [limitBy('address'), app.anyOf(a, app.allOf(scoped, app.requireScopes('items:read'))), app.requireRoles('admin'), app.requireAnyRole('x', 'y'), app.requirePolicy('owner', () => true)] }, handler)
    app.route({ method: ['PUT', 'DELETE'], url: '/a', onRequest: app.optional(b), handler })
    app.get('/open', { exposeHeadRoute: false }, handler)
  })
  const routes = app.guardedRoutes()
  t.same(routes.map(({ method, url, access }) => `${method} ${url} ${access}`), ['DELETE /a optional', 'PUT /a optional', 'POST /b guarded', 'GET /open undeclared'])
  t.same(JSON.parse(JSON.stringify(routes)), routes)
  t.same(routes[2], {
    method: 'POST',
    url: '/b',
    guards: ['limit(few)', 'anyOf(a, allOf(scoped, requireScopes(items:read)))', 'requireRoles(admin)', 'requireAnyRole(x, y)', 'requirePolicy(owner)'].map((name) => ({ name, level: 'route' })),
    requirement: [{ a: [] }, { scoped: [] }],
    scopes: ['items:read'],
    roles: ['admin', 'x', 'y'],
    policies: ['owner'],
    limits: [{ name: 'few', by: 'address', max: 3, windowSeconds: 60 }],
    csrf: null,
    access: 'guarded',
    reason: null,
    anyOrigin: null
  })
  t.equal(routes[3]?.requirement, null)
  routes[2]?.requirement?.pop()
  t.equal(app.guardedRoutes()[2]?.requirement?.length, 2, 'changing the copy changes nothing')
})

t.test('R010 routes that differ in constraints alone each have a line in the registry', async (t) => {
  const app = await boot(({ app, a }) => {
    app.get('/q', { onRequest: a }, handler)
    app.get('/q', { constraints: { host: 'open.example' } }, handler)
  })
  t.same(app.guardedRoutes().filter(({ method }) => method === 'GET').map(({ access }) => access).sort(), ['guarded', 'undeclared'])
  await app.close()
})

for (const options of [true, 1, [], null]) {
  t.test(`core options that are ${JSON.stringify(options)} are refused`, async (t) => {
    const app = Fastify()
    await t.rejects(async () => { useGuards(app, options as unknown as GuardsOptions) }, { code: 'GATEHOUSE_OPTION_INVALID' })
    await app.close()
  })
}

t.test('R010 a route whose declaration failed does not stand for one that the core never saw', async (t) => {
  const app = Fastify()
  let older: FastifyInstance | undefined
  await app.register(async (child) => { older = child })
  await app.register(guards, { defaultAccess: 'deny' })
  app.get('/public', { onRequest: app.publicAccess('a test') }, handler)
  t.throws(() => app.get('/a/:b?/c', { onRequest: app.publicAccess('a test') }, handler))
  older?.get('/hidden', handler)
  await t.rejects(async () => { await app.ready() }, { code: 'GATEHOUSE_EARLIER_ROUTES' })
  await app.close()
})

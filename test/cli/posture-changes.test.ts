// Each rule of `gatehouse posture --check`, in both directions: two services that differ in one thing, and what that means.
import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import t from 'tap'
import { comparePostures } from '../../cli/posture-changes.ts'
import { rules } from '../../cli/posture-change.ts'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { basicAuth } from '../../plugins/basic-auth.ts'
import { bearerAuth } from '../../plugins/bearer-auth.ts'
import { csrf } from '../../plugins/csrf.ts'
import { rateLimit } from '../../plugins/rate-limit.ts'
import { scopes } from '../../plugins/scopes.ts'
import { securityHeaders } from '../../plugins/security-headers.ts'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { Effect, Rule } from '../../cli/posture-change.ts'
import type { Posture } from '../../guards/posture.ts'

type Declare = (app: FastifyInstance) => void

const secret = randomBytes(32)

async function postureOf (declare: Declare): Promise<Posture> {
  const app = Fastify()
  await app.register(securityHeaders)
  const texts = { read: 'Read', write: 'Write' }
  await app.register(bearerAuth, { secret, issuer: null, audience: null, tokenUrl: '/token', scopes: texts })
  await app.register(apiKeyAuth, { verify: () => null })
  await app.register(basicAuth, { verify: () => null })
  await app.register(csrf, { origins: ['https://app.example.com'] })
  await app.register(scopes)
  await app.register(rateLimit)
  declare(app)
  await app.ready()
  const posture = app.posture()
  await app.close()
  return posture
}

/** A route whose guards are as given; `onRequest` is whatever a route takes. */
const get = (guards: (app: FastifyInstance) => unknown): Declare => (app) => { app.get('/a', { onRequest: guards(app) as never }, () => 'ok') }
const post = (guards: (app: FastifyInstance) => unknown): Declare => (app) => { app.post('/a', { onRequest: guards(app) as never }, () => 'ok') }
const body = (schema?: object): Declare => (app) => { app.post('/a', { onRequest: app.bearer, ...(schema === undefined ? {} : { schema: { body: schema } }) }, () => 'ok') }
const title = (bounds: object): Declare => body({ type: 'object', additionalProperties: false, properties: { title: { type: 'string', ...bounds } } })
const object = (members: object): Declare => body({ type: 'object', additionalProperties: false, properties: { a: { const: 1 }, b: { const: 2 } }, ...members })
const limited = (max: number, timeWindow: string, by: 'address' | 'principal' = 'address'): Declare => get((app) => [app.bearer, app.limit({ name: 'calls', max, timeWindow, by })])

const opposite: Readonly<Record<Effect, Effect>> = { weaker: 'stronger', stronger: 'weaker', neutral: 'neutral' }

/** From the first service to the second; the way back has the opposite effect, unless another one is named. */
const routeRows: [title: string, rule: Rule, before: Declare, after: Declare, effect: Effect, back?: Effect | null][] = [
  ['an authenticating guard is gone', 'access', get((app) => app.bearer), (app) => { app.get('/a', () => 'ok') }, 'weaker'],
  ['a guard becomes optional', 'access', get((app) => app.bearer), get((app) => app.optional(app.bearer)), 'weaker'],
  ['a route becomes public', 'access', get((app) => app.bearer), get((app) => app.publicAccess('for all')), 'weaker'],
  ['public instead of undeclared', 'access', (app) => { app.get('/a', () => 'ok') }, get((app) => app.publicAccess('for all')), 'stronger'],
  ['a reason to be public where there was none', 'reason', get((app) => app.bearer), get((app) => app.publicAccess('for all')), 'weaker', null],
  ['another reason', 'reason', get((app) => app.publicAccess('for all')), get((app) => app.publicAccess('for some')), 'neutral'],
  ['a second scheme is enough', 'alternative', get((app) => app.bearer), get((app) => app.anyOf(app.bearer, app.apiKey)), 'weaker'],
  ['one of two schemes that go together is enough', 'alternative', get((app) => app.allOf(app.bearer, app.apiKey)), get((app) => app.bearer), 'weaker', 'stronger'],
  ['a scope less', 'scope', get((app) => [app.bearer, app.requireScopes('read', 'write')]), get((app) => [app.bearer, app.requireScopes('read')]), 'weaker'],
  ['one of two scopes is enough, where it was one', 'any-scope', get((app) => [app.bearer, app.requireAnyScope('read')]), get((app) => [app.bearer, app.requireAnyScope('read', 'write')]), 'weaker'],
  ['no scope of a list', 'any-scope', get((app) => [app.bearer, app.requireAnyScope('read', 'write')]), get((app) => app.bearer), 'weaker'],
  ['a role less', 'role', get((app) => [app.bearer, app.requireRoles('admin')]), get((app) => app.bearer), 'weaker'],
  ['a role more is enough', 'any-role', get((app) => [app.bearer, app.requireAnyRole('admin', 'chief')]), get((app) => [app.bearer, app.requireAnyRole('admin', 'chief', 'clerk')]), 'weaker'],
  ['a policy is gone', 'policy', get((app) => [app.bearer, app.requirePolicy('owner', () => true)]), get((app) => app.bearer), 'weaker'],
  ['a limit is gone', 'limit', limited(5, '1 minute'), get((app) => app.bearer), 'weaker'],
  ['a limit is raised', 'limit', limited(5, '1 minute'), limited(50, '1 minute'), 'weaker'],
  ['a window is shorter', 'limit', limited(5, '1 minute'), limited(5, '1 second'), 'weaker'],
  ['a limit counts by something else', 'limit', limited(5, '1 minute'), limited(5, '1 minute', 'principal'), 'weaker', 'weaker'],
  ['a cross-site check is gone', 'csrf', post((app) => [app.refuseCrossSite, app.publicAccess('for all')]), post((app) => app.publicAccess('for all')), 'weaker'],
  ['what browsers send unasked lets nobody in any more', 'csrf', post((app) => app.anyOf(app.bearer, app.basic)), post((app) => app.bearer), 'neutral', 'stronger'],
  ['a rule moves into an alternative', 'guards', get((app) => [app.anyOf(app.bearer, app.apiKey), app.requireRoles('admin')]), get((app) => app.anyOf(app.allOf(app.bearer, app.requireRoles('admin')), app.apiKey)), 'weaker', 'weaker'],
  ['guards in another order', 'guards', get((app) => [app.bearer, app.requireRoles('admin'), app.requireRoles('chief')]), get((app) => [app.bearer, app.requireRoles('chief'), app.requireRoles('admin')]), 'neutral'],
  ['a new route that is guarded', 'route-added', () => undefined, get((app) => app.bearer), 'neutral', null],
  ['a new route that is public', 'route-added', () => undefined, get((app) => app.publicAccess('for all')), 'weaker', null],
  ['a new route that is optional', 'route-added', () => undefined, get((app) => app.optional(app.bearer)), 'weaker', null],
  ['a new route that is undeclared', 'route-added', () => undefined, (app) => { app.get('/a', () => 'ok') }, 'weaker', null],
  ['a route less', 'route-removed', get((app) => app.bearer), () => undefined, 'neutral', null],
  ['a body without a schema', 'body', title({ maxLength: 9 }), body(), 'weaker'],
  ['a string may be longer', 'body', title({ maxLength: 9 }), title({ maxLength: 10 }), 'weaker'],
  ['a string may be of any length', 'body', title({ maxLength: 9 }), title({}), 'weaker'],
  ['a string may be empty', 'body', title({ minLength: 1 }), title({ minLength: 0 }), 'weaker'],
  ['a pattern is gone', 'body', title({ pattern: '^a' }), title({}), 'weaker'],
  ['a pattern is another', 'body', title({ pattern: '^a' }), title({ pattern: '^b' }), 'weaker', 'weaker'],
  ['a value more', 'body', title({ enum: ['a'] }), title({ enum: ['a', 'b'] }), 'weaker'],
  ['any value', 'body', title({ enum: ['a'] }), title({}), 'weaker'],
  ['a type more', 'body', title({}), title({ type: ['string', 'null'] }), 'weaker'],
  ['an object is open', 'body', object({}), object({ additionalProperties: true }), 'weaker'],
  ['a member is not required', 'body', object({ required: ['a', 'b'] }), object({ required: ['a'] }), 'weaker'],
  ['a member more in a closed object', 'body', object({}), object({ properties: { a: { const: 1 }, b: { const: 2 }, c: { const: 3 } } }), 'neutral'],
  ['a member of an open object is not judged any more', 'body', object({ additionalProperties: true }), object({ additionalProperties: true, properties: { a: { const: 1 } } }), 'weaker'],
  ['an alternative more', 'body', body({ anyOf: [{ const: 1 }] }), body({ anyOf: [{ const: 1 }, { const: 2 }] }), 'weaker'],
  ['a part of allOf is gone', 'body', body({ allOf: [{ type: 'integer', minimum: 1 }, { type: 'integer', maximum: 2 }] }), body({ allOf: [{ type: 'integer', minimum: 1 }] }), 'weaker'],
  ['a list may have doubles', 'body', body({ type: 'array', uniqueItems: true }), body({ type: 'array' }), 'weaker']
]

function assertChange (t: Test, { before, after }: { before: Posture; after: Posture }, { rule, effect }: { rule: Rule; effect: Effect }): void {
  const changes = comparePostures(before, after)
  const of = changes.filter((change) => change.rule === rule)
  t.ok(of.length > 0 && of.every((change) => change.what !== '' && change.where !== ''), `${rule} tells of it`)
  t.strictSame([...new Set(of.map((change) => change.effect))], [effect], JSON.stringify(of))
}

const told = new Set<Rule>()

for (const [name, rule, declareBefore, declareAfter, effect, back = opposite[effect]] of routeRows) {
  told.add(rule)
  t.test(`${name}: ${effect} (${rule})`, async (t) => {
    const [before, after] = [await postureOf(declareBefore), await postureOf(declareAfter)]
    t.strictSame(comparePostures(before, before), [])
    assertChange(t, { before, after }, { rule, effect })
    if (back !== null) assertChange(t, { before: after, after: before }, { rule, effect: back })
  })
}

const csp = 'content-security-policy'
const serviceRows: [title: string, rule: Rule, edit: (posture: Posture) => void, effect: Effect, back?: Effect][] = [
  ['no headers at all', 'header', (posture) => { posture.headers = null }, 'weaker'],
  ['a header is gone', 'header', ({ headers }) => { delete headers?.['x-frame-options'] }, 'weaker'],
  ['a header is another', 'header', (posture) => { posture.headers = { ...posture.headers, 'x-frame-options': 'SAMEORIGIN' } }, 'weaker', 'weaker'],
  ['HSTS is shorter', 'header', (posture) => { posture.headers = { ...posture.headers, 'strict-transport-security': 'max-age=60; includeSubDomains' } }, 'weaker'],
  ['HSTS leaves subdomains out', 'header', (posture) => { posture.headers = { ...posture.headers, 'strict-transport-security': 'max-age=31536000' } }, 'weaker'],
  ['a source more', 'header', (posture) => { posture.headers = { ...posture.headers, [csp]: "default-src 'self'; frame-ancestors 'none'" } }, 'weaker'],
  ['a directive less', 'header', (posture) => { posture.headers = { ...posture.headers, [csp]: "default-src 'none'" } }, 'weaker'],
  ['a token lives longer', 'lifetime', (posture) => { posture.lifetimes['tokens'] = { accessTokenSeconds: 901, algorithm: 'ES256' } }, 'weaker'],
  ['another algorithm', 'lifetime', (posture) => { posture.lifetimes['tokens'] = { accessTokenSeconds: 900, algorithm: 'HS256' } }, 'weaker', 'weaker'],
  ['a session is handed out', 'lifetime', (posture) => { posture.lifetimes['session'] = { idleSeconds: 60 } }, 'neutral'],
  ['a key travels in the query', 'scheme', (posture) => { Object.assign(posture.schemes['apiKey'] ?? {}, { in: 'query' }) }, 'weaker'],
  ['browsers send it unasked', 'scheme', (posture) => { Object.assign(posture.schemes['apiKey'] ?? {}, { ambient: true }) }, 'weaker'],
  ['a scheme more', 'scheme', (posture) => { posture.schemes['partner'] = { in: 'header', name: 'X-Partner', ambient: false } }, 'neutral'],
  ['another name', 'scheme', (posture) => { Object.assign(posture.schemes['apiKey'] ?? {}, { name: 'X-Key' }) }, 'neutral'],
  ['the pages of every origin may read it', 'any-origin', ({ routes }) => { for (const route of routes) route.anyOrigin = 'open data' }, 'weaker']
]

for (const [name, rule, edit, effect, back = opposite[effect]] of serviceRows) {
  told.add(rule)
  t.test(`${name}: ${effect} (${rule})`, async (t) => {
    const before = { ...await postureOf(get((app) => app.bearer)), lifetimes: { tokens: { accessTokenSeconds: 900, algorithm: 'ES256' } } }
    const after = structuredClone(before) as Posture
    edit(after)
    assertChange(t, { before, after }, { rule, effect })
    assertChange(t, { before: after, after: before }, { rule, effect: back })
  })
}

t.test('every rule has a row here', async (t) => {
  t.strictSame([...told].sort(), [...rules].sort())
})

t.test('what is weaker comes first, and routes that differ in a constraint are two', async (t) => {
  const onHosts = (first: (app: FastifyInstance) => unknown): Declare => (app) => {
    app.get('/a', { constraints: { host: 'a.example' }, onRequest: first(app) as never }, () => 'a')
    app.get('/a', { constraints: { host: 'b.example' }, onRequest: app.bearer }, () => 'b')
  }
  const changes = comparePostures(await postureOf(onHosts((app) => app.bearer)), await postureOf((app) => {
    onHosts((inner) => inner.publicAccess('for all'))(app)
    app.get('/0', { onRequest: app.bearer }, () => 'new')
  }))
  t.strictSame([...new Set(changes.map(({ effect }) => effect))], ['weaker', 'neutral'])
  t.strictSame([...new Set(changes.filter(({ rule }) => rule === 'access').map(({ where }) => where))], ['GET /a (host a.example)', 'HEAD /a (host a.example)'])
})

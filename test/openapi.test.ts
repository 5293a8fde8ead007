import AjvCompiler from '@fastify/ajv-compiler'
import { Validator } from '@seriousme/openapi-schema-validator'
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { anAddress, buildDemo } from './demo.ts'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { GuardedRoute } from '../plugins/guards.ts'
import type { Demo } from './demo.ts'

interface Content { schema: object; example?: unknown }
interface Answer { description: string; headers?: Record<string, object>; content?: Record<string, Content> }
interface Parameter { name: string; in: 'path' | 'query'; example?: unknown; required?: boolean; schema: { examples?: unknown[] } }
interface Operation {
  operationId?: string
  deprecated?: boolean
  security?: Record<string, string[]>[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: { properties: Record<string, { examples?: unknown[] }>; required?: string[] } }> }
  responses: Record<string, Answer>
  [extension: `x-${string}`]: unknown
}
interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { securitySchemes: Record<string, object>; schemas: Record<string, object> }
}
interface Documented { method: string; url: string; operation: Operation }

async function documentOf (app: FastifyInstance): Promise<Document> {
  return (await app.inject({ url: '/openapi.json', remoteAddress: anAddress() })).json()
}

function operationsOf ({ paths }: Document): Documented[] {
  return Object.entries(paths).flatMap(([url, operations]) => Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), url, operation })))
}

/** A request as the document would have it made, by nobody. */
function requestFor ({ method, url, operation }: Documented): InjectOptions {
  const path = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path').reduce((text, { name, example }) => text.replace(`{${name}}`, String(example)), url)
  const [[type, content] = []] = Object.entries(operation.requestBody?.content ?? {})
  if (type === undefined || content === undefined) return { method, url: path }
  const fields = Object.entries(content.schema.properties).filter(([, { examples }]) => examples !== undefined).map(([name, { examples }]) => [name, examples?.[0]] as const)
  return { method, url: path, headers: { 'content-type': type }, payload: type.includes('json') ? Object.fromEntries(fields) : new URLSearchParams(fields.map(([name, value]): [string, string] => [name, String(value)])).toString() }
}

function isGuarded ({ security = [] }: Operation): boolean {
  return security.length > 0 && !security.some((alternative) => Object.keys(alternative).length === 0)
}

const compile = AjvCompiler()({}, { customOptions: { strict: false, coerceTypes: false, removeAdditional: false, useDefaults: false } })

/** Asserts that an answer is one that the operation documents: status, media type, body and the headers that matter. */
function assertDocumented (t: Test, { components }: Document, { operation }: Documented, response: LightMyRequestResponse): void {
  const answer = operation.responses[String(response.statusCode)]
  t.ok(answer, `${String(response.statusCode)} is documented`)
  if (answer === undefined) return
  const sent = ['www-authenticate', 'retry-after', 'ratelimit', 'ratelimit-policy'].filter((name) => name in response.headers)
  const documented = Object.keys(answer.headers ?? {}).map((name) => name.toLowerCase())
  t.strictSame(sent.filter((name) => !documented.includes(name)), [], 'every header is documented')
  // A bearer token may be refused for a reason, or another credential, that has no challenge.
  // Of limits that keys bring themselves only such a key hears, and of one by principal only whoever was let in.
  const isCounted = (operation['x-rate-limit'] as { by: string }[] | undefined)?.some(({ by }) => by !== 'apiKey' && by !== 'principal') !== false
  const always = documented.filter((name) => name.startsWith('ratelimit') ? isCounted : name !== 'www-authenticate' || response.statusCode === 401)
  t.strictSame(always.filter((name) => !(name in response.headers)), [], 'every header that is documented is there')
  const [type = ''] = Object.keys(answer.content ?? {})
  if (type === '') {
    t.equal(response.body, '')
    return
  }
  t.equal(response.headers['content-type'], `${type}; charset=utf-8`)
  const validate = compile({ schema: { components, ...answer.content?.[type]?.schema }, httpPart: '', method: '', url: '' })
  t.equal(validate(response.json()), true, 'the body is as documented')
}

t.test('R208 /openapi.json is OpenAPI 3.1, and so is /openapi.yaml', async (t) => {
  const { app } = await buildDemo(t)
  const json = await app.inject('/openapi.json')
  t.equal(json.headers['content-type'], 'application/json; charset=utf-8')
  const { valid, errors } = await new Validator().validate(json.json())
  t.strictSame(errors, undefined)
  t.ok(valid)
  const yaml = await app.inject('/openapi.yaml')
  t.equal(yaml.headers['content-type'], 'application/yaml; charset=utf-8')
  const { valid: yamlValid } = await new Validator().validate(yaml.body)
  t.ok(yamlValid)
  t.match(json.json(), { openapi: /^3\.1\./ })
  const ids = operationsOf(json.json()).map(({ operation }) => operation.operationId)
  t.equal(new Set(ids).size, ids.length, 'every operation has an id of its own')
  const page = await app.inject('/docs/')
  t.match(page.headers['content-type'], /^text\/html/)
  t.match(page.headers['content-security-policy'], /default-src 'none'.*script-src 'self'.*object-src 'none'/)
})

const byTokenOrKey = [['bearer'], ['apiKey']]
const byTokenOrSession = [['bearer'], ['session']]
/** The rows of DESIGN section 7 that exist, with what each requires. */
const rows: [string, string, string[][] | 'public', string[], string[]][] = [
  ['GET', '/docs', 'public', [], []],
  ['GET', '/openapi.json', 'public', [], []],
  ['GET', '/openapi.yaml', 'public', [], []],
  ['GET', '/health/live', 'public', [], []],
  ['GET', '/health/ready', 'public', [], []],
  ['POST', '/register', 'public', [], ['register 10/60 by address']],
  ['POST', '/token', 'public', [], ['token 600/60 by address', 'token-failures 20/60 by address']],
  ['POST', '/token/revoke', 'public', [], ['token 600/60 by address', 'token-failures 20/60 by address']],
  ['POST', '/token/introspect', 'public', [], ['introspection 6000/60 by address', 'token-failures 20/60 by address']],
  ['GET', '/.well-known/jwks.json', 'public', [], []],
  ['GET', '/.well-known/oauth-authorization-server', 'public', [], []],
  ['GET', '/.well-known/oauth-protected-resource', 'public', [], []],
  ['POST', '/session', 'public', [], ['session 600/60 by address', 'session-failures 20/60 by address']],
  ['GET', '/session', [['session']], [], []],
  ['DELETE', '/session', [['session']], [], []],
  ['GET', '/users/me/sessions', byTokenOrSession, ['me'], []],
  ['DELETE', '/users/me/sessions', byTokenOrSession, ['me'], []],
  ['DELETE', '/users/me/sessions/:id', byTokenOrSession, ['me'], []],
  ['GET', '/users/me', byTokenOrSession, ['me'], []],
  ['PATCH', '/users/me', byTokenOrSession, ['me'], []],
  ['PUT', '/users/me/password', byTokenOrSession, ['me'], ['password-failures 10/900 by principal']],
  ['POST', '/api-keys', byTokenOrSession, ['me'], []],
  ['POST', '/api-keys/:id/rotate', byTokenOrSession, ['me'], []],
  ['GET', '/api-keys', byTokenOrSession, ['me'], []],
  ['DELETE', '/api-keys/:id', byTokenOrSession, ['me'], []],
  ['GET', '/items', byTokenOrKey, ['items:read'], ['apiKey null/null by apiKey']],
  ['GET', '/items/:id', byTokenOrKey, ['items:read'], ['apiKey null/null by apiKey']],
  ['POST', '/items', byTokenOrKey, ['items:write'], ['apiKey null/null by apiKey']],
  ['DELETE', '/items/:id', byTokenOrKey, ['items:write'], ['apiKey null/null by apiKey']],
  ['GET', '/basic/me', [['basic']], [], ['basic-failures 20/60 by address']],
  ['GET', '/limited', 'public', [], ['limited 5/60 by address']],
  ['GET', '/admin', byTokenOrSession, ['admin'], []],
  ['GET', '/admin/posture', byTokenOrSession, ['admin'], []],
  ['PATCH', '/admin/users/:id', byTokenOrSession, ['admin'], []],
  ['POST', '/admin/users/:id/unlock', byTokenOrSession, ['admin'], []],
  ['GET', '/admin/users', byTokenOrSession, ['admin'], []],
  ['POST', '/admin/clients', byTokenOrSession, ['admin'], []],
  ['GET', '/admin/clients', byTokenOrSession, ['admin'], []],
  ['DELETE', '/admin/clients/:id', byTokenOrSession, ['admin'], []],
  ['GET', '/admin/audit', byTokenOrSession, ['admin'], []],
  ['GET', '/metrics', byTokenOrKey, ['admin'], ['apiKey null/null by apiKey']]
]

t.test('R010 R208 the routes are those of the design, nothing missing and nothing more, and OpenAPI says what is enforced', async (t) => {
  const { app } = await buildDemo(t)
  const document = await documentOf(app)
  const guarded = app.guardedRoutes()
  const keyOf = ({ method, url }: Pick<GuardedRoute, 'method' | 'url'>): string => `${method} ${url}`
  const lines = new Map(guarded.map((route) => [keyOf(route), route]))
  const expected = new Set(rows.map(([method, url]) => `${method} ${url}`))
  for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    for (const url of ['/token', '/token/revoke', '/token/introspect']) expected.add(`${method} ${url}`)
  }

  for (const [key, route] of lines) {
    if (key.startsWith('HEAD ')) {
      t.strictSame({ ...route, method: 'GET' }, lines.get(key.replace('HEAD', 'GET')), `${key} is as its GET`)
    } else if (!expected.has(key)) {
      t.match(key, /^(?:GET|POST) \/(?:docs\/|assets\/|sign-|account\/|administration\/|$)/, `${key} belongs to the documentation or to the pages`)
      if (/\/(?:docs|assets)\//.test(key)) t.equal(route.access, 'public')
    }
    if (route.access === 'public') t.ok(route.reason, `${key} says why it is public`)
  }
  for (const [method, url, schemes, required, limits] of rows) {
    await t.test(`${method} ${url}`, async (t) => {
      const route = lines.get(`${method} ${url}`)
      t.equal(route?.access, schemes === 'public' ? 'public' : 'guarded')
      t.strictSame(route?.requirement?.map((alternative) => Object.keys(alternative)), schemes === 'public' ? [] : schemes)
      t.strictSame(route?.scopes, required)
      t.strictSame(route?.limits.map(({ name, max, windowSeconds, by }) => `${name} ${String(max)}/${String(windowSeconds)} by ${by}`), limits)

      const operation = document.paths[url.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]
      if (/^\/(docs|openapi|metrics)/.test(url)) {
        t.equal(operation, undefined)
        return
      }
      t.strictSame(operation?.security, route?.requirement)
      t.strictSame(operation?.['x-required-scopes'], required.length === 0 ? undefined : required)
      t.strictSame(operation?.['x-rate-limit'], limits.length === 0 ? undefined : route?.limits)
      t.equal(operation?.['x-public-reason'], route?.reason ?? undefined)
      for (const scheme of (operation?.security ?? []).flatMap((alternative) => Object.keys(alternative))) t.ok(scheme in document.components.securitySchemes)
      const statuses = Object.keys(operation?.responses ?? {})
      const needed = [...(schemes === 'public' ? [] : ['400', '401', '403', '503']), ...(limits.length === 0 ? [] : ['429']), '500']
      t.strictSame(needed.filter((status) => !statuses.includes(status)), [], 'R208')
    })
  }
  const form = document.paths['/token']?.['post']?.requestBody?.content['application/x-www-form-urlencoded']?.schema.properties
  t.match(form, { username: { deprecated: true }, password: { deprecated: true } }, 'R137')
  t.equal(operationsOf(document).length, rows.filter(([, url]) => !/^\/(docs|openapi|metrics)/.test(url)).length, 'nothing more is documented')
})

t.test('R001 R208 nobody gets 401 exactly where OpenAPI says so, and every answer is as documented', async (t) => {
  const demo = await buildDemo(t)
  const document = await documentOf(demo.app)
  for (const documented of operationsOf(document)) {
    await t.test(`${documented.method} ${documented.url}`, async (t) => {
      const answer = await demo.send(requestFor(documented))
      t.equal(answer.statusCode === 401, isGuarded(documented.operation))
      assertDocumented(t, document, documented, answer)
      if (isGuarded(documented.operation)) await assertRefusals(t, demo, document, documented)
      else if (documented.operation['x-rate-limit'] !== undefined) await assertLimited(t, demo, document, documented)
      if (documented.operation.parameters?.some((parameter) => parameter.in === 'query') === true) {
        const boss = { authorization: `Bearer ${await tokenFor(demo, ['admin'])}` }
        const invalid = await demo.send({ url: `${documented.url}?limit=x`, headers: boss })
        t.equal(invalid.statusCode, 400)
        assertDocumented(t, document, documented, invalid)
        assertDocumented(t, document, documented, await demo.send({ url: documented.url, headers: boss }))
      }
    })
  }
})

let people = 0

async function tokenFor (demo: Demo, roles: readonly string[]): Promise<string> {
  const { id } = await demo.person(`person-${String(people += 1)}`, roles)
  return demo.app.tokens.issue({ subject: id, clientId: 'demo', scopes: ['me', 'items:read', 'items:write', 'admin'] }).accessToken
}

async function assertRefusals (t: Test, demo: Demo, document: Document, documented: Documented): Promise<void> {
  const request = requestFor(documented)
  const send = (headers: Record<string, string>): Promise<LightMyRequestResponse> => demo.send({ ...request, headers: { ...request.headers, ...headers } })
  const schemes = documented.operation.security?.flatMap((alternative) => Object.keys(alternative)) ?? []
  if (schemes.join() === 'session') return
  const refusals: [number, string][] = schemes.includes('bearer')
    ? [[400, 'Bearer a b'], [401, 'Bearer abc'], [403, `Bearer ${await tokenFor(demo, [])}`]]
    : [[401, 'Basic abc']]
  for (const [status, authorization] of refusals) {
    const answer = await send({ authorization })
    t.equal(answer.statusCode, status)
    assertDocumented(t, document, documented, answer)
  }
  if (schemes.includes('apiKey')) assertDocumented(t, document, documented, await send({ 'x-api-key': 'abc' }))
}

async function assertLimited (t: Test, demo: Demo, document: Document, documented: Documented): Promise<void> {
  const remoteAddress = anAddress()
  const { method, url } = documented
  const answers = await Promise.all(Array.from({ length: 40 }, () => demo.send({ method, url, remoteAddress })))
  const limited = answers.find(({ statusCode }) => statusCode === 429)
  t.ok(limited)
  if (limited !== undefined) assertDocumented(t, document, documented, limited)
}

t.test('R007 R208 503 is as documented when the stores do not answer', async (t) => {
  const demo = await buildDemo(t)
  const document = await documentOf(demo.app)
  const token = await tokenFor(demo, ['admin'])
  await demo.app.stores.close()
  for (const documented of operationsOf(document).filter(({ operation }) => isGuarded(operation))) {
    await t.test(`${documented.method} ${documented.url}`, async (t) => {
      const request = requestFor(documented)
      const authorization = 'basic' in (documented.operation.security?.[0] ?? {}) ? `Basic ${btoa('a:b')}` : `Bearer ${token}`
      const { name } = document.components.securitySchemes['session'] as { name: string }
      const cookie = `${name}=${randomBytes(32).toString('base64url')}`
      const bySession = Object.keys(documented.operation.security?.[0] ?? {}).join() === 'session'
      const answer = await demo.send({ ...request, headers: { ...request.headers, ...(bySession ? { cookie } : { authorization }) } })
      t.equal(answer.statusCode, 503)
      assertDocumented(t, document, documented, answer)
    })
  }
})

import { fastifySwagger } from '@fastify/swagger'
import Fastify from 'fastify'
import t from 'tap'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { basicAuth } from '../../plugins/basic-auth.ts'
import { bearerAuth } from '../../plugins/bearer-auth.ts'
import { guards } from '../../plugins/guards.ts'
import { csrf } from '../../plugins/csrf.ts'
import { openapi } from '../../plugins/openapi.ts'
import { openapiTransform } from '../../plugins/openapi-transform.ts'
import { problems } from '../../plugins/problems.ts'
import { rateLimit } from '../../plugins/rate-limit.ts'
import { scopes } from '../../plugins/scopes.ts'
import { assertOptionRefused } from '../fixtures/guarded-service.ts'
import { audience, issuer, secret } from '../fixtures/tokens.ts'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { OpenapiOptions } from '../../plugins/openapi.ts'

const info = { title: 'Items', version: '1.0.0' }

interface Media { schema: object; examples?: Record<string, { value: unknown }> }
interface Operation {
  description?: string
  security?: object[]
  responses: Record<string, { description: string; headers?: Record<string, object>; content?: Record<string, Media> }>
  [extension: `x-${string}`]: unknown
}
interface Document { openapi: string; paths: Record<string, Record<string, Operation>>; components: { securitySchemes: object; schemas: Record<string, object> } }

async function service (t: Test, document: (app: FastifyInstance) => Promise<unknown>, routes: (app: FastifyInstance) => void | Promise<void>): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await document(app)
  await app.register(guards)
  await app.register(basicAuth, { users: { alice: 'secret' } })
  await app.register(apiKeyAuth, { verify: () => null })
  await app.register(bearerAuth, { secret, issuer, audience, scopes: { 'items:read': 'Read', 'items:write': 'Write' } })
  await app.register(scopes)
  await app.register(rateLimit)
  await routes(app)
  await app.ready()
  return app
}

const withOpenapi = (options: Partial<OpenapiOptions> = {}) => (app: FastifyInstance): Promise<unknown> => Promise.resolve(app.register(openapi, { info, docs: false, ...options }))
const withProblems = async (app: FastifyInstance): Promise<void> => {
  await app.register(problems)
  await app.register(openapi, { info, docs: false })
}

async function operationOf (app: FastifyInstance, url: string, method = 'get'): Promise<Operation> {
  const { paths } = (await app.inject('/openapi.json')).json<Document>()
  return paths[url]?.[method] ?? { responses: {} }
}

/** Asserts that an answer is a problem, and that its examples are such answers. */
function assertProblems (t: Test, responses: Operation['responses'], status: string): void {
  const { content = {} } = responses[status] ?? {}
  t.strictSame(Object.keys(content), ['application/problem+json'], status)
  const { schema, examples = {} } = content['application/problem+json'] ?? {}
  t.strictSame(schema, { $ref: '#/components/schemas/Problem' }, status)
  t.ok(Object.keys(examples).length > 0, `${status} has an example`)
  for (const [code, { value }] of Object.entries(examples)) t.match(value, { code, status: Number(status), title: String, instance: /^urn:request:/ })
}

function everyKind (app: FastifyInstance): void {
  const params = { type: 'object', properties: { id: { type: 'string' } } }
  app.get('/one/:id', { onRequest: [app.anyOf(app.bearer, app.apiKey), app.requireScopes('items:read')], schema: { summary: 'One', params, response: { 200: { description: 'One.', type: 'string' }, 403: { description: 'Not yours.' } } } }, () => '')
  app.get('/any', { onRequest: [app.bearer, app.requireAnyScope('items:read', 'items:write'), app.requireAnyRole('boss', 'clerk')] }, () => '')
  app.get('/maybe', { onRequest: app.optional(app.basic) }, () => '')
  app.get('/both', { onRequest: [app.limit({ name: 'first', max: 1, timeWindow: '1 minute' }), app.allOf(app.basic, app.apiKey), app.requireRoles('boss'), app.requirePolicy('weekday', () => true)] }, () => '')
  app.get('/late', { onRequest: [app.basic, app.limit({ name: 'late', max: 9, timeWindow: '1 minute', by: 'principal' })] }, () => '')
  app.get('/public', { onRequest: app.publicAccess('a test'), schema: { summary: 'Public' } }, () => '')
  app.get('/open', () => '')
  app.get('/hidden', { onRequest: app.basic, schema: { hide: true } }, () => '')
}

t.test('the document says what each route requires', async (t) => {
  const app = await service(t, withOpenapi(), everyKind)
  const { paths, components } = (await app.inject('/openapi.json')).json<Document>()
  const securities = Object.fromEntries(Object.entries(paths).map(([url, { get }]) => [url, get?.security]))
  t.strictSame(securities, {
    '/one/{id}': [{ bearer: [] }, { apiKey: [] }],
    '/any': [{ bearer: [] }],
    '/maybe': [{ basic: [] }, {}],
    '/both': [{ basic: [], apiKey: [] }],
    '/late': [{ basic: [] }],
    '/public': [],
    '/open': undefined
  })
  t.strictSame(components.securitySchemes, {
    basic: { type: 'http', scheme: 'basic' },
    apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
    bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' }
  })
  const extensions = Object.fromEntries(Object.entries(paths).map(([url, { get }]) => [url, Object.fromEntries(Object.entries(get ?? {}).filter(([name]) => name.startsWith('x-')))]))
  t.strictSame(extensions, {
    '/one/{id}': { 'x-required-scopes': ['items:read'] },
    '/any': { 'x-required-any-scope': [['items:read', 'items:write']], 'x-required-any-role': [['boss', 'clerk']] },
    '/maybe': {},
    '/both': { 'x-required-roles': ['boss'], 'x-required-policies': ['weekday'], 'x-rate-limit': [{ name: 'first', by: 'address', max: 1, windowSeconds: 60 }] },
    '/late': { 'x-rate-limit': [{ name: 'late', by: 'principal', max: 9, windowSeconds: 60 }] },
    '/public': { 'x-public-reason': 'a test' },
    '/open': {}
  })
  const { responses } = paths['/one/{id}']?.['get'] ?? { responses: {} }
  t.equal(responses['403']?.description, 'Not yours.', 'the description stays the author\'s')
  t.strictSame(Object.keys(responses).sort(), ['200', '400', '401', '403', '503'])
  for (const status of ['400', '401', '403', '503']) assertProblems(t, responses, status)
  t.ok(components.schemas['Problem'])
})

t.test('the description of an operation says what its guards ask for', async (t) => {
  const app = await service(t, withOpenapi({ guards: { adoptSchemaSecurity: true } }), async (app) => {
    everyKind(app)
    app.get('/written', { onRequest: app.publicAccess('a test'), schema: { description: 'By **hand**.' } }, () => '')
    app.get('/adopted', { schema: { security: [{ basic: [] }] } }, () => '')
    app.get('/odd', { onRequest: [app.apiKey, app.requirePolicy('a`b', () => true), app.limit({ name: 'own', max: 1, timeWindow: 1000, by: () => 'x' })] }, () => '')
    await app.register(async (child) => {
      child.protect(app.basic)
      child.get('/inside', { onRequest: app.requireRoles('boss') }, () => '')
    })
  })
  const { paths } = (await app.inject('/openapi.json')).json<Document>()
  t.strictSame(Object.fromEntries(Object.entries(paths).map(([url, { get }]) => [url, get?.description?.split('\n')])), {
    '/one/{id}': ['- **Guards:** `anyOf(bearer, apiKey)`, `requireScopes(items:read)`', '- **Scopes:** `items:read`'],
    '/any': ['- **Guards:** `bearer`, `requireAnyScope(items:read, items:write)`, `requireAnyRole(boss, clerk)`', '- **Scopes:** one of `items:read` or `items:write`', '- **Roles:** one of `boss` or `clerk`'],
    '/maybe': ['- **Guards:** `optional(basic)`', '- **Credentials:** optional'],
    '/both': ['- **Guards:** `allOf(basic, apiKey)`, `requireRoles(boss)`, `requirePolicy(weekday)`', '- **Roles:** `boss`', '- **Policies:** `weekday`', '- **Limits:** `first`: 1 in 60 seconds per address'],
    '/late': ['- **Guards:** `basic`', '- **Limits:** `late`: 9 in 60 seconds per principal'],
    '/public': ['- **Public:** a test'],
    '/open': undefined,
    '/written': ['By **hand**.', '', '- **Public:** a test'],
    '/adopted': ['- **Guards:** `anyOf(allOf(basic))`'],
    '/odd': ['- **Guards:** `apiKey`, `` requirePolicy(a`b) ``', '- **Policies:** `` a`b ``', "- **Limits:** `own`: 1 in 1 second per a key of the service's own"],
    '/inside': ['- **Guards:** `basic`, `requireRoles(boss)`', '- **Roles:** `boss`']
  })
})

t.test('a limit that counts first tells of itself in every refusal, one that counts last does not', async (t) => {
  const app = await service(t, withOpenapi(), everyKind)
  const headersOf = async (url: string): Promise<object> => Object.fromEntries(Object.entries((await operationOf(app, url)).responses).filter(([status]) => status !== '200').map(([status, { headers }]) => [status, Object.keys(headers ?? {})]))
  const limit = ['RateLimit', 'RateLimit-Policy']
  t.strictSame(await headersOf('/both'), { 400: limit, 401: ['WWW-Authenticate', ...limit], 403: limit, 429: ['Retry-After', ...limit], 503: ['Retry-After', ...limit] })
  t.strictSame(await headersOf('/late'), { 400: [], 401: ['WWW-Authenticate'], 403: [], 429: ['Retry-After', ...limit], 503: ['Retry-After'] })
  t.strictSame(await headersOf('/any'), { 400: ['WWW-Authenticate'], 401: ['WWW-Authenticate'], 403: ['WWW-Authenticate'], 503: ['Retry-After'] })
  const refused = await app.inject('/both')
  t.equal(refused.statusCode, 401)
  t.match(refused.headers, { ratelimit: /^"first"/, 'ratelimit-policy': /^"first"/ }, 'and it does')
})

t.test('a @fastify/swagger of the service\'s own gets the same', async (t) => {
  const ours = await service(t, withOpenapi(), everyKind)
  const theirs = await service(t, (app) => Promise.resolve(app.register(fastifySwagger, { openapi: { openapi: '3.1.0', info }, transform: openapiTransform })), everyKind)
  const { paths, components } = JSON.parse(JSON.stringify(theirs.swagger())) as Document
  const document = (await ours.inject('/openapi.json')).json<Document>()
  t.strictSame(paths, document.paths)
  t.strictSame(components, document.components)
})

t.test('the schemas that were written stay as they are', async (t) => {
  const schema = { summary: 'One', security: [{ basic: [] }], response: { 200: { description: 'One.', type: 'string' }, 409: { description: 'Taken.' } } }
  const plain = Fastify()
  t.teardown(() => plain.close())
  const fresh = structuredClone(schema)
  plain.get('/one', { schema: fresh }, () => '')
  await plain.ready()
  const app = await service(t, withProblems, (app) => { app.get('/one', { onRequest: [app.basic, app.limit({ max: 9, timeWindow: '1 minute' })], schema }, () => '') })
  t.equal((await app.inject('/openapi.json')).statusCode, 200)
  t.strictSame(JSON.stringify(schema), JSON.stringify(fresh), 'but for what Fastify does to every schema')
})

t.test('R005 R208 where problems answers, the document says so', async (t) => {
  const app = await service(t, withProblems, async (app) => {
    await app.register(csrf, { origins: ['https://app.example'] })
    app.post('/made', { onRequest: app.basic, schema: { body: { type: 'object' }, response: { 409: { description: 'Taken.' }, 418: { description: 'Own.', type: 'object' } } } }, () => { throw new Error('a fault') })
    app.get('/plain', () => '')
    app.get('/own', { errorHandler: () => undefined }, () => '')
    await app.register(async (child) => {
      child.setErrorHandler(() => undefined)
      child.get('/child', () => '')
    })
  })
  const made = (await operationOf(app, '/made', 'post')).responses
  t.strictSame(Object.keys(made), ['200', '400', '401', '403', '409', '418', '500', '503'])
  for (const status of ['400', '401', '403', '409', '500', '503']) assertProblems(t, made, status)
  const examples = made['400']?.content?.['application/problem+json']?.examples
  t.strictSame(Object.keys(examples ?? {}), ['validation', 'invalid_request'], 'of the handler, and of the guards')
  t.strictSame(made['418']?.content, { 'application/json': { schema: { description: 'Own.', type: 'object' } } })
  t.strictSame(Object.keys((await operationOf(app, '/plain')).responses), ['200', '500'])
  for (const url of ['/own', '/child']) t.strictSame(Object.keys((await operationOf(app, url)).responses), ['200'], url)
  const failed = await app.inject({ method: 'POST', url: '/made', payload: {}, headers: { origin: 'https://app.example', authorization: `Basic ${btoa('alice:secret')}` } })
  t.equal(failed.statusCode, 500)
  t.match(failed.headers['content-type'], /^application\/problem\+json/)
})

t.test('the format of refusals is that of the document', async (t) => {
  const app = await service(t, async (app) => {
    await app.register(guards, { refusal: { schema: { $id: 'Oops', type: 'object', properties: { oops: { type: 'string' } } }, contentType: 'application/json', write: ({ code }) => ({ oops: code }) } })
    await withOpenapi()(app)
  }, everyKind)
  const { responses } = await operationOf(app, '/late')
  t.strictSame(responses['401']?.content, { 'application/json': { schema: { $ref: '#/components/schemas/Oops' } } })
  t.strictSame((await app.inject('/late')).json(), { oops: 'credentials_required' })
})

t.test('pages and documents stand where they should, and nowhere else', async (t) => {
  const app = await service(t, (app) => Promise.resolve(app.register(openapi, { info, tags: [{ name: 'items', description: 'Items.' }], servers: [{ url: 'https://api.example', 'x-internal': false }], docs: '/pages', json: '/api.json', yaml: false })), everyKind)
  t.match((await app.inject('/api.json')).json(), { tags: [{ name: 'items', description: 'Items.' }], servers: [{ url: 'https://api.example', 'x-internal': false }] })
  t.equal((await app.inject('/pages/')).statusCode, 200)
  for (const url of ['/docs', '/docs/', '/openapi.json', '/openapi.yaml']) t.equal((await app.inject(url)).statusCode, 404, url)
  const none = await service(t, withOpenapi({ json: false, yaml: false }), everyKind)
  t.strictSame(none.guardedRoutes().filter(({ url }) => /openapi|docs/.test(url)), [])
})

t.test('R209 guards for the pages', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(basicAuth, { users: { alice: 'secret' } })
  await app.register(openapi, { info, access: [app.basic] })
  const authorization = `Basic ${btoa('alice:secret')}`
  for (const url of ['/docs', '/docs/', '/openapi.json', '/openapi.yaml', '/docs/static/swagger-ui.css', '/docs/static/swagger-initializer.js']) {
    t.equal((await app.inject(url)).statusCode, 401, url)
    t.equal((await app.inject({ url, headers: { authorization } })).statusCode, 200, url)
  }
  for (const route of app.guardedRoutes()) t.equal(route.access, 'guarded', `${route.method} ${route.url}`)
})

t.test('options that are refused at boot', async (t) => {
  const table: [string, unknown, string][] = [
    ['an unknown option', { info, title: 'x' }, 'openapi.title'],
    ['no info', {}, 'openapi.info'],
    ['info without a version', { info: { title: 'x' } }, 'openapi.info'],
    ['tags that are no list', { info, tags: 'items' }, 'openapi.tags'],
    ['a tag without a name', { info, tags: [{ description: 'x' }] }, 'openapi.tags'],
    ['servers that are no list', { info, servers: 'https://api.example' }, 'openapi.servers'],
    ['a server without a URL', { info, servers: [{}] }, 'openapi.servers'],
    ['a server that is null', { info, servers: [null] }, 'openapi.servers'],
    ['docs: true', { info, docs: true }, 'openapi.docs'],
    ['a path without a slash', { info, docs: 'docs' }, 'openapi.docs'],
    ['a path with a parameter', { info, json: '/:any' }, 'openapi.json'],
    ['a wildcard', { info, yaml: '/*' }, 'openapi.yaml'],
    ['access for nobody', { info, access: [] }, 'openapi.access'],
    ['access that is no guard', { info, access: [() => undefined] }, 'openapi.access'],
    ['access of a plugin that was not awaited', { info, access: [undefined] }, 'openapi.access'],
    ['access that is no list', { info, access: 'admin' }, 'openapi.access'],
    ['info that is null', { info: null }, 'openapi.info']
  ]
  for (const [title, options, option] of table) {
    await t.test(title, (t) => assertOptionRefused(t, (app) => app.register(openapi, options as OpenapiOptions), option))
  }
})

t.test('openapiTransform refuses a document of another version, which would tell of open routes', async (t) => {
  for (const options of [{}, { openapi: { info: { title: 'x', version: '1' } } }]) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(fastifySwagger, { ...options, transform: openapiTransform })
    await app.register(basicAuth, { users: { alice: 'wonderland' } })
    app.get('/', { onRequest: app.basic }, () => 'ok')
    await app.ready()
    t.throws(() => app.swagger(), { code: 'GATEHOUSE_OPTION_INVALID' })
  }
})

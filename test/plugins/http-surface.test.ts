import t from 'tap'
import Fastify from 'fastify'
import officialCors from '@fastify/cors'
import officialHelmet from '@fastify/helmet'
import { Readable } from 'node:stream'
import type { onSendHookHandler } from 'fastify'
import type { FastifyInstance, FastifyServerOptions, InjectOptions } from 'fastify'
import { FormatRegistry } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { refusal, refusals } from '../../errors.ts'
import { ProblemSchema } from '../../schemas/problem.ts'
import { cors } from '../../plugins/cors.ts'
import { problems } from '../../plugins/problems.ts'
import { cspNonce, securityHeaders } from '../../plugins/security-headers.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import type { CorsOptions } from '../../plugins/cors.ts'
import type { SecurityHeadersOptions } from '../../plugins/security-headers.ts'
import type { RefusalCode } from '../../errors.ts'

FormatRegistry.Set('uri', (text) => URL.canParse(text))
FormatRegistry.Set('uri-reference', (text) => URL.canParse(text, 'http://base'))

const APP = 'https://app.example.com'
const SECRET = 'db password=hunter2 at /srv/x.ts'

async function build (register: (app: FastifyInstance) => Promise<void>, server: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = Fastify(server)
  await register(app)
  app.get('/ok', async () => ({ ok: true }))
  app.get('/page', async (_request, reply) => reply.type('text/html').header('content-security-policy', "default-src 'self'; object-src 'none'; base-uri 'none'").send('<p>'))
  app.get('/cached', async (_request, reply) => reply.header('cache-control', 'public, max-age=60').send('x'))
  app.get('/refused', async () => { throw refusal('access_denied') })
  app.get('/limited', async () => { throw refusal('quota_exceeded', { retryAfterSeconds: 7, members: { 'violated-policies': ['login'] } }) })
  app.get('/stranger', { onRequest: async (_request, reply) => reply.code(401).header('www-authenticate', 'Basic realm="api"').send({}) }, async () => 'x')
  app.get('/broken', async () => { throw new Error(SECRET) })
  app.get('/not-modified', async (_request, reply) => reply.code(304).send())
  app.post('/echo', { schema: { body: bodySchema, querystring: querySchema } }, async () => 'x')
  return app
}

const bodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['name'],
  properties: {
    name: { type: 'string', minLength: 3 },
    list: { type: 'array', items: { type: 'object', properties: { n: { type: 'integer', maximum: 5 } } } },
    kind: { enum: ['a', 'b'] },
    code: { type: 'string', pattern: '^[a-z]+$' },
    mail: { type: 'string', format: 'email' },
    extra: { type: 'object', additionalProperties: { type: 'integer' } }
  }
}
const querySchema = { type: 'object', properties: { page: { type: 'integer', minimum: 1 } } }

// --- security headers

const expected: Record<string, string> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-xss-protection': '0'
}

t.test('R170 R171 security headers stand on', (t) => {
  const rows: [string, InjectOptions, number][] = [
    ['a good answer', { url: '/ok' }, 200],
    ['an answer to HEAD', { method: 'HEAD', url: '/ok' }, 200],
    ['a 404', { url: '/unknown' }, 404],
    ['another method', { method: 'DELETE', url: '/ok' }, 404],
    ['a refusal of a handler', { url: '/refused' }, 403],
    ['a refusal of an onRequest hook', { url: '/stranger' }, 401],
    ['a 429', { url: '/limited' }, 429],
    ['an internal error', { url: '/broken' }, 500],
    ['a validation error', { method: 'POST', url: '/echo', payload: {} }, 400],
    ['malformed JSON', { method: 'POST', url: '/echo', payload: '{', headers: { 'content-type': 'application/json' } }, 400],
    ['an unknown media type', { method: 'POST', url: '/echo', payload: 'x', headers: { 'content-type': 'a/b' } }, 415],
    ['a body too large', { method: 'POST', url: '/echo', payload: { name: 'a'.repeat(1_100_000) } }, 413]
  ]
  for (const [title, request, status] of rows) {
    t.test(title, async (t) => {
      const app = await build(async (app) => { await app.register(securityHeaders) })
      t.teardown(() => app.close())
      const response = await app.inject(request)
      t.equal(response.statusCode, status)
      t.match(response.headers, expected)
      t.notOk(response.headers['x-powered-by'] ?? response.headers.server ?? response.headers['strict-transport-security'])
    })
  }
  t.end()
})

t.test('R170 an earlier hook that answers does not take them away', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRequest', async (_request, reply) => reply.code(429).send())
  await app.register(securityHeaders)
  t.match((await app.inject('/')).headers, expected)
})

t.test('R170 what the outermost registration says stands', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(securityHeaders)
  await app.register(async (child) => {
    await child.register(securityHeaders, { contentSecurityPolicy: 'default-src *' })
    child.get('/child', () => ({}))
  })
  const { headers } = await app.inject('/child')
  t.equal(headers['content-security-policy'], "default-src 'none'; frame-ancestors 'none'")
})

t.test('R164 an answer of an earlier hook, and one whose handler took the header away, can be read by an allowed origin', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRequest', (request, reply, done) => {
    if (request.url === '/early') void reply.code(429).send({})
    else done()
  })
  await app.register(cors, { origin: ['https://app.example'], credentials: true })
  app.get('/removed', (_request, reply) => reply.removeHeader('access-control-allow-origin').send({}))
  app.get('/star', (_request, reply) => reply.header('access-control-allow-origin', '*').header('vary', 'Accept').send({}))
  app.get('/early', () => ({}))
  for (const url of ['/early', '/removed', '/star']) {
    const { headers } = await app.inject({ url, headers: { origin: 'https://app.example' } })
    t.equal(headers['access-control-allow-origin'], 'https://app.example', url)
    t.equal(headers['access-control-allow-credentials'], 'true', url)
    t.match(headers.vary, /\bOrigin$/, url)
    t.equal((await app.inject({ url, headers: { origin: 'https://evil.example' } })).headers['access-control-allow-credentials'], undefined, url)
  }
})

t.test('R170 a page brings its own policy, a handler its own Cache-Control', async (t) => {
  const app = await build(async (app) => { await app.register(securityHeaders) })
  t.teardown(() => app.close())
  const page = await app.inject('/page')
  t.equal(page.headers['content-security-policy'], "default-src 'self'; object-src 'none'; base-uri 'none'")
  t.equal(page.headers['cross-origin-opener-policy'], 'same-origin')
  t.equal((await app.inject('/cached')).headers['cache-control'], 'public, max-age=60')
})

t.test('R170 a policy of nothing is for what is no page', (t) => {
  const none = "default-src 'none'; frame-ancestors 'none'"
  const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
  const rows: [string, string, string | undefined][] = [
    ['a page', '/html', pagePolicy], ['a page in capitals', '/capitals', pagePolicy], ['XHTML', '/xhtml', pagePolicy], ['a page by a stream', '/stream', pagePolicy],
    ['a hijacked page', '/hijacked', pagePolicy], ['a hijacked page with headers in a list', '/list', pagePolicy], ['a page whose type is set on the response', '/raw', pagePolicy], ['a page that is an error', '/error', pagePolicy],
    ['JSON', '/json', none], ['text', '/text', none], ['an image with scripts', '/svg', none], ['what only begins like a page', '/htmlx', none], ['nothing at all', '/empty', none], ['a 404', '/nowhere', none],
    ['a 304, which renews what a cache knows of a page', '/not-modified', undefined]
  ]
  for (const [title, url, policy] of rows) {
    t.test(title, async (t) => {
      const app = Fastify()
      t.teardown(() => app.close())
      await app.register(securityHeaders)
      const types: [string, string][] = [['/html', 'text/html'], ['/capitals', 'Text/HTML;charset=utf-8'], ['/xhtml', 'application/xhtml+xml'], ['/json', 'application/json'], ['/text', 'text/plain'], ['/svg', 'image/svg+xml'], ['/htmlx', 'text/htmlx']]
      for (const [url, type] of types) app.get(url, (_request, reply) => reply.header('content-type', type).send('x'))
      app.get('/stream', (_request, reply) => reply.type('text/html').send(Readable.from(['<p>'])))
      app.get('/hijacked', (_request, reply) => { reply.hijack().raw.writeHead(200, 'Fine', { 'Content-Type': 'text/html' }).end('<p>') })
      app.get('/list', (_request, reply) => { reply.hijack().raw.writeHead(200, ['Content-Type', 'text/html']).end('<p>') })
      app.get('/raw', (_request, reply) => { reply.hijack().raw.setHeader('Content-Type', 'text/html').end('<p>') })
      app.get('/error', (_request, reply) => reply.code(500).type('text/html').send('<p>'))
      app.get('/empty', (_request, reply) => reply.code(204).send())
      app.get('/not-modified', (_request, reply) => reply.code(304).send())
      const { headers } = await app.inject(url)
      t.equal(headers['content-security-policy'], policy)
      t.equal(headers['x-content-type-options'], 'nosniff')
      t.equal(headers['cache-control'], 'no-store')
    })
  }
  t.end()
})

t.test('R170 a nonce is one answer\'s own, and stands in its policy', async (t) => {
  const app = await build(async (app) => { await app.register(securityHeaders) })
  t.teardown(() => app.close())
  app.get('/nonce', async (_request, reply) => reply.type('text/html').send(`${cspNonce(reply)} ${cspNonce(reply)}`))
  app.get('/json', async (_request, reply) => ({ nonce: cspNonce(reply) }))
  app.get('/own', async (_request, reply) => reply.type('text/html').header('content-security-policy', `script-src 'nonce-${cspNonce(reply)}'`).send(cspNonce(reply)))
  const nonces = new Set<string>()
  for (let at = 0; at < 20; at += 1) {
    const { body, headers } = await app.inject('/nonce')
    const [nonce = '', again] = body.split(' ')
    t.match(nonce, /^[A-Za-z0-9+/]{22}==$/)
    t.equal(again, nonce)
    t.match(headers['content-security-policy'], `script-src 'self' 'nonce-${nonce}'; style-src 'self' 'nonce-${nonce}'; img-src 'self'`)
    nonces.add(nonce)
  }
  t.equal(nonces.size, 20)
  t.equal((await app.inject('/json')).headers['content-security-policy'], "default-src 'none'; frame-ancestors 'none'")
  const own = await app.inject('/own')
  t.equal(own.headers['content-security-policy'], `script-src 'nonce-${own.body}'`)
  const narrow = await build(async (app) => { await app.register(securityHeaders, { pageContentSecurityPolicy: "default-src 'self';script-src 'nonce'; style-src  'nonce'  'self'" }) })
  t.teardown(() => narrow.close())
  narrow.get('/html', async (_request, reply) => reply.type('text/html').send('<p>'))
  t.equal((await narrow.inject('/html')).headers['content-security-policy'], "default-src 'self';script-src 'none'; style-src  'self'", 'nobody asked: what needs it is not allowed')
})

t.test('R170 everything that helmet sends can be set, or left out', (t) => {
  const rows: [SecurityHeadersOptions, Record<string, string | undefined>][] = [
    [{ contentSecurityPolicy: false }, { 'content-security-policy': undefined }],
    [{ contentSecurityPolicyReportOnly: true }, { 'content-security-policy': undefined, 'content-security-policy-report-only': "default-src 'none'; frame-ancestors 'none'" }],
    [{ crossOriginEmbedderPolicy: 'require-corp' }, { 'cross-origin-embedder-policy': 'require-corp' }],
    [{ crossOriginOpenerPolicy: 'same-origin-allow-popups' }, { 'cross-origin-opener-policy': 'same-origin-allow-popups' }],
    [{ crossOriginOpenerPolicy: false }, { 'cross-origin-opener-policy': undefined }],
    [{ crossOriginResourcePolicy: 'cross-origin' }, { 'cross-origin-resource-policy': 'cross-origin' }],
    [{ originAgentCluster: false }, { 'origin-agent-cluster': undefined }],
    [{ referrerPolicy: ['no-referrer', 'strict-origin'] }, { 'referrer-policy': 'no-referrer,strict-origin' }],
    [{ referrerPolicy: false }, { 'referrer-policy': undefined }],
    [{ xContentTypeOptions: false }, { 'x-content-type-options': undefined }],
    [{ xDnsPrefetchControl: 'on' }, { 'x-dns-prefetch-control': 'on' }],
    [{ xDnsPrefetchControl: false }, { 'x-dns-prefetch-control': undefined }],
    [{ xDownloadOptions: false }, { 'x-download-options': undefined }],
    [{ xFrameOptions: 'SAMEORIGIN' }, { 'x-frame-options': 'SAMEORIGIN' }],
    [{ xFrameOptions: false }, { 'x-frame-options': undefined }],
    [{ xPermittedCrossDomainPolicies: 'master-only' }, { 'x-permitted-cross-domain-policies': 'master-only' }],
    [{ xXssProtection: false }, { 'x-xss-protection': undefined }],
    [{ hsts: { maxAgeSeconds: 0 } }, { 'strict-transport-security': 'max-age=0; includeSubDomains' }],
    [{ hsts: { includeSubDomains: false } }, { 'strict-transport-security': 'max-age=31536000' }],
    [{ hsts: { maxAgeSeconds: 63_072_000, preload: true } }, { 'strict-transport-security': 'max-age=63072000; includeSubDomains; preload' }],
    [{ pageContentSecurityPolicy: false }, { 'content-security-policy': "default-src 'none'; frame-ancestors 'none'" }]
  ]
  for (const [options, changed] of rows) {
    t.test(JSON.stringify(options), async (t) => {
      const app = await build(async (app) => { await app.register(securityHeaders, options) }, serverOptions({ trustedProxies: ['10.0.0.1'] }))
      t.teardown(() => app.close())
      app.get('/html', async (_request, reply) => reply.type('text/html').send('<p>'))
      const over = { remoteAddress: '10.0.0.1', headers: { 'x-forwarded-proto': 'https' } }
      const asExpected = { ...expected, 'strict-transport-security': 'max-age=31536000; includeSubDomains', ...changed }
      for (const url of ['/ok', '/nowhere', '/%']) {
        const { headers } = await app.inject({ ...over, url })
        for (const [name, value] of Object.entries(asExpected)) t.equal(headers[name], value, `${url}: ${name}`)
      }
      const plain = { url: '/%', remoteAddress: '9.9.9.9', headers: { 'x-forwarded-proto': 'https' } }
      t.equal((await app.inject(plain)).headers['strict-transport-security'], undefined, 'a stranger does not say what the protocol is')
      if (options.pageContentSecurityPolicy === false) t.equal((await app.inject('/html')).headers['content-security-policy'], undefined)
      if (options.contentSecurityPolicyReportOnly === true) t.match((await app.inject('/html')).headers['content-security-policy-report-only'], "script-src 'self'")
    })
  }
  t.end()
})

t.test('R176 texts say their charset, error answers too', async (t) => {
  const app = await build(async (app) => {
    await app.register(securityHeaders)
    await app.register(problems)
  })
  t.teardown(() => app.close())
  const types: [string, string][] = [['/page', 'text/html; charset=utf-8'], ['/ok', 'application/json; charset=utf-8'], ['/cached', 'text/plain; charset=utf-8'], ['/broken', 'application/problem+json; charset=utf-8'], ['/unknown', 'application/problem+json; charset=utf-8']]
  for (const [url, type] of types) t.equal((await app.inject(url)).headers['content-type'], type, url)
})

t.test('R172 HSTS over https only, once', async (t) => {
  const app = await build(async (app) => { await app.register(securityHeaders) }, { trustProxy: ['10.0.0.1'] })
  t.teardown(() => app.close())
  const hsts = async (remoteAddress: string, proto: string): Promise<unknown> =>
    (await app.inject({ url: '/ok', remoteAddress, headers: { 'x-forwarded-proto': proto } })).headers['strict-transport-security']
  t.equal(await hsts('10.0.0.1', 'https'), 'max-age=31536000; includeSubDomains')
  t.equal(await hsts('10.0.0.1', 'http'), undefined)
  t.equal(await hsts('9.9.9.9', 'https'), undefined, 'a stranger does not say what the protocol is')
  const off = await build(async (app) => { await app.register(securityHeaders, { hsts: false }) }, { trustProxy: ['10.0.0.1'] })
  t.teardown(() => off.close())
  t.equal((await off.inject({ url: '/ok', remoteAddress: '10.0.0.1', headers: { 'x-forwarded-proto': 'https' } })).headers['strict-transport-security'], undefined)
})

for (const order of ['before', 'after']) {
  t.test(`securityHeaders ${order} a service's own @fastify/helmet: its choices stand`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    const helmet = async (): Promise<void> => { await app.register(officialHelmet, { contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'self'"] } } }) }
    if (order === 'after') await helmet()
    await app.register(securityHeaders)
    if (order === 'before') await helmet()
    app.get('/', async () => 'x')
    const { headers } = await app.inject('/')
    t.equal(headers['content-security-policy'], "default-src 'self'")
    t.equal(headers['cache-control'], 'no-store')
  })
}

// --- cors

const preflight = (url: string, origin: string | undefined): InjectOptions => ({
  method: 'OPTIONS', url, headers: { ...(origin === undefined ? {} : { origin }), 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-evil' }
})
const corsHeaders = (headers: Record<string, unknown>): string[] => Object.keys(headers).filter((name) => name.startsWith('access-control-')).sort()
const paths = ['/ok', '/unknown', '/refused', '/stranger', '/limited', '/broken', '/not-modified']

async function withCors (options: CorsOptions): Promise<FastifyInstance> {
  return build(async (app) => {
    await app.register(cors, options)
    await app.register(problems)
  })
}

t.test('R160 no CORS headers by default', async (t) => {
  for (const options of [{}, { origin: [] }]) {
    const app = await withCors(options)
    t.teardown(() => app.close())
    for (const request of [{ url: '/ok', headers: { origin: APP } }, preflight('/ok', APP)]) {
      const { headers } = await app.inject(request)
      t.same(corsHeaders(headers), [])
      t.equal(headers.vary, undefined)
    }
    t.equal((await app.inject(preflight('/ok', APP))).statusCode, 404)
  }
})

t.test('R161 R163 R164 an allowed origin may read every answer', async (t) => {
  const app = await withCors({ origin: [APP, 'http://localhost:5173'], credentials: true })
  t.teardown(() => app.close())
  for (const url of paths) {
    const { headers } = await app.inject({ url, headers: { origin: APP } })
    t.equal(headers['access-control-allow-origin'], APP, url)
    t.equal(headers['access-control-allow-credentials'], 'true')
    t.equal(headers['access-control-expose-headers'], 'Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate')
    t.equal(headers.vary, 'Origin')
  }
})

t.test('R161 CVE-2026-75899 origins that are not in the list, however close', (t) => {
  const origins = ['null', 'https://app.example.com.evil.com', 'https://evilapp.example.com', 'http://app.example.com', 'https://app.example.com:444', 'https://APP.example.com', 'https://app.example.com/', 'https://app.example.com ', ' https://app.example.com', 'https://app.example.com@evil.com', 'https://app.example.com%2eevil.com', 'https://app.example.com\\.evil.com', 'https://app_example.com', 'https://appxexample.com', '*', '']
  for (const origin of origins) {
    t.test(`R162 R163 "${origin}" gets no header and the same result`, async (t) => {
      const app = await withCors({ origin: [APP] })
      t.teardown(() => app.close())
      for (const url of paths) {
        const plain = await app.inject({ url })
        const response = await app.inject({ url, headers: { origin } })
        t.equal(response.statusCode, plain.statusCode)
        t.same(corsHeaders(response.headers), [], url)
        t.equal(response.headers.vary, 'Origin', url)
      }
      const answer = await app.inject(preflight('/ok', origin))
      t.equal(answer.statusCode, 204)
      t.same(corsHeaders(answer.headers), [])
    })
  }
  t.end()
})

t.test('R163 Vary: Origin without Origin, and beside what a handler varies on', async (t) => {
  const app = await withCors({ origin: [APP] })
  t.teardown(() => app.close())
  app.get('/varies', async (_request, reply) => reply.header('vary', 'Accept').send('x'))
  for (const url of paths) t.equal((await app.inject({ url })).headers.vary, 'Origin', url)
  t.equal((await app.inject('/varies')).headers.vary, 'Accept, Origin')
})

t.test('R164 preflights are answered before hooks and handlers, for known and unknown paths', async (t) => {
  const app = await withCors({ origin: [APP] })
  t.teardown(() => app.close())
  let ran = 0
  app.addHook('onRequest', async () => { ran++ })
  app.options('/own', async () => { ran++ })
  for (const url of ['/ok', '/stranger', '/own', '/unknown']) {
    const { statusCode, headers, body } = await app.inject(preflight(url, APP))
    t.equal(statusCode, 204)
    t.equal(body, '')
    t.match(headers, {
      'access-control-allow-origin': APP,
      'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
      'access-control-allow-headers': 'Authorization, Content-Type, X-API-Key, X-CSRF-Token',
      'access-control-max-age': '600',
      vary: 'Origin'
    })
    t.equal((await app.inject(preflight(url, 'https://evil.com'))).statusCode, 204)
  }
  t.equal(ran, 0)
  t.equal((await app.inject({ method: 'OPTIONS', url: '/own', headers: { origin: APP } })).headers['access-control-allow-origin'], APP, 'OPTIONS alone is no preflight')
  t.equal(ran, 2)
})

t.test('R164 lists and age are options', async (t) => {
  const app = await withCors({ origin: ['null'], methods: ['GET'], allowedHeaders: ['X-A'], exposedHeaders: ['X-B'], maxAgeSeconds: 7200 })
  t.teardown(() => app.close())
  const { headers } = await app.inject(preflight('/ok', 'null'))
  t.match(headers, { 'access-control-allow-origin': 'null', 'access-control-allow-methods': 'GET', 'access-control-allow-headers': 'X-A', 'access-control-max-age': '7200' })
  t.equal((await app.inject({ url: '/ok', headers: { origin: 'null' } })).headers['access-control-expose-headers'], 'X-B')
})

t.test('R160 any origin, said out loud, without credentials', async (t) => {
  const app = await withCors({ origin: '*', anyOrigin: 'public data' })
  t.teardown(() => app.close())
  for (const origin of [APP, 'null', 'https://evil.com']) {
    const { headers } = await app.inject({ url: '/ok', headers: { origin } })
    t.equal(headers['access-control-allow-origin'], '*')
    t.equal(headers['access-control-allow-credentials'], undefined)
    t.equal((await app.inject(preflight('/ok', origin))).headers['access-control-allow-origin'], '*')
  }
})

t.test('R160 R161 ADV @fastify/cors: refused at boot', (t) => {
  const rows: [string, unknown][] = [
    ['every origin without a reason', { origin: '*' }], ['every origin with credentials', { origin: '*', anyOrigin: 'x', credentials: true }],
    ['every origin in the list', { origin: ['*'] }], ['reflecting', { origin: true }], ['reflecting with credentials', { origin: true, credentials: true }],
    ['false', { origin: false }], ['one origin as a text', { origin: APP }], ['a pattern', { origin: /example/ }], ['a stateful pattern', { origin: [/example/g] }],
    ['a function', { origin: () => true }], ['a path', { origin: [`${APP}/`] }], ['upper case', { origin: ['https://APP.example.com'] }],
    ['a default port', { origin: [`${APP}:443`] }], ['no scheme', { origin: ['app.example.com'] }], ['a wildcard host', { origin: ['https://*.example.com'], credentials: 'yes' }],
    ['user info', { origin: ['https://a@app.example.com'] }], ['a scheme without origins', { origin: ['data:x'] }], ["'null' with credentials", { origin: ['null'], credentials: true }],
    ['a reason without every origin', { origin: [APP], anyOrigin: 'x' }], ['an empty reason', { origin: '*', anyOrigin: '' }], ['an age above 7200', { origin: [APP], maxAgeSeconds: 7201 }],
    ['an age as a text', { origin: [APP], maxAgeSeconds: '60' }], ['every header', { origin: [APP], allowedHeaders: ['*'] }], ['methods as a text', { origin: [APP], methods: 'GET' }],
    ...['methods', 'allowedHeaders', 'exposedHeaders'].map((name): [string, unknown] => [`${name} that are null`, { origin: [APP], [name]: null }]),
    ['a header with a line break', { origin: [APP], exposedHeaders: ['x\r\ny'] }], ['an unknown option', { origin: [APP], maxAge: 5 }],
    ['R190 an own __proto__', JSON.parse('{"__proto__":{"origin":["https://evil.com"]}}')]
  ]
  for (const [title, options] of rows) {
    t.test(title, async (t) => {
      await t.rejects(async () => Fastify().register(cors, options as CorsOptions), { code: 'GATEHOUSE_OPTION_INVALID' })
    })
  }
  t.end()
})

t.test('R160 a route cannot widen it: config.cors is the official plugin\'s', async (t) => {
  const app = await withCors({ origin: [APP] })
  t.teardown(() => app.close())
  app.get('/wide', { config: { cors: { origin: true, credentials: true } } as object }, async () => 'x')
  t.same(corsHeaders((await app.inject({ url: '/wide', headers: { origin: 'https://evil.com' } })).headers), [])
})

for (const order of ['before', 'after']) {
  t.test(`cors ${order} a service's own @fastify/cors: no route, no decorator, no clash`, async (t) => {
    const other = 'https://other.example'
    const app = Fastify()
    t.teardown(() => app.close())
    const routes: string[] = []
    app.addHook('onRoute', ({ method, url }) => { routes.push(`${String(method)} ${url}`) })
    const official = async (): Promise<void> => { await app.register(officialCors, { origin: [other] }) }
    if (order === 'after') await official()
    await app.register(cors, { origin: [APP] })
    if (order === 'before') await official()
    t.same(routes, ['OPTIONS *'], 'the official one')
    app.get('/', async () => 'x')
    for (const origin of [APP, other]) {
      t.equal((await app.inject({ url: '/', headers: { origin } })).headers['access-control-allow-origin'], origin)
    }
    t.same(corsHeaders((await app.inject({ url: '/', headers: { origin: 'https://evil.com' } })).headers), [])
  })
}

// --- problems

async function withProblems (server: FastifyServerOptions = {}): Promise<FastifyInstance> {
  return build(async (app) => { await app.register(problems) }, server)
}

t.test('R005 a refusal becomes its answer', (t) => {
  for (const [code, { status, title }] of Object.entries(refusals)) {
    t.test(code, async (t) => {
      const app = await withProblems()
      t.teardown(() => app.close())
      app.get('/throws', async () => { throw refusal(code as RefusalCode, { detail: 'Said.', reason: 'hidden', cause: new Error('hidden') }) })
      const response = await app.inject('/throws')
      t.equal(response.statusCode, status)
      const problem = response.json()
      t.match(problem, { title, status, code, detail: 'Said.', instance: /^urn:request:req-/ })
      t.same([...Value.Errors(ProblemSchema, problem)], [])
      t.notMatch(response.body, 'hidden')
      t.equal(response.headers['cache-control'], 'no-store')
      t.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8')
    })
  }
  t.end()
})

t.test('R005 Retry-After and further members of a refusal', async (t) => {
  const app = await withProblems()
  t.teardown(() => app.close())
  const response = await app.inject('/limited')
  t.equal(response.headers['retry-after'], '7')
  t.match(response.json(), { type: 'https://iana.org/assignments/http-problem-types#quota-exceeded', 'violated-policies': ['login'] })
})

t.test('R005 F2 what was thrown is never sent', (t) => {
  const failing = (properties: object): Error => Object.assign(new Error(SECRET), { stack: SECRET, code: 'SQLITE_ERROR', ...properties })
  const rows: [string, unknown, number, string, string][] = [
    ['an error', failing({}), 500, 'internal_error', 'Internal error'],
    ['a text', SECRET, 500, 'internal_error', 'Internal error'],
    ['an object', { message: SECRET }, 500, 'internal_error', 'Internal error'],
    ['an error with status 400', failing({ statusCode: 400 }), 400, 'invalid_request', 'The request is malformed'],
    ['an error with status 401', failing({ statusCode: 401 }), 401, 'credentials_required', 'Credentials are required'],
    ['an error with status 403', failing({ status: 403 }), 403, 'access_denied', 'Access is denied'],
    ['an error with status 409', failing({ statusCode: 409 }), 409, 'conflict', refusals.conflict.title],
    ['an error with status 418', failing({ statusCode: 418 }), 418, 'invalid_request', "I'm a Teapot"],
    ['an error with status 422', failing({ statusCode: 422 }), 422, 'invalid_request', 'Unprocessable Entity'],
    ['an error with status 502', failing({ statusCode: 502 }), 502, 'internal_error', 'Bad Gateway'],
    ['an error with status 503', failing({ statusCode: 503 }), 503, 'unavailable', 'Temporarily unavailable'],
    ['an error with status 200', failing({ statusCode: 200 }), 500, 'internal_error', 'Internal error'],
    ['an error with status 999', failing({ statusCode: 999 }), 500, 'internal_error', 'Internal error'],
    ['an error that looks like a refusal', failing({ code: 'conflict', statusCode: 409, detail: SECRET }), 409, 'conflict', refusals.conflict.title],
    ['an error with headers', failing({ headers: { 'x-leak': SECRET } }), 500, 'internal_error', 'Internal error']
  ]
  for (const [title, thrown, status, code, text] of rows) {
    t.test(title, async (t) => {
      const lines: string[] = []
      const app = await withProblems({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } } })
      t.teardown(() => app.close())
      const anyStatus = { type: 'object', properties: { message: { type: 'string' } } }
      app.get('/throws', { schema: { response: { '4xx': anyStatus, '5xx': anyStatus } } }, async () => { throw thrown })
      const response = await app.inject('/throws')
      t.equal(response.statusCode, status)
      t.same(response.json(), { title: text, status, code, instance: response.json().instance })
      t.notMatch(response.body + JSON.stringify(response.headers), 'hunter2')
      const logged = lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === (status > 499 ? 'the request failed' : 'the request was refused'))
      t.match(logged, { level: status > 499 ? 50 : 30, reqId: String(response.json().instance).slice('urn:request:'.length), code, status })
    })
  }
  t.end()
})

t.test('R005 F2 an onSend hook that fails does not open a way around the handler', async (t) => {
  const app = await build(async (app) => {
    await app.register(securityHeaders)
    await app.register(problems)
    app.addHook('onSend', async () => { throw new Error(SECRET) })
  })
  t.teardown(() => app.close())
  for (const url of ['/ok', '/broken', '/unknown', '/refused']) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 500, url)
    t.equal(response.json().code, 'internal_error')
    t.notMatch(response.body, 'hunter2')
    t.match(response.headers, expected)
  }
})

t.test('R011 R012 F9 the 404 echoes nothing', async (t) => {
  const app = await withProblems()
  t.teardown(() => app.close())
  for (const [method, url] of [['GET', '/hunter2?token=hunter2'], ['POST', '/ok/hunter2'], ['DELETE', '/ok?hunter2'], ['TRACE', '/ok?hunter2']] as const) {
    const response = await app.inject({ method: method as 'GET', url, headers: { 'x-http-method-override': 'GET' } })
    t.equal(response.statusCode, 404, `${method} ${url}`)
    t.same(response.json(), { title: 'Not found', status: 404, code: 'not_found', instance: response.json().instance })
    t.equal(response.headers['cache-control'], 'no-store')
  }
})

t.test('R012 X-HTTP-Method-Override is ignored', async (t) => {
  const app = await withProblems()
  t.teardown(() => app.close())
  const response = await app.inject({ method: 'GET', url: '/ok', headers: { 'x-http-method-override': 'DELETE', 'x-http-method': 'DELETE', 'x-method-override': 'DELETE' } })
  t.equal(response.statusCode, 200)
})

t.test('R005 F9 a validation failure says where and which rule, never the value', (t) => {
  const good = { name: 'abc' }
  const rows: [string, string, object | string, object][] = [
    ['a missing member', '/echo', {}, { pointer: '/name', in: 'body', detail: 'is required' }],
    ['a wrong type', '/echo', { name: ['hunter2'], list: 1 }, { pointer: '/name', in: 'body', detail: 'must be of type string' }],
    ['a short text', '/echo', { name: 'h2' }, { pointer: '/name', in: 'body', detail: 'must have at least 3 characters' }],
    ['a nested member', '/echo', { ...good, list: [{ n: 1 }, { n: 6 }] }, { pointer: '/list/1/n', in: 'body', detail: 'must be at most 5' }],
    ['an enum', '/echo', { ...good, kind: 'hunter2' }, { pointer: '/kind', in: 'body', detail: 'must be one of the allowed values' }],
    ['a pattern', '/echo', { ...good, code: 'HUNTER2' }, { pointer: '/code', in: 'body', detail: 'must match the pattern of the schema' }],
    ['a format', '/echo', { ...good, mail: 'hunter2' }, { pointer: '/mail', in: 'body', detail: 'must have the format email' }],
    ['an additional member', '/echo', { ...good, admin: 'hunter2' }, { pointer: '/admin', in: 'body', detail: 'is not allowed' }],
    ['an additional member that is no name', '/echo', { ...good, '<b>hunter2': 1 }, { pointer: '', in: 'body', detail: 'has a member that is not allowed' }],
    ['a member under a name that is none', '/echo', { ...good, extra: { 'hunter2 !': 'x' } }, { pointer: '/extra', in: 'body', detail: 'must be of type integer' }],
    ['a query parameter', '/echo?page=hunter2', good, { parameter: 'page', in: 'query', detail: 'must be of type integer' }],
    ['a query parameter out of bounds', '/echo?page=0', good, { parameter: 'page', in: 'query', detail: 'must be at least 1' }]
  ]
  for (const [title, url, payload, error] of rows) {
    t.test(title, async (t) => {
      const app = await withProblems(serverOptions())
      t.teardown(() => app.close())
      const response = await app.inject({ method: 'POST', url, payload })
      t.equal(response.statusCode, 400)
      t.same(response.json(), { title: refusals.validation.title, status: 400, code: 'validation', instance: response.json().instance, errors: [error] })
      t.notMatch(response.body.toLowerCase(), 'hunter2')
    })
  }
  t.end()
})

t.test('R005 F9 errors of the framework have our codes', (t) => {
  const rows: [string, InjectOptions, number, string][] = [
    ['malformed JSON', { payload: '{"hunter2', headers: { 'content-type': 'application/json' } }, 400, 'invalid_request'],
    ['an empty JSON body', { payload: '', headers: { 'content-type': 'application/json' } }, 400, 'invalid_request'],
    ['__proto__', { payload: '{"__proto__":1}', headers: { 'content-type': 'application/json' } }, 400, 'invalid_request'],
    ['a media type', { payload: 'x', headers: { 'content-type': 'a/b' } }, 415, 'unsupported_media_type'],
    ['a large body', { payload: { name: 'a'.repeat(1_100_000) } }, 413, 'payload_too_large'],
    ['a wrong Content-Length', { payload: '{}', headers: { 'content-type': 'application/json', 'content-length': '5' } }, 400, 'invalid_request']
  ]
  for (const [title, request, status, code] of rows) {
    t.test(title, async (t) => {
      const app = await withProblems()
      t.teardown(() => app.close())
      const response = await app.inject({ method: 'POST', url: '/echo', ...request })
      t.equal(response.statusCode, status)
      t.equal(response.json().code, code)
      t.notMatch(response.body, /FST_|hunter2/)
    })
  }
  t.end()
})

t.test('problems and securityHeaders refuse options at boot', async (t) => {
  await t.rejects(async () => Fastify().register(problems, { a: 1 } as never), { code: 'GATEHOUSE_OPTION_INVALID' })
  for (const options of [{ csp: 'x' }, { contentSecurityPolicy: '' }, { contentSecurityPolicy: 'a\r\nb' }, { contentSecurityPolicy: true }, { contentSecurityPolicy: "script-src 'nonce'" }, { pageContentSecurityPolicy: ' ' }, { pageContentSecurityPolicy: "default-src 'self'\nx: y" }, { contentSecurityPolicyReportOnly: 1 }, { hsts: 'yes' }, { hsts: { maxAge: 1 } }, { hsts: { maxAgeSeconds: -1 } }, { hsts: { maxAgeSeconds: '1' } }, { hsts: { includeSubDomains: 1 } }, { hsts: { preload: true, includeSubDomains: false } }, { hsts: { preload: true, maxAgeSeconds: 300 } }, { referrerPolicy: 'x' }, { referrerPolicy: [] }, { referrerPolicy: ['origin', 'origin'] }, { crossOriginOpenerPolicy: true }, { crossOriginEmbedderPolicy: 'same-origin' }, { xFrameOptions: 'ALLOW' }, { xXssProtection: 'off' }, { originAgentCluster: null }, { toString: 1 }, JSON.parse('{"__proto__":{"hsts":false}}')]) {
    await t.rejects(async () => Fastify().register(securityHeaders, options as object), { code: 'GATEHOUSE_OPTION_INVALID' }, JSON.stringify(options))
  }
  const app = await build(async (app) => { await app.register(securityHeaders, { contentSecurityPolicy: "default-src 'self'" }) })
  t.equal((await app.inject('/ok')).headers['content-security-policy'], "default-src 'self'")
})

t.test('R005 an onSend hook that fails at once does not send its message either', async (t) => {
  const failing: [title: string, hook: onSendHookHandler][] = [
    ['throws', () => { throw new Error(SECRET) }],
    ['calls back with an error', (_request, _reply, _payload, done) => { done(new Error(SECRET)) }]
  ]
  for (const [title, hook] of failing) {
    await t.test(title, async (t) => {
      const app = Fastify()
      t.teardown(() => app.close())
      await app.register(problems)
      app.addHook('onSend', hook)
      app.get('/', () => 'ok')
      for (const url of ['/', '/missing']) {
        const response = await app.inject(url)
        t.equal(response.statusCode, 500, url)
        t.match(response.json(), { code: 'internal_error' })
        t.notMatch(response.body, SECRET)
      }
    })
  }
})

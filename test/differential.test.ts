// Never at the price of an answer: each official plugin and ours, configured alike, are asked the same 300 generated
// questions. Status and headers are equal, but for what docs/differences.md lists with a reason.
import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { apiKeyAuth } from '../plugins/api-key-auth.ts'
import { basicAuth } from '../plugins/basic-auth.ts'
import { bearerAuth } from '../plugins/bearer-auth.ts'
import { cors } from '../plugins/cors.ts'
import { csrf } from '../plugins/csrf.ts'
import { rateLimit } from '../plugins/rate-limit.ts'
import { securityHeaders } from '../plugins/security-headers.ts'
import { assertAlike, isAdmitted, questions } from './fixtures/differences.ts'
import { audience, claimsWith, forge, issuer, now, secret } from './fixtures/tokens.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { CorsOptions } from '../plugins/cors.ts'
import type { Comparison, Meant, Pair } from './fixtures/differences.ts'

const nothing = fc.constant({})

/** What a refusal of ours is (RFC 9457, RFC 9110 §15.5.2), and that of the packages is not. */
const refusals: Meant = { name: 'refusals', when: ({ official, ours }) => !isAdmitted(official) && !isAdmitted(ours) && ours.status !== 404, differs: ['content-type', 'cache-control', 'www-authenticate'] }
/** A hook of the root guards unknown URLs too; guards stand on routes. */
const unknownUrls: Meant = { name: 'unknown URLs', when: ({ asked }) => asked.url === '/unknown', differs: 'all' }

const refusedByOursAlone = ({ official, ours }: Comparison): boolean => isAdmitted(official) && !isAdmitted(ours)
/** RFC 9110 §11.4: one or more spaces stand between a scheme and its credentials. */
const severalSpaces: Meant = { name: 'several spaces', when: ({ asked, official, ours }) => !isAdmitted(official) && isAdmitted(ours) && /^\w+ {2}/.test(asked.headers.authorization ?? ''), differs: 'all' }

t.test('security headers: @fastify/helmet and securityHeaders', async (t) => {
  const { default: helmet } = await import('@fastify/helmet')
  const alike = (name: string, { policy, hsts }: { policy: string; hsts: boolean }): Pair => ({
    name,
    async official (app) {
      await app.register(helmet, {
        contentSecurityPolicy: { useDefaults: false, directives: Object.fromEntries(policy.split(';').map((directive) => [directive.split(' ')[0], directive.split(' ').slice(1)])) },
        frameguard: { action: 'deny' },
        ...(hsts ? {} : { strictTransportSecurity: false })
      })
    },
    async ours (app) { await app.register(securityHeaders, { contentSecurityPolicy: policy, pageContentSecurityPolicy: policy, hsts }) }
  })
  const own = ['reply|x-frame-options|SAMEORIGIN', 'reply|Content-Security-Policy|default-src *', 'raw|X-Frame-Options|SAMEORIGIN', 'raw|x-own|1', 'reply|cache-control|max-age=60', 'reply|content-type|text/plain']
  await assertAlike(t, 'securityHeaders', {
    pairs: [
      alike('nothing allowed', { policy: "default-src 'none';frame-ancestors 'none'", hsts: true }),
      alike('a policy of its own, without HSTS', { policy: "default-src 'self'", hsts: false })
    ],
    questions: questions(nothing, own),
    meant: [
      { name: '`Strict-Transport-Security` over http', when: () => true, differs: ['strict-transport-security'] },
      { name: 'the policy of a 304', when: ({ ours }) => ours.status === 304, differs: ['content-security-policy'] },
      { name: '`Cache-Control`', when: ({ ours }) => ours.headers['cache-control'] === 'no-store', differs: ['cache-control'] },
      { name: 'the charset of texts', when: ({ ours }) => ours.headers['content-type'] === 'text/plain; charset=utf-8', differs: ['content-type'] }
    ]
  })
})

const origins = ['https://app.example', 'https://other.example:8443', 'null']

t.test('CORS: @fastify/cors and cors', async (t) => {
  const { default: official } = await import('@fastify/cors')
  const alike = (name: string, { origin = [], ...options }: CorsOptions): Pair => ({
    name,
    async official (app) {
      const { credentials = false, methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'], allowedHeaders = ['Authorization', 'Content-Type', 'X-API-Key', 'X-CSRF-Token'], maxAgeSeconds = 600 } = options
      const exposedHeaders = [...(options.exposedHeaders ?? ['Location', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'WWW-Authenticate'])]
      await app.register(official, { origin: origin === '*' ? '*' : [...origin], credentials, methods: [...methods], allowedHeaders: [...allowedHeaders], exposedHeaders, maxAge: maxAgeSeconds })
    },
    async ours (app) { await app.register(cors, { origin, ...options }) }
  })
  const asked = fc.record({
    origin: fc.option(fc.constantFrom(...origins, 'https://APP.example', 'https://app.example.evil.example', 'http://app.example', ''), { nil: undefined }),
    method: fc.option(fc.constantFrom('GET', 'PUT', 'purge'), { nil: undefined }),
    names: fc.option(fc.constantFrom('authorization', 'x-other, content-type'), { nil: undefined })
  }).map(({ origin, method, names }) => ({
    ...(origin === undefined ? {} : { origin }),
    ...(method === undefined ? {} : { 'access-control-request-method': method }),
    ...(names === undefined ? {} : { 'access-control-request-headers': names })
  }))
  const isPreflight = ({ asked: { method, headers } }: Comparison): boolean =>
    method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined
  const withoutOrigin = ({ asked: { headers } }: Comparison): boolean => headers.origin === undefined || headers.origin === ''
  const isStranger = ({ official: { headers }, asked }: Comparison): boolean =>
    headers['access-control-allow-origin'] !== '*' && (asked.headers.origin === undefined || headers['access-control-allow-origin'] !== asked.headers.origin)
  await assertAlike(t, 'cors', { pairs: [
    alike('one origin', { origin: ['https://app.example'] }),
    alike('several, and lists of its own', { origin: origins, methods: ['GET', 'PUT'], allowedHeaders: ['Content-Type'], exposedHeaders: ['ETag'], maxAgeSeconds: 5 }),
    alike('credentials', { origin: ['https://app.example', 'https://other.example:8443'], credentials: true }),
    alike('any origin', { origin: '*', anyOrigin: 'the data is public' })
  ], meant: [
    { name: 'strangers', when: (comparison) => isStranger(comparison), differs: ['access-control-expose-headers', 'access-control-allow-credentials'] },
    { name: 'preflights', when: isPreflight, differs: ['access-control-expose-headers'] },
    { name: 'preflights of strangers', when: (comparison) => isPreflight(comparison) && isStranger(comparison), differs: ['access-control-allow-methods', 'access-control-allow-headers', 'access-control-max-age', 'content-length'] },
    { name: '`OPTIONS` that is no preflight', when: (comparison) => comparison.asked.method === 'OPTIONS' && (!isPreflight(comparison) || withoutOrigin(comparison)), differs: 'all' },
    { name: '`Access-Control-Allow-Origin` of a handler', when: ({ ours, asked }) => ours.headers['access-control-allow-origin'] === asked.headers.origin, differs: ['access-control-allow-origin'] },
    { name: '`Vary` of a handler', when: ({ ours }) => String(ours.headers.vary).endsWith(', Origin'), differs: ['vary'] }
  ], questions: questions(asked, ['reply|Vary|Accept', 'reply|vary|*', 'reply|vary|accept, origin', 'raw|vary|Accept-Encoding', 'reply|Access-Control-Allow-Origin|https://mine.example']) })
})

t.test('limits: @fastify/rate-limit and rateLimit', async (t) => {
  const { default: official } = await import('@fastify/rate-limit')
  const time = Date.now()
  t.intercept(Date, 'now', { value: () => time })
  t.intercept(performance, 'now', { value: () => 1000 })
  const alike = (max: number, seconds: number): Pair => ({
    name: `${String(max)} in ${String(seconds)} s`,
    async official (app) { await app.register(official, { max, timeWindow: seconds * 1000, enableDraftSpec: true }) },
    async ours (app) {
      await app.register(rateLimit)
      app.protect(app.limit({ name: 'all', max, timeWindow: seconds * 1000 }))
    }
  })
  const fields = /^"all";r=(\d+);t=(\d+)$/
  const asInDraft6 = ({ ratelimit, 'ratelimit-policy': policy, ...headers }: Record<string, unknown>): Record<string, unknown> => {
    const [, remaining, reset] = fields.exec(String(ratelimit)) ?? []
    const [, quota] = /^"all";q=(\d+);w=\d+$/.exec(String(policy)) ?? []
    return ratelimit === undefined ? headers : { ...headers, 'ratelimit-limit': quota, 'ratelimit-remaining': remaining, 'ratelimit-reset': reset }
  }
  await assertAlike(t, 'rateLimit', {
    pairs: [alike(1, 60), alike(30, 1), alike(1000, 3600)],
    questions: questions(nothing),
    translate: asInDraft6,
    meant: [refusals]
  })
})

const guardOfAll = (app: FastifyInstance, guard: (request: FastifyRequest, reply: FastifyReply, done: () => void) => unknown): void => { app.addHook('onRequest', guard as never) }

function isCanonical (authorization = ''): boolean {
  const encoded = authorization.replace(/^\w+ +/, '')
  return Buffer.from(encoded, 'base64').toString('base64') === encoded
}

t.test('Basic: @fastify/basic-auth and basicAuth', async (t) => {
  const { fastifyBasicAuth } = await import('@fastify/basic-auth')
  const alike = (realm: string): Pair => ({
    name: realm,
    async official (app) {
      await app.register(fastifyBasicAuth, {
        authenticate: { realm },
        validate (username, password, _request, _reply, done) { done(username === 'alice' && password === 'wonderland' ? undefined : Object.assign(new Error('no'), { statusCode: 401 })) }
      })
      guardOfAll(app, app.basicAuth)
    },
    async ours (app) {
      await app.register(csrf, { origins: ['https://pages.example'] })
      await app.register(basicAuth, { realm, users: { alice: 'wonderland' } })
      app.protect(app.basic)
    }
  })
  const pairs = ['alice:wonderland', 'alice:Wonderland', 'bob:wonderland', 'alice:', ':wonderland', 'alice', '', 'älice:wönderland', 'alice:won\u0001derland']
  const encoded = fc.constantFrom(...pairs).map((pair) => Buffer.from(pair).toString('base64'))
  const value = fc.oneof(
    { weight: 3, arbitrary: fc.constant(Buffer.from('alice:wonderland').toString('base64')) },
    encoded,
    fc.constantFrom('%%%', 'YWxpY2U6d29uZGVybGFuZB==', 'YWxpY2U6d29uZGVybGFuZA', 'gICAgA==')
  )
  const header = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constantFrom('Basic ', 'basic ', 'BASIC  '), value).map((parts) => parts.join('')) },
    fc.constantFrom('Basic', 'Bearer abc', 'Basic ')
  ).map((authorization) => ({ authorization, 'sec-fetch-site': 'same-origin' }))
  await assertAlike(t, 'basicAuth', {
    pairs: [alike('api'), alike('the back office')],
    questions: questions(fc.oneof({ weight: 5, arbitrary: header }, nothing)),
    meant: [
      refusals, unknownUrls, severalSpaces,
      { name: 'what csrf judges by', when: ({ asked }) => ['POST', 'PUT', 'PATCH', 'DELETE'].includes(asked.method ?? 'GET'), differs: ['vary'] },
      { name: 'base64 that is not canonical', when: (comparison) => refusedByOursAlone(comparison) && !isCanonical(comparison.asked.headers.authorization), differs: 'all' }
    ]
  })
})

/** The header or the claims of the token that was presented, as text. */
function partOf ({ asked }: Comparison, part: 0 | 1): string {
  return Buffer.from(asked.headers.authorization?.replace(/^\w+ +/, '').split('.')[part] ?? '', 'base64url').toString()
}

t.test('bearer tokens: @fastify/jwt and bearerAuth', async (t) => {
  const { default: jwt } = await import('@fastify/jwt')
  const alike = (name: string, options: { cache: boolean; maxVerifiedTokens: number }): Pair => ({
    name,
    async official (app) {
      await app.register(jwt, {
        secret,
        verify: { algorithms: ['HS256'], allowedIss: issuer, allowedAud: audience, requiredClaims: ['exp', 'sub', 'iss', 'aud'], checkTyp: 'at+jwt', clockTolerance: 5000, cache: options.cache } as object
      })
      app.addHook('onRequest', async (request) => { await request.jwtVerify() })
    },
    async ours (app) {
      await app.register(bearerAuth, { secret, issuer, audience, maxVerifiedTokens: options.maxVerifiedTokens })
      app.protect(app.bearer)
    }
  })
  const header = { alg: 'HS256', typ: 'at+jwt' }
  const good = forge(header)
  const tokens = [
    forge({ alg: 'HS256', typ: 'application/at+jwt' }), forge({ alg: 'HS256', typ: 'JWT' }), forge({ alg: 'HS256' }),
    forge(header, claimsWith({ exp: now() - 60 })), forge(header, claimsWith({ exp: now() - 2 })), forge(header, claimsWith({ exp: undefined })), forge(header, claimsWith({ exp: String(now() + 60) })),
    forge(header, claimsWith({ nbf: now() + 60 })), forge(header, claimsWith({ nbf: now() - 60 })), forge(header, claimsWith({ iat: now() + 3600 })),
    forge(header, claimsWith({ iss: 'https://evil.example' })), forge(header, claimsWith({ iss: [issuer] })), forge(header, claimsWith({ aud: 'https://evil.example' })), forge(header, claimsWith({ aud: ['https://evil.example', audience] })), forge(header, claimsWith({ aud: 7 })),
    forge(header, claimsWith({ sub: undefined })), forge(header, '[]'), forge(header, '{"sub":"a","sub":"b"}'), forge(header, '{'),
    forge(header, claimsWith(), randomBytes(32)), forge({ ...header, crit: ['x'] }), forge({ ...header, b64: false }), forge({ ...header, jku: 'https://evil.example' }), forge({ ...header, kid: '../../dev/null' }),
    `${forge({ alg: 'none', typ: 'at+jwt' }).split('.').slice(0, 2).join('.')}.`, forge({ alg: 'HS512', typ: 'at+jwt' }), `${good}=`, `${good}.`, good.slice(0, -1), good.replace('.', '. '), 'a.b.c', 'abc', ''
  ]
  const presented = fc.oneof(
    { weight: 3, arbitrary: fc.constant(`Bearer ${good}`) },
    { weight: 6, arbitrary: fc.constantFrom(...tokens).map((token) => `Bearer ${token}`) },
    fc.constantFrom(`bearer ${good}`, `BEARER  ${good}`, `Bearer  ${good}`, 'Bearer', 'Basic YTpi', `Bearer ${good} x`, good)
  ).map((authorization) => ({ authorization }))
  await assertAlike(t, 'bearerAuth', {
    pairs: [alike('each verified', { cache: false, maxVerifiedTokens: 0 }), alike('verified once', { cache: true, maxVerifiedTokens: 100 })],
    questions: questions(fc.oneof({ weight: 8, arbitrary: presented }, nothing)),
    meant: [
      refusals, unknownUrls, severalSpaces,
      { name: 'members of the header', when: (comparison) => refusedByOursAlone(comparison) && /"(b64|jku)"/.test(partOf(comparison, 0)), differs: 'all' },
      { name: 'claims', when: (comparison) => refusedByOursAlone(comparison) && /"sub":"a","sub"|"iat":/.test(partOf(comparison, 1)), differs: 'all' },
      { name: 'malformed credentials', when: ({ official, ours }) => official.status === 401 && ours.status === 400 && !isAdmitted(official) && !isAdmitted(ours), differs: ['status'] },
      { name: 'an `aud` that is no text', when: ({ official, ours }) => official.status === 500 && ours.status === 401 && !isAdmitted(official), differs: ['status'] }
    ]
  })
})

t.test('API keys: a hook by hand and apiKeyAuth', async (t) => {
  const digestOf = (key: string): string => createHmac('sha256', secret).update(key).digest('hex')
  const known = digestOf('k-1')
  await assertAlike(t, 'apiKeyAuth', { pairs: [{
    name: 'by hand',
    async official (app) {
      guardOfAll(app, (request, reply, done) => {
        if (digestOf(String(request.headers['x-api-key'])) === known) done()
        else void reply.code(401).header('www-authenticate', 'ApiKey realm="api", in="header", name="X-API-Key"').send({})
      })
      await Promise.resolve()
    },
    async ours (app) {
      await app.register(apiKeyAuth, { verify: ({ key }) => digestOf(key) === known ? { subject: 'alice' } : null })
      app.protect(app.apiKey)
    }
  }], meant: [refusals, unknownUrls], questions: questions(fc.oneof(fc.constantFrom('k-1', 'k-2', 'K-1', '', ' k-1', 'k-1, k-1', 'k'.repeat(600)).map((key) => ({ 'x-api-key': key })), nothing)) })
})

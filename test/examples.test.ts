// Examples whose promise takes more than a few lines to hold to account.
import { randomBytes } from 'node:crypto'
import bcrypt from 'bcryptjs'
import t from 'tap'
import { parse } from 'yaml'
import { readDocument } from './fixtures/documents.ts'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { ecKey, startIssuer } from './fixtures/issuer.ts'
import { forge, claimsWith } from './fixtures/tokens.ts'

const key = 'k-1'
const origin = 'https://shop.example'

interface Answer {
  status: number
  headers: object
  body: string
}

function answerOf ({ statusCode, headers: { date: _date, ...headers }, body }: LightMyRequestResponse): Answer {
  return { status: statusCode, headers, body }
}

async function statusesOf (app: FastifyInstance, requests: readonly InjectOptions[]): Promise<number[]> {
  const statuses: number[] = []
  for (const request of requests) statuses.push((await app.inject(request)).statusCode)
  return statuses
}

t.test('examples/existing-service.ts', async (t) => {
  const { buildApp, digestOf } = await import('../examples/existing-service.ts')
  const secret = randomBytes(32)
  // The limits of the service tell the seconds that are left.
  const time = Date.now()
  t.intercept(Date, 'now', { value: () => time })
  const before = await buildApp({ secret })
  const after = await buildApp({ secret, keys: new Map([[digestOf(key), { subject: 'reporter', scopes: ['reports:read'] }], [digestOf('poor'), { subject: 'poor' }]]) })
  t.teardown(() => before.close())
  t.teardown(() => after.close())
  await before.ready()
  const authorization = `Bearer ${before.jwt.sign({ sub: 'alice' })}`
  const json = { authorization, 'content-type': 'application/json' }

  const requests: [string, number, InjectOptions][] = [
    ['a login', 200, { method: 'POST', url: '/login' }],
    ['the last login that the limit of the route allows', 200, { method: 'POST', url: '/login' }],
    ['one login too many', 429, { method: 'POST', url: '/login' }],
    ['a token of its own', 200, { url: '/orders', headers: { authorization } }],
    ['its HEAD', 200, { method: 'HEAD', url: '/orders', headers: { authorization } }],
    ['no token', 401, { url: '/orders' }],
    ['a bad token', 401, { url: '/orders', headers: { authorization: `${authorization}x` } }],
    ['a token of no use', 401, { url: '/orders', headers: { authorization: 'Basic YTpi' } }],
    ['an API key where none is asked for', 401, { url: '/orders', headers: { 'x-api-key': key } }],
    ['a valid body', 201, { method: 'POST', url: '/orders', headers: json, payload: '{"item":"A lamp"}' }],
    ['a field too many, which its own Ajv removes', 201, { method: 'POST', url: '/orders', headers: json, payload: '{"item":"A lamp","price":0}' }],
    ['an invalid body', 400, { method: 'POST', url: '/orders', headers: json, payload: '{}' }],
    ['JSON that is none', 400, { method: 'POST', url: '/orders', headers: json, payload: '{' }],
    ['a type that is not read', 415, { method: 'POST', url: '/orders', headers: { authorization, 'content-type': 'text/csv' }, payload: 'A lamp' }],
    ['a body that is too large', 413, { method: 'POST', url: '/orders', headers: json, payload: JSON.stringify({ item: 'x'.repeat(1_100_000) }) }],
    ['an error of its own', 500, { url: '/broken' }],
    ['an unknown path', 404, { url: '/nowhere' }],
    ['a method that is not there', 404, { method: 'PUT', url: '/orders' }],
    ['a preflight', 204, { method: 'OPTIONS', url: '/orders', headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' } }],
    ['a preflight of an unknown path', 204, { method: 'OPTIONS', url: '/nowhere', headers: { origin, 'access-control-request-method': 'GET' } }],
    ['OPTIONS that is no preflight', 400, { method: 'OPTIONS', url: '/orders' }],
    ['a foreign origin', 401, { url: '/orders', headers: { origin: 'https://evil.example' } }],
    ['its own origin', 200, { url: '/orders', headers: { origin, authorization } }],
    ['a malformed URL', 400, { url: '/%ff' }]
  ]
  const recorded: Answer[] = []
  for (const [, , request] of requests) recorded.push(answerOf(await before.inject(request)))

  for (const [index, [title, status, request]] of requests.entries()) {
    t.test(`${title}: as before`, async (t) => {
      t.equal(recorded[index]?.status, status)
      t.strictSame(answerOf(await after.inject(request)), recorded[index])
    })
  }

  t.test('what is new works, and stands under the headers, limits and hook of the service', async (t) => {
    t.match(await after.inject({ url: '/reports', headers: { 'x-api-key': key, origin } }), {
      statusCode: 200,
      body: '{"reader":"reporter","orders":1}',
      headers: { 'x-trace': /^req-/, 'x-ratelimit-limit': '100', 'x-frame-options': 'SAMEORIGIN', 'access-control-allow-origin': origin }
    })
    t.match(await after.inject('/reports'), { statusCode: 401, headers: { 'www-authenticate': 'ApiKey realm="api", in="header", name="X-API-Key"', 'content-type': /^application\/problem\+json/, 'x-trace': /^req-/ } })
    t.strictSame(await statusesOf(after, [{ url: '/reports', headers: { 'x-api-key': 'poor' } }, { url: '/reports', headers: { authorization } }]), [403, 401])
    t.match((await after.inject('/openapi.json')).json(), { paths: { '/reports': { get: { security: [{ apiKey: [] }] } }, '/orders': { get: {}, post: {} }, '/login': {} } })
    const page = await after.inject('/docs/')
    t.match(page, { statusCode: 200, headers: { 'content-security-policy': /^default-src 'none'; script-src 'self'/, 'x-trace': /^req-/ } })
  })

  t.test('the one order that does not boot says so', async (t) => {
    const { apiKeyAuth } = await import('../index.ts')
    await t.rejects(async () => { await before.register(apiKeyAuth, { verify: () => null }) }, 'a service that listens already')
    const { default: Fastify } = await import('fastify')
    const { default: fastifyCors } = await import('@fastify/cors')
    const late = Fastify()
    await late.register(fastifyCors)
    await t.rejects(async () => { await late.register(apiKeyAuth, { verify: () => null }) }, { code: 'GATEHOUSE_EARLIER_ROUTES' })
    const ignoring = Fastify()
    await ignoring.register(fastifyCors)
    await t.resolves(async () => { await ignoring.register(apiKeyAuth, { verify: () => null, guards: { earlierRoutes: 'ignore' } }) })
  })
})

t.test('examples/openapi-first.ts', async (t) => {
  const { buildApp, operations } = await import('../examples/openapi-first.ts')
  const { digestOf } = await import('../examples/existing-service.ts')
  const secret = randomBytes(32)
  const options = { token: { secret, issuer: 'https://id.example', audience: 'https://api.example' }, keys: new Map([[digestOf(key), { subject: 'machine' }]]) }
  const app = await buildApp(options)
  t.teardown(() => app.close())
  const bearer = (scope: string): Record<string, string> => ({ authorization: `Bearer ${forge({ alg: 'HS256', typ: 'at+jwt' }, claimsWith({ scope }), secret)}` })
  const apiKey = { 'x-api-key': key }

  const rows: [string, InjectOptions, number][] = [
    ['an empty list is public', { url: '/status' }, 200],
    ['one of two: neither', { url: '/items' }, 401],
    ['one of two: a token with the scope', { url: '/items', headers: bearer('items:read') }, 200],
    ['one of two: a token without it', { url: '/items', headers: bearer('items:write') }, 403],
    ['one of two: a key', { url: '/items', headers: apiKey }, 200],
    ['one of two: a bad key', { url: '/items', headers: { 'x-api-key': 'bad' } }, 401],
    ['one of two, by HEAD: neither', { method: 'HEAD', url: '/items' }, 401],
    ['two scopes: one of them', { method: 'POST', url: '/items', headers: bearer('items:write') }, 403],
    ['two scopes: both', { method: 'POST', url: '/items', headers: bearer('items:read items:write') }, 200],
    ['two scopes: a key, which is not asked for', { method: 'POST', url: '/items', headers: apiKey }, 401],
    ['optional: nothing', { url: '/prices' }, 200],
    ['optional: a bad key', { url: '/prices', headers: { 'x-api-key': 'bad' } }, 401],
    ['both at once: the token alone', { method: 'DELETE', url: '/items', headers: bearer('items:write') }, 401],
    ['both at once: the key alone', { method: 'DELETE', url: '/items', headers: apiKey }, 401],
    ['both at once: both', { method: 'DELETE', url: '/items', headers: { ...bearer('items:write'), ...apiKey } }, 200]
  ]
  for (const [title, request, status] of rows) {
    t.test(title, async (t) => {
      t.equal((await app.inject(request)).statusCode, status)
    })
  }

  t.test('the document says what was written, operation by operation', async (t) => {
    const { paths } = (await app.inject('/openapi.json')).json<{ paths: Record<string, Record<string, { security?: object[]; responses: Record<string, object> }>> }>()
    for (const { method, url, security } of operations) {
      t.same(paths[url]?.[String(method).toLowerCase()]?.security, security, `${String(method)} ${url}`)
    }
    t.ok(paths['/items']?.['get']?.responses['401'], 'and which refusals follow')
  })

  t.test('without adoption, what is documented only does not boot', async (t) => {
    const documented = await buildApp({ ...options, adoptSchemaSecurity: false })
    await t.rejects(async () => { await documented.ready() }, { code: 'GATEHOUSE_SECURITY_NOT_ENFORCED', message: /GET.* \/items/ })
  })
})

t.test('examples/bcrypt-import.ts', async (t) => {
  const { buildApp, importUsers } = await import('../examples/bcrypt-import.ts')
  const app = await buildApp(':memory:')
  t.teardown(() => app.close())
  const hashes: Readonly<Record<string, string>> = {
    // Both as the tutorial of FastAPI has had them, of the password `secret`: by passlib, then by pwdlib.
    johndoe: '$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW',
    alice: '$argon2id$v=19$m=65536,t=3,p=4$wagCPXjifgvUFBzq4hqe3w$CYaIb8sB+wtD+Vu/P4uod1+Qof8h+1g7bbDlBID48Rc',
    gone: await bcrypt.hash('secret', 10),
    full: await bcrypt.hash('a'.repeat(72), 10),
    long: await bcrypt.hash('a'.repeat(73), 10)
  }
  const oldUsers = Object.entries(hashes).map(([username, hashed_password]) => ({ username, email: `${username}@example.com`, disabled: username === 'gone', hashed_password }))
  await importUsers(app, oldUsers)
  let client = 0
  const me = async (username: string, password: string): Promise<LightMyRequestResponse> => app.inject({ url: '/me', remoteAddress: `10.0.0.${String(++client)}`, headers: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` } })
  const hashOf = async (username: string): Promise<string | undefined> => (await app.stores.users.findCredentials(username))?.passwordHash

  for (const username of ['johndoe', 'alice']) {
    await t.test(`R084 ${username}: the first login that is right replaces the hash, and only that`, async (t) => {
      t.equal((await me(username, 'Secret')).statusCode, 401)
      t.equal(await hashOf(username), hashes[username], 'a wrong password changes nothing')
      t.strictSame((await me(username, 'secret')).json(), { username })
      const replaced = await hashOf(username)
      t.match(replaced, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
      t.equal((await me(username, 'secret')).statusCode, 200)
      t.equal((await me(username, 'Secret')).statusCode, 401)
      t.equal(await hashOf(username), replaced)
    })
  }

  await t.test('an import that runs again leaves alone who has moved', async (t) => {
    const moved = await hashOf('johndoe')
    await importUsers(app, oldUsers)
    t.equal(await hashOf('johndoe'), moved)
  })

  await t.test('R084 of two first logins at once both are let in, and one hash stays', async (t) => {
    await importUsers(app, [{ username: 'twice', email: 'twice@example.com', disabled: false, hashed_password: await bcrypt.hash('secret', 10) }])
    const answers = await Promise.all([me('twice', 'secret'), me('twice', 'secret')])
    t.strictSame(answers.map(({ statusCode }) => statusCode), [200, 200])
    t.match(await hashOf('twice'), /^\$argon2id\$/)
    t.equal((await me('twice', 'secret')).statusCode, 200)
  })

  await t.test('R082 72 bytes are the most that moves; what bcrypt would cut opens nothing', async (t) => {
    t.strictSame([await me('long', 'a'.repeat(73)), await me('long', `${'a'.repeat(72)}b`), await me('full', `${'a'.repeat(72)}b`)].map(({ statusCode }) => statusCode), [401, 401, 401])
    t.equal((await me('full', 'a'.repeat(72))).statusCode, 200)
    t.equal((await me('full', `${'a'.repeat(72)}b`)).statusCode, 401)
    t.equal(await hashOf('long'), hashes['long'])
  })

  await t.test('R088 disabled is wrong and unknown, and is not upgraded', async (t) => {
    const answers = [await me('gone', 'secret'), await me('gone', 'wrong'), await me('nobody', 'secret')]
    const told = answers.map((answer) => ({ ...answerOf(answer), body: answer.body.replace(/urn:request:[\w-]+/, '') }))
    t.strictSame(told, told.map(() => told[0]))
    t.equal(told[0]?.status, 401)
    t.equal(await hashOf('gone'), hashes['gone'])
  })
})

t.test('examples/foreign-issuer.ts', async (t) => {
  const before = process.env['NODE_ENV']
  t.teardown(() => { process.env['NODE_ENV'] = before })
  process.env['NODE_ENV'] = 'development'
  const { buildApp } = await import('../examples/foreign-issuer.ts')
  const [ours, theirs] = [ecKey('ours'), ecKey('theirs')]
  const house = await startIssuer(t, { keys: [ours] })
  const partner = await startIssuer(t, { keys: [theirs] })
  const app = await buildApp({ house: { issuer: house.url, audience: 'orders' }, partner: { issuer: partner.url, audience: 'https://orders.example' }, clientId: 'docs' })
  t.teardown(() => app.close())
  const orders = (token: string) => app.inject({ url: '/orders', headers: { authorization: `Bearer ${token}` } })

  t.match((await orders(await house.token(ours, { aud: 'orders', scope: 'orders:read', realm_access: { roles: ['clerk'] } }))).json(), { reader: { issuer: house.url, subject: 'alice', roles: ['clerk'] } })
  t.match((await orders(await partner.token(theirs, { aud: 'https://orders.example', scope: undefined, scp: ['orders:read'], roles: ['clerk'] }))).json(), { reader: { issuer: partner.url, roles: ['clerk'] } })
  t.equal((await orders(await house.token(ours, { aud: 'orders', scope: 'orders:write' }))).statusCode, 403)
  t.equal((await orders(await house.token(theirs, { aud: 'orders', scope: 'orders:read' }))).statusCode, 401)
  t.equal((await orders(await partner.token(theirs, { aud: 'orders', scp: ['orders:read'] }))).statusCode, 401)
})

t.test('examples/token-service.ts', async (t) => {
  const { buildApp } = await import('../examples/token-service.ts')
  const issuer = 'https://reports.example'
  const app = await buildApp({ issuer, directory: t.testdir({}) })
  t.teardown(() => app.close())
  const password = 'a lamp beside the harbour'
  const { id } = await app.accounts.register({ username: 'alice', email: 'alice@example.com', password })
  const { client, secret } = await app.tokens.createClient({ name: 'nightly', grants: ['client_credentials'], scopes: ['reports:read'] })
  const post = (url: string, fields: Record<string, string>, authorization?: string) => app.inject({
    method: 'POST', url, headers: { 'content-type': 'application/x-www-form-urlencoded', ...(authorization === undefined ? {} : { authorization }) }, payload: new URLSearchParams(fields).toString()
  })
  const reports = (token: string) => app.inject({ url: '/reports', headers: { authorization: `Bearer ${token}` } })

  const basic = `Basic ${Buffer.from(`${client.client_id}:${secret}`).toString('base64')}`
  const own = (await post('/token', { grant_type: 'client_credentials' }, basic)).json<{ access_token: string; scope: string }>()
  t.equal(own.scope, 'reports:read')
  t.strictSame((await reports(own.access_token)).json(), { subject: client.client_id, clientId: client.client_id })

  const login = (await post('/token', { grant_type: 'password', username: 'alice', password })).json<{ refresh_token: string }>()
  const next = (await post('/token', { grant_type: 'refresh_token', refresh_token: login.refresh_token })).json<{ access_token: string; refresh_token: string }>()
  t.strictSame((await reports(next.access_token)).json(), { subject: id, clientId: 'web' })
  t.match((await post('/token/introspect', { token: next.access_token }, basic)).json(), { active: true, sub: id })
  t.equal((await post('/token/revoke', { token: next.refresh_token })).statusCode, 200)
  t.equal((await reports(next.access_token)).statusCode, 401)
  t.match((await app.inject('/.well-known/oauth-authorization-server')).json(), { issuer, token_endpoint: `${issuer}/token` })
})

t.test('examples/zap.yaml has the form of a plan, holds no secret, and says that we have not run it', async (t) => {
  interface Plan { env: { contexts: { name: string; urls: string[] }[] }; jobs: { type: string; parameters?: Record<string, unknown> }[] }
  const text = readDocument('examples/zap.yaml')
  const { env: { contexts }, jobs } = parse(text, { strict: true, uniqueKeys: true }) as Plan
  t.match(contexts, [{ name: 'gatehouse', urls: [/^\$\{TARGET\}$/] }])
  t.strictSame(jobs.map(({ type }) => type), ['replacer', 'passiveScan-config', 'openapi', 'spider', 'passiveScan-wait', 'activeScan', 'report', 'exitStatus'])
  t.strictSame([...new Set(jobs.flatMap(({ parameters = {} }) => 'context' in parameters ? [parameters['context']] : []))], ['gatehouse'])
  t.strictSame([...new Set([...text.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name))].sort(), ['TARGET', 'TOKEN'])
  for (const told of [text, readDocument('docs/scans.md')]) t.match(told, /[Ww]e have not run it/)
})

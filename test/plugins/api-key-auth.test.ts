import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { registryOf } from '../../plugins/guards.ts'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { assertOptionRefused, assertRefused, guardedService } from '../fixtures/guarded-service.ts'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { ApiKeyGuard } from '../../guards/guard.ts'
import type { ApiKeyAuthOptions } from '../../plugins/api-key-auth.ts'
import type { GuardedService, TestHeaders } from '../fixtures/guarded-service.ts'

declare module 'fastify' {
  interface FastifyInstance {
    legacyKey: ApiKeyGuard
  }
}

const KEY = 'gate_a-good.key+for/this=test'
const verify: ApiKeyAuthOptions['verify'] = ({ key }) => (key === KEY ? { subject: 'alice', scopes: ['items:read'], keyId: 'k1' } : null)
const challenge = 'ApiKey realm="api", in="header", name="X-API-Key"'

async function keyService (t: Test, options: Partial<ApiKeyAuthOptions> = {}, name = 'apiKey'): Promise<GuardedService> {
  return await guardedService(t, async (app) => {
    await app.register(apiKeyAuth, { verify, ...options })
    return app.getDecorator<ApiKeyGuard>(name)
  })
}

t.test('R073 the key is read from X-API-Key, whatever the case of the name', async (t) => {
  const service = await keyService(t)
  for (const name of ['X-API-Key', 'x-api-key', 'X-API-KEY']) {
    const response = await service.get({ [name]: KEY })
    t.equal(response.statusCode, 200)
    t.same(response.json(), { kind: 'apiKey', scheme: 'apiKey', subject: 'alice', scopes: ['items:read'], roles: [], attributes: {}, keyId: 'k1' })
  }
})

t.test('R001 R073 what is refused where the key stands in a header', async (t) => {
  let asked: string[] = []
  const service = await keyService(t, {
    verify (context) {
      asked.push(context.key)
      return verify(context)
    }
  })
  const malformed: Omit<Parameters<typeof assertRefused>[2], 'headers'> = { status: 401, code: 'invalid_credentials', challenge }
  const absent = { ...malformed, code: 'credentials_required' }
  const rows: [string, TestHeaders, string, Omit<Parameters<typeof assertRefused>[2], 'headers'>][] = [
    ['no key', {}, '/me', absent],
    ['a key in the query', {}, `/me?X-API-Key=${encodeURIComponent(KEY)}`, absent],
    ['a key in a cookie', { cookie: `X-API-Key=${KEY}` }, '/me', absent],
    ['a key as a bearer token', { authorization: `Bearer ${KEY}` }, '/me', absent],
    ['an empty key', { 'x-api-key': '' }, '/me', malformed],
    ['a key with a space', { 'x-api-key': 'a b' }, '/me', malformed],
    ['a key beyond ASCII', { 'x-api-key': 'schlüssel' }, '/me', malformed],
    ['a key of 513 characters', { 'x-api-key': 'k'.repeat(513) }, '/me', malformed],
    ['two keys, both good', { 'x-api-key': [KEY, KEY] }, '/me', { ...malformed, status: 400, code: 'invalid_request', challenge: undefined }],
    ['two keys, the first good', { 'x-api-key': [KEY, 'x'] }, '/me', { ...malformed, status: 400, code: 'invalid_request', challenge: undefined }]
  ]
  for (const [what, headers, url, expected] of rows) {
    await t.test(what, async (t) => {
      await assertRefused(t, service, { ...expected, headers, url, secret: KEY })
      t.same(asked, [], 'verify was not asked')
    })
  }
  asked = []
  await assertRefused(t, service, { ...malformed, headers: { 'x-api-key': 'k'.repeat(512) }, secret: 'k'.repeat(512) })
  t.equal(asked.length, 1, '512 characters are not too many')
})

t.test('R073 a repeated header is refused on a socket, where Node would join it', async (t) => {
  const service = await keyService(t)
  await service.app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((service.app.server.address() as AddressInfo).port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(`GET /me HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-API-Key: ${KEY}\r\nx-api-key: ${KEY}\r\n\r\n`)
  t.match(await text(socket), /^HTTP\/1\.1 400 /)
  t.equal(service.handled(), 0)
})

t.test('a key in the query, when the service says so', async (t) => {
  const queryChallenge = 'ApiKey realm="api", in="query", name="api_key"'
  const service = await keyService(t, { in: 'query', name: 'api_key' })
  const key = encodeURIComponent(KEY)
  t.equal((await service.get({}, `/me?a=1&api_key=${key}&b=2`)).statusCode, 200)
  t.equal((await service.get({}, `/me?api%5Fkey=${key}`)).statusCode, 200)
  const rows: [string, string, number, string, string | undefined][] = [
    ['no query', '/me', 401, 'credentials_required', queryChallenge],
    ['another parameter', `/me?API_KEY=${key}`, 401, 'credentials_required', queryChallenge],
    ['an empty key', '/me?api_key=', 401, 'invalid_credentials', queryChallenge],
    ['a key with bad percent-encoding', '/me?api_key=%ff', 401, 'invalid_credentials', queryChallenge],
    ['two keys', `/me?api_key=${key}&api_key=${key}`, 400, 'invalid_request', undefined],
    ['two keys, one name encoded', `/me?api_key=${key}&api%5fkey=x`, 400, 'invalid_request', undefined]
  ]
  for (const [what, url, status, code, challenge] of rows) {
    await t.test(what, async (t) => { await assertRefused(t, service, { url, status, code, challenge }) })
  }
  await assertRefused(t, service, { headers: { api_key: KEY, 'x-api-key': KEY }, status: 401, code: 'credentials_required', challenge: queryChallenge })
})

t.test('a key in a cookie, when the service says so', async (t) => {
  const cookieChallenge = 'ApiKey realm="api", in="cookie", name="key"'
  const service = await keyService(t, { in: 'cookie', name: 'key' })
  t.equal((await service.get({ cookie: `a=1; key=${KEY}; b=2` })).statusCode, 200)
  const rows: [string, TestHeaders, number, string, string | undefined][] = [
    ['no cookie', {}, 401, 'credentials_required', cookieChallenge],
    ['another cookie', { cookie: `akey=${KEY}; Key=${KEY}; key` }, 401, 'credentials_required', cookieChallenge],
    ['an empty key', { cookie: 'key=' }, 401, 'invalid_credentials', cookieChallenge],
    ['a quoted key', { cookie: `key="${KEY}"` }, 401, 'invalid_credentials', cookieChallenge],
    ['two keys in one header', { cookie: `key=${KEY}; key=${KEY}` }, 400, 'invalid_request', undefined],
    ['two keys in two headers', { cookie: [`key=${KEY}`, `key=${KEY}`] }, 400, 'invalid_request', undefined]
  ]
  for (const [what, headers, status, code, challenge] of rows) {
    await t.test(what, async (t) => { await assertRefused(t, service, { headers, status, code, challenge, secret: KEY }) })
  }
})

t.test('a good key of a disabled owner is 403', async (t) => {
  const service = await keyService(t, { verify: () => ({ subject: 'alice', disabled: true }) })
  await assertRefused(t, service, { headers: { 'x-api-key': KEY }, status: 403, code: 'account_disabled', challenge: undefined, secret: KEY })
})

const faulty: [string, ApiKeyAuthOptions['verify']][] = [
  ['throws', () => { throw new Error('no database') }],
  ['rejects', () => Promise.reject(new Error('no database'))],
  ['answers true', () => true as never],
  ['answers a keyId that is no string', () => ({ subject: 'alice', keyId: 7 as never })]
]
for (const [what, verify] of faulty) {
  t.test(`R007 a verify that ${what} is 503, never a way in`, async (t) => {
    const service = await keyService(t, { verify })
    await assertRefused(t, service, { headers: { 'x-api-key': KEY }, status: 503, code: 'unavailable', challenge: undefined, secret: KEY })
  })
}

t.test('a verify that answers later is waited for; undefined refuses like null', async (t) => {
  const service = await keyService(t, { verify: async ({ key }) => Promise.resolve(key === KEY ? { subject: 'alice' } : undefined as never) })
  t.match((await service.get({ 'x-api-key': KEY })).json(), { subject: 'alice', keyId: null })
  await assertRefused(t, service, { headers: { 'x-api-key': 'other' }, status: 401, code: 'invalid_credentials', challenge })
})

t.test('R150 R151 a limit that verify tells is counted for each key, and its windows apart', async (t) => {
  const limits = new Map([['a', { max: 2, windowSeconds: 60 }], ['b', { max: 1, windowSeconds: 60 }], ['c', { max: 1, windowSeconds: 1 }]])
  const service = await keyService(t, {
    as: 'partner',
    limits: true,
    verify ({ key }) {
      const limit = limits.get(key)
      return { subject: 'alice', keyId: key, ...(limit === undefined ? {} : { limit }) }
    }
  }, 'partner')
  const statuses = async (keys: string): Promise<number[]> => {
    const found: number[] = []
    for (const key of keys) found.push((await service.get({ 'x-api-key': key })).statusCode)
    return found
  }
  t.strictSame(await statuses('aaabbcca'), [200, 200, 429, 200, 429, 200, 429, 429])
  t.strictSame(await statuses('ddd'), [200, 200, 200], 'a key without one is not counted')
  const refused = await service.get({ 'x-api-key': 'a' })
  t.match(refused.headers, { 'ratelimit-policy': '"partner";q=2;w=60', ratelimit: /^"partner";r=0;t=\d+$/, 'retry-after': /^\d+$/ })
  t.match(refused.json(), { code: 'quota_exceeded', 'violated-policies': ['partner'] })
  await sleep(1100)
  t.strictSame(await statuses('cab'), [200, 429, 429])
  t.match(service.app.guardedRoutes()[0]?.limits, [{ name: 'partner', by: 'apiKey', max: null, windowSeconds: null }])
})

t.test('R007 a limit that cannot be kept lets nobody in', async (t) => {
  const rows: [string, Partial<ApiKeyAuthOptions>, object][] = [
    ['limits are not turned on', {}, { keyId: 'k', limit: { max: 1, windowSeconds: 60 } }],
    ['it belongs to no key', { limits: true }, { limit: { max: 1, windowSeconds: 60 } }],
    ['a part of a request', { limits: true }, { keyId: 'k', limit: { max: 0.5, windowSeconds: 60 } }],
    ['no request', { limits: true }, { keyId: 'k', limit: { max: 0, windowSeconds: 60 } }],
    ['no window', { limits: true }, { keyId: 'k', limit: { max: 1 } }],
    ['over a year', { limits: true }, { keyId: 'k', limit: { max: 1, windowSeconds: 31_536_001 } }],
    ['a number', { limits: true }, { keyId: 'k', limit: 5 }]
  ]
  for (const [title, options, grant] of rows) {
    await t.test(title, async (t) => {
      const service = await keyService(t, { ...options, verify: () => ({ subject: 'alice', ...grant }) })
      await assertRefused(t, service, { status: 503, code: 'unavailable', challenge: undefined, headers: { 'x-api-key': KEY }, secret: KEY })
    })
  }
  await t.test('windows of ever other lengths', async (t) => {
    const service = await keyService(t, { limits: true, verify: ({ key }) => ({ subject: 'alice', keyId: key, limit: { max: 5, windowSeconds: Number(key) } }) })
    for (let length = 1; length <= 32; length += 1) t.equal((await service.get({ 'x-api-key': String(length) })).statusCode, 200)
    await assertRefused(t, service, { status: 503, code: 'unavailable', challenge: undefined, headers: { 'x-api-key': '33' } })
    t.equal((await service.get({ 'x-api-key': '32' })).statusCode, 200)
  })
})

t.test('one registration a place, under anyOf', async (t) => {
  const service = await guardedService(t, async (app) => {
    await app.register(apiKeyAuth, { verify })
    await app.register(apiKeyAuth, { as: 'legacyKey', in: 'query', name: 'key', verify, realm: 'legacy' })
    return app.anyOf(app.apiKey, app.legacyKey)
  })
  t.match((await service.get({ 'x-api-key': KEY })).json(), { scheme: 'apiKey' })
  t.match((await service.get({}, `/me?key=${encodeURIComponent(KEY)}`)).json(), { scheme: 'legacyKey' })
  t.same((await service.get()).headers['www-authenticate'], [challenge, 'ApiKey realm="legacy", in="query", name="key"'])
})

t.test('what is published, and which of them a browser sends unasked', async (t) => {
  for (const place of ['header', 'query', 'cookie'] as const) {
    const service = await keyService(t, { in: place, name: 'key', description: 'From the console.' })
    const scheme = registryOf(service.app).schemes.get('apiKey')
    t.same(scheme?.definition, { type: 'apiKey', in: place, name: 'key', description: 'From the console.' })
    t.same(scheme?.carrier, { in: place, name: 'key' })
    t.equal(scheme?.ambient, place === 'cookie')
  }
})

const badOptions: [string, unknown, string][] = [
  ['no verify', {}, 'apiKeyAuth.verify'],
  ['a verify that is no function', { verify: {} }, 'apiKeyAuth.verify'],
  ['a place that does not exist', { verify, in: 'body' }, 'apiKeyAuth.in'],
  ['a place of Object.prototype', { verify, in: 'constructor' }, 'apiKeyAuth.in'],
  ['a name with a space', { verify, name: 'X API Key' }, 'apiKeyAuth.name'],
  ['a name with CR LF', { verify, name: 'X\r\nY' }, 'apiKeyAuth.name'],
  ['the name Authorization', { verify, name: 'Authorization' }, 'apiKeyAuth.name'],
  ['the name Cookie', { verify, name: 'cookie' }, 'apiKeyAuth.name'],
  ['limits as a text', { verify, limits: 'true' }, 'apiKeyAuth.limits'],
  ['an unknown option', { verify, header: 'X-Key' }, 'apiKeyAuth.header'],
  ['a realm with LF', { verify, realm: 'a\nb' }, 'apiKeyAuth.realm']
]
for (const [what, options, option] of badOptions) {
  t.test(`refuses to boot with ${what}`, async (t) => {
    await assertOptionRefused(t, (app) => app.register(apiKeyAuth, options as ApiKeyAuthOptions), option)
  })
}

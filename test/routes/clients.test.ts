// Client applications: made by an administrator, authenticated by Basic or form, acting for themselves.
import { decodeJwt } from 'jose'
import t from 'tap'
import { assertNoSecret, assertProblem, assertRefused, basicOf, buildDemo, comparable, form } from '../demo.ts'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { Demo, Headers, Refused } from '../demo.ts'

interface Made { client_id: string; client_secret: string }

const adminChallenge = { status: 401, code: 'credentials_required' }
const basicChallenge = 'Basic realm="api", charset="UTF-8"'

async function makeClient (demo: Demo, boss: Headers, changes: Record<string, unknown> = {}): Promise<Made> {
  const answer = await demo.send({ method: 'POST', url: '/admin/clients', headers: boss, payload: { name: 'import', grants: ['client_credentials'], scopes: ['items:read', 'items:write'], ...changes } })
  const made = answer.json<Made>()
  demo.secrets.add(made.client_secret)
  return made
}

async function bossOf (demo: Demo): Promise<Headers> {
  return await demo.token(await demo.person('boss', ['admin']))
}

function ask (demo: Demo, fields: Record<string, string>, headers: Headers = {}): Promise<LightMyRequestResponse> {
  const { headers: type, payload } = form({ grant_type: 'client_credentials', ...fields })
  return demo.send({ method: 'POST', url: '/token', headers: { ...type, ...headers }, payload })
}

function assertError (t: Test, demo: Demo, answer: LightMyRequestResponse, { status, error, challenge }: { status: number; error: string; challenge?: string | undefined }): void {
  t.equal(answer.statusCode, status)
  t.match(answer.json(), { error })
  t.equal(answer.headers['www-authenticate'], challenge, 'R133')
  t.match(answer.headers, { 'cache-control': 'no-store', pragma: 'no-cache' }, 'R131')
  assertNoSecret(t, demo, answer)
}

t.test('POST, GET and DELETE /admin/clients', async (t) => {
  const demo = await buildDemo(t)
  const boss = await bossOf(demo)
  const answer = await demo.send({ method: 'POST', url: '/admin/clients', headers: boss, payload: { name: 'import', grants: ['client_credentials'], scopes: ['items:read'] } })
  t.equal(answer.statusCode, 201)
  t.equal(answer.headers['cache-control'], 'no-store')
  const made = answer.json<Made>()
  t.match(made, { client_id: /^client_[0-9A-Za-z]{22}$/, client_secret: /^[\w-]{43}$/ })
  t.strictSame(Object.keys(made), ['client_id', 'client_secret'])
  const kept = await demo.app.stores.clients.findActive(made.client_id)
  t.notOk(JSON.stringify(kept).includes(made.client_secret), 'R135 the store has a digest')
  demo.secrets.add(made.client_secret)

  await makeClient(demo, boss, { name: 'another' })
  const listed = await demo.send({ url: '/admin/clients', headers: boss })
  t.match(listed.json(), { items: [{ name: 'another' }, { client_id: made.client_id, name: 'import', grants: ['client_credentials'], scopes: ['items:read'], revoked_at: null }] })
  t.strictSame(Object.keys(listed.json<{ items: object[] }>().items[0] ?? {}).sort(), ['client_id', 'created_at', 'grants', 'name', 'revoked_at', 'scopes'], 'R189')
  assertNoSecret(t, demo, listed)

  const remove = { method: 'DELETE', url: `/admin/clients/${made.client_id}`, headers: boss } as const
  t.equal((await demo.send(remove)).statusCode, 204)
  assertProblem(t, demo, await demo.send(remove), { status: 404, code: 'not_found' })
  t.match((await demo.send({ url: '/admin/clients', headers: boss })).json(), { items: [{ revoked_at: null }, { revoked_at: /Z$/ }] })
})

t.test('what /admin/clients refuses', async (t) => {
  const demo = await buildDemo(t)
  const boss = await bossOf(demo)
  const editor = await demo.token(await demo.person('editor'))
  const good = { name: 'import', grants: ['client_credentials'], scopes: ['items:read'] }
  const rows: [string, InjectOptions, Refused][] = [
    ['R183 an unknown field', { payload: { ...good, client_id: 'client_mine' } }, { status: 400, code: 'validation' }],
    ['R136 a grant that does not exist', { payload: { ...good, grants: ['implicit'] } }, { status: 400, code: 'validation' }],
    ['no grant', { payload: { ...good, grants: [] } }, { status: 400, code: 'validation' }],
    ['R120 a scope that is none', { payload: { ...good, scopes: ['a b'] } }, { status: 400, code: 'validation' }],
    ['a name with a NUL', { payload: { ...good, name: 'a\0b' } }, { status: 400, code: 'validation' }],
    ['an editor', { headers: editor }, { status: 403, code: 'insufficient_scope' }],
    ['nobody', { headers: {} }, adminChallenge]
  ]
  for (const [title, request, { status, code }] of rows) {
    await t.test(title, async (t) => {
      const answer = await demo.send({ method: 'POST', url: '/admin/clients', headers: boss, payload: good, ...request })
      t.equal(answer.statusCode, status)
      t.match(answer.json(), { code })
      t.strictSame((await demo.app.stores.clients.list()).items, [], 'nothing was made')
    })
  }
  await assertRefused(t, demo, { method: 'DELETE', url: '/admin/clients/client_0000000000000000000000', headers: boss }, { status: 404, code: 'not_found' })
})

t.test('R135 R138 a client acts for itself, by Basic or by form', async (t) => {
  const demo = await buildDemo(t)
  const { client_id: id, client_secret: secret } = await makeClient(demo, await bossOf(demo))
  const encoded = id.replace('_', '%5F')
  const ways: [string, Record<string, string>, Headers][] = [
    ['client_secret_basic', {}, basicOf(id, secret)],
    ['client_secret_basic with the id in the form too', { client_id: id }, basicOf(id, secret)],
    ['client_secret_basic, form-encoded as RFC 6749 §2.3.1 has it', {}, basicOf(encoded, secret)],
    ['client_secret_post', { client_id: id, client_secret: secret }, {}],
    ['client_secret_post beside the empty Basic of Swagger UI', { client_id: id, client_secret: secret }, { authorization: 'Basic Og==' }]
  ]
  for (const [title, fields, headers] of ways) {
    await t.test(title, async (t) => {
      const answer = await ask(demo, fields, headers)
      t.equal(answer.statusCode, 200)
      const body = answer.json<{ access_token: string }>()
      t.strictSame(Object.keys(body), ['access_token', 'token_type', 'expires_in', 'scope'], 'R138 no refresh token')
      t.match(decodeJwt(body.access_token), { sub: id, client_id: id, scope: 'items:read items:write' }, 'R138')
      t.equal((await demo.send({ url: '/items', headers: { authorization: `Bearer ${body.access_token}` } })).statusCode, 200)
      assertProblem(t, demo, await demo.send({ url: '/admin', headers: { authorization: `Bearer ${body.access_token}` } }), {
        status: 403, code: 'insufficient_scope', challenge: 'Bearer realm="api", error="insufficient_scope", scope="admin"'
      })
    })
  }
  t.equal((await ask(demo, { scope: 'items:read admin' }, basicOf(id, secret))).json<{ scope: string }>().scope, 'items:read', 'R126')
})

t.test('R133 R135 R136 what a client is refused for', async (t) => {
  const demo = await buildDemo(t)
  const boss = await bossOf(demo)
  const { client_id: id, client_secret: secret } = await makeClient(demo, boss)
  const gone = await makeClient(demo, boss)
  await demo.app.tokens.revokeClient(gone.client_id)
  const basic = basicOf(id, secret)
  const wrong = 'A'.repeat(43)
  const rows: [string, Record<string, string>, Headers, { status: number; error: string; challenge?: string }][] = [
    ['no secret', { client_id: id }, {}, { status: 401, error: 'invalid_client', challenge: basicChallenge }],
    ['R138 the public client', {}, {}, { status: 400, error: 'unauthorized_client' }],
    ['a wrong secret in the form', { client_id: id, client_secret: wrong }, {}, { status: 401, error: 'invalid_client', challenge: basicChallenge }],
    ['a wrong secret by Basic', {}, basicOf(id, wrong), { status: 401, error: 'invalid_client', challenge: basicChallenge }],
    ['an unknown client', {}, basicOf('client_0000000000000000000000', secret), { status: 401, error: 'invalid_client', challenge: basicChallenge }],
    ['an id that cannot be', {}, basicOf("client_' or 1=1", secret), { status: 401, error: 'invalid_client', challenge: basicChallenge }],
    ['an id with a NUL', { client_id: `${id}\0`, client_secret: secret }, {}, { status: 401, error: 'invalid_client', challenge: basicChallenge }],
    ['a revoked client', {}, basicOf(gone.client_id, gone.client_secret), { status: 401, error: 'invalid_client', challenge: basicChallenge }],
    ['base64 that is not canonical', {}, { authorization: String(basic['authorization']).replace(/=*$/, '') + '=====' }, { status: 401, error: 'invalid_client', challenge: basicChallenge }],
    ['half an escape', {}, basicOf(`${id}%`, secret), { status: 401, error: 'invalid_client', challenge: basicChallenge }],
    ['R135 both ways at once', { client_id: id, client_secret: secret }, basic, { status: 400, error: 'invalid_request' }],
    ['another id in the form', { client_id: 'demo' }, basic, { status: 400, error: 'invalid_request' }],
    ['R003 Authorization twice', {}, { authorization: [String(basic['authorization']), String(basic['authorization'])] }, { status: 400, error: 'invalid_request' }],
    ['R136 a grant that it does not have', { grant_type: 'refresh_token', refresh_token: wrong }, basic, { status: 400, error: 'unauthorized_client' }],
    ['R136 the password grant, which it does not have', { grant_type: 'password', username: 'boss', password: 'x' }, basic, { status: 400, error: 'unauthorized_client' }],
    ['a scope that it does not have', { scope: 'admin' }, basic, { status: 400, error: 'invalid_scope' }]
  ]
  for (const [title, fields, headers, refused] of rows) {
    await t.test(title, async (t) => { assertError(t, demo, await ask(demo, fields, headers), refused) })
  }
  await t.test('R134 unknown, wrong and revoked are one answer', async (t) => {
    const answers = await Promise.all([basicOf(id, wrong), basicOf('client_0000000000000000000000', secret), basicOf(gone.client_id, gone.client_secret)].map((headers) => ask(demo, {}, headers)))
    const [first, ...others] = answers.map(comparable)
    for (const other of others) t.strictSame(other, first)
  })
  await t.test('R137 wrong secrets meet the limit of wrong passwords', async (t) => {
    const statuses: number[] = []
    for (let sent = 0; sent < 21; sent += 1) statuses.push((await demo.app.inject({ method: 'POST', url: '/token', remoteAddress: '203.0.113.5', ...form({ grant_type: 'client_credentials', client_id: id, client_secret: wrong }) })).statusCode)
    t.strictSame(statuses, [...Array<number>(20).fill(401), 429])
  })
})

t.test('R135 the secret of one client is not tried from however many addresses', async (t) => {
  const demo = await buildDemo(t)
  const boss = await bossOf(demo)
  const [client, other] = [await makeClient(demo, boss), await makeClient(demo, boss)]
  const from = (remoteAddress: string, { client_id: id }: Made, secret: string, way: 'basic' | 'post' = 'basic'): Promise<LightMyRequestResponse> => {
    const { headers, payload } = form({ grant_type: 'client_credentials', ...(way === 'post' ? { client_id: id, client_secret: secret } : {}) })
    return demo.app.inject({ method: 'POST', url: '/token', remoteAddress, headers: { ...headers, ...(way === 'basic' ? basicOf(id, secret) : {}) }, payload })
  }
  const wrong = 'A'.repeat(43)
  const home = '203.0.113.1'
  t.equal((await from(home, client, client.client_secret)).statusCode, 200)
  const statuses = await Promise.all(Array.from({ length: 110 }, async (_, n) => (await from(`198.51.${String(n)}.1`, client, wrong, n % 2 === 0 ? 'basic' : 'post')).statusCode))
  t.strictSame(statuses.sort(), [...Array<number>(100).fill(401), ...Array<number>(10).fill(429)])

  const refused = await from('198.51.100.200', client, wrong)
  assertError(t, demo, refused, { status: 429, error: 'slow_down' })
  t.match(refused.headers['retry-after'], /^[1-9]\d?$/, 'R150')
  t.equal((await from('198.51.100.200', client, client.client_secret)).statusCode, 429, 'also the right one, from where it never was right')
  t.equal((await from(home, client, client.client_secret)).statusCode, 200, 'but nobody locks the client out of where it is')
  t.equal((await from('198.51.100.200', other, other.client_secret)).statusCode, 200, 'nor another one')

  await t.test('of an id that nobody has as many, so that 429 does not tell who is known', async (t) => {
    const nobody = { client_id: 'client_0000000000000000000000', client_secret: wrong }
    const statuses = await Promise.all(Array.from({ length: 101 }, async (_, n) => (await from(`192.0.${String(n)}.1`, nobody, wrong)).statusCode))
    t.strictSame(statuses.sort(), [...Array<number>(100).fill(401), 429])
  })
})

t.test('R126 R138 R143 a client that is revoked takes its tokens and the keys that they made with it', async (t) => {
  const demo = await buildDemo(t)
  const boss = await bossOf(demo)
  await demo.person('alice')
  const { client_id: id, client_secret: secret } = await makeClient(demo, boss, { grants: ['client_credentials', 'password', 'refresh_token'], scopes: ['me', 'items:read'] })
  const own = (await ask(demo, {}, basicOf(id, secret))).json<{ access_token: string }>()
  const user = (await ask(demo, { grant_type: 'password', username: 'alice', password: 'a lamp beside the harbour' }, basicOf(id, secret))).json<{ access_token: string; refresh_token: string; scope: string }>()
  t.equal(user.scope, 'me items:read', 'R126 what owner and client both have')
  const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` })
  t.equal((await demo.send({ url: '/users/me', headers: bearer(user.access_token) })).statusCode, 200)

  t.equal((await demo.send({ method: 'DELETE', url: `/admin/clients/${id}`, headers: boss })).statusCode, 204)
  t.equal((await demo.send({ url: '/items', headers: bearer(own.access_token) })).statusCode, 401)
  t.equal((await demo.send({ url: '/users/me', headers: bearer(user.access_token) })).statusCode, 401)
  assertError(t, demo, await ask(demo, { grant_type: 'refresh_token', refresh_token: user.refresh_token }, basicOf(id, secret)), { status: 401, error: 'invalid_client', challenge: basicChallenge })
  t.equal((await demo.app.stores.refreshTokens.listBySubject(String(decodeJwt(user.access_token).sub))).items.length, 0)
})

import Fastify from 'fastify'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import t from 'tap'
import { accounts } from '../../plugins/accounts.ts'
import { passwords } from '../../plugins/passwords.ts'
import { rateLimit } from '../../plugins/rate-limit.ts'
import { stores } from '../../plugins/stores.ts'
import { tokens } from '../../plugins/tokens.ts'
import { tokenRoutes } from '../../routes/token.ts'
import { anAddress, assertNoSecret, assertProblem, assertRefused, basicOf, buildDemo, comparable, cookieChallenge, form, hashesOf, issuer, password } from '../demo.ts'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { Demo, Headers, Refused } from '../demo.ts'

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const meChallenge = ['Bearer realm="api", scope="me"', cookieChallenge]
const badToken = ['Bearer realm="api", error="invalid_token", error_description="The access token is invalid"', cookieChallenge]
const basicChallenge = 'Basic realm="api", charset="UTF-8"'

function registration (changes: Record<string, unknown> = {}): InjectOptions & { payload: Record<string, unknown> } {
  return { method: 'POST', url: '/register', payload: { username: 'alice', email: 'alice@example.com', password, ...changes } }
}

t.test('POST /register makes an account', async (t) => {
  const demo = await buildDemo(t)
  const made = await demo.send(registration({ full_name: 'Alice Liddell' }))
  t.equal(made.statusCode, 201)
  t.match(made.json(), { id: uuidV7, username: 'alice', email: 'alice@example.com', full_name: 'Alice Liddell', disabled: false, roles: ['editor'], created_at: /Z$/ })
  t.strictSame(Object.keys(made.json<object>()).sort(), ['created_at', 'disabled', 'email', 'full_name', 'id', 'roles', 'username'])
  demo.secrets.add(password)
  assertNoSecret(t, demo, made)
  t.equal((await demo.send({ url: '/basic/me', headers: basicOf('alice', password) })).statusCode, 200)
})

t.test('R080 R081 R082 R083 what POST /register refuses, with the place and the reason', async (t) => {
  const demo = await buildDemo(t)
  await demo.person('taken')
  const rows: { title: string; changes: Record<string, unknown>; pointer: string; detail: RegExp }[] = [
    { title: 'R080 fourteen characters', changes: { password: 'fourteen chars' }, pointer: '/password', detail: /at least 15/ },
    { title: 'R081 fourteen code points of two units each', changes: { password: '🔑'.repeat(14) }, pointer: '/password', detail: /at least 15/ },
    { title: 'R083 a common password', changes: { password: 'PASSWORDPASSWORD' }, pointer: '/password', detail: /commonly used/ },
    { title: 'R083 the e-mail address', changes: { password: 'alice@example.com' }, pointer: '/password', detail: /e-mail/ },
    { title: 'R083 the name of the service and digits', changes: { password: 'Gatehouse20262026' }, pointer: '/password', detail: /service/ },
    { title: 'R080 R082 over the longest', changes: { password: 'x y'.repeat(400) }, pointer: '/password', detail: /at most/ },
    { title: 'R183 roles of one\'s own choice', changes: { roles: ['admin'] }, pointer: '/roles', detail: /not allowed/ },
    { title: 'R183 a number for a name', changes: { username: 12345 }, pointer: '/username', detail: /string/ },
    { title: 'a name with a colon, which Basic could not carry', changes: { username: 'ali:ce' }, pointer: '/username', detail: /pattern/ },
    { title: 'a name with a space', changes: { username: 'ali ce' }, pointer: '/username', detail: /pattern/ },
    ...['\u034f', '\ufe0f', '\u3164', '\u115f', '\u180b', '\u{e0100}'].map((invisible) => (
      { title: `a name with U+${invisible.codePointAt(0)?.toString(16) ?? ''}, which nobody sees`, changes: { username: `ali${invisible}ce` }, pointer: '/username', detail: /pattern/ }
    )),
    { title: 'a name with a NUL', changes: { username: 'alice\0' }, pointer: '/username', detail: /pattern/ },
    { title: 'a full name with a NUL', changes: { full_name: 'Alice\0Liddell' }, pointer: '/full_name', detail: /pattern/ },
    { title: 'a name that begins with a mark', changes: { username: '\u0301lice' }, pointer: '/username', detail: /pattern/ },
    { title: 'no e-mail address', changes: { email: 'alice' }, pointer: '/email', detail: /format email/ },
    { title: 'no password', changes: { password: undefined }, pointer: '/password', detail: /required/ }
  ]
  for (const { title, changes, pointer, detail } of rows) {
    await t.test(title, async (t) => {
      let refused: LightMyRequestResponse | undefined
      const spent = await hashesOf(async () => {
        refused = await assertRefused(t, demo, registration(changes), { status: 400, code: 'validation' })
      })
      t.match(refused?.json(), { errors: [{ pointer, in: 'body', detail }] })
      t.equal(spent, 0, 'nothing was hashed')
      const given = Object.values(changes).find((value) => typeof value === 'string')
      if (given !== undefined) t.notOk(refused?.body.includes(given), 'the value is not sent back')
    })
  }
  await t.test('R180 a body over 16 KiB', (t) => assertRefused(t, demo, registration({ full_name: 'x'.repeat(20_000) }), { status: 413, code: 'payload_too_large' }))
  await t.test('R182 a repeated member', (t) => assertRefused(t, demo, {
    method: 'POST', url: '/register', headers: { 'content-type': 'application/json' }, payload: '{"username":"alice","username":"bob","email":"a@example.com","password":"a lamp beside the harbour"}'
  }, { status: 400, code: 'invalid_request' }))
})

t.test('R081 R082 a password of spaces and other alphabets works, in whichever form it is typed, to its last byte', async (t) => {
  const demo = await buildDemo(t)
  const long = 'ein schönes langes Paßwort mit Leerzeichen und 日本語 und noch mehr'
  t.equal((await demo.send(registration({ password: `${long}e\u0301` }))).statusCode, 201)
  t.equal((await demo.send({ url: '/basic/me', headers: basicOf('alice', `${long}\u00e9`) })).statusCode, 200)
  t.equal((await demo.send({ url: '/basic/me', headers: basicOf('alice', `${long}e `) })).statusCode, 401)
  t.equal((await demo.send({ url: '/basic/me', headers: basicOf('alice', long) })).statusCode, 401)
})

t.test('names are one if they are one in NFKC without case: 409', async (t) => {
  const demo = await buildDemo(t)
  t.equal((await demo.send(registration({ username: 'José.fi' }))).statusCode, 201)
  for (const username of ['JOSÉ.FI', 'Jose\u0301.fi', 'José.\uFB01', 'ＪＯＳÉ.fi']) {
    await t.test(`R183 ${username}`, async (t) => {
      const refused = await assertRefused(t, demo, registration({ username }), { status: 409, code: 'conflict' })
      t.notOk(refused.body.includes(username))
    })
  }
  await t.test('of ten at once, the database lets one through', async (t) => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => demo.send(registration({ username: 'racer' }))))
    t.strictSame(answers.map(({ statusCode }) => statusCode).sort(), [201, ...Array<number>(9).fill(409)])
  })
})

t.test('POST /register takes ten requests a minute from an address', async (t) => {
  const demo = await buildDemo(t)
  const remoteAddress = anAddress()
  for (let sent = 0; sent < 10; sent += 1) t.equal((await demo.send({ ...registration({ password: 'short' }), remoteAddress })).statusCode, 400)
  const spent = await hashesOf(async () => {
    const refused = await assertRefused(t, demo, { ...registration(), remoteAddress }, { status: 429, code: 'quota_exceeded' })
    t.match(refused.headers, { 'retry-after': /^[1-9]\d*$/, 'ratelimit-policy': '"register";q=10;w=60', ratelimit: /^"register";r=0;t=\d+$/ })
  })
  t.equal(spent, 0)
  t.equal((await demo.send(registration())).statusCode, 201, 'another address is not limited')
})

t.test('GET and PATCH /users/me', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const bob = await demo.person('bob')
  const headers = await demo.token(alice)
  const read = await demo.send({ url: '/users/me', headers })
  t.equal(read.statusCode, 200)
  t.equal(read.headers['cache-control'], 'no-store', 'R170')
  t.match(read.json(), { id: alice.id, username: 'alice', full_name: null })

  const changed = await demo.send({ method: 'PATCH', url: '/users/me', headers, payload: { full_name: 'Alice', email: 'other@example.com' } })
  t.match(changed.json(), { id: alice.id, full_name: 'Alice', email: 'other@example.com' })
  t.match((await demo.send({ method: 'PATCH', url: '/users/me', headers, payload: { full_name: null } })).json(), { full_name: null, email: 'other@example.com' })
  t.match(await demo.app.stores.users.findById(bob.id), { full_name: null, email: 'bob@example.com' }, 'nobody else is changed')

  const key = await demo.key(headers, ['me'])
  const narrow = await demo.token(alice, 'items:read')
  const refusals: [string, InjectOptions, Refused][] = [
    ['R030 no credentials', {}, { status: 401, code: 'credentials_required', challenge: meChallenge }],
    ['R037 Basic instead of Bearer', { headers: alice.basic }, { status: 401, code: 'credentials_required', challenge: meChallenge }],
    ['R031 a token that is none', { headers: { authorization: 'Bearer abc' } }, { status: 401, code: 'invalid_token', challenge: badToken }],
    ['R032 a token without the scope', { headers: narrow }, { status: 403, code: 'insufficient_scope', challenge: 'Bearer realm="api", error="insufficient_scope", scope="me"' }],
    ['an API key, even one with the scope', { headers: key.headers }, { status: 401, code: 'credentials_required', challenge: meChallenge }],
    ['R183 a role', { headers, payload: { roles: ['admin'] } }, { status: 400, code: 'validation' }],
    ['R183 an unknown field', { headers, payload: { full_name: 'A', username: 'eve' } }, { status: 400, code: 'validation' }],
    ['nothing to change', { headers, payload: {} }, { status: 400, code: 'validation' }]
  ]
  for (const [title, request, refused] of refusals) {
    await t.test(title, (t) => assertRefused(t, demo, { method: 'PATCH', url: '/users/me', payload: { full_name: 'Eve' }, ...request }, refused))
  }
})

t.test('R069 R131 R132 POST /token gives an access token for a name and a password', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const grant = { grant_type: 'password', username: 'alice', password }
  const answer = await demo.send({ method: 'POST', url: '/token', ...form(grant) })
  t.equal(answer.statusCode, 200)
  const body = answer.json<{ access_token: string; refresh_token: string }>()
  t.strictSame(body, { access_token: body.access_token, token_type: 'Bearer', expires_in: 900, refresh_token: body.refresh_token, scope: 'me items:read items:write' }, 'R132')
  t.match(body.refresh_token, /^[\w-]{43}$/, 'R139 256 bits that say nothing')
  t.match(answer.headers, { 'cache-control': 'no-store', pragma: 'no-cache', 'content-type': /^application\/json/, 'x-content-type-options': 'nosniff' }, 'R131')

  const jwks = await demo.send({ url: '/.well-known/jwks.json' })
  const [key] = jwks.json<{ keys: Record<string, string>[] }>().keys
  t.equal(jwks.headers['cache-control'], 'public, max-age=3600', 'R069')
  t.strictSame(Object.keys(key ?? {}).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'], 'R069 public members only')
  t.strictSame(decodeProtectedHeader(body.access_token), { alg: 'ES256', typ: 'at+jwt', kid: key?.['kid'] }, 'R061')
  const { iat = 0, exp, jti, sid, ...claims } = decodeJwt(body.access_token)
  t.strictSame(claims, { iss: issuer, aud: issuer, sub: alice.id, client_id: 'demo', scope: 'me items:read items:write' }, 'R060')
  t.equal(exp, iat + 900)
  t.match(jti, /^[0-9a-f-]{36}$/)
  t.match(sid, uuidV7)

  const client: [string, Headers, Record<string, string>][] = [
    ['Basic Og==, which Swagger UI sends', { authorization: 'Basic Og==' }, {}],
    ['basic in another case and with more spaces', { authorization: 'bASIC   Og==' }, {}],
    ['client_id demo', {}, { client_id: 'demo' }],
    ['R130 an empty client_secret, which counts as absent', {}, { client_secret: '' }],
    ['R130 a parameter nobody knows', {}, { resource: 'https://elsewhere.example' }]
  ]
  for (const [title, headers, fields] of client) {
    await t.test(`the client is demo: ${title}`, async (t) => {
      const { headers: type, payload } = form({ ...grant, ...fields })
      const asked = await demo.send({ method: 'POST', url: '/token', headers: { ...type, ...headers }, payload })
      t.equal(asked.statusCode, 200)
      t.equal(decodeJwt(asked.json<{ access_token: string }>().access_token)['client_id'], 'demo')
    })
  }
})

t.test('R126 R132 a token has what was asked for and its owner may do, and says so', async (t) => {
  const demo = await buildDemo(t)
  await demo.person('viewer', ['viewer'])
  await demo.person('editor')
  await demo.person('boss', ['admin'])
  await demo.person('nobody', [])
  const rows: [string, string, string | undefined, string | null][] = [
    ['all of a viewer', 'viewer', undefined, 'me items:read'],
    ['all of an administrator', 'boss', undefined, 'me items:read items:write admin'],
    ['one of several', 'boss', 'items:read', 'items:read'],
    ['more than the owner has', 'viewer', 'me items:write admin', 'me'],
    ['one twice', 'editor', 'me me', 'me'],
    ['R130 an empty scope, which is none', 'editor', '', 'me items:read items:write'],
    ['nothing left', 'editor', 'admin', null],
    ['R120 a part of a scope', 'editor', 'items', null],
    ['R120 another case', 'editor', 'ME', null],
    ['R120 no scope at all', 'editor', 'me  "x"', null],
    ['an owner without any', 'nobody', undefined, null]
  ]
  for (const [title, username, scope, granted] of rows) {
    await t.test(title, async (t) => {
      const answer = await demo.send({ method: 'POST', url: '/token', ...form({ grant_type: 'password', username, password, ...(scope === undefined ? {} : { scope }) }) })
      if (granted === null) assertOauthError(t, demo, answer, { status: 400, error: 'invalid_scope' })
      else t.match(answer.json(), { scope: granted })
      if (granted !== null) t.equal(decodeJwt(answer.json<{ access_token: string }>().access_token)['scope'], granted)
    })
  }
})

function assertOauthError (t: Test, demo: Demo, answer: LightMyRequestResponse, { status, error, challenge }: { status: number; error: string; challenge?: string }): void {
  t.equal(answer.statusCode, status)
  t.equal(answer.headers['content-type'], 'application/json; charset=utf-8', 'R006')
  const body = answer.json<Record<string, string>>()
  t.equal(body['error'], error)
  t.strictSame(Object.keys(body).filter((name) => !['error', 'error_description'].includes(name)), [], 'R006')
  t.match(body['error_description'] ?? '', /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/, 'R134')
  t.match(answer.headers, { 'cache-control': 'no-store', pragma: 'no-cache', 'x-content-type-options': 'nosniff' }, 'R131')
  t.equal(answer.headers['www-authenticate'], challenge, 'R133')
  assertNoSecret(t, demo, answer)
}

t.test('R006 R130 R131 R133 R134 what POST /token refuses, in the shape of RFC 6749 §5.2', async (t) => {
  const demo = await buildDemo(t)
  await demo.person('alice')
  const grant = { grant_type: 'password', username: 'alice', password }
  const good = form(grant)
  const rows: [string, InjectOptions, { status: number; error: string; challenge?: string }][] = [
    ['an unknown grant', form({ ...grant, grant_type: 'implicit' }), { status: 400, error: 'unsupported_grant_type' }],
    ['R137 a name that objects have', form({ ...grant, grant_type: '__proto__' }), { status: 400, error: 'unsupported_grant_type' }],
    ['no grant', form({ username: 'alice', password }), { status: 400, error: 'invalid_request' }],
    ['R130 an empty password', form({ ...grant, password: '' }), { status: 400, error: 'invalid_request' }],
    ['no name', form({ grant_type: 'password', password }), { status: 400, error: 'invalid_request' }],
    ['R130 a parameter twice', { ...good, payload: `${good.payload}&scope=me&scope=admin` }, { status: 400, error: 'invalid_request' }],
    ['R130 a parameter twice, once encoded', { ...good, payload: `${good.payload}&user%6Eame=bob` }, { status: 400, error: 'invalid_request' }],
    ['R130 an empty and a full one', { ...good, payload: `${good.payload}&scope=&scope=me` }, { status: 400, error: 'invalid_request' }],
    ['R021 bytes that are not UTF-8', { ...good, payload: `${good.payload}&x=%ff` }, { status: 400, error: 'invalid_request' }],
    ['R130 credentials in the query', { method: 'POST', url: `/token?${good.payload}`, headers: good.headers }, { status: 400, error: 'invalid_request' }],
    ['nothing at all', {}, { status: 400, error: 'invalid_request' }],
    ['R130 JSON', { payload: grant }, { status: 415, error: 'invalid_request' }],
    ['R181 a form by another name', { ...good, headers: { 'content-type': 'application/x-www-form-urlencoded garbage' } }, { status: 415, error: 'invalid_request' }],
    ['R117 multipart', { headers: { 'content-type': 'multipart/form-data; boundary=x' }, payload: '--x--' }, { status: 415, error: 'invalid_request' }],
    ['R180 more than 16 KiB', form({ ...grant, scope: 'x'.repeat(20_000) }), { status: 413, error: 'invalid_request' }],
    ['R001 R133 a client that is not known', form({ ...grant, client_id: 'other' }), { status: 401, error: 'invalid_client', challenge: basicChallenge }],
    ['R001 R133 a secret for a client that has none', form({ ...grant, client_id: 'demo', client_secret: 'x' }), { status: 401, error: 'invalid_client', challenge: basicChallenge }],
    ['R133 Basic with a name', { ...good, headers: { ...good.headers, ...basicOf('other', 'x') } }, { status: 401, error: 'invalid_client', challenge: basicChallenge }],
    ['R133 Bearer', { ...good, headers: { ...good.headers, authorization: 'Bearer abc' } }, { status: 401, error: 'invalid_client', challenge: basicChallenge }],
    ['R003 Authorization twice', { ...good, headers: { ...good.headers, authorization: ['Basic Og==', 'Basic Og=='] } }, { status: 400, error: 'invalid_request' }]
  ]
  for (const [title, request, refused] of rows) {
    await t.test(title, async (t) => {
      const before = await demo.state()
      let answer: LightMyRequestResponse | undefined
      const spent = await hashesOf(async () => { answer = await demo.send({ method: 'POST', url: '/token', ...request }) })
      if (answer !== undefined) assertOauthError(t, demo, answer, refused)
      t.equal(spent, 0, 'nothing was hashed')
      t.equal(await demo.state(), before, 'nothing changed')
    })
  }
  await t.test('R012 any other method is 405 with Allow, whatever it brings', async (t) => {
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const) {
      const refused = await demo.send({ method, url: '/token', ...(method === 'PUT' ? { payload: grant } : {}), headers: { 'x-http-method-override': 'POST' } })
      t.equal(refused.statusCode, 405, method)
      t.equal(refused.headers.allow, 'POST', method)
      t.match(refused.headers, { 'cache-control': 'no-store', pragma: 'no-cache' })
      if (method !== 'HEAD') t.match(refused.json(), { error: 'invalid_request' })
    }
  })
})

t.test('R023 R088 R134 unknown, wrong and disabled are one answer after one hash each', async (t) => {
  const demo = await buildDemo(t)
  await demo.person('alice')
  await demo.app.stores.users.update((await demo.person('gone')).id, { disabled: true })
  demo.secrets.add('not the password of anyone')
  const wrong = 'not the password of anyone'
  const people: [string, string, string][] = [['unknown', 'nobody', password], ['known but for a NUL', 'alice\0', password], ['known but for what follows a NUL', 'alice\0x', password], ['wrong', 'alice', wrong], ['disabled', 'gone', password], ['disabled and wrong', 'gone', wrong]]

  const answers = { token: new Map<string, object>(), basic: new Map<string, object>() }
  for (const [title, username, secret] of people) {
    await t.test(`${title} at POST /token`, async (t) => {
      t.equal(await hashesOf(async () => {
        const answer = await demo.send({ method: 'POST', url: '/token', ...form({ grant_type: 'password', username, password: secret }) })
        assertOauthError(t, demo, answer, { status: 400, error: 'invalid_grant' })
        answers.token.set(title, comparable(answer))
      }), 1)
    })
    // RFC 7617 §2: control characters are malformed there.
    if (!username.includes('\0')) await t.test(`${title} by Basic`, async (t) => {
      t.equal(await hashesOf(async () => {
        const answer = await demo.send({ url: '/basic/me', headers: basicOf(username, secret) })
        assertProblem(t, demo, answer, { status: 401, code: 'invalid_credentials', challenge: basicChallenge })
        answers.basic.set(title, comparable(answer))
      }), 1)
    })
  }
  for (const [way, given] of Object.entries(answers)) {
    const [first, ...others] = given.values()
    for (const other of others) t.strictSame(other, first, `the same answer by ${way}`)
  }
  t.equal(await hashesOf(() => demo.send({ url: '/basic/me', headers: basicOf('alice', password) })), 1, 'a good one costs the same the first time')
})

t.test('R137 twenty failed attempts a minute from an address, and not one that succeeded', async (t) => {
  const demo = await buildDemo(t)
  await demo.person('alice')
  const remoteAddress = anAddress()
  const attempt = (secret: string): Promise<LightMyRequestResponse> => demo.send({ method: 'POST', url: '/token', remoteAddress, ...form({ grant_type: 'password', username: 'alice', password: secret }) })
  t.equal((await attempt(password)).statusCode, 200)
  for (let failed = 0; failed < 20; failed += 1) t.equal((await attempt('')).statusCode, 400)
  const spent = await hashesOf(async () => {
    const refused = await attempt(password)
    assertOauthError(t, demo, refused, { status: 429, error: 'slow_down' })
    t.match(refused.headers, { 'retry-after': /^[1-9]\d*$/, 'ratelimit-policy': '"token";q=600;w=60, "token-failures";q=20;w=60' })
  })
  t.equal(spent, 0, 'R086 before any hash')
})

t.test('R137 the password grant is off unless it is turned on, which is logged', async (t) => {
  const demo = await buildDemo(t)
  t.ok(demo.log.some((line) => line.includes('"level":40') && line.includes('the password grant is on')))
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(rateLimit)
  await app.register(stores, { file: ':memory:' })
  await app.register(passwords)
  await app.register(tokens, { issuer, keyFile: `${t.testdirName}/token-key`, createKey: true, publicClient: 'app' })
  await app.register(accounts, { roles: { editor: ['me'] }, defaultRoles: ['editor'] })
  await app.register(tokenRoutes)
  await app.accounts.register({ username: 'alice', email: 'alice@example.com', password })
  const answer = await app.inject({ method: 'POST', url: '/token', ...form({ grant_type: 'password', username: 'alice', password }) })
  t.equal(answer.statusCode, 400)
  t.match(answer.json(), { error: 'unsupported_grant_type' })
})

t.test('the password grant is on or off, never nearly', async (t) => {
  for (const passwordGrant of ['false', 1, null]) {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => await app.register(tokenRoutes, { passwordGrant: passwordGrant as never }), { code: 'GATEHOUSE_OPTION_INVALID', message: /tokenRoutes\.passwordGrant/ }, JSON.stringify(passwordGrant))
  }
})

t.test('R020 GET /basic/me', async (t) => {
  const demo = await buildDemo(t)
  const { basic } = await demo.person('alice')
  t.strictSame((await demo.send({ url: '/basic/me', headers: basic })).json(), { username: 'alice' })
  t.strictSame((await demo.send({ url: '/basic/me', headers: basicOf('ALICE', password) })).json(), { username: 'alice' })
  await assertRefused(t, demo, { url: '/basic/me' }, { status: 401, code: 'credentials_required', challenge: basicChallenge })
  await assertRefused(t, demo, { url: '/basic/me', headers: await demo.token(await demo.person('bob')) }, { status: 401, code: 'credentials_required', challenge: basicChallenge })
})

import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { openBrowser, setCookiesOf } from '../fixtures/browser.ts'
import { testClock } from '../fixtures/clock.ts'
import { assertNoSecret, assertProblem, assertRefused, buildDemo, comparable, cookieChallenge, form, hashesOf, issuer, password } from '../demo.ts'
import type { InjectOptions } from 'fastify'
import type { Test } from 'tap'
import type { Browser } from '../fixtures/browser.ts'
import type { Demo, Headers, Person } from '../demo.ts'

const NAME = '__Host-session'
const other = 'another lamp beside the harbour'
const meChallenges = ['Bearer realm="api", scope="me"', cookieChallenge]

function keyFile (): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const path = join(folder, 'key')
  writeFileSync(path, randomBytes(32).toString('base64'), { mode: 0o600 })
  return path
}

/** A browser that is logged in, and what its pages send. */
interface Login {
  readonly browser: Browser
  readonly id: string
  /** The cookie, and the token for it. */
  readonly headers: Record<string, string>
  send: Browser['send']
}

function login (username: string, secret = password): InjectOptions {
  return { method: 'POST', url: '/session', payload: { username, password: secret } }
}

async function logIn (demo: Demo, { username }: Pick<Person, 'username'>, secret = password): Promise<Login> {
  const browser = openBrowser(demo.send)
  const { id, csrf_token: token } = (await browser.send(login(username, secret))).json<{ id: string; csrf_token: string }>()
  const cookie = await browser.cookies()
  demo.secrets.add(cookie.slice(NAME.length + 1))
  return {
    browser,
    id,
    headers: { cookie, 'x-csrf-token': token, 'sec-fetch-site': 'same-origin' },
    send: (request) => browser.send({ ...request, headers: { 'x-csrf-token': token, ...request.headers } })
  }
}

async function isIn ({ browser }: Login): Promise<boolean> {
  const { statusCode } = await browser.send({ url: '/session' })
  return statusCode === 200
}

async function rows ({ app }: Demo, { id }: Person): Promise<string[]> {
  return (await app.stores.sessions.listBySubject(id, { limit: 100 })).items.map((session) => session.id)
}

t.test('POST /session logs in, GET /session tells who it is, DELETE /session logs out', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const browser = openBrowser(demo.send)
  const made = await browser.send(login('Alice'))
  t.equal(made.statusCode, 201)
  t.match(setCookiesOf(made), [/^__Host-session=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/])
  t.equal(made.headers['cache-control'], 'no-store')
  const body = made.json<{ id: string; csrf_token: string }>()
  t.match(body, { subject: alice.id, username: 'alice', roles: ['editor'], scopes: ['me', 'items:read', 'items:write'], csrf_token: /^[\w-]{20,}$/ })
  t.strictSame(await rows(demo, alice), [body.id])
  const told = await browser.send({ url: '/session' })
  t.equal(told.headers['cache-control'], 'no-store')
  t.strictSame({ ...told.json<object>(), csrf_token: '' }, { ...body, csrf_token: '' })
  assertProblem(t, demo, await browser.send({ method: 'DELETE', url: '/session' }), { status: 403, code: 'csrf_token_invalid' })
  const out = await browser.send({ method: 'DELETE', url: '/session', headers: { 'x-csrf-token': body.csrf_token } })
  t.equal(out.statusCode, 204)
  t.strictSame([await browser.cookies(), await rows(demo, alice)], ['', []])
  await assertRefused(t, demo, { url: '/session' }, { status: 401, code: 'credentials_required', challenge: cookieChallenge })
})

t.test('what becomes of sessions is in the audit log, with them or not at all', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const session = await logIn(demo, alice)
  await session.browser.send(login('alice', 'not the password'))
  const again = await session.browser.send(login('alice'))
  const { id, csrf_token: token } = again.json<{ id: string; csrf_token: string }>()
  await session.browser.send({ method: 'DELETE', url: '/session', headers: { 'x-csrf-token': token } })
  const items = (await demo.app.stores.audit.list({ actor: alice.id })).items.filter(({ event }) => event.startsWith('session_'))
  const origin = { outcome: 'success', method: 'POST', route: '/session', request_id: String }
  t.match(items, [{ ...origin, event: 'session_expired', method: 'DELETE', target: id, reason: 'logout' }, { ...origin, event: 'session_renewed', target: id }, { ...origin, event: 'session_created', target: session.id }])
  t.equal(items.length, 3)
})

t.test('R088 POST /session: unknown, wrong and disabled are one answer, after one hash', async (t) => {
  const demo = await buildDemo(t)
  await demo.person('alice')
  const off = await demo.person('disabled')
  await demo.app.accounts.update(off.id, { disabled: true })
  const wrong = 'not the password of anyone'
  demo.secrets.add(wrong)
  const refused = { status: 401, code: 'invalid_credentials', challenge: cookieChallenge }
  const attempts: readonly (readonly [string, InjectOptions, number])[] = [
    ['a wrong password', login('alice', wrong), 1],
    ['nobody', login('nobody'), 1],
    ['a disabled account', login('disabled'), 1],
    ['a name that cannot be', login('\u202ealice'), 1],
    ['U+0000 in the name', login('alice\u0000'), 1],
    ['a name that objects have', login('__proto__'), 1],
    ['SQL', login("' or 1=1 --"), 1],
    ['an emoji', login('🧞'), 1],
    ['R082 a password with a space more', login('alice', `${password} `), 1]
  ]
  const answers: object[] = []
  for (const [title, request, hashes] of attempts) {
    await t.test(title, async (t) => {
      t.equal(await hashesOf(async () => { answers.push(comparable(await assertRefused(t, demo, request, refused))) }), hashes)
    })
  }
  t.equal(new Set(answers.map((answer) => JSON.stringify(answer).replace(/"ratelimit":"[^"]*"/, ''))).size, 1)
  t.strictSame(await rows(demo, off), [])
})

t.test('what else POST /session refuses makes no session, and costs no hash', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const good = login('alice')
  const payload = JSON.stringify(good.payload)
  const typed = (type: string): InjectOptions => ({ ...good, headers: { 'content-type': type }, payload })
  const attempts: readonly (readonly [string, InjectOptions, number, string])[] = [
    ['R114 Sec-Fetch-Site: cross-site', { ...good, headers: { 'sec-fetch-site': 'cross-site' } }, 403, 'cross_site_request'],
    ['R114 same-site', { ...good, headers: { 'sec-fetch-site': 'same-site' } }, 403, 'cross_site_request'],
    ['R114 another Origin', { ...good, headers: { origin: 'https://evil.example' } }, 403, 'cross_site_request'],
    ['R114 Origin: null', { ...good, headers: { origin: 'null' } }, 403, 'cross_site_request'],
    ['R117 text', typed('text/plain'), 415, 'unsupported_media_type'],
    ['R117 a form', { ...good, ...form({ username: 'alice', password }) }, 415, 'unsupported_media_type'],
    ['R117 multipart', typed('multipart/form-data; boundary=x'), 415, 'unsupported_media_type'],
    ['R117 CVE-2022-41919 JSON behind something else', typed('text/plain; application/json'), 415, 'unsupported_media_type'],
    ['R117 no type', { ...good, headers: {}, payload: Buffer.from(payload) }, 415, 'unsupported_media_type'],
    ['no body', { method: 'POST', url: '/session' }, 400, 'validation'],
    ['no password', { ...good, payload: { username: 'alice' } }, 400, 'validation'],
    ['a member more', { ...good, payload: { username: 'alice', password, remember: true } }, 400, 'validation'],
    ['a list as a name', { ...good, payload: { username: ['alice'], password } }, 400, 'validation'],
    ['a number as a password', { ...good, payload: { username: 'alice', password: 1 } }, 400, 'validation'],
    ['R086 a password of 5000 characters', login('alice', 'x'.repeat(5000)), 400, 'validation'],
    ['R103 plain http, and no loopback host', { ...good, headers: { host: 'demo.example' } }, 403, 'https_required']
  ]
  for (const [title, request, status, code] of attempts) {
    await t.test(title, async (t) => {
      t.equal(await hashesOf(async () => {
        const answer = await assertRefused(t, demo, request, { status, code })
        t.strictSame(setCookiesOf(answer), [])
      }), 0)
      t.strictSame(await rows(demo, alice), [])
    })
  }
  for (const headers of [{}, { origin: issuer }, { 'sec-fetch-site': 'none' }]) t.equal((await demo.send({ ...good, headers })).statusCode, 201, 'R114 from here, or from no browser')
})

t.test('R091 twenty failures a minute an address, also all at once, and not one hash more', async (t) => {
  const demo = await buildDemo(t)
  await demo.person('alice')
  const remoteAddress = '203.0.113.7'
  const statuses: number[] = []
  const spent = await hashesOf(async () => {
    for (const { statusCode } of await Promise.all(Array.from({ length: 40 }, () => demo.app.inject({ ...login('alice', 'not the password'), remoteAddress })))) statuses.push(statusCode)
  })
  t.equal(statuses.filter((status) => status === 429).length, 20)
  t.ok(spent <= 20)
  t.equal((await demo.app.inject({ ...login('alice'), remoteAddress })).statusCode, 429)
  for (let n = 0; n < 5; n++) await demo.app.inject({ ...login('alice'), headers: { origin: 'https://evil.example' }, remoteAddress: '203.0.113.8' })
  t.match((await demo.app.inject({ ...login('alice'), remoteAddress: '203.0.113.8' })).headers.ratelimit, /"session-failures";r=19/, 'what other sites make a browser send uses nothing up')
})

t.test('R106 one lists one\'s sessions and ends one, or all; nobody else\'s', async (t) => {
  const demo = await buildDemo(t)
  const [alice, bob] = [await demo.person('alice'), await demo.person('bob')]
  const [first, second, third] = [await logIn(demo, alice), await logIn(demo, alice), await logIn(demo, alice)]
  const bobs = await logIn(demo, bob)
  const listed = (await second.send({ url: '/users/me/sessions' })).json<{ items: { id: string; current: boolean }[] }>().items
  t.strictSame(listed.map(({ id, current }) => [id, current]).sort(), [[first.id, false], [second.id, true], [third.id, false]].sort())
  t.notOk(JSON.stringify(listed).includes('csrf'))
  const page = (await second.send({ url: '/users/me/sessions?limit=2' })).json<{ items: object[]; next: string }>()
  t.equal(page.items.length, 2)
  t.equal((await second.send({ url: `/users/me/sessions?cursor=${page.next}` })).json<{ items: object[] }>().items.length, 1)

  const one = (id: string): InjectOptions => ({ method: 'DELETE', url: `/users/me/sessions/${id}` })
  const refusals: readonly (readonly [string, InjectOptions, number, string])[] = [
    ['somebody else\'s', { ...one(bobs.id), headers: first.headers }, 404, 'not_found'],
    ['one that is none', { ...one('A'.repeat(43)), headers: first.headers }, 404, 'not_found'],
    ['an id that cannot be', { ...one('1'), headers: first.headers }, 400, 'validation'],
    ['R110 without a token', { ...one(third.id), headers: { cookie: first.headers['cookie'] ?? '', 'sec-fetch-site': 'same-origin' } }, 403, 'csrf_token_invalid'],
    ['R110 from another site', { ...one(third.id), headers: { ...first.headers, 'sec-fetch-site': 'cross-site' } }, 403, 'cross_site_request'],
    ['R110 all of them, without a token', { method: 'DELETE', url: '/users/me/sessions', headers: { ...first.headers, 'x-csrf-token': bobs.headers['x-csrf-token'] ?? '' } }, 403, 'csrf_token_invalid']
  ]
  for (const [title, request, status, code] of refusals) await t.test(title, (t) => assertRefused(t, demo, request, { status, code }))
  await assertRefused(t, demo, { url: '/users/me/sessions' }, { status: 401, code: 'credentials_required', challenge: meChallenges })
  await assertRefused(t, demo, { url: '/users/me/sessions', headers: await demo.token(alice, 'items:read') }, { status: 403, code: 'insufficient_scope', challenge: 'Bearer realm="api", error="insufficient_scope", scope="me"' })
  t.equal((await rows(demo, alice)).length, 3)

  t.equal((await first.send(one(third.id))).statusCode, 204)
  t.strictSame([await isIn(first), await isIn(second), await isIn(third)], [true, true, false])
  const own = await first.send(one(first.id))
  t.strictSame([own.statusCode, await first.browser.cookies()], [204, ''], 'with one\'s own goes the cookie')
  const fourth = await logIn(demo, alice)
  const all = await fourth.send({ method: 'DELETE', url: '/users/me/sessions' })
  t.strictSame([all.statusCode, await fourth.browser.cookies(), await rows(demo, alice)], [204, '', []])
  t.strictSame([await isIn(second), await isIn(bobs)], [false, true])

  const fifth = await logIn(demo, alice)
  const token = await demo.token(alice)
  t.strictSame((await demo.send({ url: '/users/me/sessions', headers: token })).json<{ items: object[] }>().items.map((session) => 'current' in session && session.current), [false])
  const byToken = await demo.send({ method: 'DELETE', url: '/users/me/sessions', headers: token })
  t.strictSame([byToken.statusCode, setCookiesOf(byToken), await isIn(fifth)], [204, [], false], 'R115 a token needs no CSRF token')
})

t.test('R092 R100 a change of password gives the session another id, and ends the others, in every process', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const [mine, elsewhere] = [await logIn(demo, alice), await logIn(demo, alice)]
  const family = await demo.token(alice)
  const before = mine.headers['cookie'] ?? ''
  const stores = await demo.elsewhere()
  demo.secrets.add(other)
  const change = (current: string): InjectOptions => ({ method: 'PUT', url: '/users/me/password', payload: { current_password: current, new_password: other } })
  const failed = await mine.send(change('not the password'))
  t.strictSame([failed.statusCode, setCookiesOf(failed), await isIn(mine), await isIn(elsewhere)], [400, [], true, true])
  const changed = await mine.send(change(password))
  t.equal(changed.statusCode, 204)
  assertNoSecret(t, demo, changed)
  t.not(await mine.browser.cookies(), before)
  t.strictSame([await isIn(mine), await isIn(elsewhere)], [true, false])
  t.equal((await demo.send({ url: '/session', headers: { cookie: before } })).statusCode, 401, 'the old id is dead at once')
  t.equal((await demo.send({ url: '/users/me', headers: family })).statusCode, 401)
  const kept = await rows(demo, alice)
  t.equal(kept.length, 1)
  t.equal(await stores.sessions.findActive(mine.id), null)
  t.match(await stores.sessions.findActive(kept[0] ?? ''), { subject: alice.id })
  t.equal((await mine.send({ method: 'DELETE', url: '/session' })).statusCode, 403, 'a CSRF token of the old id does not go on')
})

t.test('R106 R126 an account that is disabled, or whose roles change, has no sessions any more', async (t) => {
  const demo = await buildDemo(t)
  const boss = await logIn(demo, await demo.person('boss', ['admin']))
  const alice = await demo.person('alice')
  const patch = async (payload: object): Promise<number> => (await boss.send({ method: 'PATCH', url: `/admin/users/${alice.id}`, payload })).statusCode
  for (const [payload, ends] of [[{ roles: ['editor'] }, false], [{ disabled: false }, false], [{ roles: ['editor', 'admin'] }, true], [{ roles: ['viewer'] }, true], [{ disabled: true }, true]] as const) {
    const session = await logIn(demo, alice)
    t.equal(await patch(payload), 200)
    t.equal(await isIn(session), !ends, JSON.stringify(payload))
    if (ends) t.strictSame(await rows(demo, alice), [])
  }
  t.equal(await patch({ disabled: false }), 200)
  t.equal((await demo.send(login('alice'))).statusCode, 201, 'and logs in again')
})

t.test('a login during a change of password or a disabling leaves no session behind', async (t) => {
  for (const change of ['password', 'disabled', 'nothing'] as const) {
    await t.test(change, async (t) => {
      const demo = await buildDemo(t)
      const alice = await demo.person('alice')
      const hash = (await demo.app.stores.users.findCredentials('alice'))?.passwordHash ?? ''
      const to = await demo.app.passwords.hash(other)
      let changed: Promise<unknown> = Promise.resolve()
      // While the hash of the login is computed
      const onHash = (): void => {
        if (change === 'password') changed = demo.app.stores.users.replacePasswordHash(alice.id, { from: hash, to })
        if (change === 'disabled') changed = demo.app.accounts.update(alice.id, { disabled: true })
      }
      subscribe('gatehouse:passwords:hash', onHash)
      const answer = await demo.send(login('alice'))
      unsubscribe('gatehouse:passwords:hash', onHash)
      await changed
      t.equal(answer.statusCode, change === 'nothing' ? 201 : 401)
      t.equal(setCookiesOf(answer).length, change === 'nothing' ? 1 : 0)
      t.equal((await rows(demo, alice)).length, change === 'nothing' ? 1 : 0)
    })
  }
})

t.test('R105 a change of password brings no session back that ended meanwhile', async (t) => {
  const ways: Record<string, (demo: Demo, person: Person) => Promise<unknown>> = {
    'signed out everywhere': ({ app }, { id }) => app.stores.sessions.removeBySubject(id),
    disabled: ({ app }, { id }) => app.accounts.update(id, { disabled: true }),
    'other roles': ({ app }, { id }) => app.accounts.update(id, { roles: ['viewer'] })
  }
  for (const [title, end] of Object.entries(ways)) {
    await t.test(title, async (t) => {
      const demo = await buildDemo(t)
      const alice = await demo.person('alice')
      const mine = await logIn(demo, alice)
      const before = await demo.app.stores.users.findCredentials('alice')
      // The guards have let the request in when its body is read.
      const body = Readable.from((async function * () {
        await end(demo, alice)
        yield JSON.stringify({ current_password: password, new_password: other })
      })())
      const answer = await demo.send({ method: 'PUT', url: '/users/me/password', headers: { ...mine.headers, 'content-type': 'application/json' }, payload: body })
      assertProblem(t, demo, answer, { status: 401, code: 'credentials_required', challenge: cookieChallenge })
      t.strictSame(setCookiesOf(answer), [])
      t.strictSame(await rows(demo, alice), [])
      t.equal((await demo.app.stores.users.findCredentials('alice'))?.passwordHash, before?.passwordHash, 'and nothing changed')
    })
  }
})

t.test('of many logins and disablings at once, no session outlives the account', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const logins = Array.from({ length: 4 }, () => demo.send(login('alice')))
  await Promise.all([...logins, demo.app.accounts.update(alice.id, { disabled: true }), demo.send(login('alice'))])
  t.strictSame(await rows(demo, alice), [])
})

t.test('R104 idle for half an hour, twelve hours at most, whatever the cookie says', async (t) => {
  const clock = testClock(t)
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const session = await logIn(demo, alice)
  const isNoted = async (): Promise<boolean> => {
    const [found] = (await demo.app.stores.sessions.listBySubject(alice.id)).items
    return Date.now() - Date.parse(found?.last_seen_at ?? '') < 60_000
  }
  for (let minutes = 0; minutes < 720; minutes += 20) {
    t.equal(await isIn(session), true)
    for (let tries = 0; tries < 200 && !await isNoted(); tries++) await new Promise((resolve) => { setTimeout(resolve, 5) })
    clock.advance(20 * 60)
  }
  t.equal(await isIn(session), false, 'after twelve hours')
  const next = await logIn(demo, { username: 'alice' })
  clock.advance(30 * 60)
  t.equal(await isIn(next), false, 'after half an hour of nothing')
})

t.test('sessions do what their owner may: profile, keys, administration; with the CSRF token', async (t) => {
  const demo = await buildDemo(t)
  const boss = await logIn(demo, await demo.person('boss', ['admin']))
  const alice = await logIn(demo, await demo.person('alice'))
  const key = (await alice.send({ method: 'POST', url: '/api-keys', payload: { name: 'a key', scopes: ['items:read'] } })).json<{ id: string; key: string; client_id: null }>()
  t.equal(key.client_id, null)
  const good: readonly (readonly [Login, InjectOptions & { url: string }, number])[] = [
    [alice, { url: '/users/me' }, 200],
    [alice, { method: 'PATCH', url: '/users/me', payload: { full_name: 'Alice' } }, 200],
    [alice, { url: '/api-keys' }, 200],
    [alice, { method: 'POST', url: `/api-keys/${key.id}/rotate`, payload: {} }, 201],
    [alice, { method: 'DELETE', url: `/api-keys/${key.id}` }, 204],
    [alice, { method: 'POST', url: '/api-keys', payload: { name: 'wide', scopes: ['admin'] } }, 403],
    [alice, { url: '/admin' }, 403],
    [boss, { url: '/admin' }, 200],
    [boss, { url: '/admin/users' }, 200],
    [boss, { url: '/admin/clients' }, 200],
    [boss, { method: 'POST', url: '/admin/clients', payload: { name: 'a client', grants: ['client_credentials'], scopes: ['items:read'] } }, 201]
  ]
  for (const [who, request, status] of good) t.equal((await who.send(request)).statusCode, status, `${request.method ?? 'GET'} ${request.url}`)
  for (const [who, request] of good.filter(([, { method = 'GET' }]) => method !== 'GET')) {
    await t.test(`R110 ${String(request.method)} ${request.url}`, async (t) => {
      const { cookie = '' } = who.headers
      await assertRefused(t, demo, { ...request, headers: { cookie, 'sec-fetch-site': 'same-origin' } }, { status: 403, code: 'csrf_token_invalid' })
      await assertRefused(t, demo, { ...request, headers: { ...who.headers, 'sec-fetch-site': 'cross-site' } }, { status: 403, code: 'cross_site_request' })
      await assertRefused(t, demo, { ...request, headers: { cookie, 'x-csrf-token': who.headers['x-csrf-token'] ?? '' } }, { status: 403, code: 'cross_site_request' })
    })
  }
  await t.test('R115 a token decides where there is one: no CSRF, and its rights', async (t) => {
    const token: Headers = await demo.token({ username: 'alice' } as Person)
    const { cookie = '' } = boss.headers
    const mixed = { ...token, cookie, 'sec-fetch-site': 'cross-site' }
    t.equal((await demo.send({ method: 'PATCH', url: '/users/me', headers: mixed, payload: { full_name: 'A' } })).json<{ username: string }>().username, 'alice')
    await assertRefused(t, demo, { method: 'PATCH', url: '/users/me', headers: { authorization: 'Bearer a.b.c', cookie, 'sec-fetch-site': 'cross-site' }, payload: { full_name: 'A' } }, { status: 403, code: 'cross_site_request' })
  })
  for (const url of ['/items', '/basic/me']) t.equal((await alice.send({ url })).statusCode, 401, 'R076 nor is a session a key or a password')
})

t.test('with DOCS=admin an administrator reads the docs by session', async (t) => {
  const demo = await buildDemo(t, { NODE_ENV: 'production', TOKEN_KEY_FILE: keyFile(), DOCS: 'admin', ADMIN_USERNAME: 'root', ADMIN_PASSWORD: 'harbour lamps at night' })
  const [root, editor] = [await logIn(demo, { username: 'root' }, 'harbour lamps at night'), await logIn(demo, await demo.person('editor'))]
  for (const url of ['/docs', '/openapi.json']) {
    t.strictSame([(await root.send({ url })).statusCode, (await editor.send({ url })).statusCode], [200, 403])
  }
})

t.test('R007 stores that are down let nobody in', async (t: Test) => {
  const demo = await buildDemo(t)
  const alice = await logIn(demo, await demo.person('alice'))
  await demo.app.stores.close()
  for (const request of [{ url: '/session' }, { url: '/users/me' }, { method: 'DELETE', url: '/session' }] as const) {
    const answer = await alice.send(request)
    assertProblem(t, demo, answer, { status: 503, code: 'unavailable' })
    t.strictSame(setCookiesOf(answer), [])
  }
})

import t from 'tap'
import { createApiKey } from '../../credentials/api-keys.ts'
import { assertNoSecret, assertRefused, basicOf, buildDemo, cookieChallenge, form, hashesOf, password } from '../demo.ts'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Demo, Headers, Person, Refused } from '../demo.ts'

const meChallenge = ['Bearer realm="api", scope="me"', cookieChallenge]
const badToken = ['Bearer realm="api", error="invalid_token", error_description="The access token is invalid"', cookieChallenge]
const basicChallenge = 'Basic realm="api", charset="UTF-8"'
const other = 'another lamp beside the harbour'
const nobody = '0192f0c1-2345-7abc-8def-0123456789ab'

function change (headers: Headers, changes: Record<string, unknown> = {}): InjectOptions {
  return { method: 'PUT', url: '/users/me/password', headers, payload: { current_password: password, new_password: other, ...changes } }
}

function patch (headers: Headers, id: string, payload: object): InjectOptions {
  return { method: 'PATCH', url: `/admin/users/${id}`, headers, payload }
}

async function logIn (demo: Demo, username: string, secret: string): Promise<number> {
  return (await demo.send({ method: 'POST', url: '/token', ...form({ grant_type: 'password', username, password: secret }) })).statusCode
}

/** A login of every kind that does not come from a request here: a refresh family and a session. */
async function logInElsewhere ({ app }: Demo, { id }: Person): Promise<{ digest: string; session: string }> {
  const [digest, session] = [createApiKey().digest, createApiKey().digest]
  const end = new Date(Date.now() + 3_600_000)
  await app.stores.refreshTokens.create({ digest, clientId: 'demo', subject: id, scopes: ['me'], idleExpiresAt: end, absoluteExpiresAt: end })
  await app.stores.sessions.create({ id: session, subject: id, authenticatedAt: new Date(), idleExpiresAt: end, absoluteExpiresAt: end })
  return { digest, session }
}

async function isLoggedIn ({ app }: Demo, { digest, session }: { digest: string; session: string }): Promise<{ family: boolean; session: boolean }> {
  const [token, found] = await Promise.all([app.stores.refreshTokens.findByDigest(digest), app.stores.sessions.findActive(session)])
  return { family: token?.active === true, session: found !== null }
}

t.test('R092 R143 PUT /users/me/password changes it and ends all other logins, for that account', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const bob = await demo.person('bob')
  const headers = await demo.token(alice)
  const key = await demo.key(headers, ['items:read'])
  const elsewhere = await demo.token(alice)
  const [mine, bobs] = [await logInElsewhere(demo, alice), await logInElsewhere(demo, bob)]
  t.equal((await demo.send({ url: '/basic/me', headers: alice.basic })).statusCode, 200, 'kept for later')
  demo.secrets.add(other)

  let answer: LightMyRequestResponse | undefined
  t.equal(await hashesOf(async () => { answer = await demo.send(change(headers)) }), 2, 'one to verify, one to store')
  t.equal(answer?.statusCode, 204)
  t.equal(answer?.body, '')
  if (answer !== undefined) assertNoSecret(t, demo, answer)

  t.equal(await logIn(demo, 'alice', other), 200)
  t.equal(await logIn(demo, 'alice', password), 400)
  await assertRefused(t, demo, { url: '/basic/me', headers: alice.basic }, { status: 401, code: 'invalid_credentials', challenge: basicChallenge })
  t.equal((await demo.send({ url: '/basic/me', headers: basicOf('alice', other) })).statusCode, 200)
  t.strictSame(await isLoggedIn(demo, mine), { family: false, session: false })
  await assertRefused(t, demo, { url: '/users/me', headers: elsewhere }, { status: 401, code: 'invalid_token', challenge: badToken })
  t.equal((await demo.send({ url: '/users/me', headers })).statusCode, 200, 'who changed it stays logged in')
  t.strictSame(await isLoggedIn(demo, bobs), { family: true, session: true }, 'nobody else is logged out')
  t.equal((await demo.send({ url: '/items', headers: key.headers })).statusCode, 200, 'R076 keys are no logins')
})

t.test('R092 what PUT /users/me/password refuses: nothing is changed, nobody is logged out', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const headers = await demo.token(alice)
  const login = await logInElsewhere(demo, alice)
  const key = await demo.key(headers, ['me'])
  const wrong = 'not the password of anyone'
  demo.secrets.add(wrong)
  const invalid: Refused = { status: 400, code: 'validation' }
  const rows: [string, InjectOptions, Refused, object | null, number][] = [
    ['R030 no credentials', { headers: {} }, { status: 401, code: 'credentials_required', challenge: meChallenge }, null, 0],
    ['R037 Basic, with the right password', { headers: alice.basic }, { status: 401, code: 'credentials_required', challenge: meChallenge }, null, 0],
    ['R076 an API key with the scope', { headers: key.headers }, { status: 401, code: 'credentials_required', challenge: meChallenge }, null, 0],
    ['a token without the scope', { headers: await demo.token(alice, 'items:read') }, { status: 403, code: 'insufficient_scope', challenge: 'Bearer realm="api", error="insufficient_scope", scope="me"' }, null, 0],
    ['a wrong current password', change(headers, { current_password: wrong }), invalid, { pointer: '/current_password' }, 1],
    ['R082 the current password and a space', change(headers, { current_password: `${password} ` }), invalid, { pointer: '/current_password' }, 1],
    ['no current password', change(headers, { current_password: undefined }), invalid, { pointer: '/current_password' }, 0],
    ['an empty one', change(headers, { current_password: '' }), invalid, { pointer: '/current_password' }, 0],
    ['R080 a new one that is short', change(headers, { new_password: 'short' }), invalid, { pointer: '/new_password', detail: /at least 15/ }, 0],
    ['R083 a new one that is common', change(headers, { new_password: 'PASSWORDPASSWORD' }), invalid, { pointer: '/new_password' }, 0],
    ['R083 a new one made of the name', change(headers, { new_password: 'alice-alice-alice-1234' }), invalid, { pointer: '/new_password' }, 0],
    ['R183 somebody else', change(headers, { username: 'bob' }), invalid, { pointer: '/username' }, 0]
  ]
  for (const [title, request, refused, error, hashes] of rows) {
    await t.test(title, async (t) => {
      let answer: LightMyRequestResponse | undefined
      t.equal(await hashesOf(async () => { answer = await assertRefused(t, demo, { ...change(headers), ...request }, refused) }), hashes)
      if (error !== null) t.match(answer?.json(), { errors: [{ in: 'body', ...error }] })
      t.strictSame(await isLoggedIn(demo, login), { family: true, session: true })
    })
  }
})

t.test('R091 ten wrong current passwords in a quarter of an hour, also all at once, and not one hash more', async (t) => {
  const demo = await buildDemo(t)
  const headers = await demo.token(await demo.person('alice'))
  const wrong = change(headers, { current_password: 'not the password of anyone' })
  const statuses: number[] = []
  const spent = await hashesOf(async () => {
    for (const { statusCode } of await Promise.all(Array.from({ length: 50 }, () => demo.send(wrong)))) statuses.push(statusCode)
  })
  t.strictSame(statuses.sort(), [...Array<number>(10).fill(400), ...Array<number>(40).fill(429)])
  t.equal(spent, 10)
  await assertRefused(t, demo, change(headers), { status: 429, code: 'quota_exceeded' })
})

t.test('of two that change a password at once, one does', async (t) => {
  const demo = await buildDemo(t)
  const headers = await demo.token(await demo.person('alice'))
  const answers = await Promise.all(['first', 'second'].map((word) => demo.send(change(headers, { new_password: `${word} ${other}` }))))
  t.strictSame(answers.map(({ statusCode }) => statusCode).sort(), [204, 409])
})

t.test('R106 R143 PATCH /admin/users/:id ends an account: its logins, its tokens, its keys', async (t) => {
  const demo = await buildDemo(t)
  const boss = await demo.token(await demo.person('boss', ['admin']))
  const alice = await demo.person('alice')
  const token = await demo.token(alice)
  const key = await demo.key(token, ['items:read'])
  const login = await logInElsewhere(demo, alice)
  const status = async (request: InjectOptions): Promise<number> => (await demo.send(request)).statusCode
  for (const request of [{ url: '/items', headers: key.headers }, { url: '/basic/me', headers: alice.basic }]) t.equal(await status(request), 200)

  const off = await demo.send(patch(boss, alice.id, { disabled: true }))
  t.equal(off.statusCode, 200)
  t.match(off.json(), { id: alice.id, disabled: true, roles: ['editor'] })
  await assertRefused(t, demo, { url: '/users/me', headers: token }, { status: 401, code: 'invalid_token', challenge: badToken })
  t.equal(await status({ url: '/items', headers: key.headers }), 401, 'at once, though it was used a moment ago')
  t.equal(await hashesOf(async () => { t.equal(await status({ url: '/basic/me', headers: alice.basic }), 401) }), 1)
  t.equal(await logIn(demo, 'alice', password), 400)
  t.strictSame(await isLoggedIn(demo, login), { family: false, session: false })

  t.match((await demo.send(patch(boss, alice.id, { disabled: false }))).json(), { disabled: false })
  t.equal(await logIn(demo, 'alice', password), 200)
  t.equal(await status({ url: '/items', headers: key.headers }), 401, 'what ended stays ended')
  t.strictSame(await isLoggedIn(demo, login), { family: false, session: false })
})

t.test('R126 PATCH /admin/users/:id gives and takes roles; tokens and keys that live get narrower at once', async (t) => {
  const demo = await buildDemo(t)
  const boss = await demo.token(await demo.person('boss', ['admin']))
  const alice = await demo.person('alice')
  const token = await demo.token(alice)
  const key = await demo.key(token, ['items:write'])
  const make = (headers: Headers): InjectOptions => ({ method: 'POST', url: '/items', headers, payload: { title: 'x' } })
  for (const headers of [token, key.headers]) t.equal((await demo.send(make(headers))).statusCode, 201)
  t.match((await demo.send(patch(boss, alice.id, { roles: ['viewer'] }))).json(), { roles: ['viewer'], disabled: false })
  for (const headers of [token, key.headers]) t.equal((await demo.send(make(headers))).statusCode, 403)
  t.match((await demo.send(patch(boss, alice.id, { roles: ['editor', 'admin'], disabled: false }))).json(), { roles: ['editor', 'admin'] })
  t.equal((await demo.send({ url: '/admin', headers: token })).statusCode, 403, 'a token never gets wider than it was')
  t.equal((await demo.send(make(key.headers))).statusCode, 201)
})

t.test('what PATCH /admin/users/:id refuses', async (t) => {
  const demo = await buildDemo(t)
  const boss = await demo.person('boss', ['admin'])
  const headers = await demo.token(boss)
  const alice = await demo.person('alice')
  const { headers: key } = await demo.key(headers, ['admin'])
  const challenge = ['Bearer realm="api", scope="admin"', cookieChallenge]
  const off = patch(headers, alice.id, { disabled: true })
  const rows: [string, InjectOptions, Refused][] = [
    ['no credentials', { ...off, headers: {} }, { status: 401, code: 'credentials_required', challenge }],
    ['an editor', { ...off, headers: await demo.token(alice) }, { status: 403, code: 'insufficient_scope', challenge: 'Bearer realm="api", error="insufficient_scope", scope="admin"' }],
    ['R076 an API key with the scope', { ...off, headers: key }, { status: 401, code: 'credentials_required', challenge }],
    ['an account that is none', patch(headers, nobody, { disabled: true }), { status: 404, code: 'not_found' }],
    ['an id that is none', patch(headers, 'alice', { disabled: true }), { status: 400, code: 'validation' }],
    ['nothing to change', patch(headers, alice.id, {}), { status: 400, code: 'validation' }],
    ['a role that is none', patch(headers, alice.id, { roles: ['editor', 'boss'] }), { status: 400, code: 'validation' }],
    ['a role that objects have', patch(headers, alice.id, { roles: ['constructor'] }), { status: 400, code: 'validation' }],
    ['a role twice', patch(headers, alice.id, { roles: ['editor', 'editor'] }), { status: 400, code: 'validation' }],
    ['R183 disabled as a text', patch(headers, alice.id, { disabled: 'true' }), { status: 400, code: 'validation' }],
    ['R183 a password', patch(headers, alice.id, { password: other }), { status: 400, code: 'validation' }],
    ['the last administrator, off', patch(headers, boss.id, { disabled: true }), { status: 409, code: 'conflict' }],
    ['the last administrator, without the role', patch(headers, boss.id, { roles: ['editor'] }), { status: 409, code: 'conflict' }]
  ]
  for (const [title, request, refused] of rows) await t.test(title, (t) => assertRefused(t, demo, request, refused))
  t.match((await demo.send(patch(headers, alice.id, { roles: ['boss'] }))).json(), { errors: [{ pointer: '/roles/0', in: 'body', detail: 'is no role' }] })
  t.equal((await demo.send({ url: '/admin', headers })).statusCode, 200, 'the last administrator is still logged in')
})

t.test('of administrators that take the role from each other at once, one keeps it', async (t) => {
  const demo = await buildDemo(t)
  const people = await Promise.all(['one', 'two', 'three'].map((name) => demo.person(name, ['admin'])))
  const tokens = await Promise.all(people.map((person) => demo.token(person)))
  const [first = {}] = tokens
  await Promise.all(people.map(({ id }, index) => demo.send(patch(tokens[(index + 1) % 3] ?? first, id, { disabled: index === 0, roles: ['editor'] }))))
  t.equal(await demo.app.stores.users.countByRole('admin'), 1)
})

t.test('R068 who somebody is does not hang on an e-mail address or a name', async (t) => {
  const demo = await buildDemo(t)
  const [alice, bob] = [await demo.person('alice'), await demo.person('bob')]
  const [alices, bobs] = [await demo.token(alice), await demo.token(bob)]
  const taken = { email: 'alice@example.com', full_name: 'alice' }
  t.match((await demo.send({ method: 'PATCH', url: '/users/me', headers: bobs, payload: taken })).json(), { id: bob.id, ...taken })
  for (const [headers, { id }] of [[alices, alice], [bobs, bob]] as const) t.match((await demo.send({ url: '/users/me', headers })).json(), { id })
  const { location } = (await demo.send({ method: 'POST', url: '/items', headers: alices, payload: { title: 'x' } })).headers
  await assertRefused(t, demo, { method: 'DELETE', url: String(location), headers: bobs }, { status: 403, code: 'access_denied' })
})

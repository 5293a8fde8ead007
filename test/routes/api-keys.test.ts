import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createApiKey } from '../../credentials/api-keys.ts'
import { assertNoSecret, assertProblem, assertRefused, buildDemo, cookieChallenge, hashesOf } from '../demo.ts'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import type { ApiKey } from '../../stores/ports.ts'
import type { Demo, Headers, Person, Refused } from '../demo.ts'

const meChallenge = ['Bearer realm="api", scope="me"', cookieChallenge]
const itemsChallenges = ['Bearer realm="api", scope="items:read"', 'ApiKey realm="api", in="header", name="X-API-Key"']
const refusedKey: Refused = { status: 401, code: 'invalid_credentials', challenge: itemsChallenges }
const read = (headers: Headers): InjectOptions => ({ url: '/items', headers })

type Issued = ApiKey & { key: string }

/** How many look-ups `work` costs. */
async function lookUpsOf ({ app: { stores: { users, apiKeys } } }: Demo, work: () => Promise<unknown>): Promise<number> {
  const { findActive } = apiKeys
  const { findById, findCredentials } = users
  let asked = 0
  const counted = <A extends unknown[], R>(look: (...given: A) => R) => (...given: A): R => {
    asked += 1
    return look(...given)
  }
  Object.assign(apiKeys, { findActive: counted(findActive) })
  Object.assign(users, { findById: counted(findById), findCredentials: counted(findCredentials) })
  await work()
  Object.assign(apiKeys, { findActive })
  Object.assign(users, { findById, findCredentials })
  return asked
}

async function make (demo: Demo, headers: Headers, payload: object): Promise<Issued> {
  const answer = await demo.send({ method: 'POST', url: '/api-keys', headers, payload: { name: 'a key', scopes: ['items:read'], ...payload } })
  const issued = answer.json<Issued>()
  demo.secrets.add(issued.key)
  return issued
}

function rotate (headers: Headers, id: string, payload: object = {}): InjectOptions {
  return { method: 'POST', url: `/api-keys/${id}/rotate`, headers, payload }
}

function bearing (key: string): Headers {
  return { 'x-api-key': key }
}

t.test('R074 POST /api-keys/:id/rotate gives a key that works beside the old one for the overlap', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.token(await demo.person('alice'))
  const old = await make(demo, alice, { limit: { max: 600, window_seconds: 60 } })
  const answer = await demo.send(rotate(alice, old.id, { overlap_seconds: 1 }))
  t.equal(answer.statusCode, 201)
  t.equal(answer.headers['cache-control'], 'no-store')
  const { key, ...next } = answer.json<Issued>()
  demo.secrets.add(key).add(key.slice(18))
  t.match(next, { name: old.name, scopes: old.scopes, limit: old.limit, client_id: old.client_id, rotated_to: null, revoked_at: null })
  t.not(next.id, old.id)
  for (const each of [old.key, key]) t.equal((await demo.send(read(bearing(each)))).statusCode, 200)

  const listed = await demo.send({ url: '/api-keys', headers: alice })
  t.match(listed.json<{ items: ApiKey[] }>().items.find(({ id }) => id === old.id), { rotated_to: next.id })
  assertNoSecret(t, demo, listed)
  await sleep(1100)
  await assertRefused(t, demo, read(bearing(old.key)), refusedKey)
  t.equal((await demo.send(read(bearing(key)))).statusCode, 200)

  t.match((await demo.send(rotate(alice, next.id))).json<Issued>(), { expires_at: /Z$/ })
  const { items } = (await demo.send({ url: '/api-keys', headers: alice })).json<{ items: ApiKey[] }>()
  t.equal(Math.round((Date.parse(items.find(({ id }) => id === next.id)?.expires_at ?? '') - Date.now()) / 3_600_000), 24, 'a day unless said otherwise')
  const last = items[0]?.id ?? ''
  const gone = (await demo.send(rotate(alice, last, { overlap_seconds: 0 }))).json<Issued>()
  t.equal((await demo.send(read(bearing(gone.key)))).statusCode, 200)
})

t.test('what POST /api-keys/:id/rotate refuses', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const token = await demo.token(alice)
  const bob = await demo.token(await demo.person('bob'))
  const { id, key } = await make(demo, token, { scopes: ['me', 'items:read'] })
  const rotated = await make(demo, token, {})
  await demo.send(rotate(token, rotated.id))
  const revoked = await make(demo, token, {})
  await demo.send({ method: 'DELETE', url: `/api-keys/${revoked.id}`, headers: token })
  const missing: Refused = { status: 404, code: 'not_found' }
  const rows: [string, InjectOptions, Refused][] = [
    ['no credentials', rotate({}, id), { status: 401, code: 'credentials_required', challenge: meChallenge }],
    ['R076 the key itself', rotate(bearing(key), id), { status: 401, code: 'credentials_required', challenge: meChallenge }],
    ['R075 somebody else', rotate(bob, id), missing],
    ['a key that is none', rotate(token, createApiKey().id), missing],
    ['a key that was rotated', rotate(token, rotated.id), missing],
    ['a key that was revoked', rotate(token, revoked.id), missing],
    ['R126 a token that lacks a scope of the key', rotate(await demo.token(alice, 'me'), id), { status: 403, code: 'insufficient_scope' }],
    ['an overlap over a week', rotate(token, id, { overlap_seconds: 604_801 }), { status: 400, code: 'validation' }],
    ['R183 scopes', rotate(token, id, { scopes: ['admin'] }), { status: 400, code: 'validation' }]
  ]
  for (const [title, request, refused] of rows) await t.test(title, (t) => assertRefused(t, demo, request, refused))
  const answers = await Promise.all(Array.from({ length: 10 }, () => demo.send(rotate(token, id))))
  t.strictSame(answers.map(({ statusCode }) => statusCode).sort(), [201, ...Array<number>(9).fill(404)], 'of ten at once, one gets a key')
})

t.test('R070 R072 a malformed key costs no look-up, a key that was verified costs none for five seconds', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.token(await demo.person('alice'))
  const { key } = await make(demo, alice, {})
  const changed = (at: number): string => `${key.slice(0, at)}${key[at] === 'A' ? 'B' : 'A'}${key.slice(at + 1)}`
  const rows: [string, string, number, number][] = [
    ['no key of ours', 'abc', 0, 401],
    ['a wrong checksum', changed(key.length - 1), 0, 401],
    ['another id under the checksum', changed(7), 0, 401],
    ['another secret under the checksum', changed(30), 0, 401],
    ['a key one character too long', `${key}0`, 0, 401],
    ['an unknown key', createApiKey().key, 1, 401],
    ['a good key', key, 2, 200],
    ['the same again', key, 0, 200]
  ]
  for (const [title, presented, asked, status] of rows) {
    await t.test(title, async (t) => {
      t.equal(await lookUpsOf(demo, async () => {
        t.equal((await demo.send(read(bearing(presented)))).statusCode, status)
      }), asked)
    })
  }
  await t.test('a refusal is never kept', async (t) => {
    const later = createApiKey()
    await assertRefused(t, demo, read(bearing(later.key)), refusedKey)
    const { id: owner } = (await demo.send({ url: '/users/me', headers: alice })).json<{ id: string }>()
    await demo.app.stores.apiKeys.create({ ...later, owner, name: 'x', scopes: ['items:read'] })
    t.equal((await demo.send(read(bearing(later.key)))).statusCode, 200)
  })
})

t.test('R074 R126 a key that was verified a moment ago ends at once, whoever ends it here', async (t) => {
  const ends: [string, (demo: Demo, subject: { alice: Person; token: Headers; key: Issued; clientId: string }) => Promise<unknown>, number][] = [
    ['its owner revokes it', (demo, { token, key }) => demo.send({ method: 'DELETE', url: `/api-keys/${key.id}`, headers: token }), 401],
    ['it is rotated without overlap', (demo, { token, key }) => demo.send(rotate(token, key.id, { overlap_seconds: 0 })), 401],
    ['its owner is disabled', (demo, { alice }) => demo.app.accounts.update(alice.id, { disabled: true }), 401],
    ['its owner is disabled in the store alone', (demo, { alice }) => demo.app.stores.users.update(alice.id, { disabled: true }), 403],
    ['its owner loses the role', (demo, { alice }) => demo.app.accounts.update(alice.id, { roles: [] }), 403],
    ['its client is revoked', (demo, { clientId }) => demo.app.stores.clients.revoke(clientId), 401],
    ['all keys of its owner are', (demo, { alice }) => demo.app.stores.apiKeys.revokeByOwner(alice.id), 401],
    ['it ends in a transaction', (demo, { alice }) => demo.app.stores.transaction((inside) => inside.apiKeys.revokeByOwner(alice.id)), 401]
  ]
  for (const [title, end, status] of ends) {
    await t.test(title, async (t) => {
      const demo = await buildDemo(t)
      const alice = await demo.person('alice')
      const token = await demo.token(alice)
      const client = await demo.app.stores.clients.create({ name: 'app', grants: ['refresh_token'], scopes: ['items:read'], secretDigest: createApiKey().digest })
      const principal = { kind: 'bearer', scheme: 'bearer', subject: alice.id, scopes: ['items:read'], roles: [], attributes: {}, issuer: null, clientId: client.client_id, tokenId: null, expiresAt: 0, claims: {} } as const
      const { key, apiKey } = await demo.app.accounts.createApiKey(principal, { name: 'x', scopes: ['items:read'] })
      t.equal(apiKey.client_id, client.client_id)
      t.equal(await lookUpsOf(demo, () => demo.send(read(bearing(key)))), 2)
      t.equal(await lookUpsOf(demo, async () => { t.equal((await demo.send(read(bearing(key)))).statusCode, 200) }), 0)
      await end(demo, { alice, token, key: { ...apiKey, key }, clientId: client.client_id })
      t.equal((await demo.send(read(bearing(key)))).statusCode, status)
    })
  }
})

t.test('what another process ends counts within five seconds, and an expired key at its second', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const token = await demo.token(alice)
  const [key, short] = [await make(demo, token, {}), createApiKey()]
  await demo.app.stores.apiKeys.create({ ...short, owner: alice.id, name: 'short', scopes: ['items:read'], expiresAt: new Date(Date.now() + 1000) })
  for (const each of [key.key, short.key]) t.equal((await demo.send(read(bearing(each)))).statusCode, 200)
  await (await demo.elsewhere()).apiKeys.revoke(key.id, alice.id)
  await sleep(1100)
  await assertRefused(t, demo, read(bearing(short.key)), refusedKey)
  await sleep(4000)
  await assertRefused(t, demo, read(bearing(key.key)), refusedKey)
})

t.test('R076 a key makes no keys, and another client rotates none', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const shared = { subject: alice.id, scopes: ['items:read'], roles: [], attributes: {} }
  const key = { ...shared, kind: 'apiKey', scheme: 'apiKey', keyId: 'x' } as const
  const client = async (): Promise<string> => (await demo.app.stores.clients.create({ name: 'app', grants: [], scopes: [], secretDigest: createApiKey().digest })).client_id
  const through = (clientId: string) => ({ ...shared, kind: 'bearer', scheme: 'bearer', issuer: null, clientId, tokenId: null, expiresAt: 0, claims: {} }) as const
  const [first, second] = [await client(), await client()]
  const { apiKey } = await demo.app.accounts.createApiKey(through(first), { name: 'x', scopes: ['items:read'] })
  await t.rejects(demo.app.accounts.createApiKey(key, { name: 'x', scopes: ['items:read'] }), { code: 'access_denied' })
  await t.rejects(demo.app.accounts.rotateApiKey(key, { id: apiKey.id }), { code: 'access_denied' })
  await t.rejects(demo.app.accounts.rotateApiKey(through(second), { id: apiKey.id }), { code: 'access_denied' })
  t.match(await demo.app.accounts.rotateApiKey(through(first), { id: apiKey.id }), { apiKey: { client_id: first } })
  const { apiKey: other } = await demo.app.accounts.createApiKey(through(first), { name: 'x', scopes: ['items:read'] })
  t.match(await demo.app.accounts.rotateApiKey(through('demo'), { id: other.id }), { apiKey: { client_id: first } }, 'the public client is never revoked')
})

t.test('R150 R151 R152 a key has a limit of its own, exact, on every route that takes it', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.token(await demo.person('alice'))
  const limited = await make(demo, alice, { limit: { max: 5, window_seconds: 60 } })
  t.strictSame(limited.limit, { max: 5, window_seconds: 60 })
  const [other, free] = [await make(demo, alice, { limit: { max: 1, window_seconds: 3600 } }), await make(demo, alice, {})]

  const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => demo.send({ ...read(bearing(limited.key)), url: index % 2 === 0 ? '/items' : '/items/0192f0c1-2345-7abc-8def-0123456789ab' })))
  const statuses = answers.map(({ statusCode }) => statusCode)
  t.equal(statuses.filter((status) => status === 429).length, 45, 'R091 of fifty at once, five')
  const passed = answers.filter(({ statusCode }) => statusCode !== 429)
  t.strictSame(passed.map(({ headers }) => /r=(\d)/.exec(String(headers.ratelimit))?.[1]).sort(), ['0', '1', '2', '3', '4'])
  for (const { headers } of passed) t.equal(headers['ratelimit-policy'], '"apiKey";q=5;w=60')
  const refused = answers.find(({ statusCode }) => statusCode === 429) as LightMyRequestResponse
  assertProblem(t, demo, refused, { status: 429, code: 'quota_exceeded' })
  t.match(refused.headers, { 'retry-after': /^[1-9]\d*$/, 'cache-control': 'no-store', ratelimit: /^"apiKey";r=0;t=\d+$/ })
  t.match(refused.json(), { 'violated-policies': ['apiKey'] })

  t.equal((await demo.send(read(bearing(other.key)))).headers['ratelimit-policy'], '"apiKey";q=1;w=3600', 'each key has its own')
  t.equal((await demo.send(read(bearing(other.key)))).statusCode, 429)
  for (const headers of [bearing(free.key), alice]) {
    const answer = await demo.send(read(headers))
    t.equal(answer.statusCode, 200)
    t.notOk('ratelimit' in answer.headers)
  }
  t.equal((await demo.send({ ...read({ ...alice, ...bearing(limited.key) }) })).statusCode, 200, 'a token beside it is not limited by it')
  const wrong = `${limited.key.slice(0, -1)}${limited.key.endsWith('A') ? 'B' : 'A'}`
  await assertRefused(t, demo, read(bearing(wrong)), refusedKey)
})

t.test('what POST /api-keys refuses of a limit', async (t) => {
  const demo = await buildDemo(t)
  const headers = await demo.token(await demo.person('alice'))
  const limits: object[] = [{ max: 0, window_seconds: 60 }, { max: 1.5, window_seconds: 60 }, { max: 5, window_seconds: 61 }, { max: '5', window_seconds: 60 }, { max: 5 }, { max: 5, window_seconds: 60, by: 'address' }]
  for (const limit of limits) {
    await t.test(JSON.stringify(limit), (t) => assertRefused(t, demo, { method: 'POST', url: '/api-keys', headers, payload: { name: 'x', scopes: ['items:read'], limit } }, { status: 400, code: 'validation' }))
  }
})

async function lastUsed (demo: Demo, owner: string): Promise<(string | null)[]> {
  const stores = await demo.elsewhere()
  return (await stores.apiKeys.listByOwner(owner)).items.map(({ last_used_at: at }) => at)
}

t.test('R074 when a key was last used is written after the request, at the latest when the service closes', async (t) => {
  const directory = t.testdir()
  const demo = await buildDemo(t, { DATA_DIR: directory })
  const alice = await demo.person('alice')
  const token = await demo.token(alice)
  const key = await make(demo, token, {})
  const started = Date.now()
  for (let times = 0; times < 3; times += 1) t.equal((await demo.send(read(bearing(key.key)))).statusCode, 200)
  await demo.send(read(bearing(`${key.key.slice(0, -1)}!`)))
  t.strictSame(await lastUsed(demo, alice.id), [null], 'not on the path of the request')
  await demo.app.close()
  const [at] = await lastUsed(demo, alice.id)
  t.ok(at !== null && at !== undefined && Date.parse(at) >= started && Date.parse(at) <= Date.now())
})

t.test('Basic costs one hash a minute, and a refusal one each time', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const wrong = { authorization: `Basic ${Buffer.from('alice:not the password of anyone').toString('base64')}` }
  const get = (headers: Headers) => async (): Promise<void> => { await demo.send({ url: '/basic/me', headers }) }
  t.equal(await hashesOf(get(alice.basic)), 1)
  t.equal(await hashesOf(get(alice.basic)), 0)
  for (let times = 0; times < 3; times += 1) t.equal(await hashesOf(get(wrong)), 1, 'a refusal is never kept')
  t.equal(await hashesOf(get(alice.basic)), 0)
  t.equal(await hashesOf(() => demo.token(alice)), 1, 'a login is always verified')
  await demo.app.stores.users.update(alice.id, { disabled: true })
  t.equal(await hashesOf(get(alice.basic)), 1, 'R088 disabled costs what unknown does')
  assertProblem(t, demo, await demo.send({ url: '/basic/me', headers: alice.basic }), { status: 401, code: 'invalid_credentials', challenge: 'Basic realm="api", charset="UTF-8"' })
})

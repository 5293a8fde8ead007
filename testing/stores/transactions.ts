// Several changes as one, and what holds for all stores.
import assert from 'node:assert/strict'
import type { Stores } from '../../stores/ports.ts'
import { assertRefused, digestOf, HASH, inParallel, inSeconds, keyOf, storeCheck, userOf } from './check.ts'
import type { StoreCheck } from './check.ts'

/** Disables an account with all that belongs to it, and says so. */
async function disable (stores: Stores, id: string, fail = false): Promise<void> {
  await stores.transaction(async ({ users, refreshTokens, revocations, sessions, apiKeys, audit }) => {
    if (await users.update(id, { disabled: true }) === null) return
    const families = await refreshTokens.revokeBySubject(id)
    await revocations.add(families.map((family) => ({ kind: 'family', id: family, issuedBefore: null, expiresAt: inSeconds(900) })))
    await sessions.removeBySubject(id)
    await apiKeys.revokeByOwner(id)
    await audit.append({ event: 'authz_change', outcome: 'success', target: id })
    if (fail) throw new Error('no')
  })
}

async function accountWithAll ({ users, refreshTokens, sessions, apiKeys }: Stores) {
  const user = await users.create(userOf('alice'))
  const family = await refreshTokens.create({ digest: digestOf(), clientId: 'demo', subject: user.id, scopes: [], idleExpiresAt: inSeconds(60), absoluteExpiresAt: inSeconds(60) })
  const session = await sessions.create({ id: digestOf(), subject: user.id, authenticatedAt: new Date(), idleExpiresAt: inSeconds(60), absoluteExpiresAt: inSeconds(60) })
  const key = await apiKeys.create(keyOf(user.id))
  return { user, family, session, key }
}

export const transactionChecks: readonly StoreCheck[] = [
  storeCheck('R106 transaction: an account is disabled with all that belongs to it, and what tells of it', async (stores) => {
    const { user, session, key } = await accountWithAll(stores)
    await disable(stores, user.id)
    assert.equal((await stores.users.findById(user.id))?.disabled, true)
    assert.deepEqual((await stores.refreshTokens.listBySubject(user.id)).items, [])
    assert.equal((await stores.revocations.since(null, new Date())).revocations.length, 1)
    assert.equal(await stores.sessions.findActive(session.id), null)
    assert.equal(await stores.apiKeys.findActive(key.id), null)
    assert.equal((await stores.audit.list()).items.length, 1)
  }),

  storeCheck('transaction: one that throws changes nothing, and its error comes back', async (stores) => {
    const { user, family, session, key } = await accountWithAll(stores)
    await assertRefused(disable(stores, user.id, true), { message: 'no' })
    assert.deepEqual(await stores.users.findById(user.id), user)
    assert.deepEqual((await stores.refreshTokens.listBySubject(user.id)).items, [family])
    assert.deepEqual((await stores.revocations.since(null, new Date())).revocations, [])
    assert.deepEqual(await stores.sessions.findActive(session.id), session)
    assert.deepEqual((await stores.apiKeys.findActive(key.id))?.apiKey, key)
    assert.deepEqual((await stores.audit.list()).items, [])
  }),

  storeCheck('transaction: what it resolves to comes back; its changes are seen in it, and outside when it is over', async (stores) => {
    const item = await stores.transaction(async ({ items }) => {
      const { id } = await items.create({ owner: 'alice', title: 'One' })
      return await items.get(id)
    })
    assert.ok(item)
    assert.deepEqual(await stores.items.get(item.id), item)
  }),

  storeCheck('transaction: what several writes make up is made up in it as well, and a refusal that is caught ends nothing', async (stores) => {
    await stores.users.create(userOf('alice'))
    const made = await stores.transaction(async ({ users, clients, refreshTokens }) => {
      await assertRefused(users.create(userOf('ALICE')), { code: 'conflict' })
      const { client_id: id } = await clients.create({ name: 'one', grants: [], scopes: [], secretDigest: 'x' })
      const digest = digestOf()
      await refreshTokens.create({ digest, clientId: id, subject: 'alice', scopes: [], idleExpiresAt: inSeconds(60), absoluteExpiresAt: inSeconds(60) })
      await clients.revoke(id)
      return { digest, bob: await users.create(userOf('bob')) }
    })
    assert.equal((await stores.refreshTokens.findByDigest(made.digest))?.active, false)
    assert.deepEqual(await stores.users.findById(made.bob.id), made.bob)
  }),

  storeCheck('transaction: the outer stores are refused inside, where they would wait for ever or be kept alone', async (stores) => {
    const calls: (() => Promise<unknown>)[] = [
      () => stores.items.create({ owner: 'alice', title: 'outside' }),
      () => stores.users.create(userOf('alice')),
      () => stores.transaction(async () => undefined),
      () => stores.ping()
    ]
    for (const call of calls) await assert.rejects(stores.transaction(() => call()), /only the stores that it was given/)
    assert.deepEqual(await stores.items.list(), { items: [] })
    assert.equal(await stores.users.findByName('alice'), null)
  }),

  storeCheck('transaction: of many that depend on one condition, one goes on', async (stores, all) => {
    const { id } = await stores.users.create(userOf('alice'))
    await inParallel(all, 20, (stores, n) => stores.transaction(async ({ users, audit }) => {
      if (await users.replacePasswordHash(id, { from: HASH, to: `hash ${String(n)}` })) await audit.append({ event: 'authn_password_change', outcome: 'success' })
    }))
    assert.equal((await stores.audit.list()).items.length, 1)
  })
]

export const commonChecks: readonly StoreCheck[] = [
  storeCheck('text with U+0000 is refused wherever it stands, and changes and finds nothing', async ({ users, items, clients, apiKeys, refreshTokens, revocations, sessions, signingKeys, audit }) => {
    const user = await users.create(userOf('alice'))
    const item = await items.create({ owner: user.id, title: 'One' })
    const key = await apiKeys.create(keyOf(user.id))
    const soon = { idleExpiresAt: inSeconds(60), absoluteExpiresAt: inSeconds(60) }
    const calls: [string, () => Promise<unknown>][] = [
      ['the e-mail of a new user', () => users.create({ ...userOf('bob'), email: 'a\0b@mail.example' })],
      ['a role', () => users.create(userOf('bob', ['a\0b']))],
      ['the id of a user', () => users.findById(`${user.id}\0x`)],
      ['the q of users', () => users.list({ q: '\0zz' })],
      ['an e-mail', () => users.updateProfile(user.id, { email: 'a\0b@mail.example' })],
      ['a full name', () => users.updateProfile(user.id, { full_name: 'a\0b' })],
      ['the id of whom to disable', () => users.update(`${user.id}\0x`, { disabled: true })],
      ['a role to count', () => users.countByRole('editor\0x')],
      ['a hash', () => users.replacePasswordHash(user.id, { from: `${HASH}\0x`, to: 'x' })],
      ['a title', () => items.create({ owner: user.id, title: 'a\0b' })],
      ['a description', () => items.create({ owner: user.id, title: 'a', description: 'a\0b' })],
      ['an owner', () => items.create({ owner: `${user.id}\0x`, title: 'a' })],
      ['the id of an item', () => items.get(`${item.id}\0junk`)],
      ['the id of what to remove', () => items.remove(`${item.id}\0junk`)],
      ['the q of items', () => items.list({ q: '\0zz' })],
      ['the name of a client', () => clients.create({ name: 'a\0b', grants: [], scopes: [], secretDigest: 'x' })],
      ['the id of a client', () => clients.findActive('client_\0')],
      ['the name of a key', () => apiKeys.create(keyOf(user.id, { name: 'a\0b' }))],
      ['the id of a key', () => apiKeys.findActive(`${key.id}\0x`)],
      ['the owner of keys', () => apiKeys.listByOwner(`${user.id}\0x`)],
      ['the owner of a key to revoke', () => apiKeys.revoke(key.id, `${user.id}\0x`)],
      ['a key that was used', () => apiKeys.touch([{ id: `${key.id}\0x`, at: new Date() }])],
      ['the subject of a family', () => refreshTokens.create({ digest: digestOf(), clientId: 'demo', subject: 'a\0b', scopes: [], ...soon })],
      ['the digest of a token', () => refreshTokens.findByDigest('\0')],
      ['a revocation', () => revocations.add([{ kind: 'token', id: '\0', issuedBefore: null, expiresAt: inSeconds(60) }])],
      ['the id of a session', () => sessions.findActive('\0')],
      ['the subject of a session', () => sessions.create({ id: digestOf(), subject: 'a\0b', authenticatedAt: new Date(), ...soon })],
      ['the key to end', () => signingKeys.end('\0', new Date())],
      ['an event', () => audit.append({ event: 'a\0b', outcome: 'success' })]
    ]
    for (const [title, call] of calls) await assertRefused(call(), { code: 'validation', statusCode: 400 }, title)
    assert.deepEqual((await users.list()).items, [user])
    assert.equal((await users.findCredentials('alice'))?.passwordHash, HASH)
    assert.deepEqual((await items.list()).items, [item])
    assert.deepEqual((await apiKeys.listByOwner(user.id)).items, [key])
    assert.deepEqual((await audit.list()).items, [])
  }),

  storeCheck('ping answers', async (stores) => {
    await stores.ping()
  }),

  storeCheck('R007 after close every answer is an error that is 503 or none of ours, never an empty result', async (stores) => {
    await stores.close()
    for (const call of [
      () => stores.ping(),
      () => stores.users.findByName('alice'),
      () => stores.apiKeys.findActive('000000000000'),
      () => stores.refreshTokens.findByDigest('x'),
      () => stores.revocations.since(null, new Date()),
      () => stores.transaction(async ({ items }) => items.list()),
      () => stores.items.list()
    ]) {
      const error: unknown = await call().then(() => null, (error: unknown) => error)
      assert.ok(error instanceof Error)
      assert.equal(Reflect.get(error, 'statusCode') ?? 503, 503)
    }
  })
]

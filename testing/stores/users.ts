// Accounts.
import assert from 'node:assert/strict'
import { UUID_V7 } from '../../stores/uuid-v7.ts'
import { ABSENT, allOf, assertInvalid, assertRefused, HASH, inParallel, RFC_3339, storeCheck, userOf } from './check.ts'
import type { StoreCheck } from './check.ts'

const sameNames: [string, string][] = [
  ['ΟΔΟΣ', 'οδοσ'], ['οδος', 'οδοσ'], ['STRASSE', 'straße'], ['STRAẞE', 'straße'], ['alice', 'ALICE'], ['ＡＬＩＣＥ', 'alice'], ['Å', 'A\u030a'], ['ﬁona', 'FIONA'], ['İ', 'i\u0307']
]

export const userChecks: readonly StoreCheck[] = [
  storeCheck('users: what is created is found, without its hash', async ({ users }) => {
    const user = await users.create({ ...userOf('Alice', ['editor', 'admin', 'editor']), full_name: 'Alice A.' })
    assert.match(user.id, UUID_V7)
    assert.match(user.created_at, RFC_3339)
    assert.deepEqual(user, {
      id: user.id, username: 'Alice', email: 'Alice@mail.example', full_name: 'Alice A.', disabled: false, roles: ['editor', 'admin'], created_at: user.created_at
    })
    assert.deepEqual(await users.findById(user.id), user)
    assert.deepEqual(await users.findByName('Alice'), user)
    assert.deepEqual((await users.list()).items, [user])
    assert.deepEqual(await users.findCredentials('Alice'), { user, passwordHash: HASH })
  }),

  storeCheck('users: no answer but that of findCredentials holds the hash', async ({ users }) => {
    const user = await users.create(userOf('alice'))
    const answers = [
      user, await users.findById(user.id), await users.findByName('alice'), await users.list(),
      await users.updateProfile(user.id, { email: 'new@mail.example' }), await users.update(user.id, { disabled: true }),
      await users.update(user.id, { roles: [] }), (await users.findCredentials('alice'))?.user
    ]
    assert.doesNotMatch(JSON.stringify(answers), /argon2|password|username_key/)
  }),

  storeCheck('users: nobody is found as null', async ({ users }) => {
    assert.equal(await users.findById(ABSENT), null)
    assert.equal(await users.findByName('nobody'), null)
    assert.equal(await users.findCredentials('nobody'), null)
    assert.equal(await users.updateProfile(ABSENT, { email: 'x@mail.example' }), null)
    assert.equal(await users.updateProfile(ABSENT, {}), null)
    assert.equal(await users.update(ABSENT, {}), null)
    assert.equal(await users.update(ABSENT, { disabled: true, roles: ['admin'] }), null)
    assert.equal(await users.update(ABSENT, { disabled: true }, { keepOne: 'admin' }), null)
    assert.equal(await users.replacePasswordHash(ABSENT, { from: HASH, to: 'x' }), false)
    assert.equal(await users.countByRole('admin'), 0)
  }),

  ...sameNames.map(([name, other]) => storeCheck(`users: ${JSON.stringify(name)} and ${JSON.stringify(other)} are one name`, async ({ users }) => {
    const user = await users.create(userOf(name))
    await assertRefused(users.create(userOf(other)), { code: 'conflict', statusCode: 409 })
    assert.deepEqual(await users.findByName(other), user)
    assert.equal((await users.findCredentials(other))?.user.id, user.id)
    assert.equal((await users.list()).items.length, 1)
  })),

  storeCheck('users: of 50 that take a name at once, one gets it', async ({ users }, all) => {
    const results = await inParallel(all, 50, ({ users }, n) => users.create(userOf(n % 2 === 0 ? 'bob' : 'BOB')).then(() => 'made', (error: unknown) => Reflect.get(Object(error), 'code') as string))
    assert.deepEqual(results.sort(), [...Array.from({ length: 49 }, () => 'conflict'), 'made'])
    assert.equal((await users.list()).items.length, 1)
    assert.equal(await users.countByRole('editor'), 1)
  }),

  storeCheck('users: a name too long to exist is not looked for, and none is made', async ({ users }) => {
    const name = 'a' + '\u0301\u0316'.repeat(300_000)
    const start = performance.now()
    assert.equal(await users.findByName(name), null)
    assert.equal(await users.findCredentials(name), null)
    await assertInvalid(users.create(userOf(name)), { pointer: '/username', in: 'body' })
    assert.ok(performance.now() - start < 1000, 'folding it would take a minute')
    assert.ok(await users.create(userOf('x'.repeat(256))))
  }),

  ...['\0', '\n', '\x7f', '\x85'].map((control) => storeCheck(`users: a name with ${JSON.stringify(control)} is nobody's, and none is made`, async ({ users }) => {
    const user = await users.create(userOf('alice'))
    for (const name of [`alice${control}`, `alice${control}x`, `${control}alice`, control]) {
      assert.equal(await users.findByName(name), null)
      assert.equal(await users.findCredentials(name), null)
      await assertInvalid(users.create({ ...userOf('bob'), username: name }), { pointer: '/username', in: 'body' })
    }
    assert.deepEqual((await users.list()).items, [user])
  })),

  storeCheck('users: names and e-mails are not trimmed, and an e-mail need not be unique', async ({ users }) => {
    await users.create(userOf('bob'))
    assert.equal((await users.create({ ...userOf(' bob'), email: 'bob@mail.example' })).username, ' bob')
  }),

  storeCheck('users: profile, roles and disabling change what they name and nothing else', async ({ users }) => {
    const [user, other] = [await users.create(userOf('alice')), await users.create(userOf('bob'))]
    assert.deepEqual(await users.updateProfile(user.id, { full_name: 'A' }), { ...user, full_name: 'A' })
    assert.deepEqual(await users.updateProfile(user.id, { email: 'a@mail.example' }), { ...user, full_name: 'A', email: 'a@mail.example' })
    assert.deepEqual(await users.updateProfile(user.id, { email: user.email, full_name: null }), user)
    assert.deepEqual(await users.updateProfile(user.id, {}), user)
    assert.deepEqual(await users.update(user.id, {}), user)
    assert.deepEqual(await users.update(user.id, { disabled: true }), { ...user, disabled: true })
    assert.deepEqual(await users.update(user.id, { roles: ['viewer', 'admin', 'viewer'] }), { ...user, disabled: true, roles: ['viewer', 'admin'] })
    assert.deepEqual(await users.findById(user.id), { ...user, disabled: true, roles: ['viewer', 'admin'] })
    assert.deepEqual(await users.update(user.id, { disabled: false, roles: [] }), { ...user, roles: [] })
    assert.deepEqual(await users.findById(other.id), other)
  }),

  storeCheck('users: those that have a role are counted, but for the disabled', async ({ users }) => {
    const [one, other] = [await users.create(userOf('one', ['admin'])), await users.create(userOf('other', ['editor', 'admin']))]
    assert.deepEqual([await users.countByRole('admin'), await users.countByRole('editor'), await users.countByRole('adm')], [2, 1, 0])
    await users.update(one.id, { disabled: true })
    assert.equal(await users.countByRole('admin'), 1)
    await users.update(other.id, { roles: ['editor'] })
    assert.equal(await users.countByRole('admin'), 0)
    await users.update(one.id, { disabled: false })
    assert.equal(await users.countByRole('admin'), 1)
  }),

  storeCheck('users: the last that has a role stays, where that is asked for', async ({ users }) => {
    const [boss, late, plain] = [await users.create(userOf('boss', ['admin'])), await users.create(userOf('late', ['admin'])), await users.create(userOf('plain'))]
    const keep = { keepOne: 'admin' }
    await users.update(late.id, { disabled: true }, keep)
    for (const change of [{ disabled: true }, { roles: ['editor'] }, { roles: [] }, { disabled: true, roles: ['admin'] }]) {
      assert.equal(await users.update(boss.id, change, keep), 'last')
    }
    assert.deepEqual(await users.findById(boss.id), boss)
    assert.deepEqual(await users.update(boss.id, { roles: ['editor', 'admin'] }, keep), { ...boss, roles: ['editor', 'admin'] }, 'what keeps the role is no loss')
    assert.deepEqual(await users.update(plain.id, { disabled: true, roles: [] }, keep), { ...plain, disabled: true, roles: [] }, 'nor is who never had it')
    assert.deepEqual(await users.update(late.id, { roles: [] }, keep), { ...late, disabled: true, roles: [] }, 'nor is who is disabled')
    await users.update(late.id, { disabled: false, roles: ['admin'] })
    assert.deepEqual(await users.update(boss.id, { disabled: true }, keep), { ...boss, roles: ['editor', 'admin'], disabled: true })
    assert.equal(await users.update(late.id, { disabled: true }, keep), 'last')
    const none = { keepOne: 'auditor' }
    assert.deepEqual(await users.update(late.id, { disabled: true }, none), { ...late, disabled: true }, 'where nobody has the role, nothing is lost')
  }),

  storeCheck('users: of many that demote each other at once, one stays', async ({ users }, all) => {
    for (let round = 0; round < 5; round++) {
      const bosses = await Promise.all(Array.from({ length: 8 }, (_, n) => users.create(userOf(`boss-${String(round)}-${String(n)}`, ['admin']))))
      const results = await inParallel(all, bosses.length, ({ users }, n) =>
        users.update(bosses[n]?.id ?? '', n % 2 === 0 ? { disabled: true } : { roles: [] }, { keepOne: 'admin' }))
      assert.equal(results.filter((result) => result === 'last').length, 1)
      assert.equal(await users.countByRole('admin'), 1)
      for (const { id } of bosses) await users.update(id, { roles: [] })
    }
  }),

  storeCheck('R084 users: a hash is replaced only if it is still the one that was verified', async ({ users }) => {
    const { id } = await users.create(userOf('alice'))
    assert.equal(await users.replacePasswordHash(id, { from: HASH, to: 'second' }), true)
    assert.equal(await users.replacePasswordHash(id, { from: HASH, to: 'third' }), false)
    assert.equal((await users.findCredentials('alice'))?.passwordHash, 'second')
  }),

  storeCheck('users: pages and q', async ({ users }) => {
    for (const name of ['ann', 'ben', 'cyd_', 'dan']) await users.create({ ...userOf(name), full_name: name === 'dan' ? 'Big Ben' : null })
    const names = async (q: string) => (await allOf((cursor) => users.list({ q, limit: 1, cursor }))).map(({ username }) => username)
    assert.deepEqual(await names(''), ['dan', 'cyd_', 'ben', 'ann'])
    assert.deepEqual(await names('bEN'), ['dan', 'ben'])
    assert.deepEqual(await names('_'), ['cyd_'])
    assert.deepEqual(await names('ann@'), ['ann'])
  })
]

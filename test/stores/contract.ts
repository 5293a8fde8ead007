// What every store must do, whatever engine is behind it: run by a test file for each engine.
import type { Test } from 'tap'
import { createApiKey } from '../../credentials/api-keys.ts'
import type { ApiKey, NewUser, Page, Stores } from '../../stores/ports.ts'
import { UUID_V7 } from '../../stores/uuid-v7.ts'

const HASH = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$dGFn'
const ABSENT = '01900000-0000-7000-8000-000000000000'
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

export const userOf = (username: string): NewUser =>
  ({ username, email: `${username}@mail.example`, passwordHash: HASH, roles: ['editor'] })

/** Follows `next` to the end. */
async function allOf<T> (list: (cursor?: string) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = []
  let cursor: string | undefined
  do {
    const page = await list(cursor)
    items.push(...page.items)
    cursor = page.next
  } while (cursor !== undefined)
  return items
}

const badCursors: [string, string][] = [
  ['is empty', ''],
  ['is no base64url', '!!!'],
  ['is an id that is not encoded', ABSENT],
  ['holds no id', Buffer.from('hello').toString('base64url')],
  ['holds SQL', Buffer.from(`${ABSENT}' or 1=1 --`).toString('base64url')],
  ['is padded', `${Buffer.from(ABSENT).toString('base64url')}=`],
  ['has upper-case hex', Buffer.from(ABSENT.replace('0190', 'ABCD')).toString('base64url')],
  ['is a megabyte', 'A'.repeat(1 << 20)]
]
const badLimits = [0, -1, 101, 1.5, NaN, Infinity]

/** Runs the suite; `open` gives stores that are empty and are closed by the caller. */
export function testStores (t: Test, open: (t: Test) => Promise<Stores>): void {
  t.test('users: what is created is found, without its hash', async (t) => {
    const { users } = await open(t)
    const user = await users.create({ ...userOf('Alice'), full_name: 'Alice A.' })
    t.match(user, { id: UUID_V7, created_at: RFC_3339 })
    t.same(user, {
      id: user.id, username: 'Alice', email: 'Alice@mail.example', full_name: 'Alice A.', disabled: false, roles: ['editor'], created_at: user.created_at
    })
    t.same(await users.findById(user.id), user)
    t.same(await users.findByName('Alice'), user)
    t.same((await users.list()).items, [user])
    t.same(await users.findCredentials('Alice'), { user, passwordHash: HASH })
  })

  t.test('users: no answer but that of findCredentials holds the hash', async (t) => {
    const { users } = await open(t)
    const user = await users.create(userOf('alice'))
    const answers = [
      user, await users.findById(user.id), await users.findByName('alice'), await users.list(),
      await users.updateProfile(user.id, { email: 'new@mail.example' }), await users.setDisabled(user.id, true),
      await users.setRoles(user.id, []), (await users.findCredentials('alice'))?.user
    ]
    t.notMatch(JSON.stringify(answers), /argon2|password|username_key/)
  })

  t.test('users: nobody is found as null', async (t) => {
    const { users } = await open(t)
    t.equal(await users.findById(ABSENT), null)
    t.equal(await users.findByName('nobody'), null)
    t.equal(await users.findCredentials('nobody'), null)
    t.equal(await users.updateProfile(ABSENT, { email: 'x@mail.example' }), null)
    t.equal(await users.updateProfile(ABSENT, {}), null)
    t.equal(await users.setDisabled(ABSENT, true), null)
    t.equal(await users.setRoles(ABSENT, ['admin']), null)
    t.equal(await users.replacePasswordHash(ABSENT, { from: HASH, to: 'x' }), false)
  })

  const sameNames: [string, string][] = [
    ['ΟΔΟΣ', 'οδοσ'], ['οδος', 'οδοσ'], ['STRASSE', 'straße'], ['STRAẞE', 'straße'], ['alice', 'ALICE'], ['ＡＬＩＣＥ', 'alice'], ['Å', 'A\u030a'], ['ﬁona', 'FIONA'], ['İ', 'i\u0307']
  ]
  for (const [name, other] of sameNames) {
    t.test(`users: ${JSON.stringify(name)} and ${JSON.stringify(other)} are one name`, async (t) => {
      const { users } = await open(t)
      const user = await users.create(userOf(name))
      await t.rejects(users.create(userOf(other)), { code: 'conflict', statusCode: 409 })
      t.same(await users.findByName(other), user)
      t.equal((await users.findCredentials(other))?.user.id, user.id)
      t.equal((await users.list()).items.length, 1)
    })
  }

  t.test('users: of 50 that take a name at once, one gets it', async (t) => {
    const { users } = await open(t)
    const results = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => users.create(userOf(n % 2 === 0 ? 'bob' : 'BOB'))))
    t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
    const reasons = results.flatMap((result) => result.status === 'rejected' ? [result.reason.code] : [])
    t.same(reasons, Array.from({ length: 49 }, () => 'conflict'))
    t.equal((await users.list()).items.length, 1)
  })

  t.test('users: a name too long to exist is not looked for, and none is made', async (t) => {
    const { users } = await open(t)
    const name = 'a' + '\u0301\u0316'.repeat(300_000)
    const start = performance.now()
    t.equal(await users.findByName(name), null)
    t.equal(await users.findCredentials(name), null)
    await t.rejects(users.create(userOf(name)), { code: 'validation', errors: [{ pointer: '/username', in: 'body' }] })
    t.ok(performance.now() - start < 1000, 'folding it would take a minute')
    t.ok(await users.create(userOf('x'.repeat(256))))
  })

  for (const control of ['\0', '\n', '\x7f', '\x85']) {
    t.test(`users: a name with ${JSON.stringify(control)} is nobody's, and none is made`, async (t) => {
      const { users } = await open(t)
      const user = await users.create(userOf('alice'))
      for (const name of [`alice${control}`, `alice${control}x`, `${control}alice`, control]) {
        t.equal(await users.findByName(name), null)
        t.equal(await users.findCredentials(name), null)
        await t.rejects(users.create({ ...userOf('bob'), username: name }), { code: 'validation', errors: [{ pointer: '/username', in: 'body' }] })
      }
      t.same((await users.list()).items, [user])
    })
  }

  t.test('text with U+0000 is refused wherever it stands, and changes and finds nothing', async (t) => {
    const { users, items, apiKeys } = await open(t)
    const user = await users.create(userOf('alice'))
    const item = await items.create({ owner: user.id, title: 'One' })
    const key = await apiKeys.create({ ...createApiKey(), owner: user.id, name: 'ci', scopes: ['me'] })
    const calls: [string, () => Promise<unknown>][] = [
      ['the e-mail of a new user', () => users.create({ ...userOf('bob'), email: 'a\0b@mail.example' })],
      ['the id of a user', () => users.findById(`${user.id}\0x`)],
      ['the q of users', () => users.list({ q: '\0zz' })],
      ['an e-mail', () => users.updateProfile(user.id, { email: 'a\0b@mail.example' })],
      ['a full name', () => users.updateProfile(user.id, { full_name: 'a\0b' })],
      ['the id of whom to disable', () => users.setDisabled(`${user.id}\0x`, true)],
      ['a hash', () => users.replacePasswordHash(user.id, { from: `${HASH}\0x`, to: 'x' })],
      ['a title', () => items.create({ owner: user.id, title: 'a\0b' })],
      ['a description', () => items.create({ owner: user.id, title: 'a', description: 'a\0b' })],
      ['an owner', () => items.create({ owner: `${user.id}\0x`, title: 'a' })],
      ['the id of an item', () => items.get(`${item.id}\0junk`)],
      ['the id of what to remove', () => items.remove(`${item.id}\0junk`)],
      ['the q of items', () => items.list({ q: '\0zz' })],
      ['the name of a key', () => apiKeys.create({ ...createApiKey(), owner: user.id, name: 'a\0b', scopes: [] })],
      ['the id of a key', () => apiKeys.findActive(`${key.id}\0x`)],
      ['the owner of keys', () => apiKeys.listByOwner(`${user.id}\0x`)],
      ['the owner of a key to revoke', () => apiKeys.revoke(key.id, `${user.id}\0x`)]
    ]
    for (const [title, call] of calls) {
      await t.test(title, async (t) => { await t.rejects(call(), { code: 'validation', statusCode: 400 }) })
    }
    t.same((await users.list()).items, [user])
    t.equal((await users.findCredentials('alice'))?.passwordHash, HASH)
    t.same((await items.list()).items, [item])
    t.same((await apiKeys.listByOwner(user.id)).items, [key])
  })

  t.test('users: names and e-mails are not trimmed, and an e-mail need not be unique', async (t) => {
    const { users } = await open(t)
    await users.create(userOf('bob'))
    t.equal((await users.create({ ...userOf(' bob'), email: 'bob@mail.example' })).username, ' bob')
  })

  t.test('users: profile, roles and disabling change what they name and nothing else', async (t) => {
    const { users } = await open(t)
    const [user, other] = [await users.create(userOf('alice')), await users.create(userOf('bob'))]
    t.same(await users.updateProfile(user.id, { full_name: 'A' }), { ...user, full_name: 'A' })
    t.same(await users.updateProfile(user.id, { email: 'a@mail.example' }), { ...user, full_name: 'A', email: 'a@mail.example' })
    t.same(await users.updateProfile(user.id, { email: user.email, full_name: null }), user)
    t.same(await users.updateProfile(user.id, {}), user)
    t.same(await users.setDisabled(user.id, true), { ...user, disabled: true })
    t.same(await users.setRoles(user.id, ['viewer', 'admin']), { ...user, disabled: true, roles: ['viewer', 'admin'] })
    t.same(await users.findById(user.id), { ...user, disabled: true, roles: ['viewer', 'admin'] })
    t.same(await users.findById(other.id), other)
  })

  t.test('R084 users: a hash is replaced only if it is still the one that was verified', async (t) => {
    const { users } = await open(t)
    const { id } = await users.create(userOf('alice'))
    t.equal(await users.replacePasswordHash(id, { from: HASH, to: 'second' }), true)
    t.equal(await users.replacePasswordHash(id, { from: HASH, to: 'third' }), false)
    t.equal((await users.findCredentials('alice'))?.passwordHash, 'second')
  })

  t.test('items: what is created is found, and is gone when removed', async (t) => {
    const { items } = await open(t)
    const item = await items.create({ owner: 'alice', title: 'One', description: 'first' })
    t.match(item, { id: UUID_V7, created_at: RFC_3339 })
    t.same(item, { id: item.id, owner: 'alice', title: 'One', description: 'first', created_at: item.created_at })
    t.same(await items.get(item.id), item)
    t.equal((await items.create({ owner: 'alice', title: 'Two' })).description, null)
    t.equal(await items.remove(item.id), true)
    t.equal(await items.remove(item.id), false)
    t.equal(await items.get(item.id), null)
  })

  t.test('items: pages are newest first, whole and without repeats, 20 unless asked', async (t) => {
    const { items } = await open(t)
    const made = []
    for (let n = 0; n < 45; n++) made.push(await items.create({ owner: 'alice', title: `Item ${n}` }))
    const newestFirst = made.map(({ id }) => id).reverse()
    const first = await items.list()
    t.equal(first.items.length, 20)
    t.type(first.next, 'string')
    t.same((await allOf((cursor) => items.list({ cursor }))).map(({ id }) => id), newestFirst)
    t.same((await allOf((cursor) => items.list({ cursor, limit: 1 }))).map(({ id }) => id), newestFirst)
    t.same(Object.keys(await items.list({ limit: 45 })), ['items'], 'a last page that is full has no next')

    const { next } = await items.list({ limit: 10 })
    await items.create({ owner: 'alice', title: 'new' })
    await items.remove(newestFirst[9] ?? '')
    t.same((await items.list({ limit: 10, cursor: next })).items.map(({ id }) => id), newestFirst.slice(10, 20), 'changes do not shift it')
  })

  t.test('items: an empty list has no next', async (t) => {
    t.same(await (await open(t)).items.list(), { items: [] })
  })

  t.test('items: q is text, not a pattern', async (t) => {
    const { items } = await open(t)
    for (const title of ['100% wool', '100 sheep', 'snake_case', 'snakeXcase', 'back\\slash', "it's", 'plain']) {
      await items.create({ owner: 'alice', title, description: title === 'plain' ? 'Über WOOL' : null })
    }
    const found = async (q: string) => (await items.list({ q })).items.map(({ title }) => title)
    t.same(await found('%'), ['100% wool'])
    t.same(await found('_'), ['snake_case'])
    t.same(await found('\\'), ['back\\slash'])
    t.same(await found("'"), ["it's"])
    t.same(await found('wool'), ['plain', '100% wool'], 'title and description, whatever the case')
    t.same(await found('Über'), ['plain'])
    t.same(await found('100%%'), [])
    t.equal((await found('')).length, 7)
    const paged = await allOf((cursor) => items.list({ q: '100', limit: 1, cursor }))
    t.same(paged.map(({ title }) => title), ['100 sheep', '100% wool'], 'q and cursor together')
  })

  t.test('users: pages and q', async (t) => {
    const { users } = await open(t)
    for (const name of ['ann', 'ben', 'cyd_', 'dan']) await users.create({ ...userOf(name), full_name: name === 'dan' ? 'Big Ben' : null })
    const names = async (q: string) => (await allOf((cursor) => users.list({ q, limit: 1, cursor }))).map(({ username }) => username)
    t.same(await names(''), ['dan', 'cyd_', 'ben', 'ann'])
    t.same(await names('ben'), ['dan', 'ben'])
    t.same(await names('_'), ['cyd_'])
    t.same(await names('ann@'), ['ann'])
  })

  const lists: [string, (stores: Stores, query: { limit?: number; cursor?: string }) => Promise<unknown>][] = [
    ['items', ({ items }, query) => items.list(query)],
    ['users', ({ users }, query) => users.list(query)],
    ['apiKeys', ({ apiKeys }, query) => apiKeys.listByOwner('alice', query)]
  ]
  for (const [name, list] of lists) {
    t.test(`${name}: a cursor or limit that is none is refused as the parameter it is`, async (t) => {
      const stores = await open(t)
      for (const [title, cursor] of badCursors) {
        const error = await list(stores, { cursor }).then(() => null, (error) => error)
        t.match(error, { code: 'validation', statusCode: 400, errors: [{ parameter: 'cursor', in: 'query' }] }, `a cursor that ${title}`)
      }
      for (const limit of badLimits) {
        await t.rejects(list(stores, { limit }), { code: 'validation', errors: [{ parameter: 'limit', in: 'query' }] }, `limit ${limit}`)
      }
    })
  }

  const keyOf = (owner: string, more: { expiresAt?: Date } = {}) => {
    const { id, digest, hint } = createApiKey()
    return { id, digest, hint, owner, name: 'ci', scopes: ['items:read'], ...more }
  }

  t.test('R071 R074 apiKeys: a key has owner, scopes and dates, and 90 days unless told; only findActive gives the digest', async (t) => {
    const { apiKeys } = await open(t)
    const key = keyOf('alice')
    const made = await apiKeys.create(key)
    t.match(made, { created_at: RFC_3339, expires_at: RFC_3339 })
    t.same(made, {
      id: key.id, owner: 'alice', name: 'ci', scopes: ['items:read'], hint: key.hint, created_at: made.created_at, expires_at: made.expires_at, revoked_at: null
    })
    t.equal(Date.parse(made.expires_at) - Date.parse(made.created_at), 90 * 24 * 60 * 60 * 1000)
    t.same(await apiKeys.findActive(key.id), { apiKey: made, digest: key.digest })
    t.same(await apiKeys.listByOwner('alice'), { items: [made] })
    t.notOk(JSON.stringify(await apiKeys.listByOwner('alice')).includes(key.digest))
  })

  t.test('R074 apiKeys: unknown, expired and revoked keys are all null', async (t) => {
    const { apiKeys } = await open(t)
    const [expired, revoked] = [keyOf('alice', { expiresAt: new Date(Date.now() - 1) }), keyOf('alice')]
    await apiKeys.create(expired)
    await apiKeys.create(revoked)
    t.equal(await apiKeys.revoke(revoked.id, 'alice'), true)
    for (const id of [createApiKey().id, expired.id, revoked.id, '']) t.equal(await apiKeys.findActive(id), null)
    const listed = (await apiKeys.listByOwner('alice')).items
    t.match(listed.find(({ id }) => id === revoked.id), { revoked_at: RFC_3339 }, 'its owner still sees it')
    t.match(listed.find(({ id }) => id === expired.id), { revoked_at: null })
  })

  t.test('R074 apiKeys: only the owner revokes, once; the other keys stay', async (t) => {
    const { apiKeys } = await open(t)
    const [key, other] = [keyOf('alice'), keyOf('alice')]
    await apiKeys.create(key)
    await apiKeys.create(other)
    t.equal(await apiKeys.revoke(key.id, 'mallory'), false)
    t.not(await apiKeys.findActive(key.id), null)
    t.equal(await apiKeys.revoke(key.id, 'alice'), true)
    t.equal(await apiKeys.revoke(key.id, 'alice'), false)
    t.not(await apiKeys.findActive(other.id), null)
  })

  t.test('apiKeys: pages of one owner, newest first, also within one millisecond', async (t) => {
    const { apiKeys } = await open(t)
    const made: ApiKey[] = []
    for (let n = 0; n < 25; n++) made.push(await apiKeys.create(keyOf('alice')))
    const foreign = await apiKeys.create(keyOf('bob'))
    const newestFirst = made.map(({ created_at, id }) => `${created_at} ${id}`).sort().reverse()
    for (const limit of [1, 7, 100]) {
      const listed = await allOf((cursor) => apiKeys.listByOwner('alice', { limit, cursor }))
      t.same(listed.map(({ created_at, id }) => `${created_at} ${id}`), newestFirst)
    }
    const foreignCursor = Buffer.from(foreign.id).toString('base64url')
    t.same(await apiKeys.listByOwner('alice', { cursor: foreignCursor }), { items: [] }, 'another owner\'s key tells nothing')
  })

  t.test('ping answers', async (t) => {
    await (await open(t)).ping()
  })

  t.test('R007 after close every answer is an error that is 503 or none of ours, never an empty result', async (t) => {
    const stores = await open(t)
    await stores.close()
    for (const call of [
      () => stores.ping(),
      () => stores.users.findByName('alice'),
      () => stores.apiKeys.findActive('000000000000'),
      () => stores.items.list()
    ]) {
      const error = await call().then(() => null, (error) => error)
      t.ok(error instanceof Error)
      t.equal(error.statusCode ?? 503, 503)
    }
  })
}

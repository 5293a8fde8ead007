// Items, and what holds for every list.
import assert from 'node:assert/strict'
import type { PageQuery, Stores } from '../../stores/ports.ts'
import { UUID_V7 } from '../../stores/uuid-v7.ts'
import { ABSENT, allOf, assertInvalid, RFC_3339, storeCheck } from './check.ts'
import type { StoreCheck } from './check.ts'

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

const lists: [string, (stores: Stores, query: PageQuery) => Promise<unknown>][] = [
  ['items', ({ items }, query) => items.list(query)],
  ['users', ({ users }, query) => users.list(query)],
  ['clients', ({ clients }, query) => clients.list(query)],
  ['apiKeys', ({ apiKeys }, query) => apiKeys.listByOwner('alice', query)],
  ['refreshTokens', ({ refreshTokens }, query) => refreshTokens.listBySubject('alice', query)],
  ['sessions', ({ sessions }, query) => sessions.listBySubject('alice', query)],
  ['audit', ({ audit }, query) => audit.list(query)]
]

export const itemChecks: readonly StoreCheck[] = [
  storeCheck('items: what is created is found, and is gone when removed', async ({ items }) => {
    const item = await items.create({ owner: 'alice', title: 'One', description: 'first' })
    assert.match(item.id, UUID_V7)
    assert.match(item.created_at, RFC_3339)
    assert.deepEqual(item, { id: item.id, owner: 'alice', title: 'One', description: 'first', created_at: item.created_at })
    assert.deepEqual(await items.get(item.id), item)
    assert.equal((await items.create({ owner: 'alice', title: 'Two' })).description, null)
    assert.equal(await items.remove(item.id), true)
    assert.equal(await items.remove(item.id), false)
    assert.equal(await items.get(item.id), null)
  }),

  storeCheck('items: pages are newest first, whole and without repeats, 20 unless asked', async ({ items }) => {
    const made = []
    for (let n = 0; n < 45; n++) made.push(await items.create({ owner: 'alice', title: `Item ${String(n)}` }))
    const newestFirst = made.map(({ id }) => id).reverse()
    const first = await items.list()
    assert.equal(first.items.length, 20)
    assert.equal(typeof first.next, 'string')
    assert.deepEqual((await allOf((cursor) => items.list({ cursor }))).map(({ id }) => id), newestFirst)
    assert.deepEqual((await allOf((cursor) => items.list({ cursor, limit: 1 }))).map(({ id }) => id), newestFirst)
    assert.deepEqual(Object.keys(await items.list({ limit: 45 })), ['items'], 'a last page that is full has no next')

    const { next } = await items.list({ limit: 10 })
    await items.create({ owner: 'alice', title: 'new' })
    await items.remove(newestFirst[9] ?? '')
    assert.deepEqual((await items.list({ limit: 10, cursor: next })).items.map(({ id }) => id), newestFirst.slice(10, 20), 'changes do not shift it')
  }),

  storeCheck('items: an empty list has no next', async ({ items }) => {
    assert.deepEqual(await items.list(), { items: [] })
  }),

  storeCheck('items: q is text, not a pattern', async ({ items }) => {
    for (const title of ['100% wool', '100 sheep', 'snake_case', 'snakeXcase', 'back\\slash', "it's", 'plain']) {
      await items.create({ owner: 'alice', title, description: title === 'plain' ? 'Über WOOL' : null })
    }
    const found = async (q: string) => (await items.list({ q })).items.map(({ title }) => title)
    assert.deepEqual(await found('%'), ['100% wool'])
    assert.deepEqual(await found('_'), ['snake_case'])
    assert.deepEqual(await found('\\'), ['back\\slash'])
    assert.deepEqual(await found("'"), ["it's"])
    assert.deepEqual(await found('wool'), ['plain', '100% wool'], 'title and description, whatever the case')
    assert.deepEqual(await found('ÜBER'), ['plain'], 'of ASCII letters')
    assert.deepEqual(await found('über'), [], 'and of no others')
    assert.deepEqual(await found('100%%'), [])
    assert.equal((await found('')).length, 7)
    const paged = await allOf((cursor) => items.list({ q: '100', limit: 1, cursor }))
    assert.deepEqual(paged.map(({ title }) => title), ['100 sheep', '100% wool'], 'q and cursor together')
  }),

  ...lists.map(([name, list]) => storeCheck(`${name}: a cursor or limit that is none is refused as the parameter it is`, async (stores) => {
    for (const [title, cursor] of badCursors) {
      await assertInvalid(list(stores, { cursor }), { parameter: 'cursor', in: 'query' }, `a cursor that ${title}`)
    }
    for (const limit of badLimits) {
      await assertInvalid(list(stores, { limit }), { parameter: 'limit', in: 'query' }, `limit ${String(limit)}`)
    }
  }))
]

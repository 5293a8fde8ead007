// Client applications.
import assert from 'node:assert/strict'
import { UUID_V7 } from '../../stores/uuid-v7.ts'
import { allOf, digestOf, inParallel, inSeconds, keyOf, RFC_3339, storeCheck } from './check.ts'
import type { StoreCheck } from './check.ts'

const clientOf = (name: string) => ({ name, grants: ['client_credentials'], scopes: ['items:read'], secretDigest: digestOf() })
const familyOf = (clientId: string) => ({ digest: digestOf(), clientId, subject: 'alice', scopes: [], idleExpiresAt: inSeconds(60), absoluteExpiresAt: inSeconds(600) })

export const clientChecks: readonly StoreCheck[] = [
  storeCheck('R138 clients: what is created is found, its digest by findActive only, under an id that no user has', async ({ clients }) => {
    const wanted = clientOf('Nightly')
    const client = await clients.create(wanted)
    assert.match(client.client_id, /^client_[0-9A-Za-z]{22}$/)
    assert.doesNotMatch(client.client_id, UUID_V7)
    assert.match(client.created_at, RFC_3339)
    assert.deepEqual(client, { client_id: client.client_id, name: 'Nightly', grants: ['client_credentials'], scopes: ['items:read'], created_at: client.created_at, revoked_at: null })
    assert.deepEqual(await clients.findActive(client.client_id), { client, secretDigest: wanted.secretDigest })
    assert.deepEqual(await clients.list(), { items: [client] })
    assert.equal(await clients.findActive('demo'), null)
  }),

  storeCheck('clients: revoking one ends its refresh families and the keys that its tokens made, and nobody else\'s', async ({ clients, refreshTokens, apiKeys }) => {
    const [client, other] = [await clients.create(clientOf('one')), await clients.create(clientOf('other'))]
    const [mine, foreign] = [await refreshTokens.create(familyOf(client.client_id)), await refreshTokens.create(familyOf(other.client_id))]
    const [key, kept, own] = [await apiKeys.create(keyOf('alice', { clientId: client.client_id })), await apiKeys.create(keyOf('alice', { clientId: other.client_id })), await apiKeys.create(keyOf('alice'))]
    assert.equal(await clients.revoke(client.client_id), true)
    assert.equal(await clients.revoke(client.client_id), false)
    assert.equal(await clients.revoke('client_x'), false)
    assert.equal(await clients.findActive(client.client_id), null)
    assert.deepEqual((await refreshTokens.listBySubject('alice')).items, [foreign])
    assert.equal(await refreshTokens.revokeFamily(mine.id), false, 'it is revoked')
    assert.equal(await apiKeys.findActive(key.id), null)
    assert.match((await apiKeys.listByOwner('alice')).items.find(({ id }) => id === key.id)?.revoked_at ?? '', RFC_3339, 'and its owner sees it')
    for (const { id } of [kept, own]) assert.notEqual(await apiKeys.findActive(id), null)
    assert.match((await clients.list()).items.find(({ name }) => name === 'one')?.revoked_at ?? '', RFC_3339, 'it is still listed')
  }),

  storeCheck('clients: a key that was on its way when its client was revoked is found by nobody', async ({ clients, apiKeys }) => {
    const { client_id: clientId } = await clients.create(clientOf('one'))
    await clients.revoke(clientId)
    const key = await apiKeys.create(keyOf('alice', { clientId }))
    assert.equal(await apiKeys.findActive(key.id), null)
  }),

  storeCheck('clients: of many that revoke one at once, one did', async ({ clients }, all) => {
    const { client_id: id } = await clients.create(clientOf('one'))
    const results = await inParallel(all, 20, ({ clients }) => clients.revoke(id))
    assert.equal(results.filter(Boolean).length, 1)
  }),

  storeCheck('clients: pages, newest first, also within one millisecond', async ({ clients }) => {
    const made = []
    for (let n = 0; n < 12; n++) made.push(await clients.create(clientOf(String(n))))
    const newestFirst = made.map(({ created_at: time, client_id: id }) => `${time} ${id}`).sort().reverse()
    const listed = await allOf((cursor) => clients.list({ limit: 5, cursor }))
    assert.deepEqual(listed.map(({ created_at: time, client_id: id }) => `${time} ${id}`), newestFirst)
  })
]

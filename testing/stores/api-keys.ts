// API keys.
import assert from 'node:assert/strict'
import { createApiKey } from '../../credentials/api-keys.ts'
import type { ApiKey } from '../../stores/ports.ts'
import { allOf, assertRefused, DAY_MS, inParallel, inSeconds, keyOf, RFC_3339, storeCheck, userOf } from './check.ts'
import type { StoreCheck } from './check.ts'

function rotationOf (overlapSeconds: number) {
  const { id, digest, hint } = createApiKey()
  return { id, digest, hint, overlapSeconds }
}

export const apiKeyChecks: readonly StoreCheck[] = [
  storeCheck('R071 R074 apiKeys: a key has owner, scopes and dates, and 90 days unless told; only findActive gives the digest', async ({ apiKeys }) => {
    const key = keyOf('alice')
    const made = await apiKeys.create(key)
    assert.match(made.created_at, RFC_3339)
    assert.match(made.expires_at, RFC_3339)
    assert.deepEqual(made, {
      id: key.id, owner: 'alice', client_id: null, name: 'ci', scopes: ['items:read'], hint: key.hint, limit: null, created_at: made.created_at,
      expires_at: made.expires_at, last_used_at: null, revoked_at: null, rotated_to: null
    })
    assert.equal(Date.parse(made.expires_at) - Date.parse(made.created_at), 90 * DAY_MS)
    assert.deepEqual(await apiKeys.findActive(key.id), { apiKey: made, digest: key.digest })
    assert.deepEqual(await apiKeys.listByOwner('alice'), { items: [made] })
    assert.ok(!JSON.stringify(await apiKeys.listByOwner('alice')).includes(key.digest))
  }),

  storeCheck('apiKeys: a key remembers its client and its limit', async ({ apiKeys }) => {
    const made = await apiKeys.create(keyOf('alice', { clientId: 'client_x', limit: { max: 5, window_seconds: 60 } }))
    assert.deepEqual([made.client_id, made.limit], ['client_x', { max: 5, window_seconds: 60 }])
    assert.deepEqual((await apiKeys.findActive(made.id))?.apiKey, made)
  }),

  storeCheck('R106 apiKeys: none is made for an account that is turned off, nor in the place of another', async ({ apiKeys, users }) => {
    const { id: owner } = await users.create(userOf('alice'))
    const kept = await apiKeys.create(keyOf(owner))
    await users.update(owner, { disabled: true })
    const { id, digest, hint } = keyOf(owner)
    await assertRefused(apiKeys.create(keyOf(owner)), { code: 'account_disabled' })
    await assertRefused(apiKeys.rotate(kept.id, owner, { id, digest, hint, overlapSeconds: 60 }), { code: 'account_disabled' })
    assert.deepEqual((await apiKeys.listByOwner(owner)).items, [kept])
  }),

  storeCheck('R074 apiKeys: unknown, expired and revoked keys are all null', async ({ apiKeys }) => {
    const [expired, revoked] = [keyOf('alice', { expiresAt: new Date(Date.now() - 1) }), keyOf('alice')]
    await apiKeys.create(expired)
    await apiKeys.create(revoked)
    assert.equal(await apiKeys.revoke(revoked.id, 'alice'), true)
    for (const id of [createApiKey().id, expired.id, revoked.id, '']) assert.equal(await apiKeys.findActive(id), null)
    const listed = (await apiKeys.listByOwner('alice')).items
    assert.match(listed.find(({ id }) => id === revoked.id)?.revoked_at ?? '', RFC_3339, 'its owner still sees it')
    assert.equal(listed.find(({ id }) => id === expired.id)?.revoked_at, null)
  }),

  storeCheck('R074 apiKeys: only the owner revokes, once; the other keys stay', async ({ apiKeys }) => {
    const [key, other] = [keyOf('alice'), keyOf('alice')]
    await apiKeys.create(key)
    await apiKeys.create(other)
    assert.equal(await apiKeys.revoke(key.id, 'mallory'), false)
    assert.notEqual(await apiKeys.findActive(key.id), null)
    assert.equal(await apiKeys.revoke(key.id, 'alice'), true)
    assert.equal(await apiKeys.revoke(key.id, 'alice'), false)
    assert.notEqual(await apiKeys.findActive(other.id), null)
  }),

  storeCheck('apiKeys: those of an owner, or of a client, are revoked together; the rest stays', async ({ apiKeys }) => {
    const [one, two, foreign] = [await apiKeys.create(keyOf('alice')), await apiKeys.create(keyOf('alice', { clientId: 'client_x' })), await apiKeys.create(keyOf('bob', { clientId: 'client_x' }))]
    const third = await apiKeys.create(keyOf('bob'))
    assert.deepEqual((await apiKeys.revokeByOwner('alice')).sort(), [one.id, two.id].sort())
    assert.deepEqual(await apiKeys.revokeByClient('client_x'), [foreign.id], 'what was revoked before is not told again')
    assert.deepEqual(await apiKeys.revokeByClient('client_x'), [])
    for (const { id } of [one, two, foreign]) assert.equal(await apiKeys.findActive(id), null)
    assert.notEqual(await apiKeys.findActive(third.id), null)
  }),

  storeCheck('R074 apiKeys: a rotated key has the terms of the old one, which works for the overlap', async ({ apiKeys }) => {
    const old = await apiKeys.create(keyOf('alice', { name: 'import', scopes: ['a', 'b'], clientId: 'client_x', limit: { max: 5, window_seconds: 60 }, expiresAt: inSeconds(10 * 86_400) }))
    const rotation = rotationOf(3600)
    const made = await apiKeys.rotate(old.id, 'alice', rotation)
    assert.ok(made)
    assert.deepEqual(made, { ...old, id: rotation.id, hint: rotation.hint, created_at: made.created_at, expires_at: made.expires_at })
    assert.ok(Math.abs(Date.parse(made.expires_at) - Date.now() - 10 * DAY_MS) < 60_000, 'ten days again')
    assert.deepEqual(await apiKeys.findActive(made.id), { apiKey: made, digest: rotation.digest })
    const left = (await apiKeys.findActive(old.id))?.apiKey
    assert.equal(left?.rotated_to, made.id)
    assert.ok(Math.abs(Date.parse(left.expires_at) - Date.now() - 3_600_000) < 60_000, 'the old one for an hour')

    const short = await apiKeys.create(keyOf('alice', { expiresAt: inSeconds(60) }))
    await apiKeys.rotate(short.id, 'alice', rotationOf(3600))
    assert.equal((await apiKeys.findActive(short.id))?.apiKey.expires_at, short.expires_at, 'an overlap extends nothing')
    const atOnce = await apiKeys.create(keyOf('alice'))
    await apiKeys.rotate(atOnce.id, 'alice', rotationOf(0))
    assert.equal(await apiKeys.findActive(atOnce.id), null)
  }),

  storeCheck('R074 apiKeys: what is another\'s, revoked, expired or rotated is not rotated', async ({ apiKeys }) => {
    const [foreign, revoked, rotated] = [await apiKeys.create(keyOf('bob')), await apiKeys.create(keyOf('alice')), await apiKeys.create(keyOf('alice'))]
    const expired = await apiKeys.create(keyOf('alice', { expiresAt: new Date(Date.now() - 1) }))
    await apiKeys.revoke(revoked.id, 'alice')
    await apiKeys.rotate(rotated.id, 'alice', rotationOf(3600))
    for (const id of [foreign.id, revoked.id, rotated.id, expired.id, createApiKey().id]) {
      const rotation = rotationOf(3600)
      assert.equal(await apiKeys.rotate(id, 'alice', rotation), null)
      assert.equal(await apiKeys.findActive(rotation.id), null, 'and no key is made')
    }
    assert.deepEqual((await apiKeys.findActive(foreign.id))?.apiKey, foreign)
  }),

  storeCheck('R074 apiKeys: of 20 that rotate one key at once, one gets a key', async ({ apiKeys }, all) => {
    const old = await apiKeys.create(keyOf('alice'))
    const results = await inParallel(all, 20, ({ apiKeys }) => apiKeys.rotate(old.id, 'alice', rotationOf(3600)))
    assert.equal(results.filter((result) => result !== null).length, 1)
    assert.equal((await apiKeys.listByOwner('alice')).items.length, 2)
  }),

  storeCheck('R074 apiKeys: uses are noted in a batch, the latest counts, and strangers make no row', async ({ apiKeys }) => {
    const [one, two, idle] = [await apiKeys.create(keyOf('alice')), await apiKeys.create(keyOf('alice')), await apiKeys.create(keyOf('alice'))]
    const [early, late] = [new Date('2026-01-01T00:00:00Z'), new Date('2026-01-02T00:00:00Z')]
    await apiKeys.touch([{ id: one.id, at: early }, { id: two.id, at: late }, { id: two.id, at: early }, { id: createApiKey().id, at: late }])
    const used = async (id: string) => (await apiKeys.findActive(id))?.apiKey.last_used_at
    assert.deepEqual([await used(one.id), await used(two.id), await used(idle.id)], [early.toISOString(), late.toISOString(), null])
    await apiKeys.touch([{ id: one.id, at: late }, { id: two.id, at: early }])
    assert.deepEqual([await used(one.id), await used(two.id)], [late.toISOString(), late.toISOString()])
    await apiKeys.touch([])
    await apiKeys.touch(Array.from({ length: 12_000 }, () => ({ id: createApiKey().id, at: late })))
    assert.equal((await apiKeys.listByOwner('alice')).items.length, 3)
  }),

  storeCheck('apiKeys: pages of one owner, newest first, also within one millisecond', async ({ apiKeys }) => {
    const made: ApiKey[] = []
    for (let n = 0; n < 25; n++) made.push(await apiKeys.create(keyOf('alice')))
    const foreign = await apiKeys.create(keyOf('bob'))
    const newestFirst = made.map(({ created_at, id }) => `${created_at} ${id}`).sort().reverse()
    for (const limit of [1, 7, 100]) {
      const listed = await allOf((cursor) => apiKeys.listByOwner('alice', { limit, cursor }))
      assert.deepEqual(listed.map(({ created_at, id }) => `${created_at} ${id}`), newestFirst)
    }
    const foreignCursor = Buffer.from(foreign.id).toString('base64url')
    assert.deepEqual(await apiKeys.listByOwner('alice', { cursor: foreignCursor }), { items: [] }, 'another owner\'s key tells nothing')
  })
]

import t from 'tap'
import { observed, onStoreChange } from '../../plugins/store-changes.ts'
import { createSqliteStores } from '../../stores/sqlite.ts'
import { createApiKey } from '../../credentials/api-keys.ts'
import type { StoreChange } from '../../plugins/store-changes.ts'
import type { Stores } from '../../stores/ports.ts'
import type { Test } from 'tap'

const nobody = '0192f0c1-2345-7abc-8def-0123456789ab'

async function watched (t: Test): Promise<{ stores: Stores; told: StoreChange[] }> {
  const stores = observed(await createSqliteStores(':memory:'))
  t.teardown(() => stores.close())
  const told: StoreChange[] = []
  onStoreChange(stores, (change) => { told.push(change) })
  return { stores, told }
}

t.test('what ends or changes the rights of a credential is told, and nothing else', async (t) => {
  const { stores, told } = await watched(t)
  const { id } = await stores.users.create({ username: 'alice', email: 'a@example.com', passwordHash: 'x', roles: [] })
  const client = await stores.clients.create({ name: 'app', grants: [], scopes: [], secretDigest: 'x' })
  const [first, second] = [createApiKey(), createApiKey()]
  await stores.apiKeys.create({ ...first, owner: id, name: 'x', scopes: [] })
  await stores.users.updateProfile(id, { full_name: 'Alice' })
  await stores.apiKeys.touch([{ id: first.id, at: new Date() }])
  await stores.ping()
  t.strictSame(told, [])
  await stores.users.update(id, { roles: ['editor'] })
  await stores.users.replacePasswordHash(id, { from: 'x', to: 'y' })
  await stores.apiKeys.rotate(first.id, id, { ...second, overlapSeconds: 0 })
  await stores.apiKeys.revoke(second.id, id)
  await stores.apiKeys.revokeByOwner(id)
  await stores.apiKeys.revokeByClient(client.client_id)
  await stores.clients.revoke(client.client_id)
  t.strictSame(told, [
    { kind: 'user', id }, { kind: 'user', id }, { kind: 'apiKey', id: first.id }, { kind: 'apiKey', id: second.id },
    { kind: 'apiKeyOwner', id }, { kind: 'client', id: client.client_id }, { kind: 'client', id: client.client_id }
  ])
  told.length = 0
  const later = new Date(Date.now() + 60_000)
  await stores.revocations.add([{ kind: 'token', id: 'x', issuedBefore: null, expiresAt: later }])
  await stores.signingKeys.insertIfCurrent({ kid: 'k', algorithm: 'ES256', publicJwk: {}, wrappedPrivateKey: 'x', createdAt: later, activeFrom: later, retireAt: later, expiresAt: later }, null)
  await stores.signingKeys.end('k', later)
  t.strictSame(told.map(({ kind }) => kind), ['revocations', 'signingKeys', 'signingKeys'])
})

t.test('what a transaction changes is told when it is over, and even if it failed', async (t) => {
  const { stores, told } = await watched(t)
  t.equal(await stores.transaction(async (inside) => {
    await inside.users.update(nobody, { disabled: true })
    t.strictSame(told, [], 'not before it counts')
    return 'done'
  }), 'done')
  t.strictSame(told, [{ kind: 'user', id: nobody }])
  await t.rejects(stores.transaction(async (inside) => {
    await inside.apiKeys.revokeByOwner(nobody)
    throw new Error('no')
  }), { message: 'no' })
  t.strictSame(told.slice(1), [{ kind: 'apiKeyOwner', id: nobody }], 'nobody knows what became of it')
})

t.test('a write that failed is told: its answer may have been lost', async (t) => {
  const { stores, told } = await watched(t)
  await stores.close()
  await t.rejects(stores.users.update(nobody, { disabled: true }))
  t.strictSame(told, [{ kind: 'user', id: nobody }])
})

t.test('stores that nobody observes tell nothing, and are no error', async (t) => {
  const stores = await createSqliteStores(':memory:')
  t.teardown(() => stores.close())
  onStoreChange(stores, () => { t.fail('told') })
  await stores.users.update(nobody, { disabled: true })
})

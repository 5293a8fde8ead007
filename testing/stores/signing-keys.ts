// Keys that sign access tokens.
import assert from 'node:assert/strict'
import type { SigningKey } from '../../stores/ports.ts'
import { digestOf, inParallel, inSeconds, storeCheck } from './check.ts'
import type { StoreCheck } from './check.ts'

function signingKeyOf (more: Partial<SigningKey> = {}): SigningKey {
  return {
    kid: digestOf(), algorithm: 'ES256', publicJwk: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }, wrappedPrivateKey: 'wrapped',
    createdAt: new Date(), activeFrom: inSeconds(60), retireAt: inSeconds(3600), expiresAt: inSeconds(7200), ...more
  }
}

export const signingKeyChecks: readonly StoreCheck[] = [
  storeCheck('signingKeys: each takes the place of the newest, and is read as it was given', async ({ signingKeys }) => {
    const [first, second, late] = [signingKeyOf(), signingKeyOf({ createdAt: inSeconds(-60) }), signingKeyOf()]
    assert.deepEqual(await signingKeys.list(new Date()), [])
    assert.equal(await signingKeys.insertIfCurrent(first, late.kid), false, 'nothing has that name')
    assert.equal(await signingKeys.insertIfCurrent(first, null), true)
    assert.equal(await signingKeys.insertIfCurrent(late, null), false, 'there is one')
    assert.equal(await signingKeys.insertIfCurrent(second, first.kid), true)
    assert.equal(await signingKeys.insertIfCurrent(late, first.kid), false, 'it is not the newest any more')
    assert.equal(await signingKeys.insertIfCurrent(second, second.kid), false, 'it is there')
    assert.deepEqual(await signingKeys.list(new Date()), [second, first], 'newest first, whatever the clocks say')
  }),

  storeCheck('signingKeys: of 20 that rotate at once, one does', async ({ signingKeys }, all) => {
    const firsts = await inParallel(all, 20, ({ signingKeys }) => signingKeys.insertIfCurrent(signingKeyOf(), null))
    assert.equal(firsts.filter(Boolean).length, 1)
    const [current] = await signingKeys.list(new Date())
    assert.ok(current)
    const seconds = await inParallel(all, 20, ({ signingKeys }) => signingKeys.insertIfCurrent(signingKeyOf(), current.kid))
    assert.equal(seconds.filter(Boolean).length, 1)
    assert.equal((await signingKeys.list(new Date())).length, 2)
  }),

  storeCheck('R069 signingKeys: what stopped to verify is not read, can be ended before its time, and is forgotten, except the newest', async ({ signingKeys }) => {
    const [old, next, newest] = [signingKeyOf({ expiresAt: inSeconds(10) }), signingKeyOf(), signingKeyOf({ expiresAt: inSeconds(20) })]
    await signingKeys.insertIfCurrent(old, null)
    await signingKeys.insertIfCurrent(next, old.kid)
    await signingKeys.insertIfCurrent(newest, next.kid)
    assert.deepEqual((await signingKeys.list(inSeconds(10))).map(({ kid }) => kid), [newest.kid, next.kid])
    const end = inSeconds(30)
    assert.equal(await signingKeys.end(next.kid, end), true)
    assert.equal(await signingKeys.end(next.kid, inSeconds(9000)), true, 'which extends nothing')
    assert.equal(await signingKeys.end(digestOf(), end), false)
    assert.deepEqual((await signingKeys.list(inSeconds(10))).find(({ kid }) => kid === next.kid), { ...next, retireAt: end, expiresAt: end })
    assert.equal(await signingKeys.prune(inSeconds(100)), 2)
    assert.deepEqual(await signingKeys.list(new Date()), [newest])
    assert.equal(await signingKeys.insertIfCurrent(signingKeyOf(), null), false)
    assert.equal(await signingKeys.insertIfCurrent(signingKeyOf(), newest.kid), true)
  }),

  storeCheck('signingKeys: a place that was ended and forgotten is not given again', async ({ signingKeys }) => {
    const [old, bad, newest] = [signingKeyOf(), signingKeyOf(), signingKeyOf()]
    await signingKeys.insertIfCurrent(old, null)
    await signingKeys.insertIfCurrent(bad, old.kid)
    await signingKeys.insertIfCurrent(newest, bad.kid)
    await signingKeys.end(bad.kid, new Date())
    assert.equal(await signingKeys.prune(new Date()), 1)
    assert.equal(await signingKeys.insertIfCurrent(signingKeyOf(), old.kid), false)
    assert.deepEqual(await signingKeys.list(new Date()), [newest, old])
  })
]

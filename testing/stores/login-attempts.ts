// Failed logins.
import assert from 'node:assert/strict'
import type { LoginDelay, LoginVerdict } from '../../stores/ports.ts'
import { inParallel, inSeconds, storeCheck } from './check.ts'
import type { StoreCheck } from './check.ts'

const now = new Date('2026-01-01T00:00:00.000Z')
const delays: readonly LoginDelay[] = [{ from: 3, seconds: 1 }, { from: 4, seconds: 2 }, { from: 6, seconds: 60 }]

function verdictOf (right: boolean, more: Partial<LoginVerdict> = {}): LoginVerdict {
  return { key: 'alice', right, now, delays, ...more }
}

export const loginAttemptChecks: readonly StoreCheck[] = [
  storeCheck('R089 login attempts: failures in a row count, delays grow with them, and success ends both', async ({ loginAttempts }) => {
    const steps = [[0, 0], [0, 0], [0, 1], [1, 2], [3, 2], [5, 60], [65, 60]] as const
    for (const [index, [at, wait]] of steps.entries()) {
      const failures = index + 1
      assert.deepEqual(await loginAttempts.settle(verdictOf(false, { now: inSeconds(at, now) })), { counts: true, failures, locked: false })
      const retryAt = wait === 0 ? null : inSeconds(at + wait, now).toISOString()
      assert.deepEqual(await loginAttempts.find(['alice']), [{ key: 'alice', attempts: failures, failures, locked: false, retry_at: retryAt }])
    }
    assert.deepEqual(await loginAttempts.settle(verdictOf(true, { now: inSeconds(125, now) })), { counts: true, failures: 0, locked: false })
    assert.deepEqual(await loginAttempts.find(['alice']), [])
    assert.deepEqual(await loginAttempts.settle(verdictOf(false, { now: inSeconds(125, now) })), { counts: true, failures: 1, locked: false })
  }),

  storeCheck('R089 login attempts: while a key waits no verdict counts, nor makes it wait longer', async ({ loginAttempts }) => {
    for (let n = 0; n < 3; n++) await loginAttempts.settle(verdictOf(false))
    for (const right of [false, true, true]) {
      assert.deepEqual(await loginAttempts.settle(verdictOf(right, { now: inSeconds(0.999, now) })), { counts: false, failures: 3, locked: false })
    }
    assert.deepEqual(await loginAttempts.find(['alice']), [{ key: 'alice', attempts: 6, failures: 3, locked: false, retry_at: inSeconds(1, now).toISOString() }])
    assert.deepEqual(await loginAttempts.settle(verdictOf(true, { key: 'bob' })), { counts: true, failures: 0, locked: false }, 'others do not wait')
    assert.deepEqual(await loginAttempts.settle(verdictOf(true, { now: inSeconds(1, now) })), { counts: true, failures: 0, locked: false })
  }),

  storeCheck('R091 login attempts: of 50 wrong ones at once 50 count, over all connections', async ({ loginAttempts }, all) => {
    const outcomes = await inParallel(all, 50, (stores) => stores.loginAttempts.settle(verdictOf(false, { delays: [] })))
    assert.deepEqual(outcomes.map(({ failures }) => failures).sort((one, other) => one - other), Array.from({ length: 50 }, (_, n) => n + 1))
    assert.deepEqual(await loginAttempts.find(['alice']), [{ key: 'alice', attempts: 50, failures: 50, locked: false, retry_at: null }])
  }),

  storeCheck('R089 R091 login attempts: of 50 guesses at once as many are told as are free, the right one among the others or not', async ({ loginAttempts }, all) => {
    const outcomes = await inParallel(all, 50, (stores) => stores.loginAttempts.settle(verdictOf(false)))
    assert.equal(outcomes.filter(({ counts }) => counts).length, 3)
    assert.deepEqual((await loginAttempts.find(['alice'])).map(({ attempts, failures }) => ({ attempts, failures })), [{ attempts: 50, failures: 3 }])
    const right = await inParallel(all, 50, (stores) => stores.loginAttempts.settle(verdictOf(true)))
    assert.equal(right.filter(({ counts }) => counts).length, 0)
  }),

  storeCheck('R091 login attempts: right ones at once are all let in', async ({ loginAttempts }, all) => {
    const outcomes = await inParallel(all, 50, (stores) => stores.loginAttempts.settle(verdictOf(true)))
    assert.ok(outcomes.every(({ counts, failures }) => counts && failures === 0))
    assert.deepEqual(await loginAttempts.find(['alice']), [])
  }),

  storeCheck('R089 login attempts: one caller locks a key that has the failures; no time opens it, reset does', async ({ loginAttempts }, all) => {
    assert.equal(await loginAttempts.lock('alice', { failures: 1 }), false, 'nothing is known of it')
    for (let n = 0; n < 3; n++) await loginAttempts.settle(verdictOf(false))
    assert.equal(await loginAttempts.lock('alice', { failures: 4 }), false, 'it has one less')
    const locking = await inParallel(all, 10, (stores) => stores.loginAttempts.lock('alice', { failures: 3 }))
    assert.equal(locking.filter((isMine) => isMine).length, 1)
    assert.deepEqual(await loginAttempts.settle(verdictOf(true, { now: new Date('9000-01-01') })), { counts: false, failures: 3, locked: true })
    assert.deepEqual(await loginAttempts.find(['bob', 'alice']), [{ key: 'alice', attempts: 4, failures: 3, locked: true, retry_at: null }])
    const resetting = await inParallel(all, 10, (stores) => stores.loginAttempts.reset('alice'))
    assert.equal(resetting.filter((isMine) => isMine).length, 1)
    assert.deepEqual(await loginAttempts.find(['alice']), [])
    assert.deepEqual(await loginAttempts.settle(verdictOf(true)), { counts: true, failures: 0, locked: false })
    assert.equal(await loginAttempts.reset('alice'), false, 'there is nothing to forget')
    assert.deepEqual(await loginAttempts.find([]), [])
  })
]

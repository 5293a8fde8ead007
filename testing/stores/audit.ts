// What happened.
import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { CHAIN_START, verifyChain } from '../../credentials/audit-chain.ts'
import type { NewAuditEvent, SealedAuditEvent, Stores } from '../../stores/ports.ts'
import { UUID_V7 } from '../../stores/uuid-v7.ts'
import { allOf, inParallel, inSeconds, RFC_3339, storeCheck } from './check.ts'
import type { StoreCheck } from './check.ts'

const whole: NewAuditEvent = {
  event: 'authn_login_fail', outcome: 'failure', actor: 'alice', scheme: 'basic', target: 'account', ip: '192.0.2.1', method: 'POST', route: '/token',
  request_id: 'req-1', reason: 'wrong_password', details: { attempt: 3, name: 'é\n' }
}

export const auditChecks: readonly StoreCheck[] = [
  storeCheck('R201 audit: an event is read as it was told, with its time; what was left out is null', async ({ audit }) => {
    const before = Date.now()
    const [event, bare] = [await audit.append(whole), await audit.append({ event: 'sys_startup', outcome: 'success' })]
    assert.match(event.id, UUID_V7)
    assert.match(event.time, RFC_3339)
    assert.ok(Math.abs(Date.parse(event.time) - before) < 5000)
    assert.deepEqual(event, { id: event.id, time: event.time, ...whole })
    assert.deepEqual(bare, {
      id: bare.id, time: bare.time, event: 'sys_startup', outcome: 'success', actor: null, scheme: null, target: null, ip: null, method: null, route: null,
      request_id: null, reason: null, details: {}
    })
    assert.deepEqual(await audit.list(), { items: [bare, event] })
  }),

  storeCheck('audit: filters by event, actor and time, alone and together, in pages', async ({ audit }) => {
    const events = []
    for (let n = 0; n < 12; n++) {
      if (n === 6) await setTimeout(5)
      events.push(await audit.append({ event: n % 2 === 0 ? 'authz_fail' : 'authz_change', outcome: 'success', actor: n % 3 === 0 ? 'alice' : 'bob' }))
    }
    const newestFirst = events.reverse()
    const found = (query: Parameters<typeof audit.list>[0]) => allOf((cursor) => audit.list({ ...query, limit: 2, cursor }))
    assert.deepEqual(await found({}), newestFirst)
    assert.deepEqual(await found({ event: 'authz_fail' }), newestFirst.filter(({ event }) => event === 'authz_fail'))
    assert.deepEqual(await found({ actor: 'alice' }), newestFirst.filter(({ actor }) => actor === 'alice'))
    const half = new Date(newestFirst[5]?.time ?? '')
    const since = newestFirst.filter(({ time }) => time >= half.toISOString())
    assert.ok(since.length >= 6 && since.length < 12)
    assert.deepEqual(await found({ from: half }), since)
    assert.deepEqual(await found({ to: half }), newestFirst.filter((event) => !since.includes(event)))
    assert.deepEqual(await found({ from: half, event: 'authz_fail', actor: 'bob' }), since.filter(({ event, actor }) => event === 'authz_fail' && actor === 'bob'))
    assert.deepEqual(await found({ from: inSeconds(3600) }), [])
    assert.deepEqual(await found({ from: new Date(0), to: new Date('9999-12-31') }), newestFirst)
  }),

  storeCheck('audit: filters by subject, whether it did something or something was done to it, and by request', async ({ audit }) => {
    const made = []
    for (const [actor, target, request_id] of [['alice', 'bob', '1'], ['bob', 'alice', '2'], ['carol', 'bob', '2'], ['alice', 'alice', '3'], ['carol', null, '3']] as const) {
      made.push(await audit.append({ event: 'authz_change', outcome: 'success', actor, target, request_id }))
    }
    const newestFirst = made.reverse()
    const found = (query: Parameters<typeof audit.list>[0]) => allOf((cursor) => audit.list({ ...query, limit: 1, cursor }))
    assert.deepEqual(await found({ subject: 'alice' }), newestFirst.filter(({ actor, target }) => actor === 'alice' || target === 'alice'))
    assert.deepEqual(await found({ subject: 'bob', actor: 'carol' }), newestFirst.filter(({ actor, target }) => actor === 'carol' && target === 'bob'))
    assert.deepEqual(await found({ request_id: '2' }), newestFirst.filter(({ request_id }) => request_id === '2'))
    assert.deepEqual(await found({ subject: 'nobody' }), [])
  }),

  storeCheck('R201 audit: a batch has the times at which it happened', async ({ audit }) => {
    const at = (seconds: number) => inSeconds(seconds - 60)
    const times = [at(1), at(1), at(2)]
    await audit.appendAll(times.map((time, index) => ({ ...whole, at: time, reason: String(index) })))
    await audit.appendAll([])
    const { items } = await audit.list()
    assert.deepEqual(items.map(({ time, reason }) => [time, reason]), times.map((time, index) => [time.toISOString(), String(index)]).reverse())
  }),

  storeCheck('R206 audit: sealed once, in one chain without gaps, however many seal at once', async (stores, all) => {
    const { audit } = stores
    assert.deepEqual(await audit.chain(), { head: CHAIN_START, pruned: null, unsealed: { count: 0, oldest: null } })
    assert.equal(await audit.seal(), 0)
    const oldest = await audit.append(whole)
    await Promise.all(all.map(({ audit }, index) => audit.appendAll(Array.from({ length: 300 }, () => ({ event: 'authz_fail', outcome: 'failure' as const, actor: String(index), at: new Date() })))))
    const count = 1 + 300 * all.length
    assert.deepEqual((await audit.chain()).unsealed, { count, oldest: oldest.time })
    const sealed = await inParallel(all, 8, ({ audit }) => audit.seal())
    assert.equal(sealed.reduce((sum, each) => sum + each, 0), Math.min(count, 8 * 500))
    const { head, unsealed } = await audit.chain()
    assert.deepEqual(unsealed, { count: 0, oldest: null })
    const records = await recordsOf(stores)
    assert.equal(records.length, count)
    assert.deepEqual(await verifyChain(records, { heads: [head] }), { verified: head, fault: null })
  }),

  storeCheck('R206 audit: what a transaction adds is sealed after it, and what it takes back never', async ({ audit, transaction }) => {
    await transaction(async (inside) => { await inside.audit.append(whole) })
    await assert.rejects(transaction(async (inside) => {
      await inside.audit.append(whole)
      throw new Error('no')
    }))
    assert.equal(await audit.seal(), 1)
    assert.deepEqual((await audit.sealed({ after: 0 })).map(({ seq, event }) => [seq, event]), [[1, whole.event]])
    assert.deepEqual(await audit.sealed({ after: 1 }), [])
  }),

  storeCheck('R206 audit: the old end of the chain is removed up to a cut, and what is left is verified from there', async (stores, all) => {
    const { audit } = stores
    await audit.appendAll(Array.from({ length: 1205 }, () => ({ event: 'authz_fail', outcome: 'failure' as const, at: new Date() })))
    for (let sealed = 1; sealed > 0;) sealed = await audit.seal()
    const unsealed = await audit.append(whole)
    const [last] = await audit.sealed({ after: 1199, limit: 1 })
    assert.ok(last !== undefined)
    const cut = { seq: 1200, hash: last.hash, signature: 'signed' }
    for (const wrong of [{ ...cut, hash: 'x' }, { ...cut, seq: 1201 }, { ...cut, seq: 9999 }]) assert.equal(await audit.prune(wrong), 0, 'no event has that number and hash')
    assert.deepEqual([(await audit.chain()).pruned, (await recordsOf(stores)).length], [null, 1205])

    const removed = await inParallel(all, 4, ({ audit }) => audit.prune(cut))
    assert.equal(removed.reduce((sum, each) => sum + each, 0), 1200)
    assert.ok(removed.every((count) => count <= 1000), 'at most 1000 a call')
    const { head, pruned } = await audit.chain()
    assert.deepEqual(pruned, cut)
    const left = await audit.sealed({ after: 0 })
    assert.deepEqual(left.map(({ seq }) => seq), [1201, 1202, 1203, 1204, 1205])
    assert.deepEqual(await audit.sealed({ after: -Infinity }), left, 'and without those that have no number')
    assert.deepEqual(await verifyChain(left, { from: cut, heads: [head] }), { verified: head, fault: null })
    assert.deepEqual((await verifyChain(left, { heads: [head] })).fault, { kind: 'missing', seq: 1, id: null }, 'not without the cut')
    assert.equal((await verifyChain(left, { from: { ...cut, hash: 'x' } })).fault?.kind, 'altered')
    assert.deepEqual((await verifyChain(left, { from: cut, heads: [{ seq: 1200, hash: 'x' }] })).fault, { kind: 'altered', seq: 1200, id: null }, 'a checkpoint at the cut')

    assert.equal(await audit.prune({ seq: 1100, hash: '', signature: 'older' }), 0)
    assert.deepEqual((await audit.chain()).pruned, cut, 'it never goes back')
    assert.equal(await audit.prune({ ...head, signature: 'all' }), 5)
    assert.deepEqual(await audit.list(), { items: [unsealed] }, 'what has no seal stays')
    await audit.seal()
    const [next] = await audit.sealed({ after: 0 })
    assert.equal(next?.seq, 1206, 'and the chain goes on')
    assert.equal((await verifyChain([next], { from: head })).fault, null)
  })
]

/** The whole chain. */
async function recordsOf ({ audit }: Stores): Promise<SealedAuditEvent[]> {
  const records: SealedAuditEvent[] = []
  for (;;) {
    const page = await audit.sealed({ after: records.length, limit: 100 })
    if (page.length === 0) return records
    records.push(...page)
  }
}

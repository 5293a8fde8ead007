// What live access tokens are refused for.
import assert from 'node:assert/strict'
import type { RevocableToken, Revocation } from '../../stores/ports.ts'
import { inParallel, inSeconds, storeCheck } from './check.ts'
import type { StoreCheck } from './check.ts'

function revocationOf (kind: Revocation['kind'], id: string, more: Partial<Revocation> = {}): Revocation {
  return { kind, id, issuedBefore: null, expiresAt: inSeconds(900), ...more }
}

const byId = (one: Revocation, other: Revocation): number => one.id < other.id ? -1 : 1

export const revocationChecks: readonly StoreCheck[] = [
  storeCheck('R066 revocations: what was added is read from the cursor on, and again from the start', async ({ revocations }) => {
    const now = new Date()
    const empty = await revocations.since(null, now)
    assert.deepEqual(empty.revocations, [])
    const first = [revocationOf('token', 'a'), revocationOf('subject', 'b', { issuedBefore: inSeconds(-5) })]
    await revocations.add(first)
    const read = await revocations.since(empty.cursor, now)
    assert.deepEqual(read.revocations.sort(byId), first)
    await revocations.add([revocationOf('family', 'c')])
    await revocations.add([revocationOf('client', 'd')])
    const more = (await revocations.since(read.cursor, now)).revocations.map(({ id }) => id)
    assert.ok(more.includes('c') && more.includes('d'))
    assert.deepEqual((await revocations.since(null, now)).revocations.map(({ id }) => id).sort(), ['a', 'b', 'c', 'd'])
    await revocations.add([])
  }),

  storeCheck('revocations: the same again changes nothing; a later moment is one more', async ({ revocations }) => {
    const now = new Date()
    const one = revocationOf('token', 'a')
    await revocations.add([one, one])
    await revocations.add([one])
    assert.equal((await revocations.since(null, now)).revocations.length, 1)
    const [early, late] = [revocationOf('subject', 'b', { issuedBefore: inSeconds(-60) }), revocationOf('subject', 'b', { issuedBefore: inSeconds(-5) })]
    await revocations.add([early])
    await revocations.add([late])
    assert.equal((await revocations.since(null, now)).revocations.length, 3)
  }),

  storeCheck('revocations: what expired is not read, and is forgotten; a cursor holds all the same', async ({ revocations }) => {
    const now = new Date()
    await revocations.add([revocationOf('token', 'old', { expiresAt: inSeconds(10, now) }), revocationOf('token', 'young')])
    const { cursor } = await revocations.since(null, now)
    assert.deepEqual((await revocations.since(null, inSeconds(10, now))).revocations.map(({ id }) => id), ['young'])
    assert.equal(await revocations.prune(inSeconds(10, now)), 1)
    assert.equal(await revocations.prune(inSeconds(1000, now)), 1)
    await revocations.add([revocationOf('token', 'new')])
    assert.ok((await revocations.since(cursor, now)).revocations.some(({ id }) => id === 'new'), 'though everything before it is gone')
  }),

  storeCheck('R066 revocations: a reader with a cursor misses nothing of what many add at once', async ({ revocations }, all) => {
    const now = new Date()
    const seen = new Set<string>()
    let { cursor } = await revocations.since(null, now)
    const read = async () => {
      const next = await revocations.since(cursor, now)
      cursor = next.cursor
      for (const { id } of next.revocations) seen.add(id)
    }
    let writing = true
    const reader = (async () => { while (writing) await read() })()
    await inParallel(all, 60, async (stores, n) => {
      await stores.transaction(async ({ revocations, users }) => {
        await revocations.add([revocationOf('token', `t${String(n)}`)])
        for (let pause = 0; pause < n % 3 * n; pause++) await users.countByRole('admin')
      })
    })
    writing = false
    await reader
    await read()
    assert.equal(seen.size, 60)
  }),

  storeCheck('R066 revocations: a token is refused by its id, family, subject or client, and by when it was issued', async ({ revocations }) => {
    const now = new Date()
    const token: RevocableToken = { tokenId: 't', familyId: 'f', subject: 's', clientId: 'c', issuedAt: inSeconds(-60, now) }
    const other: RevocableToken = { tokenId: 'f', familyId: null, subject: 't', clientId: null, issuedAt: now }
    assert.equal(await revocations.isRevoked(token, now), false)
    const rows = [revocationOf('token', 't'), revocationOf('family', 'f'), revocationOf('subject', 's', { issuedBefore: now }), revocationOf('client', 'c', { issuedBefore: inSeconds(-59, now) })]
    for (const [index, row] of rows.entries()) {
      await revocations.prune(inSeconds(1000 + index * 100, now))
      await revocations.add([{ ...row, expiresAt: inSeconds(1050 + index * 100, now) }])
      assert.equal(await revocations.isRevoked(token, now), true, row.kind)
      assert.equal(await revocations.isRevoked(other, now), false, 'an id of another kind')
    }
    await revocations.prune(inSeconds(5000, now))
    await revocations.add([revocationOf('subject', 's', { issuedBefore: inSeconds(-60, now) }), revocationOf('token', 't', { expiresAt: now })])
    assert.equal(await revocations.isRevoked(token, now), false, 'issued at that very moment; a revocation that expired')
  })
]

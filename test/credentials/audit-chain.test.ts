// R206: the chain of the audit log, and the checkpoints that hold it from outside.
import { randomBytes } from 'node:crypto'
import { compactVerify, exportJWK, importJWK, SignJWT, generateKeyPair } from 'jose'
import t from 'tap'
import { CHAIN_START, hashOfRecord, verifyChain } from '../../credentials/audit-chain.ts'
import { createCheckpointSigner, readCheckpoint } from '../../credentials/audit-checkpoints.ts'
import type { ChainedEvent, ChainedRecord, ChainHead } from '../../credentials/audit-chain.ts'

const eventOf = (number: number): ChainedEvent => ({
  id: `event-${String(number)}`, event: 'authz_change', outcome: 'success', actor: 'alice', scheme: 'bearer', target: 'bob', ip: '192.0.2.1', method: 'PATCH',
  route: '/admin/users/:id', request_id: 'req-1', reason: null, details: { from: ['editor'], to: ['admin'] }
})

function chainOf (events: readonly ChainedEvent[], from: ChainHead = CHAIN_START): ChainedRecord[] {
  let head = from
  return events.map((event) => {
    const record = { ...event, seq: head.seq + 1, hash: hashOfRecord(head, event) }
    head = record
    return record
  })
}

const records = chainOf([1, 2, 3, 4, 5].map(eventOf))
const headOf = (chain: readonly ChainedRecord[]): ChainHead => {
  const { seq = 0, hash = '' } = chain.at(-1) ?? {}
  return { seq, hash }
}
const head = headOf(records)
const changed = (at: number, change: Partial<ChainedRecord>): ChainedRecord[] => records.map((record) => record.seq === at ? { ...record, ...change } : record)
const without = (at: number): ChainedRecord[] => records.filter(({ seq }) => seq !== at)
/** The chain with one record more at `at`, whose followers moved up by one. */
const withOneMore = (at: number, hash: string): ChainedRecord[] => [
  ...records.filter(({ seq }) => seq < at), { ...eventOf(99), seq: at, hash }, ...records.filter(({ seq }) => seq >= at).map((record) => ({ ...record, seq: record.seq + 1 }))
]

t.test('R206 a chain that nobody touched', async (t) => {
  t.strictSame(await verifyChain(records, { heads: [head] }), { verified: head, fault: null })
  t.strictSame(await verifyChain([]), { verified: CHAIN_START, fault: null })
  t.strictSame(await verifyChain(records.slice(2), { from: headOf(records.slice(0, 2)) }), { verified: head, fault: null }, 'from the middle on')
  async function * later () { yield * records }
  t.strictSame(await verifyChain(later()), { verified: head, fault: null }, 'as it comes')
})

t.test('R206 every member counts', async (t) => {
  for (const name of Object.keys(eventOf(3)) as (keyof ChainedEvent)[]) {
    const { fault } = await verifyChain(changed(3, { [name]: name === 'details' ? { from: ['editor'], to: [] } : 'other' }), { heads: [head] })
    t.strictSame(fault, { kind: 'altered', seq: 3, id: name === 'id' ? 'other' : 'event-3' }, name)
  }
})

const forgedHash = hashOfRecord(headOf(records.slice(0, 2)), eventOf(99))
const rewritten = chainOf([1, 2, 33, 4, 5].map(eventOf))
const rows: [title: string, chain: readonly ChainedRecord[], fault: object, heads?: readonly ChainHead[]][] = [
  ['a hash was altered', changed(4, { hash: 'other' }), { kind: 'altered', seq: 4, id: 'event-4' }],
  ['the last one was altered', changed(5, { actor: 'mallory' }), { kind: 'altered', seq: 5, id: 'event-5' }],
  ['the first one is gone', without(1), { kind: 'missing', seq: 1, id: null }],
  ['one in the middle is gone', without(3), { kind: 'missing', seq: 3, id: null }],
  ['the last one is gone', without(5), { kind: 'missing', seq: 5, id: null }],
  ['all are gone', [], { kind: 'missing', seq: 1, id: null }],
  ['one is gone, and the others moved up', without(3).map((record, at) => ({ ...record, seq: at + 1 })), { kind: 'altered', seq: 3, id: 'event-4' }],
  ['one has a number that was given', [...records.slice(0, 3), { ...eventOf(99), seq: 3, hash: 'x' }, ...records.slice(3)], { kind: 'inserted', seq: 3, id: 'event-99' }],
  ['one was put in, and the others moved down', withOneMore(3, 'x'), { kind: 'inserted', seq: 3, id: 'event-99' }],
  ['one was put in with the hash that it should have, and the others moved down', withOneMore(3, forgedHash), { kind: 'altered', seq: 4, id: 'event-3' }],
  ['two changed places', [...records.slice(0, 2), { ...eventOf(4), seq: 3, hash: 'x' }, { ...eventOf(3), seq: 4, hash: 'y' }, ...records.slice(4)], { kind: 'altered', seq: 3, id: 'event-4' }],
  ['all from one on were written anew, but for what the store says of the end', rewritten, { kind: 'altered', seq: 5, id: 'event-5' }],
  ['all from one on were written anew, but for a checkpoint', rewritten, { kind: 'altered', seq: 4, id: 'event-4' }, [{ seq: 4, hash: records[3]?.hash ?? '' }, headOf(rewritten)]]
]

t.test('R206 the first fault of a chain', async (t) => {
  for (const [title, chain, fault, heads = [head]] of rows) {
    await t.test(title, async (t) => { t.strictSame((await verifyChain(chain, { heads })).fault, fault) })
  }
})

t.test('R206 a checkpoint is a JWS that anybody can verify, and nothing else is one', async (t) => {
  const fileKey = randomBytes(32)
  const { publicJwk, sign } = await createCheckpointSigner(fileKey)
  const checkpoint = sign(head)
  t.match(await readCheckpoint(checkpoint, publicJwk), { ...head, iat: Number })
  t.match((await compactVerify(checkpoint, await importJWK({ ...publicJwk }, 'EdDSA'))).protectedHeader, { alg: 'EdDSA', typ: 'audit-checkpoint+jwt', kid: publicJwk.kid })
  t.strictSame((await createCheckpointSigner(fileKey)).publicJwk, publicJwk, 'the same file, the same key')
  const other = await createCheckpointSigner(randomBytes(32))
  t.equal(await readCheckpoint(other.sign(head), publicJwk), null, 'of another key')
  const [header, , signature] = checkpoint.split('.')
  t.equal(await readCheckpoint([header, Buffer.from(JSON.stringify({ ...head, seq: 4 })).toString('base64url'), signature].join('.'), publicJwk), null, 'altered')
  t.equal(await readCheckpoint('x', publicJwk), null)
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  const { x = '' } = await exportJWK(publicKey)
  const token = await new SignJWT({ ...head }).setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt' }).setIssuedAt().sign(privateKey)
  t.equal(await readCheckpoint(token, { kty: 'OKP', crv: 'Ed25519', x }), null, 'of another type')
})

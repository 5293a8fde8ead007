// `gatehouse audit`: the chain of the audit log, walked or written out, without the service over it.
import { readFile } from 'node:fs/promises'
import { CHAIN_START, verifyChain } from '../credentials/audit-chain.ts'
import { createCheckpointSigner, readCheckpoint } from '../credentials/audit-checkpoints.ts'
import { loadKeyFile } from '../credentials/key-file.ts'
import { databaseFileOf, readConfiguration } from '../config.ts'
import { CommandFailure } from './failure.ts'
import { coloured, progress, show } from './output.ts'
import type { ChainHead, ChainReport } from '../credentials/audit-chain.ts'
import type { CheckpointJwk } from '../credentials/audit-checkpoints.ts'
import type { AuditChainState, AuditStore, SealedAuditEvent, Stores } from '../stores/ports.ts'
import type { Configuration } from '../config.ts'

const PAGE = 100
const TOLD_EVERY = 100_000

/** The first record that is not as it was sealed, and what has no seal yet; exit code 1 for a fault. */
export async function verifyAudit ({ json = false, checkpoint: file }: { json?: boolean; checkpoint?: string }): Promise<void> {
  const checkpoint = file === undefined ? [] : [await readHead(file)]
  const { report, state, from } = await withStores(async ({ audit }, configuration) => {
    // Asked first: what is sealed while we walk stands behind this head.
    const state = await audit.chain()
    const from = await cutOf(state, configuration)
    // From the very first on: what stands before the cut, or before number 1, was sealed by nobody.
    return { state, from, report: await verifyChain(sealed(audit, -Infinity), { from, heads: [...(state.head.seq === 0 ? [] : [state.head]), ...checkpoint] }) }
  })
  show(json, { ...report, unsealed: state.unsealed }, () => told(report, { state, from, checkpoint: checkpoint.at(0) }))
  if (report.fault !== null) process.exitCode = 1
}

/** Where the chain begins: behind what was removed, if our key signed that, else at its start, so that the rest counts as missing. */
export async function cutOf ({ pruned }: AuditChainState, { tokenKeyFile }: Configuration): Promise<ChainHead> {
  if (pruned === null) return CHAIN_START
  const { publicJwk } = await createCheckpointSigner(await loadKeyFile(tokenKeyFile))
  const signed = await readCheckpoint(pruned.signature, publicJwk, 'cut')
  return signed?.seq === pruned.seq && signed.hash === pruned.hash ? { seq: pruned.seq, hash: pruned.hash } : CHAIN_START
}

interface Walked { readonly state: AuditChainState; readonly from: ChainHead; readonly checkpoint: ChainHead | undefined }

function told ({ verified, fault }: ChainReport, { state: { unsealed, pruned }, from, checkpoint }: Walked): string {
  return [
    ...(fault === null ? [] : [`${coloured('error')}  record ${String(fault.seq)}${fault.id === null ? '' : ` (${fault.id})`} ${fault.kind === 'missing' ? 'is missing' : `was ${fault.kind}`}`]),
    ...(fault?.kind === 'inserted' && fault.seq <= from.seq ? ['or a prune that was ended left it behind: then it is in the file of that prune, and the next one removes it'] : []),
    `${String(verified.seq - from.seq)} records are as they were sealed${verified.seq === 0 ? '' : `, the last with ${verified.hash}`}`,
    ...(pruned === null ? [] : [from.seq === 0 ? `that those up to ${String(pruned.seq)} were removed is not signed by the key of this service` : `those up to ${String(from.seq)} were removed by gatehouse audit prune`]),
    ...(checkpoint !== undefined && checkpoint.seq < from.seq ? [`the checkpoint is of record ${String(checkpoint.seq)}, which was removed: it says nothing of what is left`] : []),
    unsealed.count === 0 ? 'every record is sealed' : `${String(unsealed.count)} records have no seal yet, the oldest of ${unsealed.oldest ?? 'an unknown time'}`
  ].join('\n')
}

/** The sealed records, one JSON object a line; or where the chain stands, signed. */
export async function exportAudit ({ after, checkpoint }: { after: number; checkpoint?: boolean }): Promise<void> {
  await withStores(async ({ audit: store }, { tokenKeyFile }) => {
    if (checkpoint) {
      const signer = await createCheckpointSigner(await loadKeyFile(tokenKeyFile))
      const { head } = await store.chain()
      process.stdout.write(`${JSON.stringify({ checkpoint: signer.sign(head), public_jwk: signer.publicJwk })}\n`)
      return
    }
    for await (const record of sealed(store, after)) if (!process.stdout.write(`${JSON.stringify(record)}\n`)) await drained()
  })
}

function drained (): Promise<void> {
  return new Promise((resolve) => { process.stdout.once('drain', resolve) })
}

/** The sealed records behind a number. */
export async function * sealed (store: AuditStore, after: number): AsyncGenerator<SealedAuditEvent> {
  let last = after
  for (;;) {
    const records = await store.sealed({ after: last, limit: PAGE })
    yield * records
    const { seq } = records.at(-1) ?? {}
    if (seq === undefined) return
    if (Math.floor(seq / TOLD_EVERY) > Math.floor(last / TOLD_EVERY)) progress(`${String(seq)} records`)
    last = seq
  }
}

/** What a file of `audit export --checkpoint` says, if the key in it signed it. */
async function readHead (file: string): Promise<ChainHead> {
  const head = await readSigned(file).catch(() => null)
  if (head === null) throw new CommandFailure(`${file} is no checkpoint; gatehouse audit export --checkpoint writes one`)
  return { seq: head.seq, hash: head.hash }
}

async function readSigned (file: string): Promise<ChainHead | null> {
  // eslint-disable-next-line security/detect-non-literal-fs-filename -- whoever runs the command names it
  const { checkpoint, public_jwk: publicJwk } = JSON.parse(await readFile(file, 'utf8')) as { checkpoint: string; public_jwk: CheckpointJwk }
  return await readCheckpoint(checkpoint, publicJwk)
}

/** The stores that the environment names, for as long as `work` takes. */
export async function withStores<T> (work: (stores: Stores, configuration: Configuration) => Promise<T>): Promise<T> {
  const configuration = readConfiguration(process.env)
  progress('Opening the store')
  const stores = configuration.databaseUrl === null
    ? await (await import('../stores/sqlite.ts')).createSqliteStores(databaseFileOf(configuration))
    : await (await import('../stores/postgres.ts')).createPostgresStores(configuration.databaseUrl)
  try {
    return await work(stores, configuration)
  } finally {
    await stores.close()
  }
}

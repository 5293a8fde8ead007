// `gatehouse audit prune`: the old end of the audit log, written out, signed, and only then removed.
import { open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { verifyChain } from '../credentials/audit-chain.ts'
import { createCheckpointSigner } from '../credentials/audit-checkpoints.ts'
import { loadKeyFile } from '../credentials/key-file.ts'
import { cutOf, sealed, withStores } from './audit.ts'
import { CommandFailure } from './failure.ts'
import { progress, show } from './output.ts'
import type { FileHandle } from 'node:fs/promises'
import type { AuditCut, AuditStore, SealedAuditEvent } from '../stores/ports.ts'

/** Removes what is older than `before` and stands in `to` now; nothing where the chain has a fault, or the file is there. */
export async function pruneAudit ({ before, to, json = false }: { before: Date; to: string; json?: boolean }): Promise<void> {
  const result = await withStores(async (stores, configuration) => {
    const { audit } = stores
    const state = await audit.chain()
    const from = await cutOf(state, configuration)
    // What an earlier call left behind that was ended in between is in its file.
    if (state.pruned?.seq === from.seq) await removeAll(audit, state.pruned)
    const { sign } = await createCheckpointSigner(await loadKeyFile(configuration.tokenKeyFile), 'cut')
    const file = await create(to)
    let isKept = false
    try {
      const { verified, fault } = await verifyChain(written(older(audit, { after: from.seq, before }), file), { from })
      if (fault !== null) throw new CommandFailure(`record ${String(fault.seq)} is not as it was sealed: nothing is removed; gatehouse audit verify tells more`)
      await file.sync()
      await syncFolder(dirname(to))
      if (verified.seq === from.seq) return { removed: 0, through: verified }
      isKept = true
      const cut = { ...verified, signature: sign(verified) }
      progress('Removing')
      const first = await stores.transaction(async (inside) => {
        const count = await inside.audit.prune(cut)
        isKept = count > 0
        if (!isKept) throw new CommandFailure(`record ${String(verified.seq)} is gone meanwhile, as after another prune: nothing is removed`)
        await inside.audit.append({ event: 'gatehouse_audit_pruned', outcome: 'success', details: { through: verified.seq, before: before.toISOString() } })
        return count
      })
      return { removed: first + await removeAll(audit, cut), through: verified }
    } finally {
      await file.close()
      // eslint-disable-next-line security/detect-non-literal-fs-filename -- it was made above
      if (!isKept) await unlink(to)
    }
  })
  show(json, result, () => result.removed === 0 ? 'no sealed record is as old as that' : `${String(result.removed)} records are in ${to} and no longer in the store; the chain begins behind ${String(result.through.seq)}`)
}

async function removeAll (audit: AuditStore, cut: AuditCut): Promise<number> {
  let removed = 0
  for (let more = 1; more > 0; removed += more) more = await audit.prune(cut)
  return removed
}

/** A file that nobody else reads, and that was not there. */
async function create (path: string): Promise<FileHandle> {
  try {
    // eslint-disable-next-line security/detect-non-literal-fs-filename -- whoever runs the command names it
    return await open(path, 'wx', 0o600)
  } catch (error) {
    throw new CommandFailure(`${path} cannot be made: ${(error as NodeJS.ErrnoException).code === 'EEXIST' ? 'it is there already' : String(error)}`)
  }
}

/** Without it, the file may have no name after a crash of the machine. */
async function syncFolder (path: string): Promise<void> {
  // Windows opens no folders.
  if (process.platform === 'win32') return
  // eslint-disable-next-line security/detect-non-literal-fs-filename -- whoever runs the command names it
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function * older (store: AuditStore, { after, before }: { after: number; before: Date }): AsyncGenerator<SealedAuditEvent> {
  for await (const record of sealed(store, after)) {
    if (record.time >= before.toISOString()) return
    yield record
  }
}

async function * written (records: AsyncIterable<SealedAuditEvent>, file: FileHandle): AsyncGenerator<SealedAuditEvent> {
  for await (const record of records) {
    // `write` may write a part of it, as on a disk that is full in a moment.
    await file.appendFile(`${JSON.stringify(record)}\n`)
    yield record
  }
}

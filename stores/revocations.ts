// Revocations in SQL. Everybody reads what is new again and again, so nothing may be committed behind a reader's cursor.
// SQLite has one writer at a time: numbers are committed in their order. PostgreSQL has many: a row is marked with its
// transaction, and a cursor is the oldest transaction that was still going on when it was read; from there on all is read again.
import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { isPostgres } from './engine.ts'
import { PRUNED_AT_ONCE } from './pages.ts'
import type { Revocation, RevocationStore } from './ports.ts'
import type { Database } from './tables.ts'

const START = '0'
// Four parameters each, of the 32,766 that a statement of SQLite may have.
const ADDED_AT_ONCE = 5000
const COLUMNS = ['mark', 'kind', 'id', 'issued_before', 'expires_at'] as const

export function createRevocationStore (db: Kysely<Database>): RevocationStore {
  const postgres = isPostgres(db)
  const oldestOpen = sql<string>`pg_snapshot_xmin(pg_current_snapshot())::text`

  async function readSince (cursor: string, now: Date) {
    const query = db.selectFrom('revocations').select(COLUMNS).where('expires_at', '>', now.toISOString())
    if (!postgres) {
      const rows = await query.where('mark', '>', Number(cursor)).orderBy('mark').execute()
      return { rows, next: rows.at(-1)?.mark }
    }
    // One statement is one snapshot, in which both the rows and the cursor are read.
    const rows = await query.where('mark', '>=', cursor).select(oldestOpen.as('next')).execute()
    return { rows, next: rows[0]?.next }
  }

  return {
    async add (revocations) {
      for (let start = 0; start < revocations.length; start += ADDED_AT_ONCE) {
        await db.insertInto('revocations').values(revocations.slice(start, start + ADDED_AT_ONCE).map(({ kind, id, issuedBefore, expiresAt }) => ({
          kind, id, issued_before: issuedBefore?.toISOString() ?? '', expires_at: expiresAt.toISOString()
        }))).onConflict((conflict) => conflict.doNothing()).execute()
      }
    },

    async since (cursor, now) {
      const from = cursor ?? START
      const { rows, next } = await readSince(from, now)
      return { cursor: String(next ?? from), revocations: rows.map(revocationOf) }
    },

    async isRevoked ({ tokenId, familyId, subject, clientId, issuedAt }, now) {
      const named = [['token', tokenId], ['family', familyId], ['subject', subject], ['client', clientId]] as const
      const row = await db.selectFrom('revocations').select('kind')
        .where(({ or, and }) => or(named.flatMap(([kind, id]) => id === null ? [] : [and({ kind, id })])))
        .where(({ or, eb }) => or([eb('issued_before', '=', ''), eb('issued_before', '>', issuedAt.toISOString())]))
        .where('expires_at', '>', now.toISOString()).limit(1).executeTakeFirst()
      return row !== undefined
    },

    async prune (now) {
      const ended = db.selectFrom('revocations').select('mark').where('expires_at', '<=', now.toISOString()).limit(PRUNED_AT_ONCE)
      const { numDeletedRows } = await db.deleteFrom('revocations').where('mark', 'in', ended).where('expires_at', '<=', now.toISOString()).executeTakeFirst()
      return Number(numDeletedRows)
    }
  }
}

function revocationOf ({ kind, id, issued_before: before, expires_at: expiresAt }: { kind: Revocation['kind']; id: string; issued_before: string; expires_at: string }): Revocation {
  return { kind, id, issuedBefore: before === '' ? null : new Date(before), expiresAt: new Date(expiresAt) }
}

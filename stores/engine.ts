// What differs between the engines, and what a transaction is on either.
import { AsyncLocalStorage } from 'node:async_hooks'
import { PostgresAdapter, sql } from 'kysely'
import type { Kysely, KyselyPlugin, Transaction } from 'kysely'

/** Whether the engine is PostgreSQL; else it is SQLite. */
export function isPostgres<DB> (db: Kysely<DB>): boolean {
  return db.getExecutor().adapter instanceof PostgresAdapter
}

/** Runs `work` in the transaction that `db` is, or in one of its own. */
export async function atomically<DB, T> (db: Kysely<DB>, work: (db: Kysely<DB>) => Promise<T>): Promise<T> {
  if (db.isTransaction) return await work(db)
  assertOutside()
  return await begin(db).execute(work)
}

// Under it a condition that had to wait is judged again, by what was committed meanwhile. SQLite has one writer at a time.
function begin<DB> (db: Kysely<DB>) {
  return db.transaction().setIsolationLevel('read committed')
}

// Of the two numbers that name such a lock this one is ours.
const SUBJECTS = 0x67617465

/**
 * Lets whoever opens something for a subject, and whoever ends all that it has, wait for each other's transaction: what
 * is read after this knows of those who came first. Without it, each would judge by what was committed when it began.
 */
export async function lineUp<DB> (db: Kysely<DB>, subject: string): Promise<void> {
  // SQLite has one writer at a time.
  if (isPostgres(db)) await sql`select pg_advisory_xact_lock(${sql.lit(SUBJECTS)}, hashtext(${subject}))`.execute(db)
}

const scope = new AsyncLocalStorage<{ open: boolean }>()
let openScopes = 0

/** Runs `work` in a transaction in which only what it was given may be used. */
export async function inScope<DB, T> (db: Kysely<DB>, work: (transaction: Transaction<DB>) => Promise<T>): Promise<T> {
  assertOutside()
  const mine = { open: true }
  openScopes++
  try {
    return await begin(db).execute((transaction) => scope.run(mine, () => work(transaction)))
  } finally {
    mine.open = false
    // As long as it is enabled, every promise of the process takes three times as long.
    if (--openScopes === 0) scope.disable()
  }
}

// On SQLite it would wait for its own transaction for ever; on PostgreSQL it would be kept although that one was not.
function assertOutside (): void {
  if (scope.getStore()?.open === true) throw new Error('inside a transaction only the stores that it was given may be used')
}

/** For the stores outside of transactions. */
export const outsideOnly: KyselyPlugin = {
  transformQuery ({ node }) {
    assertOutside()
    return node
  },
  transformResult: ({ result }) => Promise.resolve(result)
}

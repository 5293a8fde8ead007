// What Kysely asks of an SQLite driver, over one that speaks as node:sqlite does; and what a full disk must not do:
// leave half of a transaction behind.
import type { SqliteDatabase } from 'kysely'
import { refusal } from '../errors.ts'
import { assertBindable, outage } from './outage.ts'
import type { TellState } from './outage.ts'

type Connection = InstanceType<(typeof import('@photostructure/sqlite'))['DatabaseSync']>

/** Results that say that the file cannot be written, or not be trusted, and SQLite's words for them. */
const FILE_FAILURES: ReadonlyMap<number, string> = new Map([
  [8, 'attempt to write a readonly database'],
  [10, 'disk I/O error'],
  [11, 'database disk image is malformed'],
  [13, 'database or disk is full'],
  [14, 'unable to open database file'],
  [26, 'file is not a database']
])
const FILE_FAILURE_WORDS: ReadonlySet<string> = new Set(FILE_FAILURES.values())

/**
 * The connection in the shape of better-sqlite3, where `reader` says whether rows come back, and parameters are one list.
 * `tell` hears when the file cannot be written, and when a change was kept.
 */
export function kyselyDatabase (connection: Connection, tell: TellState): SqliteDatabase {
  let [begun, changed] = [false, false]

  // An engine that fails is an outage, whatever it was asked.
  function attempt<T> (work: () => T): T {
    try {
      return work()
    } catch (cause) {
      if (isFileFailure(cause)) tell(false, cause)
      throw outage('SQLite', cause)
    }
  }

  function follow (text: string, changes: number): void {
    if (text === 'begin immediate') begun = true
    if (text === 'commit' || text === 'rollback') begun = false
    if (text === 'rollback') changed = false
    if (changes > 0 && WRITE.test(text)) changed = true
    if (!changed || begun) return
    changed = false
    tell(true)
  }

  return {
    close: () => { connection.close() },
    prepare (text) {
      // Where the disk is full SQLite takes the transaction back by itself; whatever came after it would be kept alone.
      const isTakenBack = begun && !connection.isTransaction
      if (isTakenBack && text !== 'rollback') throw refusal('unavailable', { retryAfterSeconds: 1, reason: 'SQLite took the transaction back' })
      const statement = attempt(() => connection.prepare(text))
      return {
        reader: statement.columns().length > 0,
        all (parameters) {
          assertBindable(parameters)
          const rows = attempt<unknown[]>(() => statement.all(...parameters))
          follow(text, rows.length)
          return rows
        },
        run (parameters) {
          assertBindable(parameters)
          const result = isTakenBack ? { changes: 0, lastInsertRowid: 0 } : attempt(() => statement.run(...parameters))
          follow(text, result.changes)
          return result
        },
        iterate (parameters) {
          assertBindable(parameters)
          return attempt(() => statement.iterate(...parameters))
        }
      }
    }
  }
}

const WRITE = /^(?:insert|update|delete) /

/** By the primary result; a further one stands in the bytes above it. Of what was to return rows the driver gives the words alone. */
function isFileFailure (cause: unknown): boolean {
  if (!(cause instanceof Error)) return false
  if ('errcode' in cause && typeof cause.errcode === 'number') return FILE_FAILURES.has(cause.errcode & 255)
  return FILE_FAILURE_WORDS.has(cause.message)
}

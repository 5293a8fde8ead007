// PostgreSQL through Kysely's own dialect and `pg`. Whatever hangs has an end: a wait for a connection, a statement, a
// lock, a transaction that nobody goes on with, an answer that does not come.
import { setTimeout } from 'node:timers/promises'
import { Kysely, PostgresDialect } from 'kysely'
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import type { Pool, PoolClient, PoolConfig, QueryResult } from 'pg'
import { fault, refusal } from '../errors.ts'
import { migrateToLatest } from './migrate.ts'
import { assertBindable, outage, unheard } from './outage.ts'
import type { TellState } from './outage.ts'
import type { Stores } from './ports.ts'
import { createSqlStores } from './sql.ts'
import type { Database } from './tables.ts'

const limits: PoolConfig = {
  max: 10,
  connectionTimeoutMillis: 3000,
  lock_timeout: 3000,
  statement_timeout: 5000,
  // The server's own clock ends a statement; this one ends the wait for a server that does not answer at all.
  query_timeout: 6000,
  idle_in_transaction_session_timeout: 10_000,
  keepAlive: true,
  application_name: 'gatehouse'
}

// A process that starts waits for the one that migrates.
export const migrationLimits: PoolConfig = { ...limits, max: 1, lock_timeout: 0, statement_timeout: 600_000, query_timeout: 600_000, idle_in_transaction_session_timeout: 600_000 }

const CLOSE_TIMEOUT_MS = 5000
/** What `pg-pool` says to who waited too long for a connection that is in use. */
const POOL_IS_BUSY = 'timeout exceeded when trying to connect'

/** Opens the database at `url`, migrates it and gives the stores. `tell` hears whether it answers. Throws `GATEHOUSE_PEER_MISSING`. */
export async function createPostgresStores (url: string, tell: TellState = unheard): Promise<Stores> {
  const migrating = await openPostgres(url, { options: migrationLimits, tell })
  try {
    await migrateToLatest(migrating)
  } finally {
    await migrating.destroy()
  }
  const stores = createSqlStores(await openPostgres(url, { tell }))
  // What was never used, Kysely would not close either.
  await stores.ping()
  return stores
}

/** Opens the database at `url` as it is. Throws `GATEHOUSE_PEER_MISSING` without `pg`. */
export async function openPostgres (url: string, { options = limits, tell = unheard }: { options?: PoolConfig; tell?: TellState } = {}): Promise<Kysely<Database>> {
  const { Pool } = await loadDriver()
  const pool = new Pool({ ...options, connectionString: url })
  // A connection that breaks while nobody asks it anything is told of when somebody does; unheard, it would end the process.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => { client.on('error', () => undefined) })
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool: kyselyPool(pool, tell) }) })
}

type Driver = Pick<typeof import('pg'), 'Pool'>

async function loadDriver (): Promise<Driver> {
  try {
    return await import('pg')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') {
      throw fault('GATEHOUSE_PEER_MISSING', 'the PostgreSQL stores need a package: npm install pg')
    }
    throw error
  }
}

function kyselyPool (pool: Pool, tell: TellState): PostgresPool {
  return {
    async connect () {
      try {
        return kyselyClient(await pool.connect(), tell)
      } catch (cause) {
        // That all connections are busy says nothing of the server; they will.
        if (!(cause instanceof Error && cause.message === POOL_IS_BUSY)) tell(false, cause)
        throw outage('PostgreSQL', cause)
      }
    },
    async end () {
      // A server that does not answer does not close either.
      await Promise.race([pool.end(), setTimeout(CLOSE_TIMEOUT_MS, undefined, { ref: false })])
    }
  }
}

// A connection on which an answer stayed out is in an unknown state: nothing more is asked on it, and it is not used again.
function kyselyClient (client: PoolClient, tell: TellState): PostgresPoolClient {
  let broken = false

  async function ask (text: string, parameters: readonly unknown[]): Promise<QueryResult> {
    try {
      const result = await client.query(text, [...parameters])
      tell(true)
      return result
    } catch (cause) {
      // After what the server said of a statement the connection is as good as before.
      broken = !(cause instanceof Error && 'severity' in cause && cause.severity === 'ERROR')
      tell(!broken, cause)
      throw outage('PostgreSQL', cause)
    }
  }

  async function query (text: unknown, parameters: readonly unknown[] = []) {
    assertBindable(parameters)
    // The server takes back what was begun on a connection that is gone; whoever asks for it is on the way out with the reason.
    if (broken && text === 'rollback') return nothing
    if (broken) throw refusal('unavailable', { retryAfterSeconds: 1, reason: 'the connection to PostgreSQL is broken' })
    const result = await ask(String(text), parameters)
    // What failed earlier in a transaction lets its end succeed, by taking everything back.
    if (text === 'commit' && result.command === 'ROLLBACK') throw refusal('unavailable', { retryAfterSeconds: 1, reason: 'PostgreSQL took the transaction back' })
    return result
  }

  return {
    query: query as unknown as PostgresPoolClient['query'],
    release () { client.release(broken) }
  }
}

const nothing = Object.freeze({ command: 'ROLLBACK', rowCount: 0, rows: [] })

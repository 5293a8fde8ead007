// PostgreSQL through Kysely's own dialect and `pg`. Whatever hangs has an end: a wait for a connection, a statement, a
// lock, a transaction that nobody goes on with, an answer that does not come.
import { setTimeout } from 'node:timers/promises'
import { Kysely, PostgresDialect } from 'kysely'
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import type { Pool, PoolClient, PoolConfig } from 'pg'
import { fault, refusal } from '../errors.ts'
import { migrateToLatest } from './migrate.ts'
import { assertBindable, outage } from './outage.ts'
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
const migrationLimits: PoolConfig = { ...limits, max: 1, lock_timeout: 0, statement_timeout: 600_000, query_timeout: 600_000, idle_in_transaction_session_timeout: 600_000 }

const CLOSE_TIMEOUT_MS = 5000

/** Opens the database at `url`, migrates it and gives the stores. Throws `GATEHOUSE_PEER_MISSING`. */
export async function createPostgresStores (url: string): Promise<Stores> {
  const migrating = await openPostgres(url, migrationLimits)
  try {
    await migrateToLatest(migrating)
  } finally {
    await migrating.destroy()
  }
  const stores = createSqlStores(await openPostgres(url))
  // What was never used, Kysely would not close either.
  await stores.ping()
  return stores
}

/** Opens the database at `url` as it is. Throws `GATEHOUSE_PEER_MISSING` without `pg`. */
export async function openPostgres (url: string, options: PoolConfig = limits): Promise<Kysely<Database>> {
  const { Pool } = await loadDriver()
  const pool = new Pool({ ...options, connectionString: url })
  // A connection that breaks while nobody asks it anything is told of when somebody does; unheard, it would end the process.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => { client.on('error', () => undefined) })
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool: kyselyPool(pool) }) })
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

function kyselyPool (pool: Pool): PostgresPool {
  return {
    async connect () {
      try {
        return kyselyClient(await pool.connect())
      } catch (cause) {
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
function kyselyClient (client: PoolClient): PostgresPoolClient {
  let broken = false

  async function query (text: unknown, parameters: readonly unknown[] = []) {
    assertBindable(parameters)
    if (broken) throw refusal('unavailable', { retryAfterSeconds: 1, reason: 'the connection to PostgreSQL is broken' })
    try {
      return await client.query(String(text), [...parameters])
    } catch (cause) {
      // After what the server said of a statement the connection is as good as before.
      broken = !(cause instanceof Error && 'severity' in cause && cause.severity === 'ERROR')
      throw outage('PostgreSQL', cause)
    }
  }

  return {
    query: query as unknown as PostgresPoolClient['query'],
    release () { client.release(broken) }
  }
}

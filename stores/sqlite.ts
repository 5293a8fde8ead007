// SQLite in a file, through Kysely's own dialect over a driver that speaks as node:sqlite does.
// What was acknowledged stays: WAL with `synchronous=FULL` is on the disk when a write returns, so neither SIGKILL nor
// a power cut loses it.
import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CompiledQuery, Kysely, sql, SqliteAdapter, SqliteDialect, SqliteDriver } from 'kysely'
import type { DatabaseConnection, SqliteDialectConfig } from 'kysely'
import { fault } from '../errors.ts'
import { migrateToLatest } from './migrate.ts'
import { unheard } from './outage.ts'
import type { TellState } from './outage.ts'
import type { Stores } from './ports.ts'
import { createSqlStores } from './sql.ts'
import { kyselyDatabase } from './sqlite-connection.ts'
import type { Database } from './tables.ts'

// It blocks the process while another one writes, so it is short.
const BUSY_TIMEOUT_MS = 2000
// A process that starts waits for the one that migrates.
const MIGRATION_TIMEOUT_MS = 60_000

/**
 * Opens the database in `file` (`:memory:` for none), migrates it and gives the stores. `tell` hears when nothing can be
 * written, and when something was again. Throws `GATEHOUSE_PEER_MISSING`.
 */
export async function createSqliteStores (file: string, tell: TellState = unheard): Promise<Stores> {
  const db = await openSqlite(file, tell)
  try {
    await setBusyTimeout(db, MIGRATION_TIMEOUT_MS)
    await migrateToLatest(db)
    await setBusyTimeout(db, BUSY_TIMEOUT_MS)
  } catch (error) {
    await db.destroy()
    throw error
  }
  return createSqlStores(db)
}

/** Opens the database in `file` as it is. Throws `GATEHOUSE_PEER_MISSING` without `@photostructure/sqlite`. */
export async function openSqlite (file: string, tell: TellState = unheard): Promise<Kysely<Database>> {
  const { DatabaseSync } = await loadDriver()
  if (file !== ':memory:') await reserve(file)
  const connection = new DatabaseSync(file, {
    timeout: BUSY_TIMEOUT_MS,
    enableForeignKeyConstraints: true,
    defensive: true
  })
  try {
    connection.exec('pragma journal_mode = wal; pragma synchronous = full; pragma trusted_schema = off')
  } catch (error) {
    connection.close()
    throw error
  }
  return new Kysely<Database>({ dialect: new NodeSqliteDialect({ database: kyselyDatabase(connection, tell) }) })
}

async function setBusyTimeout (db: Kysely<Database>, milliseconds: number): Promise<void> {
  await sql`pragma busy_timeout = ${sql.lit(milliseconds)}`.execute(db)
}

type Driver = typeof import('@photostructure/sqlite')

async function loadDriver (): Promise<Driver> {
  try {
    return await import('@photostructure/sqlite')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') {
      throw fault('GATEHOUSE_PEER_MISSING', 'the SQLite stores need a package: npm install @photostructure/sqlite')
    }
    throw error
  }
}

// SQLite would make the file readable to everybody; its journals take the mode of the file.
async function reserve (file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const handle = await open(file, 'a', 0o600)
  await handle.close()
}

class NodeSqliteDialect extends SqliteDialect {
  readonly #config: SqliteDialectConfig

  constructor (config: SqliteDialectConfig) {
    super(config)
    this.#config = config
  }

  override createDriver (): SqliteDriver {
    return new ImmediateDriver(this.#config)
  }

  override createAdapter (): SqliteAdapter {
    return new TransactionalAdapter()
  }
}

class ImmediateDriver extends SqliteDriver {
  // A deferred transaction that starts to write is refused at once, without waiting, if another process wrote meanwhile.
  override async beginTransaction (connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'))
  }
}

class TransactionalAdapter extends SqliteAdapter {
  // SQLite can; with it a migration is whole or absent, and `begin immediate` lets one process migrate at a time.
  override get supportsTransactionalDdl (): boolean {
    return true
  }
}

// `gatehouse migrate`: the tables of the database, without the service over them.
import { databaseFileOf, readConfiguration } from '../config.ts'
import { UsageFailure } from './failure.ts'
import { progress, show } from './output.ts'

export async function migrateUp ({ json = false }: { json?: boolean }): Promise<void> {
  const applied = await run('up')
  show(json, { applied }, () => applied.length === 0 ? 'the tables are up to date' : `applied ${applied.join(', ')}`)
}

export async function migrateDown ({ json = false, yes }: { json?: boolean; yes?: boolean }): Promise<void> {
  if (!yes) throw new UsageFailure('migrate down loses what the newest tables and columns hold; say --yes')
  const undone = await run('down')
  show(json, { undone }, () => undone.length === 0 ? 'there is nothing to take back' : `took back ${undone.join(', ')}`)
}

async function run (direction: 'up' | 'down'): Promise<string[]> {
  const configuration = readConfiguration(process.env)
  const { migrate } = await import('../stores/migrate.ts')
  progress('Migrating')
  const db = configuration.databaseUrl === null ? await (await import('../stores/sqlite.ts')).openSqlite(databaseFileOf(configuration)) : await openPostgres(configuration.databaseUrl)
  try {
    return await migrate(db, direction)
  } finally {
    await db.destroy()
  }
}

async function openPostgres (url: string) {
  const { migrationLimits, openPostgres: open } = await import('../stores/postgres.ts')
  return await open(url, { options: migrationLimits })
}

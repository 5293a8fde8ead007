// The schema's history. A migration that was released is never edited; the next one gets the next number.
import { Migrator } from 'kysely'
import type { Kysely, Migration } from 'kysely'
import { apiKeys } from './migrations/api-keys.ts'
import { items } from './migrations/items.ts'
import { users } from './migrations/users.ts'

// A list, not a scan of the directory: what runs is what was reviewed, and bundlers see it.
const migrations: Record<string, Migration> = {
  '0001_users': users,
  '0002_items': items,
  '0003_api_keys': apiKeys
}

/** The migrator over our own migrations; one that fails leaves nothing behind. */
export function createMigrator<DB> (db: Kysely<DB>): Migrator {
  return new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } })
}

/** Brings the schema up to date; of several processes that start at once, one does it. Throws with the engine's error as cause. */
export async function migrateToLatest<DB> (db: Kysely<DB>): Promise<void> {
  const { error, results = [] } = await createMigrator(db).migrateToLatest()
  if (error === undefined) return
  const failed = results.find(({ status }) => status === 'Error')?.migrationName ?? 'the schema'
  throw new Error(`the database could not be migrated: ${failed}`, { cause: error })
}

// All stores over one SQL database.
import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { createApiKeyStore } from './api-keys.ts'
import { createItemStore } from './items.ts'
import type { Stores } from './ports.ts'
import type { Database } from './tables.ts'
import { createUserStore } from './users.ts'

/** The stores over a migrated database; `close` closes it. */
export function createSqlStores (db: Kysely<Database>): Stores {
  return Object.freeze({
    users: createUserStore(db),
    items: createItemStore(db),
    apiKeys: createApiKeyStore(db),
    async ping () { await sql`select 1`.execute(db) },
    async close () { await db.destroy() }
  })
}

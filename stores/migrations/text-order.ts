import { sql } from 'kysely'
import type { Kysely, Migration } from 'kysely'
import { isPostgres } from '../engine.ts'

const columns: Readonly<Record<string, readonly string[]>> = {
  users: ['id', 'username', 'username_key', 'email', 'full_name', 'password_hash', 'roles', 'created_at'],
  items: ['id', 'owner', 'title', 'description', 'created_at'],
  api_keys: ['id', 'owner', 'name', 'scopes', 'digest', 'hint', 'created_at', 'expires_at', 'revoked_at']
}

// SQLite orders text by its bytes anyway.
async function setOrder (db: Kysely<unknown>, collation: string): Promise<void> {
  if (!isPostgres(db)) return
  for (const [table, names] of Object.entries(columns)) {
    for (const name of names) await sql`alter table ${sql.table(table)} alter column ${sql.ref(name)} type text collate ${sql.id(collation)}`.execute(db)
  }
}

export const textOrder: Migration = {
  up: (db: Kysely<unknown>) => setOrder(db, 'C'),
  down: (db: Kysely<unknown>) => setOrder(db, 'default')
}

import type { Kysely, Migration } from 'kysely'
import { textOf } from './text.ts'

export const signingKeys: Migration = {
  async up (db: Kysely<unknown>) {
    const text = textOf(db)
    await db.schema.createTable('signing_keys')
      .addColumn('kid', text, (column) => column.primaryKey().notNull())
      .addColumn('sequence', 'integer', (column) => column.notNull().unique())
      .addColumn('algorithm', text, (column) => column.notNull())
      .addColumn('public_jwk', text, (column) => column.notNull())
      .addColumn('wrapped_private_key', text, (column) => column.notNull())
      .addColumn('created_at', text, (column) => column.notNull())
      .addColumn('active_from', text, (column) => column.notNull())
      .addColumn('retire_at', text, (column) => column.notNull())
      .addColumn('expires_at', text, (column) => column.notNull())
      .execute()
  },
  async down (db: Kysely<unknown>) {
    await db.schema.dropTable('signing_keys').execute()
  }
}

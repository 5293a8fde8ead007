import type { Kysely, Migration } from 'kysely'
import { textOf } from './text.ts'

export const loginAttempts: Migration = {
  async up (db: Kysely<unknown>) {
    const text = textOf(db)
    await db.schema.createTable('login_attempts')
      .addColumn('key', text, (column) => column.primaryKey().notNull())
      .addColumn('attempts', 'integer', (column) => column.notNull())
      .addColumn('failures', 'integer', (column) => column.notNull())
      .addColumn('retry_at', text, (column) => column.notNull())
      .addColumn('counted', 'integer', (column) => column.notNull())
      .execute()
  },
  async down (db: Kysely<unknown>) {
    await db.schema.dropTable('login_attempts').execute()
  }
}

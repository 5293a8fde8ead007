import type { Kysely, Migration } from 'kysely'
import { textOf } from './text.ts'

export const sessions: Migration = {
  async up (db: Kysely<unknown>) {
    const text = textOf(db)
    await db.schema.createTable('sessions')
      .addColumn('id', text, (column) => column.primaryKey().notNull())
      .addColumn('subject', text, (column) => column.notNull())
      .addColumn('created_at', text, (column) => column.notNull())
      .addColumn('authenticated_at', text, (column) => column.notNull())
      .addColumn('last_seen_at', text, (column) => column.notNull())
      .addColumn('idle_expires_at', text, (column) => column.notNull())
      .addColumn('expires_at', text, (column) => column.notNull())
      .execute()
    await db.schema.createIndex('sessions_by_subject').on('sessions').columns(['subject', 'created_at', 'id']).execute()
    await db.schema.createIndex('sessions_by_end').on('sessions').column('idle_expires_at').execute()
  },
  async down (db: Kysely<unknown>) {
    await db.schema.dropTable('sessions').execute()
  }
}

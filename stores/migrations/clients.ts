import type { Kysely, Migration } from 'kysely'
import { textOf } from './text.ts'

export const clients: Migration = {
  async up (db: Kysely<unknown>) {
    const text = textOf(db)
    await db.schema.createTable('clients')
      .addColumn('id', text, (column) => column.primaryKey().notNull())
      .addColumn('name', text, (column) => column.notNull())
      .addColumn('grants', text, (column) => column.notNull())
      .addColumn('scopes', text, (column) => column.notNull())
      .addColumn('secret_digest', text, (column) => column.notNull())
      .addColumn('created_at', text, (column) => column.notNull())
      .addColumn('revoked_at', text)
      .execute()
    await db.schema.createIndex('clients_newest').on('clients').columns(['created_at', 'id']).execute()
  },
  async down (db: Kysely<unknown>) {
    await db.schema.dropTable('clients').execute()
  }
}

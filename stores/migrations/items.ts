import type { Kysely, Migration } from 'kysely'

export const items: Migration = {
  async up (db: Kysely<unknown>) {
    await db.schema.createTable('items')
      .addColumn('id', 'text', (column) => column.primaryKey().notNull())
      .addColumn('owner', 'text', (column) => column.notNull())
      .addColumn('title', 'text', (column) => column.notNull())
      .addColumn('description', 'text')
      .addColumn('created_at', 'text', (column) => column.notNull())
      .execute()
  },
  async down (db: Kysely<unknown>) {
    await db.schema.dropTable('items').execute()
  }
}

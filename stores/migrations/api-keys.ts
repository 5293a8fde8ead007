import type { Kysely, Migration } from 'kysely'

export const apiKeys: Migration = {
  async up (db: Kysely<unknown>) {
    await db.schema.createTable('api_keys')
      .addColumn('id', 'text', (column) => column.primaryKey().notNull())
      .addColumn('owner', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('scopes', 'text', (column) => column.notNull())
      .addColumn('digest', 'text', (column) => column.notNull())
      .addColumn('hint', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('expires_at', 'text', (column) => column.notNull())
      .addColumn('revoked_at', 'text')
      .execute()
    await db.schema.createIndex('api_keys_by_owner').on('api_keys').columns(['owner', 'created_at', 'id']).execute()
  },
  async down (db: Kysely<unknown>) {
    await db.schema.dropTable('api_keys').execute()
  }
}

import type { Kysely, Migration } from 'kysely'
import { textOf } from './text.ts'

export const refreshTokens: Migration = {
  async up (db: Kysely<unknown>) {
    const text = textOf(db)
    await db.schema.createTable('refresh_families')
      .addColumn('id', text, (column) => column.primaryKey().notNull())
      .addColumn('client_id', text, (column) => column.notNull())
      .addColumn('subject', text, (column) => column.notNull())
      .addColumn('scopes', text, (column) => column.notNull())
      .addColumn('created_at', text, (column) => column.notNull())
      .addColumn('last_used_at', text, (column) => column.notNull())
      .addColumn('expires_at', text, (column) => column.notNull())
      .addColumn('revoked_at', text)
      .execute()
    await db.schema.createIndex('refresh_families_by_subject').on('refresh_families').columns(['subject', 'id']).execute()
    await db.schema.createIndex('refresh_families_by_client').on('refresh_families').column('client_id').execute()
    await db.schema.createIndex('refresh_families_by_end').on('refresh_families').column('expires_at').execute()
    await db.schema.createTable('refresh_tokens')
      .addColumn('digest', text, (column) => column.primaryKey().notNull())
      .addColumn('family_id', text, (column) => column.notNull().references('refresh_families.id').onDelete('cascade'))
      .addColumn('issued_at', text, (column) => column.notNull())
      .addColumn('expires_at', text, (column) => column.notNull())
      .addColumn('used_at', text)
      .addColumn('successor', text)
      .addColumn('replay', text)
      .execute()
    await db.schema.createIndex('refresh_tokens_by_family').on('refresh_tokens').columns(['family_id', 'used_at']).execute()
  },
  async down (db: Kysely<unknown>) {
    await db.schema.dropTable('refresh_tokens').execute()
    await db.schema.dropTable('refresh_families').execute()
  }
}

import { sql } from 'kysely'
import type { Kysely, Migration } from 'kysely'
import { isPostgres } from '../engine.ts'
import { textOf } from './text.ts'

export const revocations: Migration = {
  async up (db: Kysely<unknown>) {
    const text = textOf(db)
    const table = db.schema.createTable('revocations')
    // What it is for stands in `stores/revocations.ts`; a number that was given never comes back, whatever is deleted.
    await (isPostgres(db)
      ? table.addColumn('mark', 'bigint', (column) => column.notNull().defaultTo(sql`pg_current_xact_id()::text::bigint`))
      : table.addColumn('mark', 'integer', (column) => column.primaryKey().autoIncrement()))
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('id', text, (column) => column.notNull())
      .addColumn('issued_before', text, (column) => column.notNull())
      .addColumn('expires_at', text, (column) => column.notNull())
      .addUniqueConstraint('revocations_once', ['kind', 'id', 'issued_before', 'expires_at'])
      .execute()
    if (isPostgres(db)) await db.schema.createIndex('revocations_by_mark').on('revocations').column('mark').execute()
    await db.schema.createIndex('revocations_by_end').on('revocations').column('expires_at').execute()
  },
  async down (db: Kysely<unknown>) {
    await db.schema.dropTable('revocations').execute()
  }
}

import type { Kysely, Migration } from 'kysely'
import { textOf } from './text.ts'

export const auditPruning: Migration = {
  async up (db: Kysely<unknown>) {
    const text = textOf(db)
    await db.schema.createTable('audit_pruning')
      .addColumn('id', 'integer', (column) => column.primaryKey().notNull())
      .addColumn('seq', 'bigint', (column) => column.notNull())
      .addColumn('hash', text, (column) => column.notNull())
      .addColumn('signature', text, (column) => column.notNull())
      .execute()
  },
  async down (db: Kysely<unknown>) {
    await db.schema.dropTable('audit_pruning').execute()
  }
}

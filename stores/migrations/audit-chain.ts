import { sql } from 'kysely'
import type { Kysely, Migration } from 'kysely'
import { textOf } from './text.ts'

const columns = ['scheme', 'hash']
const indexes: Readonly<Record<string, string[]>> = { audit_events_by_target: ['target', 'id'], audit_events_by_request: ['request_id', 'id'] }

export const auditChain: Migration = {
  async up (db: Kysely<unknown>) {
    const text = textOf(db)
    for (const name of columns) await db.schema.alterTable('audit_events').addColumn(name, text).execute()
    await db.schema.alterTable('audit_events').addColumn('seq', 'bigint').execute()
    for (const [name, on] of Object.entries(indexes)) await db.schema.createIndex(name).on('audit_events').columns(on).execute()
    await db.schema.createIndex('audit_events_by_seq').on('audit_events').column('seq').unique().execute()
    await db.schema.createIndex('audit_events_unsealed').on('audit_events').column('id').where(sql.ref('seq'), 'is', null).execute()
    await db.schema.createTable('audit_chain')
      .addColumn('id', 'integer', (column) => column.primaryKey().notNull())
      .addColumn('seq', 'bigint', (column) => column.notNull())
      .addColumn('hash', text, (column) => column.notNull())
      .execute()
  },
  async down (db: Kysely<unknown>) {
    await db.schema.dropTable('audit_chain').execute()
    for (const name of [...Object.keys(indexes), 'audit_events_by_seq', 'audit_events_unsealed']) await db.schema.dropIndex(name).execute()
    for (const name of [...columns, 'seq']) await db.schema.alterTable('audit_events').dropColumn(name).execute()
  }
}

import type { Kysely, Migration } from 'kysely'
import { textOf } from './text.ts'

const mayBeAbsent = ['actor', 'target', 'ip', 'method', 'route', 'request_id', 'reason']

export const auditEvents: Migration = {
  async up (db: Kysely<unknown>) {
    const text = textOf(db)
    let table = db.schema.createTable('audit_events')
      .addColumn('id', text, (column) => column.primaryKey().notNull())
      .addColumn('event', text, (column) => column.notNull())
      .addColumn('outcome', text, (column) => column.notNull())
      .addColumn('details', text, (column) => column.notNull())
    for (const name of mayBeAbsent) table = table.addColumn(name, text)
    await table.execute()
    await db.schema.createIndex('audit_events_by_event').on('audit_events').columns(['event', 'id']).execute()
    await db.schema.createIndex('audit_events_by_actor').on('audit_events').columns(['actor', 'id']).execute()
  },
  async down (db: Kysely<unknown>) {
    await db.schema.dropTable('audit_events').execute()
  }
}

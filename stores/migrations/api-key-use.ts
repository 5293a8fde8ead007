import type { Kysely, Migration } from 'kysely'
import { textOf } from './text.ts'

const texts = ['client_id', 'last_used_at', 'rotated_to']
const numbers = ['limit_max', 'limit_window_seconds']

export const apiKeyUse: Migration = {
  async up (db: Kysely<unknown>) {
    for (const name of texts) await db.schema.alterTable('api_keys').addColumn(name, textOf(db)).execute()
    for (const name of numbers) await db.schema.alterTable('api_keys').addColumn(name, 'integer').execute()
    await db.schema.createIndex('api_keys_by_client').on('api_keys').column('client_id').execute()
  },
  async down (db: Kysely<unknown>) {
    await db.schema.dropIndex('api_keys_by_client').execute()
    for (const name of [...texts, ...numbers]) await db.schema.alterTable('api_keys').dropColumn(name).execute()
  }
}

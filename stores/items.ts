// Items in SQL.
import { sql } from 'kysely'
import type { Kysely, Selectable } from 'kysely'
import { contains, cursorId, limitOf, pageOf } from './pages.ts'
import type { Item, ItemStore } from './ports.ts'
import type { Database, ItemTable } from './tables.ts'
import { UUID_V7, uuidV7 } from './uuid-v7.ts'

export function createItemStore (db: Kysely<Database>): ItemStore {
  const select = db.selectFrom('items').select(['id', 'owner', 'title', 'description', 'created_at'])

  return {
    async create ({ owner, title, description = null }) {
      const item = { id: uuidV7(), owner, title, description, created_at: new Date().toISOString() }
      await db.insertInto('items').values(item).execute()
      return item
    },

    async get (id) {
      const row = await select.where('id', '=', id).executeTakeFirst()
      return row === undefined ? null : itemOf(row)
    },

    async remove (id) {
      const result = await db.deleteFrom('items').where('id', '=', id).executeTakeFirst()
      return result.numDeletedRows === 1n
    },

    async list ({ limit, cursor, q } = {}) {
      const size = limitOf(limit)
      let query = select.orderBy('id', 'desc').limit(size + 1)
      if (cursor !== undefined) query = query.where('id', '<', cursorId(cursor, UUID_V7))
      if (q !== undefined && q !== '') query = query.where(contains([sql.ref('title'), sql.ref('description')], q))
      return pageOf(await query.execute(), size, itemOf)
    }
  }
}

function itemOf (row: Selectable<ItemTable>): Item {
  return { id: row.id, owner: row.owner, title: row.title, description: row.description, created_at: row.created_at }
}

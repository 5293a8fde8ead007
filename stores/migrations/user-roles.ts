import type { Kysely, Migration } from 'kysely'
import { textOf } from './text.ts'

interface Tables {
  users: { id: string; roles: string }
  user_roles: { role: string; user_id: string }
}

const READ_AT_ONCE = 1000

export const userRoles: Migration = {
  async up (db: Kysely<unknown>) {
    const text = textOf(db)
    await db.schema.createTable('user_roles')
      .addColumn('role', text, (column) => column.notNull())
      .addColumn('user_id', text, (column) => column.notNull().references('users.id').onDelete('cascade'))
      .addPrimaryKeyConstraint('user_roles_key', ['role', 'user_id'])
      .execute()
    await db.schema.createIndex('user_roles_by_user').on('user_roles').column('user_id').execute()
    await db.schema.createTable('kept_roles')
      .addColumn('role', text, (column) => column.primaryKey().notNull())
      .execute()
    await fill(db as Kysely<Tables>)
  },
  async down (db: Kysely<unknown>) {
    await db.schema.dropTable('kept_roles').execute()
    await db.schema.dropTable('user_roles').execute()
  }
}

/** With the roles of the accounts that there are. */
async function fill (db: Kysely<Tables>): Promise<void> {
  let last = ''
  for (;;) {
    const users = await db.selectFrom('users').select(['id', 'roles']).where('id', '>', last).orderBy('id').limit(READ_AT_ONCE).execute()
    const rows = users.flatMap(({ id, roles }) => [...new Set(JSON.parse(roles) as string[])].map((role) => ({ role, user_id: id })))
    for (let start = 0; start < rows.length; start += READ_AT_ONCE) {
      await db.insertInto('user_roles').values(rows.slice(start, start + READ_AT_ONCE)).execute()
    }
    const end = users.at(-1)
    if (end === undefined) return
    last = end.id
  }
}

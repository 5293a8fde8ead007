// Accounts in SQL. That a name is taken is decided by the unique index, never by a look before the write.
import { sql } from 'kysely'
import type { Kysely, Selectable } from 'kysely'
import { fold } from '../credentials/fold.ts'
import { refusal } from '../errors.ts'
import { contains, cursorId, limitOf, pageOf } from './pages.ts'
import type { User, UserStore } from './ports.ts'
import type { Database, UserTable } from './tables.ts'
import { UUID_V7, uuidV7 } from './uuid-v7.ts'

// Named one by one: the password hash leaves the database only where it is asked for.
const COLUMNS = ['id', 'username', 'email', 'full_name', 'disabled', 'roles', 'created_at'] as const

// Folding a run of combining marks takes time in its square; a name comes from strangers.
const MAX_NAME_LENGTH = 256
// Nobody can see one; an engine may end the text at it (U+0000).
const CONTROL = /\p{Cc}/u

export function createUserStore (db: Kysely<Database>): UserStore {
  const select = db.selectFrom('users').select(COLUMNS)

  async function change (id: string, values: Partial<Pick<UserTable, 'email' | 'full_name' | 'disabled' | 'roles'>>) {
    const row = await db.updateTable('users').set(values).where('id', '=', id).returning(COLUMNS).executeTakeFirst()
    return row === undefined ? null : userOf(row)
  }

  return {
    async create ({ username, email, full_name = null, passwordHash, roles }) {
      const key = keyOf(username)
      if (key === null) throw impossibleName()
      const row = await db.insertInto('users').values({
        id: uuidV7(),
        username,
        username_key: key,
        email,
        full_name,
        password_hash: passwordHash,
        disabled: 0,
        roles: JSON.stringify(roles),
        created_at: new Date().toISOString()
      }).onConflict((conflict) => conflict.column('username_key').doNothing()).returning(COLUMNS).executeTakeFirst()
      if (row === undefined) throw refusal('conflict', { detail: 'The username is taken' })
      return userOf(row)
    },

    async findById (id) {
      const row = await select.where('id', '=', id).executeTakeFirst()
      return row === undefined ? null : userOf(row)
    },

    async findByName (username) {
      const row = await select.where('username_key', '=', keyOf(username)).executeTakeFirst()
      return row === undefined ? null : userOf(row)
    },

    async findCredentials (username) {
      const row = await select.select('password_hash').where('username_key', '=', keyOf(username)).executeTakeFirst()
      return row === undefined ? null : { user: userOf(row), passwordHash: row.password_hash }
    },

    async list ({ limit, cursor, q } = {}) {
      const size = limitOf(limit)
      let query = select.orderBy('id', 'desc').limit(size + 1)
      if (cursor !== undefined) query = query.where('id', '<', cursorId(cursor, UUID_V7))
      if (q !== undefined && q !== '') {
        query = query.where(contains([sql.ref('username'), sql.ref('email'), sql.ref('full_name')], q))
      }
      return pageOf(await query.execute(), size, userOf)
    },

    async updateProfile (id, { email, full_name }) {
      if (email === undefined && full_name === undefined) return await this.findById(id)
      return await change(id, {
        ...(email === undefined ? {} : { email }),
        ...(full_name === undefined ? {} : { full_name })
      })
    },

    async replacePasswordHash (id, { from, to }) {
      const result = await db.updateTable('users').set({ password_hash: to })
        .where('id', '=', id).where('password_hash', '=', from).executeTakeFirst()
      return result.numUpdatedRows === 1n
    },

    async setDisabled (id, disabled) {
      return await change(id, { disabled: disabled ? 1 : 0 })
    },

    async setRoles (id, roles) {
      return await change(id, { roles: JSON.stringify(roles) })
    }
  }
}

// `null`, which equals nothing in SQL, for a name that no account can have.
function keyOf (username: string): string | null {
  return username.length > MAX_NAME_LENGTH || CONTROL.test(username) ? null : fold(username)
}

function impossibleName (): Error {
  const detail = `must have at most ${MAX_NAME_LENGTH} characters, and no control characters`
  return refusal('validation', { errors: [{ pointer: '/username', in: 'body', detail }] })
}

function userOf (row: Pick<Selectable<UserTable>, typeof COLUMNS[number]>): User {
  return {
    id: row.id,
    username: row.username,
    email: row.email,
    full_name: row.full_name,
    disabled: row.disabled === 1,
    roles: JSON.parse(row.roles) as string[],
    created_at: row.created_at
  }
}

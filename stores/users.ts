// Accounts in SQL. That a name is taken is decided by the unique index, never by a look before the write.
import { sql } from 'kysely'
import type { ExpressionBuilder, Kysely, Selectable } from 'kysely'
import { fold } from '../credentials/fold.ts'
import { refusal } from '../errors.ts'
import { atomically } from './engine.ts'
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

  async function findById (id: string): Promise<User | null> {
    const row = await select.where('id', '=', id).executeTakeFirst()
    return row === undefined ? null : userOf(row)
  }

  return {
    findById,

    async create ({ username, email, full_name = null, passwordHash, roles }) {
      const key = keyOf(username)
      if (key === null) throw impossibleName()
      return await atomically(db, async (db) => {
        const names = [...new Set(roles)]
        const row = await db.insertInto('users').values({
          id: uuidV7(),
          username,
          username_key: key,
          email,
          full_name,
          password_hash: passwordHash,
          disabled: 0,
          roles: JSON.stringify(names),
          created_at: new Date().toISOString()
        }).onConflict((conflict) => conflict.column('username_key').doNothing()).returning(COLUMNS).executeTakeFirst()
        if (row === undefined) throw refusal('conflict', { detail: 'The username is taken' })
        await writeRoles(db, row.id, names)
        return userOf(row)
      })
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

    async countByRole (role) {
      const { holders } = await db.selectFrom('user_roles').innerJoin('users', 'users.id', 'user_id')
        .where('role', '=', role).where('disabled', '=', 0)
        .select(({ fn }) => fn.countAll().as('holders')).executeTakeFirstOrThrow()
      return Number(holders)
    },

    async updateProfile (id, { email, full_name }) {
      if (email === undefined && full_name === undefined) return await findById(id)
      const row = await db.updateTable('users').set({
        ...(email === undefined ? {} : { email }),
        ...(full_name === undefined ? {} : { full_name })
      }).where('id', '=', id).returning(COLUMNS).executeTakeFirst()
      return row === undefined ? null : userOf(row)
    },

    async update (id, { disabled, roles }, { keepOne } = {}) {
      if (disabled === undefined && roles === undefined) return await findById(id)
      const names = roles === undefined ? null : [...new Set(roles)]
      const takesAway = keepOne !== undefined && (disabled === true || names?.includes(keepOne) === false)
      return await atomically(db, async (db) => {
        let query = db.updateTable('users').set({
          ...(disabled === undefined ? {} : { disabled: disabled ? 1 as const : 0 as const }),
          ...(names === null ? {} : { roles: JSON.stringify(names) })
        }).where('id', '=', id)
        if (takesAway) {
          await standInLine(db, keepOne)
          query = query.where((is) => is.or([is.not(isHolder(is, keepOne, '=', id)), isHolder(is, keepOne, '<>', id)]))
        }
        const row = await query.returning(COLUMNS).executeTakeFirst()
        if (row === undefined) return takesAway && await createUserStore(db).findById(id) !== null ? 'last' : null
        if (names !== null) {
          await db.deleteFrom('user_roles').where('user_id', '=', id).execute()
          await writeRoles(db, id, names)
        }
        return userOf(row)
      })
    },

    async replacePasswordHash (id, { from, to }) {
      const result = await db.updateTable('users').set({ password_hash: to })
        .where('id', '=', id).where('password_hash', '=', from).executeTakeFirst()
      return result.numUpdatedRows === 1n
    }
  }
}

async function writeRoles (db: Kysely<Database>, id: string, names: readonly string[]): Promise<void> {
  if (names.length > 0) await db.insertInto('user_roles').values(names.map((role) => ({ role, user_id: id }))).execute()
}

// A statement judges by what was committed when it began: without this, two would each count the other.
async function standInLine (db: Kysely<Database>, role: string): Promise<void> {
  await db.insertInto('kept_roles').values({ role })
    .onConflict((conflict) => conflict.column('role').doUpdateSet({ role })).execute()
}

function isHolder (is: ExpressionBuilder<Database, 'users'>, role: string, comparison: '=' | '<>', id: string) {
  return is.exists(is.selectFrom('user_roles').innerJoin('users as holder', 'holder.id', 'user_roles.user_id').select('holder.id')
    .where('user_roles.role', '=', role).where('holder.id', comparison, id).where('holder.disabled', '=', 0))
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

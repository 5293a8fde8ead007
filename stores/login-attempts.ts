// Failed logins in SQL, a row a key. Count and verdict are one statement, which always writes: what it does for a key
// that waits, one that does not and one that nobody has cannot be told apart by its cost.
import { sql } from 'kysely'
import type { Kysely, RawBuilder, Selectable } from 'kysely'
import type { LoginAttempts, LoginAttemptStore, LoginDelay } from './ports.ts'
import type { Database, LoginAttemptTable } from './tables.ts'

/** Before every moment: nobody waits. */
const AT_ONCE = ''
/** After every moment: waiting does not end by itself. */
const NEVER = '9999-12-31T23:59:59.999Z'
/** Where counting stops: an integer of the engine has an end, and whoever is never let in may try for years. */
const MOST = 1_000_000
const COLUMNS = ['key', 'attempts', 'failures', 'retry_at'] as const

export function createLoginAttemptStore (db: Kysely<Database>): LoginAttemptStore {
  return {
    async settle ({ key, right, now, delays }) {
      const ifOpen = <T>(then: RawBuilder<T>, otherwise: RawBuilder<T>) =>
        sql<T>`case when login_attempts.retry_at <= ${now.toISOString()} then ${then} else ${otherwise} end`
      const [none, one] = [sql.lit<number>(0), sql.lit<number>(1)]
      const forgiven = { attempts: none, failures: none, retry_at: sql.lit<string>(AT_ONCE) }
      const [attempts, failures] = [sql<number>`login_attempts.attempts`, sql<number>`login_attempts.failures`]
      const [tried, failed] = [sql<number>`case when ${attempts} < ${sql.lit(MOST)} then ${attempts} + 1 else ${attempts} end`, sql<number>`${failures} + 1`]
      const next = right ? forgiven : { attempts: tried, failures: failed, retry_at: retryAfter(failed, delays, now) }
      const first = right ? forgiven : { attempts: one, failures: one, retry_at: retryAfter(one, delays, now) }
      const row = await db.insertInto('login_attempts').values({ key, ...first, counted: 1 })
        .onConflict((conflict) => conflict.column('key').doUpdateSet({
          attempts: ifOpen(next.attempts, tried),
          failures: ifOpen(next.failures, failures),
          retry_at: ifOpen(next.retry_at, sql`login_attempts.retry_at`),
          counted: ifOpen<0 | 1>(sql.lit(1), sql.lit(0))
        }))
        .returning(['counted', 'failures', 'retry_at']).executeTakeFirstOrThrow()
      return { counts: row.counted === 1, failures: row.failures, locked: row.retry_at === NEVER }
    },

    async lock (key, { failures }) {
      const { numUpdatedRows } = await db.updateTable('login_attempts').set({ retry_at: NEVER })
        .where('key', '=', key).where('failures', '>=', failures).where('retry_at', '<', NEVER).executeTakeFirst()
      return numUpdatedRows === 1n
    },

    async reset (key) {
      const { numDeletedRows } = await db.deleteFrom('login_attempts').where('key', '=', key).where('attempts', '>', 0).executeTakeFirst()
      return numDeletedRows === 1n
    },

    async find (keys) {
      if (keys.length === 0) return []
      const rows = await db.selectFrom('login_attempts').select(COLUMNS).where('key', 'in', keys).where('attempts', '>', 0).execute()
      return rows.map(attemptsOf)
    }
  }
}

// The longest first. The moments are computed here: the engines have no arithmetic of dates in common.
function retryAfter (failures: RawBuilder<unknown>, delays: readonly LoginDelay[], now: Date): RawBuilder<string> {
  const longestFirst = [...delays].sort((one, other) => other.seconds - one.seconds)
  const branches = longestFirst.map(({ from, seconds }) => sql`when ${failures} >= ${sql.lit(from)} then ${new Date(now.getTime() + seconds * 1000).toISOString()}`)
  return branches.length === 0 ? sql.lit(AT_ONCE) : sql`case ${sql.join(branches, sql` `)} else ${sql.lit(AT_ONCE)} end`
}

function attemptsOf ({ key, attempts, failures, retry_at: retryAt }: Pick<Selectable<LoginAttemptTable>, typeof COLUMNS[number]>): LoginAttempts {
  const locked = retryAt === NEVER
  return { key, attempts, failures, locked, retry_at: locked || retryAt === AT_ONCE ? null : retryAt }
}

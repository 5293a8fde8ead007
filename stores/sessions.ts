// Sessions in SQL, by the digests of their ids: a dump of the table opens none.
import { sql } from 'kysely'
import type { Kysely, Selectable } from 'kysely'
import { cursorId, isAfter, limitOf, pageOf, PRUNED_AT_ONCE } from './pages.ts'
import type { Session, SessionStore } from './ports.ts'
import type { Database, SessionTable } from './tables.ts'

const COLUMNS = ['id', 'subject', 'created_at', 'authenticated_at', 'last_seen_at', 'idle_expires_at', 'expires_at'] as const
const DIGEST = /^[\w-]{43}$/

export function createSessionStore (db: Kysely<Database>): SessionStore {
  const select = db.selectFrom('sessions').select(COLUMNS)

  return {
    async create ({ id, subject, authenticatedAt, idleExpiresAt, absoluteExpiresAt }) {
      const now = new Date().toISOString()
      const row = await db.insertInto('sessions').values({
        id,
        subject,
        created_at: now,
        authenticated_at: authenticatedAt.toISOString(),
        last_seen_at: now,
        idle_expires_at: new Date(Math.min(idleExpiresAt.getTime(), absoluteExpiresAt.getTime())).toISOString(),
        expires_at: absoluteExpiresAt.toISOString()
      }).returning(COLUMNS).executeTakeFirstOrThrow()
      return sessionOf(row)
    },

    async findActive (id) {
      const row = await select.where('id', '=', id).where('idle_expires_at', '>', new Date().toISOString()).executeTakeFirst()
      return row === undefined ? null : sessionOf(row)
    },

    async touch (id, { at, idleExpiresAt }) {
      const idle = idleExpiresAt.toISOString()
      const { numUpdatedRows } = await db.updateTable('sessions').set({
        last_seen_at: at.toISOString(),
        idle_expires_at: sql<string>`case when expires_at < ${idle} then expires_at else ${idle} end`
      }).where('id', '=', id).where('idle_expires_at', '>', at.toISOString()).executeTakeFirst()
      return numUpdatedRows === 1n
    },

    async remove (id, { subject } = {}) {
      let query = db.deleteFrom('sessions').where('id', '=', id)
      if (subject !== undefined) query = query.where('subject', '=', subject)
      return (await query.executeTakeFirst()).numDeletedRows === 1n
    },

    async listBySubject (subject, { limit, cursor } = {}) {
      const size = limitOf(limit)
      let query = select.where('subject', '=', subject).where('idle_expires_at', '>', new Date().toISOString())
        .orderBy('created_at', 'desc').orderBy('id', 'desc').limit(size + 1)
      if (cursor !== undefined) {
        query = query.where(isAfter(db.selectFrom('sessions').select(['created_at', 'id'])
          .where('id', '=', cursorId(cursor, DIGEST)).where('subject', '=', subject)))
      }
      return pageOf(await query.execute(), size, sessionOf)
    },

    async removeBySubject (subject, { except } = {}) {
      let query = db.deleteFrom('sessions').where('subject', '=', subject)
      if (except !== undefined) query = query.where('id', '<>', except)
      return (await query.returning('id').execute()).map(({ id }) => id)
    },

    async prune (now) {
      const ended = db.selectFrom('sessions').select('id').where('idle_expires_at', '<=', now.toISOString()).limit(PRUNED_AT_ONCE)
      return Number((await db.deleteFrom('sessions').where('id', 'in', ended).executeTakeFirst()).numDeletedRows)
    }
  }
}

function sessionOf (row: Selectable<SessionTable>): Session {
  return {
    id: row.id,
    subject: row.subject,
    created_at: row.created_at,
    authenticated_at: row.authenticated_at,
    last_seen_at: row.last_seen_at,
    idle_expires_at: row.idle_expires_at,
    expires_at: row.expires_at
  }
}

// Refresh tokens in SQL (RFC 9700 §4.14.2): a token is used up, its successor made and linked in one transaction, and
// the condition of the update that uses it up decides who of many did it.
import type { Kysely, Selectable } from 'kysely'
import { atomically, lineUp } from './engine.ts'
import { cursorId, limitOf, pageOf } from './pages.ts'
import type { RefreshFamily, RefreshOutcome, RefreshRotation, RefreshTokenStore } from './ports.ts'
import type { Database, RefreshFamilyTable } from './tables.ts'
import { UUID_V7, uuidV7 } from './uuid-v7.ts'

const COLUMNS = [
  'refresh_families.id', 'refresh_families.client_id', 'refresh_families.subject', 'refresh_families.scopes', 'refresh_families.created_at',
  'refresh_families.last_used_at', 'refresh_families.expires_at', 'refresh_families.revoked_at'
] as const

/** Others wait for the statement, and each family brings along the tokens of three months. */
const PRUNED_AT_ONCE = 50

export function createRefreshTokenStore (db: Kysely<Database>): RefreshTokenStore {
  return {
    async create ({ digest, clientId, subject, scopes, idleExpiresAt, absoluteExpiresAt }) {
      return await atomically(db, async (db) => {
        await lineUp(db, subject)
        const now = new Date().toISOString()
        const family = await db.insertInto('refresh_families').values({
          id: uuidV7(),
          client_id: clientId,
          subject,
          scopes: JSON.stringify(scopes),
          created_at: now,
          last_used_at: now,
          expires_at: absoluteExpiresAt.toISOString(),
          revoked_at: null
        }).returning(COLUMNS).executeTakeFirstOrThrow()
        await insertToken(db, { digest, familyId: family.id, issuedAt: now, expiresAt: earlier(idleExpiresAt.toISOString(), family.expires_at) })
        return familyOf(family)
      })
    },

    async rotate (rotation) {
      return await atomically(db, async (db) => await useUp(db, rotation) ?? await judge(db, rotation))
    },

    async findByDigest (digest) {
      const row = await select(db, digest).executeTakeFirst()
      if (row === undefined) return null
      const now = new Date().toISOString()
      const active = row.used_at === null && row.revoked_at === null && row.token_expires_at > now && row.expires_at > now
      return { family: familyOf(row), issued_at: row.issued_at, expires_at: row.token_expires_at, used_at: row.used_at, active }
    },

    async listBySubject (subject, { limit, cursor } = {}) {
      const size = limitOf(limit)
      const now = new Date().toISOString()
      let query = db.selectFrom('refresh_families').select(COLUMNS).where('subject', '=', subject)
        .where('revoked_at', 'is', null).where('expires_at', '>', now)
        .where(({ exists, selectFrom }) => exists(selectFrom('refresh_tokens').select('digest')
          .whereRef('family_id', '=', 'refresh_families.id').where('used_at', 'is', null).where('refresh_tokens.expires_at', '>', now)))
        .orderBy('id', 'desc').limit(size + 1)
      if (cursor !== undefined) query = query.where('id', '<', cursorId(cursor, UUID_V7))
      return pageOf(await query.execute(), size, familyOf)
    },

    async revokeFamily (id) {
      return (await revokeAll(db, { column: 'id', value: id })).length === 1
    },
    async revokeBySubject (subject, { exceptFamily } = {}) {
      return await atomically(db, async (db) => {
        await lineUp(db, subject)
        return await revokeAll(db, { column: 'subject', value: subject, except: exceptFamily })
      })
    },
    revokeByClient: (clientId) => revokeAll(db, { column: 'client_id', value: clientId }),

    async prune (now) {
      const ended = db.selectFrom('refresh_families').select('id').where('expires_at', '<=', now.toISOString()).limit(PRUNED_AT_ONCE)
      return Number((await db.deleteFrom('refresh_families').where('id', 'in', ended).executeTakeFirst()).numDeletedRows)
    }
  }
}

/** What `rotated` tells, or `null` when the token is not one that this client may use now. */
async function useUp (db: Kysely<Database>, { digest, clientId, successorDigest, replay, now, idleSeconds }: RefreshRotation): Promise<RefreshOutcome | null> {
  const time = now.toISOString()
  // The family first: whoever revokes it waits for this row, or is waited for. No token leaves a family that was revoked.
  const family = await db.updateTable('refresh_families').set({ last_used_at: time })
    .where('id', '=', ({ selectFrom }) => selectFrom('refresh_tokens').select('family_id')
      .where('digest', '=', digest).where('used_at', 'is', null).where('refresh_tokens.expires_at', '>', time))
    .where('client_id', '=', clientId).where('revoked_at', 'is', null).where('expires_at', '>', time)
    .returning(COLUMNS).executeTakeFirst()
  if (family === undefined) return null
  const used = await db.updateTable('refresh_tokens').set({ used_at: time, successor: successorDigest, replay })
    .where('digest', '=', digest).where('used_at', 'is', null).returning('issued_at').executeTakeFirst()
  if (used === undefined) return null
  // It was issued when the one before it was used. Nobody gets that answer again: it is not kept for whoever finds the token.
  await db.updateTable('refresh_tokens').set({ replay: null })
    .where('family_id', '=', family.id).where('used_at', '=', used.issued_at).where('successor', '=', digest).execute()
  const expiresAt = earlier(new Date(now.getTime() + idleSeconds * 1000).toISOString(), family.expires_at)
  await insertToken(db, { digest: successorDigest, familyId: family.id, issuedAt: time, expiresAt })
  return { outcome: 'rotated', family: familyOf(family), expires_at: expiresAt }
}

/** What to say of a token that was not used up; a token used before its time is the sign of a thief, and ends the family. */
async function judge (db: Kysely<Database>, { digest, clientId, now, replaySeconds }: RefreshRotation): Promise<RefreshOutcome> {
  const row = await select(db, digest)
    .leftJoin('refresh_tokens as next', 'next.digest', 'refresh_tokens.successor').select(['refresh_tokens.replay', 'next.used_at as next_used_at'])
    .executeTakeFirst()
  if (row === undefined) return { outcome: 'unknown' }
  const family = familyOf(row)
  if (row.client_id !== clientId) return { outcome: 'wrong_client', family }
  if (row.revoked_at !== null) return { outcome: 'revoked', family }
  if (row.expires_at <= now.toISOString() || row.used_at === null) return { outcome: 'expired', family }
  // The clocks of two processes may differ, but by no more than the window: one that is put back opens it no longer.
  const fresh = Math.abs(now.getTime() - Date.parse(row.used_at)) < replaySeconds * 1000
  if (fresh && row.replay !== null && row.next_used_at === null) return { outcome: 'replayed', family, replay: row.replay }
  const revoked = await createRefreshTokenStore(db).revokeFamily(family.id)
  return { outcome: revoked ? 'reused' : 'revoked', family }
}

interface Families { column: 'id' | 'subject' | 'client_id'; value: string; except?: string | undefined }

async function revokeAll (db: Kysely<Database>, { column, value, except }: Families): Promise<string[]> {
  let query = db.updateTable('refresh_families').set({ revoked_at: new Date().toISOString() })
    .where(column, '=', value).where('revoked_at', 'is', null)
  if (except !== undefined) query = query.where('id', '<>', except)
  return (await query.returning('id').execute()).map(({ id }) => id)
}

function select (db: Kysely<Database>, digest: string) {
  return db.selectFrom('refresh_tokens').innerJoin('refresh_families', 'refresh_families.id', 'refresh_tokens.family_id')
    .select(COLUMNS).select(['refresh_tokens.issued_at', 'refresh_tokens.expires_at as token_expires_at', 'refresh_tokens.used_at'])
    .where('refresh_tokens.digest', '=', digest)
}

interface IssuedToken {
  digest: string
  familyId: string
  issuedAt: string
  expiresAt: string
}

async function insertToken (db: Kysely<Database>, { digest, familyId, issuedAt, expiresAt }: IssuedToken): Promise<void> {
  await db.insertInto('refresh_tokens').values({
    digest, family_id: familyId, issued_at: issuedAt, expires_at: expiresAt, used_at: null, successor: null, replay: null
  }).execute()
}

/** Of two times as we write them. */
function earlier (one: string, other: string): string {
  return one < other ? one : other
}

function familyOf (row: Selectable<RefreshFamilyTable>): RefreshFamily {
  return {
    id: row.id,
    client_id: row.client_id,
    subject: row.subject,
    scopes: JSON.parse(row.scopes) as string[],
    created_at: row.created_at,
    last_used_at: row.last_used_at,
    expires_at: row.expires_at,
    revoked_at: row.revoked_at
  }
}

// API keys in SQL: digests only, and a key that is expired or revoked reads like one that never was.
import { sql } from 'kysely'
import type { Kysely, Selectable } from 'kysely'
import { refusal } from '../errors.ts'
import { atomically, isPostgres } from './engine.ts'
import { cursorId, isAfter, limitOf, pageOf } from './pages.ts'
import type { ApiKey, ApiKeyStore } from './ports.ts'
import type { ApiKeyTable, Database } from './tables.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const DEFAULT_LIFETIME_MS = 90 * DAY_MS
const KEY_ID = /^[0-9A-Za-z]{12}$/
// Two parameters each, of the 32,766 that a statement of SQLite may have.
const TOUCHED_AT_ONCE = 10_000

// Named one by one: the digest leaves the database only where it is compared.
const COLUMNS = [
  'id', 'owner', 'client_id', 'name', 'scopes', 'hint', 'limit_max', 'limit_window_seconds', 'created_at', 'expires_at',
  'last_used_at', 'revoked_at', 'rotated_to'
] as const

export function createApiKeyStore (db: Kysely<Database>): ApiKeyStore {
  const select = db.selectFrom('api_keys').select(COLUMNS)

  async function revokeAll (column: 'owner' | 'client_id', value: string): Promise<string[]> {
    const rows = await db.updateTable('api_keys').set({ revoked_at: new Date().toISOString() })
      .where(column, '=', value).where('revoked_at', 'is', null).returning('id').execute()
    return rows.map(({ id }) => id)
  }

  return {
    async create ({ id, owner, clientId = null, name, scopes, digest, hint, limit = null, expiresAt }) {
      return await atomically(db, async (db) => {
        await assertOwnerIsOn(db, owner)
        const now = Date.now()
        const row = await db.insertInto('api_keys').values({
          id,
          owner,
          client_id: clientId,
          name,
          scopes: JSON.stringify(scopes),
          digest,
          hint,
          limit_max: limit?.max ?? null,
          limit_window_seconds: limit?.window_seconds ?? null,
          created_at: new Date(now).toISOString(),
          expires_at: (expiresAt ?? new Date(now + DEFAULT_LIFETIME_MS)).toISOString(),
          last_used_at: null,
          revoked_at: null,
          rotated_to: null
        }).returning(COLUMNS).executeTakeFirstOrThrow()
        return apiKeyOf(row)
      })
    },

    async findActive (id) {
      const row = await select.select('digest').where('id', '=', id)
        .where('revoked_at', 'is', null).where('expires_at', '>', new Date().toISOString())
        // A key that was on its way when its client was revoked is found by nobody.
        .where(({ not, exists, selectFrom }) => not(exists(selectFrom('clients').select('clients.id')
          .whereRef('clients.id', '=', 'api_keys.client_id').where('clients.revoked_at', 'is not', null))))
        .executeTakeFirst()
      return row === undefined ? null : { apiKey: apiKeyOf(row), digest: row.digest }
    },

    async listByOwner (owner, { limit, cursor } = {}) {
      const size = limitOf(limit)
      let query = select.where('owner', '=', owner).orderBy('created_at', 'desc').orderBy('id', 'desc').limit(size + 1)
      if (cursor !== undefined) {
        query = query.where(isAfter(db.selectFrom('api_keys').select(['created_at', 'id'])
          .where('id', '=', cursorId(cursor, KEY_ID)).where('owner', '=', owner)))
      }
      return pageOf(await query.execute(), size, apiKeyOf)
    },

    async rotate (id, owner, { id: nextId, digest, hint, overlapSeconds }) {
      return await atomically(db, async (db) => {
        // Before its keys, as whoever turns the owner off does.
        await assertOwnerIsOn(db, owner)
        const now = Date.now()
        const { apiKey: old } = await createApiKeyStore(db).findActive(id) ?? { apiKey: null }
        if (old === null) return null
        const end = new Date(Math.min(Date.parse(old.expires_at), now + overlapSeconds * 1000)).toISOString()
        const { numUpdatedRows } = await db.updateTable('api_keys').set({ rotated_to: nextId, expires_at: end })
          .where('id', '=', id).where('owner', '=', owner).where('rotated_to', 'is', null)
          .where('revoked_at', 'is', null).where('expires_at', '>', new Date(now).toISOString()).executeTakeFirst()
        if (numUpdatedRows === 0n) return null
        const lifetime = Date.parse(old.expires_at) - Date.parse(old.created_at)
        return await createApiKeyStore(db).create({
          id: nextId, owner, clientId: old.client_id, name: old.name, scopes: old.scopes, digest, hint, limit: old.limit,
          expiresAt: new Date(now + lifetime)
        })
      })
    },

    async touch (uses) {
      const latest = new Map<string, string>()
      for (const { id, at } of uses) {
        const time = at.toISOString()
        if (time > (latest.get(id) ?? '')) latest.set(id, time)
      }
      // Two batches that cross take their rows in one order, as far as the engine follows this one.
      const rows = [...latest].sort(([one], [other]) => one < other ? -1 : 1)
      for (let start = 0; start < rows.length; start += TOUCHED_AT_ONCE) {
        const values = rows.slice(start, start + TOUCHED_AT_ONCE).map(([id, time]) => sql`(${id}, ${time})`)
        await sql`with seen (id, at) as (values ${sql.join(values)})
          update api_keys set last_used_at = seen.at from seen
          where api_keys.id = seen.id and (last_used_at is null or last_used_at < seen.at)`.execute(db)
      }
    },

    async revoke (id, owner) {
      const result = await db.updateTable('api_keys').set({ revoked_at: new Date().toISOString() })
        .where('id', '=', id).where('owner', '=', owner).where('revoked_at', 'is', null).executeTakeFirst()
      return result.numUpdatedRows === 1n
    },

    revokeByOwner: (owner) => revokeAll('owner', owner),
    revokeByClient: (clientId) => revokeAll('client_id', clientId)
  }
}

/** Whoever turns the owner off ends keys after it: they wait for this one, or this waits and finds the owner off. */
async function assertOwnerIsOn (db: Kysely<Database>, owner: string): Promise<void> {
  const found = await db.selectFrom('users').select('disabled').where('id', '=', owner)
    .$if(isPostgres(db), (query) => query.forShare()).executeTakeFirst()
  if (found?.disabled === 1) throw refusal('account_disabled')
}

function apiKeyOf (row: Pick<Selectable<ApiKeyTable>, typeof COLUMNS[number]>): ApiKey {
  return {
    id: row.id,
    owner: row.owner,
    client_id: row.client_id,
    name: row.name,
    scopes: JSON.parse(row.scopes) as string[],
    hint: row.hint,
    limit: row.limit_max === null || row.limit_window_seconds === null ? null : { max: row.limit_max, window_seconds: row.limit_window_seconds },
    created_at: row.created_at,
    expires_at: row.expires_at,
    last_used_at: row.last_used_at,
    revoked_at: row.revoked_at,
    rotated_to: row.rotated_to
  }
}

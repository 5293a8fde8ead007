// API keys in SQL: digests only, and a key that is expired or revoked reads like one that never was.
import { sql } from 'kysely'
import type { Kysely, Selectable, SqlBool } from 'kysely'
import { cursorId, limitOf, pageOf } from './pages.ts'
import type { ApiKey, ApiKeyStore } from './ports.ts'
import type { ApiKeyTable, Database } from './tables.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const DEFAULT_LIFETIME_MS = 90 * DAY_MS
const KEY_ID = /^[0-9A-Za-z]{12}$/

// Named one by one: the digest leaves the database only where it is compared.
const COLUMNS = ['id', 'owner', 'name', 'scopes', 'hint', 'created_at', 'expires_at', 'revoked_at'] as const

export function createApiKeyStore (db: Kysely<Database>): ApiKeyStore {
  const select = db.selectFrom('api_keys').select(COLUMNS)

  return {
    async create ({ id, owner, name, scopes, digest, hint, expiresAt }) {
      const now = Date.now()
      const row = await db.insertInto('api_keys').values({
        id,
        owner,
        name,
        scopes: JSON.stringify(scopes),
        digest,
        hint,
        created_at: new Date(now).toISOString(),
        expires_at: (expiresAt ?? new Date(now + DEFAULT_LIFETIME_MS)).toISOString(),
        revoked_at: null
      }).returning(COLUMNS).executeTakeFirstOrThrow()
      return apiKeyOf(row)
    },

    async findActive (id) {
      const row = await select.select('digest').where('id', '=', id)
        .where('revoked_at', 'is', null).where('expires_at', '>', new Date().toISOString()).executeTakeFirst()
      return row === undefined ? null : { apiKey: apiKeyOf(row), digest: row.digest }
    },

    async listByOwner (owner, { limit, cursor } = {}) {
      const size = limitOf(limit)
      let query = select.where('owner', '=', owner).orderBy('created_at', 'desc').orderBy('id', 'desc').limit(size + 1)
      if (cursor !== undefined) {
        // A key's id is random, so the page continues at the time of the key that the cursor names.
        const last = db.selectFrom('api_keys').select(['created_at', 'id'])
          .where('id', '=', cursorId(cursor, KEY_ID)).where('owner', '=', owner)
        query = query.where(sql<SqlBool>`(created_at, id) < ${last}`)
      }
      return pageOf(await query.execute(), size, apiKeyOf)
    },

    async revoke (id, owner) {
      const result = await db.updateTable('api_keys').set({ revoked_at: new Date().toISOString() })
        .where('id', '=', id).where('owner', '=', owner).where('revoked_at', 'is', null).executeTakeFirst()
      return result.numUpdatedRows === 1n
    }
  }
}

function apiKeyOf (row: Pick<Selectable<ApiKeyTable>, typeof COLUMNS[number]>): ApiKey {
  return {
    id: row.id,
    owner: row.owner,
    name: row.name,
    scopes: JSON.parse(row.scopes) as string[],
    hint: row.hint,
    created_at: row.created_at,
    expires_at: row.expires_at,
    revoked_at: row.revoked_at
  }
}

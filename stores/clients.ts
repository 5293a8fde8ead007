// Client applications in SQL: what is revoked with a client is revoked in the same transaction.
import type { Kysely, Selectable } from 'kysely'
import { createApiKeyStore } from './api-keys.ts'
import { randomBase62 } from '../credentials/base62.ts'
import { atomically } from './engine.ts'
import { cursorId, isAfter, limitOf, pageOf } from './pages.ts'
import type { Client, ClientStore } from './ports.ts'
import { createRefreshTokenStore } from './refresh-tokens.ts'
import type { ClientTable, Database } from './tables.ts'

const COLUMNS = ['id', 'name', 'grants', 'scopes', 'created_at', 'revoked_at'] as const
const CLIENT_ID = /^client_[0-9A-Za-z]{22}$/

export function createClientStore (db: Kysely<Database>): ClientStore {
  const select = db.selectFrom('clients').select(COLUMNS)

  return {
    async create ({ name, grants, scopes, secretDigest }) {
      const row = await db.insertInto('clients').values({
        id: `client_${randomBase62(22)}`,
        name,
        grants: JSON.stringify(grants),
        scopes: JSON.stringify(scopes),
        secret_digest: secretDigest,
        created_at: new Date().toISOString(),
        revoked_at: null
      }).returning(COLUMNS).executeTakeFirstOrThrow()
      return clientOf(row)
    },

    async findActive (id) {
      const row = await select.select('secret_digest').where('id', '=', id).where('revoked_at', 'is', null).executeTakeFirst()
      return row === undefined ? null : { client: clientOf(row), secretDigest: row.secret_digest }
    },

    async list ({ limit, cursor } = {}) {
      const size = limitOf(limit)
      let query = select.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(size + 1)
      if (cursor !== undefined) {
        query = query.where(isAfter(db.selectFrom('clients').select(['created_at', 'id']).where('id', '=', cursorId(cursor, CLIENT_ID))))
      }
      return pageOf(await query.execute(), size, clientOf)
    },

    async revoke (id) {
      return await atomically(db, async (db) => {
        const { numUpdatedRows } = await db.updateTable('clients').set({ revoked_at: new Date().toISOString() })
          .where('id', '=', id).where('revoked_at', 'is', null).executeTakeFirst()
        if (numUpdatedRows === 0n) return false
        await createRefreshTokenStore(db).revokeByClient(id)
        await createApiKeyStore(db).revokeByClient(id)
        return true
      })
    }
  }
}

function clientOf (row: Pick<Selectable<ClientTable>, typeof COLUMNS[number]>): Client {
  return {
    client_id: row.id,
    name: row.name,
    grants: JSON.parse(row.grants) as string[],
    scopes: JSON.parse(row.scopes) as string[],
    created_at: row.created_at,
    revoked_at: row.revoked_at
  }
}

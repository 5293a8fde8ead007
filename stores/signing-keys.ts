// Signing keys in SQL. Each has the number after the key whose place it took, and no number is given twice: of several
// processes that rotate at once one does, and the others read what it made.
import { sql } from 'kysely'
import type { Kysely, Selectable } from 'kysely'
import type { SigningKey, SigningKeyStore } from './ports.ts'
import type { Database, SigningKeyTable } from './tables.ts'

const COLUMNS = ['kid', 'algorithm', 'public_jwk', 'wrapped_private_key', 'created_at', 'active_from', 'retire_at', 'expires_at'] as const

export function createSigningKeyStore (db: Kysely<Database>): SigningKeyStore {
  return {
    async insertIfCurrent (key, currentKid) {
      const { values } = rowOf(key)
      const others = db.selectFrom('signing_keys as other').select('other.kid')
      const row = currentKid === null
        ? db.selectNoFrom([...values, sql<number>`1`.as('sequence')]).where(({ not, exists }) => not(exists(others)))
        : db.selectFrom('signing_keys').select([...values, sql<number>`sequence + 1`.as('sequence')]).where('kid', '=', currentKid)
          .where(({ not, exists }) => not(exists(others.where('other.sequence', '>', sql.ref<number>('signing_keys.sequence')))))
      const inserted = await db.insertInto('signing_keys').columns([...COLUMNS, 'sequence']).expression(row)
        .onConflict((conflict) => conflict.doNothing()).returning('kid').executeTakeFirst()
      return inserted !== undefined
    },

    async list (now) {
      const rows = await db.selectFrom('signing_keys').select(COLUMNS).where('expires_at', '>', now.toISOString())
        .orderBy('sequence', 'desc').execute()
      return rows.map(signingKeyOf)
    },

    async end (kid, at) {
      const time = at.toISOString()
      const { numUpdatedRows } = await db.updateTable('signing_keys').set({
        retire_at: sql<string>`case when retire_at < ${time} then retire_at else ${time} end`,
        expires_at: sql<string>`case when expires_at < ${time} then expires_at else ${time} end`
      }).where('kid', '=', kid).executeTakeFirst()
      return numUpdatedRows === 1n
    },

    async prune (now) {
      const { numDeletedRows } = await db.deleteFrom('signing_keys').where('expires_at', '<=', now.toISOString())
        .where('sequence', '<', ({ selectFrom }) => selectFrom('signing_keys as newest').select(({ fn }) => fn.max('newest.sequence').as('sequence')))
        .executeTakeFirst()
      return Number(numDeletedRows)
    }
  }
}

// In the order of COLUMNS, as a select has them.
function rowOf (key: SigningKey) {
  const { kid, algorithm, publicJwk, wrappedPrivateKey, createdAt, activeFrom, retireAt, expiresAt } = key
  const texts = [kid, algorithm, JSON.stringify(publicJwk), wrappedPrivateKey, ...[createdAt, activeFrom, retireAt, expiresAt].map((date) => date.toISOString())]
  return { values: texts.map((text, at) => sql<string>`${text}`.as(COLUMNS[at] ?? '')) }
}

function signingKeyOf (row: Pick<Selectable<SigningKeyTable>, typeof COLUMNS[number]>): SigningKey {
  return {
    kid: row.kid,
    algorithm: row.algorithm,
    publicJwk: JSON.parse(row.public_jwk) as Record<string, unknown>,
    wrappedPrivateKey: row.wrapped_private_key,
    createdAt: new Date(row.created_at),
    activeFrom: new Date(row.active_from),
    retireAt: new Date(row.retire_at),
    expiresAt: new Date(row.expires_at)
  }
}

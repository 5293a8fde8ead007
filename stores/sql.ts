// All stores over one SQL database.
import { sql } from 'kysely'
import type { Kysely } from 'kysely'
import { createApiKeyStore } from './api-keys.ts'
import { createAuditStore } from './audit.ts'
import { createClientStore } from './clients.ts'
import { inScope, outsideOnly } from './engine.ts'
import { createItemStore } from './items.ts'
import { createLoginAttemptStore } from './login-attempts.ts'
import type { Stores, StoreSet } from './ports.ts'
import { createRefreshTokenStore } from './refresh-tokens.ts'
import { createRevocationStore } from './revocations.ts'
import { createSessionStore } from './sessions.ts'
import { createSigningKeyStore } from './signing-keys.ts'
import type { Database } from './tables.ts'
import { createUserStore } from './users.ts'

/** The stores over a migrated database; `close` closes it. */
export function createSqlStores (db: Kysely<Database>): Stores {
  const outside = db.withPlugin(outsideOnly)
  return Object.freeze({
    ...storesOver(outside),
    transaction<T> (work: (stores: StoreSet) => Promise<T>) {
      return inScope(db, (transaction) => work(Object.freeze(storesOver(transaction))))
    },
    async ping () { await sql`select 1`.execute(outside) },
    async close () { await db.destroy() }
  })
}

function storesOver (db: Kysely<Database>): StoreSet {
  return {
    users: createUserStore(db),
    items: createItemStore(db),
    clients: createClientStore(db),
    apiKeys: createApiKeyStore(db),
    refreshTokens: createRefreshTokenStore(db),
    revocations: createRevocationStore(db),
    sessions: createSessionStore(db),
    loginAttempts: createLoginAttemptStore(db),
    signingKeys: createSigningKeyStore(db),
    audit: createAuditStore(db)
  }
}

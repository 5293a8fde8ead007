// The schema's history. A migration that was released is never edited; the next one gets the next number.
import { Migrator } from 'kysely'
import type { Kysely, Migration } from 'kysely'
import { apiKeyUse } from './migrations/api-key-use.ts'
import { apiKeys } from './migrations/api-keys.ts'
import { auditChain } from './migrations/audit-chain.ts'
import { auditEvents } from './migrations/audit-events.ts'
import { auditPruning } from './migrations/audit-pruning.ts'
import { clients } from './migrations/clients.ts'
import { items } from './migrations/items.ts'
import { loginAttempts } from './migrations/login-attempts.ts'
import { refreshTokens } from './migrations/refresh-tokens.ts'
import { revocations } from './migrations/revocations.ts'
import { sessions } from './migrations/sessions.ts'
import { signingKeys } from './migrations/signing-keys.ts'
import { textOrder } from './migrations/text-order.ts'
import { userRoles } from './migrations/user-roles.ts'
import { users } from './migrations/users.ts'

// A list, not a scan of the directory: what runs is what was reviewed, and bundlers see it.
const migrations: Record<string, Migration> = {
  '0001_users': users,
  '0002_items': items,
  '0003_api_keys': apiKeys,
  '0004_text_order': textOrder,
  '0005_user_roles': userRoles,
  '0006_clients': clients,
  '0007_api_key_use': apiKeyUse,
  '0008_refresh_tokens': refreshTokens,
  '0009_revocations': revocations,
  '0010_sessions': sessions,
  '0011_signing_keys': signingKeys,
  '0012_audit_events': auditEvents,
  '0013_login_attempts': loginAttempts,
  '0014_audit_chain': auditChain,
  '0015_audit_pruning': auditPruning
}

/** The migrator over our own migrations; one that fails leaves nothing behind. */
export function createMigrator<DB> (db: Kysely<DB>): Migrator {
  return new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } })
}

/** Brings the schema up to date; of several processes that start at once, one does it. Throws with the engine's error as cause. */
export async function migrateToLatest<DB> (db: Kysely<DB>): Promise<void> {
  await migrate(db, 'up')
}

/** All that are missing, or back by the newest one: the names of those that ran. Throws with the engine's error as cause. */
export async function migrate<DB> (db: Kysely<DB>, direction: 'up' | 'down'): Promise<string[]> {
  const migrator = createMigrator(db)
  const { error, results = [] } = direction === 'up' ? await migrator.migrateToLatest() : await migrator.migrateDown()
  if (error === undefined) return results.map(({ migrationName }) => migrationName)
  const failed = results.find(({ status }) => status === 'Error')?.migrationName ?? 'the schema'
  throw new Error(`the database could not be migrated: ${failed}`, { cause: error })
}

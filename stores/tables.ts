// The tables as Kysely types them; the migrations make them so.
import type { ColumnType, Generated } from 'kysely'

type Fixed<T> = ColumnType<T, T, never>
/** A list in a text column: no engine's own type, so that the SQL stays the same. */
type JsonText = string
type Flag = 0 | 1

export interface UserTable {
  id: Fixed<string>
  username: Fixed<string>
  username_key: Fixed<string>
  email: string
  full_name: string | null
  password_hash: string
  disabled: Flag
  roles: JsonText
  created_at: Fixed<string>
}

export interface ItemTable {
  id: Fixed<string>
  owner: Fixed<string>
  title: string
  description: string | null
  created_at: Fixed<string>
}

/** Which accounts have a role: `users.roles` in the form that can be counted by, written with it. */
export interface UserRoleTable {
  role: Fixed<string>
  user_id: Fixed<string>
}

/** A row a role of which one holder has to stay: who takes its last holder away stands in line here. */
export interface KeptRoleTable {
  role: string
}

export interface ClientTable {
  id: Fixed<string>
  name: string
  grants: Fixed<JsonText>
  scopes: Fixed<JsonText>
  secret_digest: Fixed<string>
  created_at: Fixed<string>
  revoked_at: string | null
}

export interface ApiKeyTable {
  id: Fixed<string>
  owner: Fixed<string>
  client_id: Fixed<string | null>
  name: string
  scopes: Fixed<JsonText>
  digest: Fixed<string>
  hint: Fixed<string>
  limit_max: number | null
  limit_window_seconds: number | null
  created_at: Fixed<string>
  expires_at: string
  last_used_at: string | null
  revoked_at: string | null
  rotated_to: string | null
}

export interface RefreshFamilyTable {
  id: Fixed<string>
  client_id: Fixed<string>
  subject: Fixed<string>
  scopes: Fixed<JsonText>
  created_at: Fixed<string>
  last_used_at: string
  expires_at: Fixed<string>
  revoked_at: string | null
}

export interface RefreshTokenTable {
  digest: Fixed<string>
  family_id: Fixed<string>
  issued_at: Fixed<string>
  expires_at: Fixed<string>
  used_at: string | null
  successor: string | null
  replay: string | null
}

export interface RevocationTable {
  /** Where in the order of additions, as the engine keeps it: see `revocations.ts`. */
  mark: Generated<string | number>
  kind: Fixed<'token' | 'family' | 'subject' | 'client'>
  id: Fixed<string>
  /** Empty for all: a `null` would equal no other and be added again and again. */
  issued_before: Fixed<string>
  expires_at: Fixed<string>
}

export interface SessionTable {
  id: Fixed<string>
  subject: Fixed<string>
  created_at: Fixed<string>
  authenticated_at: Fixed<string>
  last_seen_at: string
  idle_expires_at: string
  expires_at: Fixed<string>
}

export interface LoginAttemptTable {
  key: Fixed<string>
  attempts: number
  failures: number
  retry_at: string
  /** Whether the last verdict counted: a statement can tell what it made of a row, not what it found. */
  counted: Flag
}

export interface SigningKeyTable {
  kid: Fixed<string>
  /** One more than that of the key whose place it took. */
  sequence: Fixed<number>
  algorithm: Fixed<string>
  public_jwk: Fixed<JsonText>
  wrapped_private_key: Fixed<string>
  created_at: Fixed<string>
  active_from: Fixed<string>
  retire_at: string
  expires_at: string
}

export interface AuditEventTable {
  id: Fixed<string>
  event: Fixed<string>
  outcome: Fixed<'success' | 'failure'>
  actor: Fixed<string | null>
  scheme: Fixed<string | null>
  target: Fixed<string | null>
  ip: Fixed<string | null>
  method: Fixed<string | null>
  route: Fixed<string | null>
  request_id: Fixed<string | null>
  reason: Fixed<string | null>
  details: Fixed<JsonText>
  /** Its place in the chain, once it is sealed. */
  seq: ColumnType<string | number | null, undefined, never>
  hash: ColumnType<string | null, undefined, never>
}

/** Where the chain over the events stands: one row. */
export interface AuditChainTable {
  id: number
  seq: ColumnType<string | number, number, number>
  hash: string
}

/** Up to where the chain was removed: one row, or none. */
export interface AuditPruningTable {
  id: number
  seq: ColumnType<string | number, number, number>
  hash: string
  signature: string
}

export interface Database {
  users: UserTable
  user_roles: UserRoleTable
  kept_roles: KeptRoleTable
  items: ItemTable
  clients: ClientTable
  api_keys: ApiKeyTable
  refresh_families: RefreshFamilyTable
  refresh_tokens: RefreshTokenTable
  revocations: RevocationTable
  sessions: SessionTable
  login_attempts: LoginAttemptTable
  signing_keys: SigningKeyTable
  audit_events: AuditEventTable
  audit_chain: AuditChainTable
  audit_pruning: AuditPruningTable
}

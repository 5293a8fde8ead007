// What a store must do, whatever engine is behind it. Members that travel to clients have their wire names.
// A failure of the engine is thrown as `unavailable` (503); `null` or `false` means that there is no such thing.
// Text that holds U+0000 is refused with `validation`, in whatever place, or found as nothing: never cut short there.
// A race is settled in the store, by the condition of a write: of any number of parallel callers the one that it tells so has won.
import type { ApiKeyStore } from './ports/api-keys.ts'
import type { AuditStore } from './ports/audit.ts'
import type { ClientStore } from './ports/clients.ts'
import type { ItemStore } from './ports/items.ts'
import type { LoginAttemptStore } from './ports/login-attempts.ts'
import type { RefreshTokenStore } from './ports/refresh-tokens.ts'
import type { RevocationStore } from './ports/revocations.ts'
import type { SessionStore } from './ports/sessions.ts'
import type { SigningKeyStore } from './ports/signing-keys.ts'
import type { UserStore } from './ports/users.ts'

export type { ApiKey, ApiKeyLimit, ApiKeyRotation, ApiKeyStore, NewStoredApiKey } from './ports/api-keys.ts'
export type { AuditChainState, AuditCut, AuditEvent, AuditQuery, AuditStore, NewAuditEvent, PastAuditEvent, SealedAuditEvent } from './ports/audit.ts'
export type { Client, ClientStore, NewClient } from './ports/clients.ts'
export type { Item, ItemStore, NewItem } from './ports/items.ts'
export type { LoginAttemptStore, LoginAttempts, LoginDelay, LoginOutcome, LoginVerdict } from './ports/login-attempts.ts'
export type { Page, PageQuery, SearchQuery } from './ports/pages.ts'
export type { NewRefreshFamily, RefreshFamily, RefreshOutcome, RefreshRotation, RefreshToken, RefreshTokenStore } from './ports/refresh-tokens.ts'
export type { RevocableToken, Revocation, RevocationStore } from './ports/revocations.ts'
export type { NewSession, Session, SessionStore } from './ports/sessions.ts'
export type { SigningKey, SigningKeyStore } from './ports/signing-keys.ts'
export type { NewUser, User, UserChange, UserProfile, UserStore } from './ports/users.ts'

/** All that is kept. */
export interface StoreSet {
  /** Accounts. */
  readonly users: UserStore
  /** What the demo is about. */
  readonly items: ItemStore
  /** Client applications. */
  readonly clients: ClientStore
  /** API keys. */
  readonly apiKeys: ApiKeyStore
  /** Refresh tokens and their families. */
  readonly refreshTokens: RefreshTokenStore
  /** What access tokens are refused for. */
  readonly revocations: RevocationStore
  /** Logins by cookie. */
  readonly sessions: SessionStore
  /** Failed logins. */
  readonly loginAttempts: LoginAttemptStore
  /** Keys that sign access tokens. */
  readonly signingKeys: SigningKeyStore
  /** What happened. */
  readonly audit: AuditStore
}

/** The stores of a service, over one engine. */
export interface Stores extends StoreSet {
  /**
   * Runs `work` with stores whose changes are kept all together when it resolves, or not at all when it throws; what it
   * resolves to comes back. It calls nothing but those stores, and waits for nothing else: on SQLite all other
   * writers stand in line behind it. Throws an `Error` where the outer stores are used inside.
   */
  transaction<T> (work: (stores: StoreSet) => Promise<T>): Promise<T>
  /** Resolves when the engine answers. */
  ping (): Promise<void>
  /** Resolves when nothing is open any more. */
  close (): Promise<void>
}

// API keys.
import type { Page, PageQuery } from './pages.ts'

/** How often an API key may be used. */
export interface ApiKeyLimit {
  /** Requests. */
  max: number
  /** Seconds in which they are counted. */
  window_seconds: number
}

/** A key as its owner may see it again: never the key, never its digest. */
export interface ApiKey {
  /** The id that stands in the key. */
  id: string
  /** The subject of the principal that made it. */
  owner: string
  /** The client through whose token it was made. */
  client_id: string | null
  /** What it is for. */
  name: string
  /** What it may do, where its owner may too. */
  scopes: string[]
  /** The last characters of the key. */
  hint: string
  /** Its own limit, where it has one. */
  limit: ApiKeyLimit | null
  /** RFC 3339, UTC; so are the others. */
  created_at: string
  /** When it ends by itself. */
  expires_at: string
  /** When it was last told to `touch`. */
  last_used_at: string | null
  /** When it was revoked. */
  revoked_at: string | null
  /** The id of the key that it was rotated to. */
  rotated_to: string | null
}

/** An API key to keep. */
export interface NewStoredApiKey {
  /** The id that stands in the key. */
  id: string
  /** The subject of the principal that makes it. */
  owner: string
  /** The client through whose token it is made. @defaultValue null */
  clientId?: string | null | undefined
  /** What it is for. */
  name: string
  /** What it may do. */
  scopes: readonly string[]
  /** SHA-256 of the secret that stands in the key. */
  digest: string
  /** The last characters of the key. */
  hint: string
  /** @defaultValue null */
  limit?: ApiKeyLimit | null | undefined
  /** @defaultValue 90 days from now */
  expiresAt?: Date | undefined
}

/** The key that takes the place of another. */
export interface ApiKeyRotation {
  /** The id that stands in the new key. */
  id: string
  /** Of the new key. */
  digest: string
  /** Of the new key. */
  hint: string
  /** How long the old key works beside the new one, at most until it would have expired. */
  overlapSeconds: number
}

/** API keys. */
export interface ApiKeyStore {
  /**
   * The key, without its digest. Throws `account_disabled` where the owner is an account that is turned off: of a key that
   * is made while that happens nothing stays, if the owner's keys are revoked after it in the same transaction.
   */
  create (key: NewStoredApiKey): Promise<ApiKey>
  /** `null` for an unknown, an expired and a revoked key alike, and for one whose client was revoked. */
  findActive (id: string): Promise<{ apiKey: ApiKey; digest: string } | null>
  /** Those of one owner, ended ones too. */
  listByOwner (owner: string, query?: PageQuery): Promise<Page<ApiKey>>
  /**
   * A new key with name, scopes, client, limit and lifetime of the old one, which ends after the overlap; all or nothing.
   * `null` when the owner has no such key or it is revoked, expired or rotated already: of parallel callers one gets a key.
   */
  rotate (id: string, owner: string, rotation: ApiKeyRotation): Promise<ApiKey | null>
  /** Notes when keys were used, a batch in a statement; a moment before the one that is known changes nothing, so a batch may come again. */
  touch (uses: readonly { id: string; at: Date }[]): Promise<void>
  /** Whether the owner had such a key and it was not revoked before. */
  revoke (id: string, owner: string): Promise<boolean>
  /** Revokes what an owner has; the ids, for caches. */
  revokeByOwner (owner: string): Promise<string[]>
  /** Revokes what was made through tokens of a client; the ids, for caches. */
  revokeByClient (clientId: string): Promise<string[]>
}

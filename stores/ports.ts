// What a store must do, whatever engine is behind it. Members that travel to clients have their wire names.
// A failure of the engine is thrown as `unavailable` (503); `null` or `false` means that there is no such thing.
// Text that holds U+0000 is refused with `validation`, in whatever place, or found as nothing: never cut short there.

/** A page of a list, newest first; `next` is the cursor of the page after it, absent on the last one. */
export interface Page<T> {
  items: T[]
  next?: string
}

export interface PageQuery {
  /**
   * From 1 to 100; anything else is refused with `validation`.
   * @defaultValue 20
   */
  limit?: number | undefined
  /** The `next` of the page before; one that was not handed out is refused with `validation`. */
  cursor?: string | undefined
}

export interface SearchQuery extends PageQuery {
  /** Only what contains this text, whatever the case of its ASCII letters. */
  q?: string | undefined
}

/** An account, without anything that proves who is using it. */
export interface User {
  /** UUIDv7. */
  id: string
  username: string
  email: string
  full_name: string | null
  disabled: boolean
  roles: string[]
  /** RFC 3339, UTC. */
  created_at: string
}

export interface NewUser {
  username: string
  email: string
  full_name?: string | null | undefined
  passwordHash: string
  roles: readonly string[]
}

export interface UserProfile {
  email?: string | undefined
  full_name?: string | null | undefined
}

export interface UserStore {
  /** Throws `conflict` when the name is taken (names are one if `fold` makes them one), `validation` over 256 UTF-16 units or with a control character. */
  create (user: NewUser): Promise<User>
  findById (id: string): Promise<User | null>
  findByName (username: string): Promise<User | null>
  /** For login only: the one read that gives a password hash. */
  findCredentials (username: string): Promise<{ user: User; passwordHash: string } | null>
  list (query?: SearchQuery): Promise<Page<User>>
  updateProfile (id: string, profile: UserProfile): Promise<User | null>
  /** `false`, and nothing is written, when the stored hash is not `from` any more: somebody changed the password. */
  replacePasswordHash (id: string, change: { from: string; to: string }): Promise<boolean>
  setDisabled (id: string, disabled: boolean): Promise<User | null>
  setRoles (id: string, roles: readonly string[]): Promise<User | null>
}

export interface Item {
  /** UUIDv7. */
  id: string
  /** The subject of the principal that made it. */
  owner: string
  title: string
  description: string | null
  /** RFC 3339, UTC. */
  created_at: string
}

export interface NewItem {
  owner: string
  title: string
  description?: string | null | undefined
}

export interface ItemStore {
  create (item: NewItem): Promise<Item>
  get (id: string): Promise<Item | null>
  /** Whether there was such an item. */
  remove (id: string): Promise<boolean>
  list (query?: SearchQuery): Promise<Page<Item>>
}

/** A key as its owner may see it again: never the key, never its digest. */
export interface ApiKey {
  /** The id that stands in the key. */
  id: string
  owner: string
  name: string
  scopes: string[]
  /** The last characters of the key. */
  hint: string
  /** RFC 3339, UTC; so are the others. */
  created_at: string
  expires_at: string
  revoked_at: string | null
}

export interface NewStoredApiKey {
  id: string
  owner: string
  name: string
  scopes: readonly string[]
  digest: string
  hint: string
  /** @defaultValue 90 days from now */
  expiresAt?: Date | undefined
}

export interface ApiKeyStore {
  create (key: NewStoredApiKey): Promise<ApiKey>
  /** `null` for an unknown, an expired and a revoked key alike. */
  findActive (id: string): Promise<{ apiKey: ApiKey; digest: string } | null>
  listByOwner (owner: string, query?: PageQuery): Promise<Page<ApiKey>>
  /** Whether the owner had such a key and it was not revoked before. */
  revoke (id: string, owner: string): Promise<boolean>
}

export interface Stores {
  readonly users: UserStore
  readonly items: ItemStore
  readonly apiKeys: ApiKeyStore
  /** Resolves when the engine answers. */
  ping (): Promise<void>
  /** Resolves when nothing is open any more. */
  close (): Promise<void>
}

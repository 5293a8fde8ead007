// What a store must do, whatever engine is behind it. Members that travel to clients have their wire names.
// A failure of the engine is thrown as `unavailable` (503); `null` or `false` means that there is no such thing.
// Text that holds U+0000 is refused with `validation`, in whatever place, or found as nothing: never cut short there.
// A race is settled in the store, by the condition of a write: of any number of parallel callers the one that it tells so has won.

/** A page of a list, newest first; `next` is the cursor of the page after it, absent on the last one. */
export interface Page<T> {
  /** At most `limit` of them. */
  items: T[]
  /** Where the next page begins. */
  next?: string
}

/** Which page of a list. */
export interface PageQuery {
  /**
   * From 1 to 100; anything else is refused with `validation`.
   * @defaultValue 20
   */
  limit?: number | undefined
  /** The `next` of the page before; one that was not handed out is refused with `validation`. */
  cursor?: string | undefined
}

/** Which page of a list that can be searched. */
export interface SearchQuery extends PageQuery {
  /** Only what contains this text, whatever the case of its ASCII letters. */
  q?: string | undefined
}

/** An account, without anything that proves who is using it. */
export interface User {
  /** UUIDv7. */
  id: string
  /** As it was written; two names are one if `fold` makes them one. */
  username: string
  /** Neither unique nor an identifier. */
  email: string
  /** What people call them. */
  full_name: string | null
  /** Whether its credentials are refused. */
  disabled: boolean
  /** The names of its roles, in the order that they were given. */
  roles: string[]
  /** RFC 3339, UTC. */
  created_at: string
}

/** An account to make. */
export interface NewUser {
  /** At most 256 UTF-16 units, no control characters. */
  username: string
  /** Kept as it is. */
  email: string
  /** @defaultValue null */
  full_name?: string | null | undefined
  /** A PHC string. */
  passwordHash: string
  /** The names of its roles; a name that stands twice is kept once. */
  roles: readonly string[]
}

/** What people change of their own account. */
export interface UserProfile {
  /** @defaultValue as it is */
  email?: string | undefined
  /** @defaultValue as it is */
  full_name?: string | null | undefined
}

/** What an administrator changes of an account. */
export interface UserChange {
  /** @defaultValue as it is */
  disabled?: boolean | undefined
  /** @defaultValue as they are */
  roles?: readonly string[] | undefined
}

/** Accounts. */
export interface UserStore {
  /** Throws `conflict` when the name is taken (names are one if `fold` makes them one), `validation` over 256 UTF-16 units or with a control character. */
  create (user: NewUser): Promise<User>
  /** By id, disabled or not. */
  findById (id: string): Promise<User | null>
  /** By name, disabled or not. */
  findByName (username: string): Promise<User | null>
  /** For login only: the one read that gives a password hash. */
  findCredentials (username: string): Promise<{ user: User; passwordHash: string } | null>
  /** All of them; `q` is looked for in name, e-mail and full name. */
  list (query?: SearchQuery): Promise<Page<User>>
  /** How many accounts that are not disabled have the role. */
  countByRole (role: string): Promise<number>
  /** The account as it is then. */
  updateProfile (id: string, profile: UserProfile): Promise<User | null>
  /**
   * The account as it is then. With `keepOne`, `'last'`, and nothing is written, when no account that is not disabled
   * would be left with that role: of two that demote each other at once, one stays. Callers that leave it out are not counted on.
   */
  update (id: string, change: UserChange, options?: { keepOne?: string | undefined }): Promise<User | 'last' | null>
  /** `false`, and nothing is written, when the stored hash is not `from` any more: somebody changed the password. */
  replacePasswordHash (id: string, change: { from: string; to: string }): Promise<boolean>
}

/** What the demo is about. */
export interface Item {
  /** UUIDv7. */
  id: string
  /** The subject of the principal that made it. */
  owner: string
  /** One line. */
  title: string
  /** Any text. */
  description: string | null
  /** RFC 3339, UTC. */
  created_at: string
}

/** An item to make. */
export interface NewItem {
  /** The subject of the principal that makes it. */
  owner: string
  /** One line. */
  title: string
  /** @defaultValue null */
  description?: string | null | undefined
}

/** Items. */
export interface ItemStore {
  /** The item, with its id. */
  create (item: NewItem): Promise<Item>
  /** By id. */
  get (id: string): Promise<Item | null>
  /** Whether there was such an item. */
  remove (id: string): Promise<boolean>
  /** All of them; `q` is looked for in title and description. */
  list (query?: SearchQuery): Promise<Page<Item>>
}

/** A client application (RFC 6749 §2) that is confidential, without its secret. */
export interface Client {
  /** `client_` and 22 digits of base62: no user has such an id. */
  client_id: string
  /** What people call it. */
  name: string
  /** The grants that it may use, as `grant_type` has them. */
  grants: string[]
  /** The scopes that it may ask for. */
  scopes: string[]
  /** RFC 3339, UTC; so is the other. */
  created_at: string
  /** When it was revoked. */
  revoked_at: string | null
}

/** A client to make. */
export interface NewClient {
  /** What people call it. */
  name: string
  /** The grants that it may use. */
  grants: readonly string[]
  /** The scopes that it may ask for. */
  scopes: readonly string[]
  /** Of a secret with at least 112 bits: it is not stretched. */
  secretDigest: string
}

/** Client applications. */
export interface ClientStore {
  /** The client, with its id. */
  create (client: NewClient): Promise<Client>
  /** `null` for an unknown and a revoked client alike; the one read that gives the digest. */
  findActive (id: string): Promise<{ client: Client; secretDigest: string } | null>
  /** All of them, revoked ones too. */
  list (query?: PageQuery): Promise<Page<Client>>
  /** Revokes it, its refresh families and the API keys that its tokens made, all or nothing; `false` when there is no such client or it was revoked before. */
  revoke (id: string): Promise<boolean>
}

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

/** The refresh tokens that follow from one login: each is used once and gives way to the next. */
export interface RefreshFamily {
  /** UUIDv7; access tokens name it, so that they can be refused with it. */
  id: string
  /** Whose refresh tokens they are; nobody else's are accepted. */
  client_id: string
  /** On whose behalf. */
  subject: string
  /** What was granted: no rotation widens or narrows it. */
  scopes: string[]
  /** RFC 3339, UTC; so are the others. */
  created_at: string
  /** When one of its tokens was last presented and rotated. */
  last_used_at: string
  /** The absolute end: no rotation extends it. */
  expires_at: string
  /** When it was revoked. */
  revoked_at: string | null
}

/** The first refresh token of a family. */
export interface NewRefreshFamily {
  /** SHA-256 of the token, which has 256 random bits. */
  digest: string
  /** Whose token it is. */
  clientId: string
  /** On whose behalf. */
  subject: string
  /** What was granted. */
  scopes: readonly string[]
  /** When this token ends unless it is used; capped by the absolute end. */
  idleExpiresAt: Date
  /** When the family ends, however it is used. */
  absoluteExpiresAt: Date
}

/** A refresh token that was presented, and what follows it. */
export interface RefreshRotation {
  /** SHA-256 of the token that was presented. */
  digest: string
  /** The client that presented it. */
  clientId: string
  /** SHA-256 of the token that follows. */
  successorDigest: string
  /** The answer that a repetition gets: a text that only the presented token opens. `null` keeps none. */
  replay: string | null
  /** The moment that everything is judged by. */
  now: Date
  /** Seconds that the successor lives unless it is used; never beyond the family's end. */
  idleSeconds: number
  /** Seconds in which the same client may present the used token again; 0 turns it off. */
  replaySeconds: number
}

/**
 * What came of it:
 * `rotated`: the token is used up and its successor is in its place;
 * `replayed`: it was used a moment ago and its successor was not: the very same answer may be given;
 * `reused`: it was used before that: the whole family was revoked by this call, one caller is told so;
 * else nothing was changed: `unknown`, `expired` (idle or absolute), `revoked`, or of another client (`wrong_client`).
 */
export type RefreshOutcome =
  | { outcome: 'rotated'; family: RefreshFamily; expires_at: string }
  | { outcome: 'replayed'; family: RefreshFamily; replay: string }
  | { outcome: 'reused' | 'expired' | 'revoked' | 'wrong_client'; family: RefreshFamily }
  | { outcome: 'unknown' }

/** A refresh token as it is kept. */
export interface RefreshToken {
  /** What it belongs to. */
  family: RefreshFamily
  /** RFC 3339, UTC; so are the others. */
  issued_at: string
  /** When it ends unless it is used. */
  expires_at: string
  /** When it was used. */
  used_at: string | null
  /** Whether it would be rotated now: not used, not expired, its family not revoked. */
  active: boolean
}

/** Refresh tokens, by their digests. */
export interface RefreshTokenStore {
  /**
   * Opens a family. Who opens one in a transaction, and who revokes by its subject in another, wait for each other from here
   * on: what the former reads after this call knows of the latter, or the latter finds the family.
   */
  create (token: NewRefreshFamily): Promise<RefreshFamily>
  /** Uses a token up, all or nothing: of any number of parallel callers exactly one is told `rotated`. */
  rotate (rotation: RefreshRotation): Promise<RefreshOutcome>
  /** For introspection and revocation: used, expired and revoked ones too. */
  findByDigest (digest: string): Promise<RefreshToken | null>
  /** The families of a subject that have not ended. */
  listBySubject (subject: string, query?: PageQuery): Promise<Page<RefreshFamily>>
  /** Whether there was such a family and it was not revoked before. */
  revokeFamily (id: string): Promise<boolean>
  /**
   * Revokes what a subject has, but for one family; the ids of what it revoked. A token that is rotated meanwhile may be
   * younger than this call: refuse access tokens by those ids, not by a moment alone.
   */
  revokeBySubject (subject: string, options?: { exceptFamily?: string | undefined }): Promise<string[]>
  /** Revokes what a client has; the ids of what it revoked. */
  revokeByClient (clientId: string): Promise<string[]>
  /** Forgets families whose absolute end has passed, at most 1000 a call; how many. */
  prune (now: Date): Promise<number>
}

/** What live access tokens are refused for. */
export interface Revocation {
  /** One token by its `jti`, those of a refresh family, of a subject, or of a client. */
  kind: 'token' | 'family' | 'subject' | 'client'
  /** The `jti`, or the id. */
  id: string
  /** Only tokens that were issued before it; `null` means all. */
  issuedBefore: Date | null
  /** When no such token can be alive any more. */
  expiresAt: Date
}

/** What an access token can be refused by. */
export interface RevocableToken {
  /** Its `jti`. */
  tokenId: string
  /** The refresh family that it came with. */
  familyId: string | null
  /** Its `sub`. */
  subject: string
  /** Its `client_id`. */
  clientId: string | null
  /** Its `iat`. */
  issuedAt: Date
}

/** What access tokens are refused for before they expire. */
export interface RevocationStore {
  /** The same again changes nothing. */
  add (revocations: readonly Revocation[]): Promise<void>
  /**
   * What was added since the cursor was handed out (`null`: everything) and has not expired at `now`. Whatever was
   * committed before this call began is in this answer or in an earlier one, in whatever order transactions end; some
   * of it may come twice.
   */
  since (cursor: string | null, now: Date): Promise<{ revocations: Revocation[]; cursor: string }>
  /** For those who cannot keep them all at hand: whether this very token is refused. */
  isRevoked (token: RevocableToken, now: Date): Promise<boolean>
  /** Forgets what expired, at most 1000 a call; how many. */
  prune (now: Date): Promise<number>
}

/** A login by cookie. */
export interface Session {
  /** SHA-256 of what the cookie holds. */
  id: string
  /** Whose session it is. */
  subject: string
  /** RFC 3339, UTC; so are the others. */
  created_at: string
  /** When somebody last proved who they are. */
  authenticated_at: string
  /** When it was last told to `touch`. */
  last_seen_at: string
  /** When it ends unless it is used; never after the absolute end. */
  idle_expires_at: string
  /** When it ends, however it is used. */
  expires_at: string
}

/** A session to open. */
export interface NewSession {
  /** SHA-256 of what the cookie holds. */
  id: string
  /** Whose session it is. */
  subject: string
  /** When somebody proved who they are. */
  authenticatedAt: Date
  /** When it ends unless it is used; capped by the absolute end. */
  idleExpiresAt: Date
  /** When it ends, however it is used. */
  absoluteExpiresAt: Date
}

/** Sessions, by the digests of their ids. */
export interface SessionStore {
  /** Opens one. */
  create (session: NewSession): Promise<Session>
  /** `null` for an unknown and an ended one alike. */
  findActive (id: string): Promise<Session | null>
  /** Notes that it was used at `at` and ends at `idleExpiresAt`; `false`, and nothing is written, when it has ended. */
  touch (id: string, use: { at: Date; idleExpiresAt: Date }): Promise<boolean>
  /** Whether there was such a session; with `subject`, one of that subject. */
  remove (id: string, options?: { subject?: string | undefined }): Promise<boolean>
  /** Those of a subject that have not ended. */
  listBySubject (subject: string, query?: PageQuery): Promise<Page<Session>>
  /** Ends what a subject has, but for one; the ids of what it ended. */
  removeBySubject (subject: string, options?: { except?: string | undefined }): Promise<string[]>
  /** Forgets what ended, at most 1000 a call; how many. */
  prune (now: Date): Promise<number>
}

/** How long a key waits. */
export interface LoginDelay {
  /** After so many failures in a row, and more. */
  from: number
  /** Until an attempt counts again; where several apply, the longest. */
  seconds: number
}

/** What a password turned out to be, before anybody is told. */
export interface LoginVerdict {
  /** Whose attempts are counted together. */
  key: string
  /** Whether it lets in. */
  right: boolean
  /** The moment that everything is judged by. */
  now: Date
  /** How long the key waits after failures in a row. */
  delays: readonly LoginDelay[]
}

/** What became of a verdict. */
export interface LoginOutcome {
  /** Whether it may be told; where not, right is refused as wrong is. */
  counts: boolean
  /** In a row, with this one. */
  failures: number
}

/** What is known of a key since its last success. */
export interface LoginAttempts {
  /** Whose attempts they are. */
  key: string
  /** All that were made, those that did not count too; it stops at a million. */
  attempts: number
  /** Those that counted, and were wrong. */
  failures: number
  /** Whether only `reset` lets it try again. */
  locked: boolean
  /** RFC 3339, UTC: when the last delay ends, or ended. */
  retry_at: string | null
}

/** Failed logins in a row, by whatever names them. */
export interface LoginAttemptStore {
  /**
   * Counts an attempt and says whether its verdict may be told, in one conditional write. A key that waits or is locked
   * keeps its failures and its delay. Else wrong is one failure more, and right ends them all. Of any number of parallel
   * callers each is counted, and none learns a verdict that did not count.
   */
  settle (verdict: LoginVerdict): Promise<LoginOutcome>
  /** Whether this call locked the key: one that was not locked and has so many failures. */
  lock (key: string, options: { failures: number }): Promise<boolean>
  /** Forgets what a key is known for, and unlocks it; whether there was anything. */
  reset (key: string): Promise<boolean>
  /** Of these keys, those with an attempt since their last success. */
  find (keys: readonly string[]): Promise<LoginAttempts[]>
}

/** A key that signs access tokens. */
export interface SigningKey {
  /** Its RFC 7638 thumbprint. */
  kid: string
  /** The one algorithm that it is used with, as `alg` has it. */
  algorithm: string
  /** The public JWK. */
  publicJwk: Readonly<Record<string, unknown>>
  /** The private key, wrapped by whoever keeps it here: the store cannot read it. */
  wrappedPrivateKey: string
  /** When it was made. */
  createdAt: Date
  /** When it starts to sign. */
  activeFrom: Date
  /** When it stops to sign. */
  retireAt: Date
  /** When it stops to verify. */
  expiresAt: Date
}

/** Signing keys, each the successor of another. */
export interface SigningKeyStore {
  /**
   * Adds a key in the place of the newest one, named by its `kid` (`null`: there is none yet). `false`, and nothing is
   * written, when that is not the newest one any more: of several processes that rotate at once, one does.
   */
  insertIfCurrent (key: SigningKey, currentKid: string | null): Promise<boolean>
  /** Those that still verify at `now`, newest first. */
  list (now: Date): Promise<SigningKey[]>
  /** Ends signing and verifying at `at`, where they would have gone on; whether there is such a key. */
  end (kid: string, at: Date): Promise<boolean>
  /** Forgets keys that stopped to verify, except the newest; how many. */
  prune (now: Date): Promise<number>
}

/** Something that happened, in words of OWASP's logging vocabulary. */
export interface AuditEvent {
  /** UUIDv7; its time is that of the event. */
  id: string
  /** RFC 3339, UTC. */
  time: string
  /** Such as `authn_login_fail`. */
  event: string
  /** How it ended. */
  outcome: 'success' | 'failure'
  /** Who did it: a subject, or the hash of a name that was tried. */
  actor: string | null
  /** The scheme that the credentials were presented to. */
  scheme: string | null
  /** To whom or what it was done. */
  target: string | null
  /** The client's address. */
  ip: string | null
  /** The method of the request. */
  method: string | null
  /** The pattern of the route. */
  route: string | null
  /** The id that the log has. */
  request_id: string | null
  /** Why, as a code. */
  reason: string | null
  /** What else there is to say; never a secret. */
  details: Readonly<Record<string, unknown>>
}

/** An event to keep; what is left out is `null`. */
export type NewAuditEvent = Pick<AuditEvent, 'event' | 'outcome'> & { [Member in Exclude<keyof AuditEvent, 'id' | 'time' | 'event' | 'outcome'>]?: AuditEvent[Member] | undefined }

/** An event that happened a moment ago. */
export type PastAuditEvent = NewAuditEvent & {
  /** When. */
  at: Date
}

/** An event with its place in the chain. */
export interface SealedAuditEvent extends AuditEvent {
  /** From 1 on, without gaps. */
  seq: number
  /** SHA-256 over the hash before it, its number and what it says: `hashOfRecord`. */
  hash: string
}

/** Where the chain stands. */
export interface AuditChainState {
  /** The last event that has a number; 0 and an empty hash before the first. */
  head: { seq: number; hash: string }
  /** Events that have none yet, and the time of the oldest. */
  unsealed: { count: number; oldest: string | null }
}

/** Which events. */
export interface AuditQuery extends PageQuery {
  /** Only this event. */
  event?: string | undefined
  /** Only what this actor did. */
  actor?: string | undefined
  /** Only what this subject did, or what was done to it. */
  subject?: string | undefined
  /** Only what this request caused. */
  request_id?: string | undefined
  /** Not before it. */
  from?: Date | undefined
  /** Before it. */
  to?: Date | undefined
}

/** What happened: added to, never changed. */
export interface AuditStore {
  /** Keeps an event; inside {@link Stores.transaction} together with the change that it tells of, or not at all. */
  append (event: NewAuditEvent): Promise<AuditEvent>
  /** Keeps events that happened before, in the order of their times, all or nothing. */
  appendAll (events: readonly PastAuditEvent[]): Promise<void>
  /** Those that all filters let through. */
  list (query?: AuditQuery): Promise<Page<AuditEvent>>
  /**
   * Gives events that have been kept their numbers and hashes, oldest first; how many, 500 at most. Of several processes that
   * call it at once, one goes on at a time: no number is given twice, none is left out.
   */
  seal (): Promise<number>
  /** The events after a number, in the order of the chain; `limit` as for pages. */
  sealed (query: { after: number; limit?: number | undefined }): Promise<SealedAuditEvent[]>
  /** Where the chain stands. */
  chain (): Promise<AuditChainState>
}

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

// Refresh tokens and the families that they form.
import type { Page, PageQuery } from './pages.ts'

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

// Logins by cookie.
import type { Page, PageQuery } from './pages.ts'

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

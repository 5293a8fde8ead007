// What happened.
import type { Page, PageQuery } from './pages.ts'

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

/** The end of what is removed from the chain: from the event behind it on the chain is verified. */
export interface AuditCut {
  /** Its number. */
  seq: number
  /** Its hash. */
  hash: string
  /** What tells a later reader that it was no thief who removed it: `gatehouse audit prune` signs number and hash. */
  signature: string
}

/** Where the chain stands. */
export interface AuditChainState {
  /** The last event that has a number; 0 and an empty hash before the first. */
  head: { seq: number; hash: string }
  /** The last event that was removed, with the signature over it; `null`: none was. */
  pruned: AuditCut | null
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

/** What happened: added to, never changed, and removed only from the old end of the chain. */
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
  /** The events after a number, in the order of the chain; `limit` as for pages. `-Infinity` gives those too that stand before the first. */
  sealed (query: { after: number; limit?: number | undefined }): Promise<SealedAuditEvent[]>
  /**
   * Removes sealed events up to and with that of the cut, oldest first, at most 1000 a call; how many. The chain says from
   * then on where it was cut. Removes nothing where no event has that number and hash.
   */
  prune (cut: AuditCut): Promise<number>
  /** Where the chain stands. */
  chain (): Promise<AuditChainState>
}

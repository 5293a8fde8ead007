// The chain of the audit log (ASVS 16.4.2): each record is numbered, and hashed with the hash of the one before it, so that
// whoever alters, removes or inserts one would have to rewrite all that follow, which a checkpoint kept elsewhere shows.
import { hash } from 'node:crypto'

/** What a record says, as far as the chain covers it. */
export interface ChainedEvent {
  /** UUIDv7; its time is that of the event. */
  readonly id: string
  /** What happened. */
  readonly event: string
  /** How it ended. */
  readonly outcome: string
  /** Who did it. */
  readonly actor: string | null
  /** The scheme that the credentials were presented to. */
  readonly scheme: string | null
  /** To whom or what it was done. */
  readonly target: string | null
  /** The client's address. */
  readonly ip: string | null
  /** The method of the request. */
  readonly method: string | null
  /** The pattern of the route. */
  readonly route: string | null
  /** The id that the log has. */
  readonly request_id: string | null
  /** Why, as a code. */
  readonly reason: string | null
  /** What else there is to say. */
  readonly details: Readonly<Record<string, unknown>>
}

/** A record with its place in the chain. */
export interface ChainedRecord extends ChainedEvent {
  /** Its number, from 1 on. */
  readonly seq: number
  /** SHA-256 over the hash before it, its number and what it says, in base64url. */
  readonly hash: string
}

/** Where the chain stands. */
export interface ChainHead {
  /** The number of the last record; 0 before the first. */
  readonly seq: number
  /** Its hash. */
  readonly hash: string
}

/** The first record that is not as it was written. */
export interface ChainFault {
  /** `altered`: it says something else; `missing`: it is gone; `inserted`: nobody sealed it. */
  readonly kind: 'altered' | 'missing' | 'inserted'
  /** Its number. */
  readonly seq: number
  /** Its id; `null` of a record that is gone, or that the chain was cut behind. */
  readonly id: string | null
}

/** What {@link verifyChain} found. */
export interface ChainReport {
  /** The last record of the chain that is as it was written. */
  readonly verified: ChainHead
  /** `null`: all of them are. */
  readonly fault: ChainFault | null
}

/** What stands before the first record. */
export const CHAIN_START: ChainHead = Object.freeze({ seq: 0, hash: '' })

/** The hash of the record that follows `previous`. */
export function hashOfRecord (previous: ChainHead, { id, event, outcome, actor, scheme, target, ip, method, route, request_id, reason, details }: ChainedEvent): string {
  const told = [previous.hash, previous.seq + 1, id, event, outcome, actor, scheme, target, ip, method, route, request_id, reason, details]
  return hash('sha256', JSON.stringify(told), 'base64url')
}

/**
 * Walks records in the order of their numbers, from the first after `from` on, to the first fault. `from` is where a chain was
 * cut, or the start of it. `heads` are what is known of the chain from elsewhere: where the store says that it ends, and
 * checkpoints; those before `from` say nothing of what is left.
 */
export async function verifyChain (records: AsyncIterable<ChainedRecord> | Iterable<ChainedRecord>, { from = CHAIN_START, heads = [] }: { from?: ChainHead; heads?: readonly ChainHead[] } = {}): Promise<ChainReport> {
  const known = new Map(heads.map(({ seq, hash: expected }) => [seq, expected]))
  let verified = from
  let suspect: { record: ChainedRecord; after: ChainHead } | null = null
  const faulty = (kind: ChainFault['kind'], seq: number, id: string | null): ChainReport => ({ verified, fault: { kind, seq, id } })

  if (from.seq > 0 && isContradicted(from)) return faulty('altered', from.seq, null)
  for await (const record of records) {
    if (suspect !== null) return judge(suspect, record)
    if (record.seq > verified.seq + 1) return faulty('missing', verified.seq + 1, null)
    if (record.seq <= verified.seq) return faulty('inserted', record.seq, record.id)
    if (follows(verified, record)) {
      if (isContradicted(record)) return faulty('altered', record.seq, record.id)
      verified = { seq: record.seq, hash: record.hash }
    } else suspect = { record, after: verified }
  }
  if (suspect !== null) return faulty('altered', suspect.record.seq, suspect.record.id)
  const end = Math.max(0, ...known.keys())
  return end > verified.seq ? faulty('missing', verified.seq + 1, null) : { verified, fault: null }

  function isContradicted ({ seq, hash: found }: ChainHead): boolean {
    return known.has(seq) && known.get(seq) !== found
  }

  /** A record that does not follow was inserted if the next one follows in its place. */
  function judge ({ record, after }: { record: ChainedRecord; after: ChainHead }, next: ChainedRecord): ChainReport {
    return faulty(follows(after, next) ? 'inserted' : 'altered', record.seq, record.id)
  }
}

function follows (previous: ChainHead, record: ChainedRecord): boolean {
  return hashOfRecord(previous, record) === record.hash
}

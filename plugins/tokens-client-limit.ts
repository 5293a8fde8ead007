// How often the secret of one client may be tried, from however many addresses: failures by address alone are no limit
// for whoever has many. What a stranger tries locks no client out of an address that it was let in from.
import { refusal } from '../errors.ts'
import { countAtOnce } from './rate-limit-limiter.ts'
import { Windows } from './rate-limit-store.ts'
import type { FastifyBaseLogger } from 'fastify'
import type { Count } from './rate-limit-limiter.ts'
import type { SharedCounts } from './rate-limit-shared.ts'

/** Who says to be which client, and from where, as far as that is known. */
export interface ClaimedClient {
  readonly clientId: string
  readonly address: string | undefined
}

/** What `judge` finds, `null` being a failure. Throws `quota_exceeded`, unasked, where the client was tried too often. */
export type ClientLimit = <T>(claimed: ClaimedClient, judge: () => Promise<T | null>) => Promise<T | null>

const MOST_FAILURES = 100
const WINDOW_MS = 60_000
const MOST_CLIENTS = 10_000
const MOST_KNOWN = 10_000
/** No limit that somebody names is called so: theirs have no tab. */
const SHARED_NAME = '\tclients'

interface Reserved {
  readonly counted: Count
  takeBack (): void
}

/** Counts in the memory of this process, and with `shared` for all processes, as long as that answers. */
export function createClientLimit (log: FastifyBaseLogger, shared: SharedCounts | null = null): ClientLimit {
  const onFull = (): void => { log.warn('the table of clients that are tried with wrong secrets is full') }
  const windows = new Windows({ max: MOST_FAILURES, windowMs: WINDOW_MS, maxKeys: MOST_CLIENTS, whenFull: 'open', onFull })
  // Clients with their addresses, in the order of their last use.
  const known = new Set<string>()

  function remember (place: string): void {
    known.delete(place)
    known.add(place)
    const [oldest] = known
    if (known.size > MOST_KNOWN && oldest !== undefined) known.delete(oldest)
  }

  function countAlone (clientId: string): Reserved {
    const counted = countAtOnce(windows, MOST_FAILURES)(clientId)
    const endsBy = windows.endAfter(counted.ttl)
    return { counted, takeBack: () => { windows.giveBack(clientId, endsBy) } }
  }

  async function countShared (clientId: string, counts: SharedCounts): Promise<Reserved> {
    try {
      const [counted] = await counts.count([{ name: SHARED_NAME, key: clientId, max: MOST_FAILURES, windowMs: WINDOW_MS }])
      if (counted !== undefined) return { counted, takeBack: () => { void counted.giveBack() } }
    } catch {
      // Said once, by whoever keeps the connection.
    }
    return countAlone(clientId)
  }

  /** An attempt counts as failed until it was judged, so that parallel ones cannot pass together; the way to take it back. */
  async function reserve (clientId: string): Promise<() => void> {
    const { counted, takeBack } = shared === null ? countAlone(clientId) : await countShared(clientId, shared)
    if (counted.exceeded) throw refusal('quota_exceeded', { retryAfterSeconds: Math.ceil(counted.ttl / 1000), reason: 'a client was tried with too many wrong secrets' })
    return takeBack
  }

  return async function limit ({ clientId, address }, judge) {
    const place = address === undefined ? null : `${clientId} ${address}`
    const takeBack = place !== null && known.has(place) ? null : await reserve(clientId)
    let failed = false
    try {
      const found = await judge()
      failed = found === null
      if (!failed && place !== null) remember(place)
      return found
    } finally {
      if (!failed) takeBack?.()
    }
  }
}

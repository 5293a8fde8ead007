// The counts of one limit: exact fixed windows in a bounded table, in the store interface of @fastify/rate-limit.
// An exhausted count stays until its window ends, or whoever floods the table with other keys would free himself.
import { createHash } from 'node:crypto'
import { refusal } from '../errors.ts'
import type { Refusal } from '../errors.ts'

/** What a table of windows is made for. */
export interface WindowsOptions {
  readonly max: number
  readonly windowMs: number
  /** How many keys are kept. */
  readonly maxKeys: number
  /** What a new key gets while every key that is kept is exhausted: let through uncounted, or 503. */
  readonly whenFull: 'open' | 'closed'
  /** Called at most once a window while the table is full. */
  readonly onFull: () => void
  /**
   * Milliseconds of a clock that never goes back.
   * @defaultValue `performance.now`
   */
  readonly now?: () => number
}

/** The count with this request, and the milliseconds until its window ends. */
interface Counted { readonly current: number; readonly ttl: number }

type Callback = (error: Error | null, result?: Counted) => void

/** A place in a ring of buckets; the ring's own place holds none. */
class Place {
  previous: Place = this
  next: Place = this
  readonly bucket: Bucket | null

  constructor (bucket: Bucket | null = null) {
    this.bucket = bucket
  }

  leave (): void {
    this.previous.next = this.next
    this.next.previous = this.previous
    this.previous = this
    this.next = this
  }

  /** Moves to the end of `ring`. */
  join (ring: Place): void {
    this.leave()
    this.previous = ring.previous
    this.next = ring
    ring.previous.next = this
    ring.previous = this
  }
}

class Bucket {
  readonly key: string
  readonly endsAt: number
  count = 0
  max = 0
  readonly byEnd = new Place(this)
  readonly byUse = new Place(this)

  constructor (key: string, endsAt: number) {
    this.key = key
    this.endsAt = endsAt
  }
}

// Keys can be as long as a request header; what is kept of one cannot.
const LONGEST_KEY = 128
// More would make one request pay for the end of many windows.
const MOST_EXPIRED_AT_ONCE = 64

/**
 * Counts by key. Everything costs the same however many keys there are: windows are of one length, so they end in
 * the order they began, and the table keeps that order beside the order of use.
 */
export class Windows {
  readonly #options: WindowsOptions
  readonly #now: () => number
  readonly #buckets = new Map<string, Bucket>()
  readonly #byEnd = new Place()
  /** The buckets that may be evicted: those that are not exhausted. */
  readonly #byUse = new Place()
  #silentUntil = 0

  constructor (options: WindowsOptions) {
    this.#options = options
    const { now = () => performance.now() } = options
    // Whole: the end of a window less its beginning would be a little more than its length, and rounded up a second more.
    this.#now = () => Math.floor(now())
  }

  get size (): number {
    return this.#buckets.size
  }

  /**
   * Counts a request. The count stops at `max`, that of the key if it has one: a request that is refused takes nothing.
   * @throws `unavailable` where the table is full of exhausted keys and `whenFull` is `closed`.
   */
  count (key: string, max: number = this.#options.max): Counted {
    const now = this.#now()
    const name = nameOf(key)
    const bucket = this.#find(name, now) ?? this.#open(name, now)
    if (bucket === null) return this.#countFull(now)
    const current = bucket.count + 1
    bucket.max = max
    if (current <= max) this.#setCount(bucket, current)
    return { current, ttl: bucket.endsAt - now }
  }

  /** The same, as @fastify/rate-limit asks for it. */
  incr (key: string, callback: Callback): void {
    let counted
    try {
      counted = this.count(key)
    } catch (error) {
      callback(error as Refusal)
      return
    }
    callback(null, counted)
  }

  /** What a request would find, without counting it. */
  read (key: string, callback: Callback): void {
    const now = this.#now()
    const bucket = this.#find(nameOf(key), now)
    callback(null, bucket === null ? { current: 0, ttl: 0 } : { current: bucket.count, ttl: bucket.endsAt - now })
  }

  /** When the window ends of which `ttl` milliseconds remain; for `giveBack`. */
  endAfter (ttl: number): number {
    return this.#now() + ttl
  }

  /** Takes one request back out of the window that ends by `endsBy`; of a later window nothing is taken. */
  giveBack (key: string, endsBy: number): void {
    const bucket = this.#buckets.get(nameOf(key))
    if (bucket === undefined || bucket.endsAt > endsBy || bucket.count === 0) return
    this.#setCount(bucket, bucket.count - 1)
  }

  child (): this {
    return this
  }

  #find (name: string, now: number): Bucket | null {
    this.#expire(now)
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) return null
    if (bucket.endsAt > now) return bucket
    this.#drop(bucket)
    return null
  }

  /** A window for a new key, in the place of the least recently used one where needed; `null` if there is none. */
  #open (name: string, now: number): Bucket | null {
    if (this.#buckets.size >= this.#options.maxKeys) {
      const { bucket } = this.#byUse.next
      if (bucket === null) return null
      this.#drop(bucket)
    }
    const opened = new Bucket(name, now + this.#options.windowMs)
    this.#buckets.set(name, opened)
    opened.byEnd.join(this.#byEnd)
    return opened
  }

  #setCount (bucket: Bucket, count: number): void {
    bucket.count = count
    if (count < bucket.max) bucket.byUse.join(this.#byUse)
    else bucket.byUse.leave()
  }

  #expire (now: number): void {
    for (let dropped = 0; dropped < MOST_EXPIRED_AT_ONCE; dropped += 1) {
      const { bucket } = this.#byEnd.next
      if (bucket === null || bucket.endsAt > now) return
      this.#drop(bucket)
    }
  }

  #drop (bucket: Bucket): void {
    this.#buckets.delete(bucket.key)
    bucket.byEnd.leave()
    bucket.byUse.leave()
  }

  #countFull (now: number): Counted {
    const { whenFull, windowMs, onFull } = this.#options
    if (now >= this.#silentUntil) {
      this.#silentUntil = now + windowMs
      onFull()
    }
    if (whenFull === 'closed') throw this.#refusal(now)
    return { current: 1, ttl: windowMs }
  }

  #refusal (now: number): Refusal {
    const endsAt = this.#byEnd.next.bucket?.endsAt ?? now
    return refusal('unavailable', { retryAfterSeconds: Math.max(1, Math.ceil((endsAt - now) / 1000)), reason: 'the table of a limit is full of exhausted keys' })
  }
}

function nameOf (key: string): string {
  return key.length <= LONGEST_KEY ? key : createHash('sha256').update(key).digest('base64url')
}

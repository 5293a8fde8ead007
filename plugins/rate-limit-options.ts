// The options of `rateLimit` and of `app.limit`, and from them what they work with. Nothing is coerced: a `max` that is
// a string, or a window without a unit, is refused at boot instead of becoming another number.
import { assertInteger, assertKnownOptions, invalid } from '../guards/scheme-options.ts'
import type { FastifyRequest } from 'fastify'
import type { Awaitable, Principal } from '../guards/principal.ts'
import type { GuardsOptions } from './guards.ts'

/** Milliseconds, or a whole number and a unit: `'30 seconds'`, `'1 minute'`, `'2h'`. */
export type TimeWindow = number | string

/** Options of {@link rateLimit}. */
export interface RateLimitOptions {
  /**
   * How many requests an address may make to the whole service in a window; unknown URLs and preflights are counted
   * apart, under the same number. Only on the root context, before any route.
   * @defaultValue none: only `app.limit` limits
   */
  max?: number
  /** The window of `max`; both or none. */
  timeWindow?: TimeWindow
  /**
   * How many keys each limit keeps, up to 10,000,000; a key takes about 400 bytes.
   * @defaultValue `100_000`
   */
  maxKeys?: number
  /** Options of the core, as for the `guards` plugin. */
  guards?: GuardsOptions
}

/** What a request is counted under; a throw, or anything but a non-empty string, is answered with 503. */
export type LimitKey = (context: { principal: Principal | null; request: FastifyRequest }) => Awaitable<string>

/** Options of `app.limit`. */
export interface LimitOptions {
  /**
   * What the limit is called in `RateLimit` and `violated-policies`: up to 64 printable ASCII characters without
   * quote and backslash, once a service.
   * @defaultValue made of the other options, as in `address-5-60s`
   */
  name?: string
  /** How many a window allows: 1 to 1,000,000,000. */
  max: number
  /** How long a window is: 1 millisecond to 365 days. It begins with a key's first request. */
  timeWindow: TimeWindow
  /**
   * What is counted apart. `address`: clients (IPv6 by network), before anyone is authenticated. `principal`: whoever
   * the guards authenticated, and by address the strangers that an `optional` lets in. A function: what it answers,
   * after authentication.
   * @defaultValue `'address'`
   */
  by?: 'address' | 'principal' | LimitKey
  /**
   * `failures` counts what was answered 400, 401 or 403, for logins. A request that is still on its way counts as
   * failed until it is answered, so that parallel attempts cannot pass together; one whose client leaves stays counted.
   * @defaultValue `'requests'`
   */
  counts?: 'requests' | 'failures'
  /**
   * What becomes of a request that cannot be counted, as the table is full of exhausted keys, or as Redis does not answer:
   * `open` lets it through with a line in the log, counted by this process alone; `closed` answers 503, for logins.
   * @defaultValue `'open'`
   */
  whenFull?: 'open' | 'closed'
}

export interface LimitSettings {
  readonly name: string | undefined
  /** For a limit without a name. */
  readonly derivedName: string
  readonly max: number
  readonly windowMs: number
  readonly by: 'address' | 'principal' | 'custom'
  readonly key: LimitKey | null
  readonly counts: 'requests' | 'failures'
  readonly whenFull: 'open' | 'closed'
}

export interface RateLimitSettings {
  /** `null`: the service as a whole is not limited. */
  readonly service: { readonly max: number; readonly windowMs: number } | null
  readonly maxKeys: number
}

const MOST = 1_000_000_000
const DAY = 86_400_000
const LONGEST_WINDOW = 365 * DAY
const WINDOW = /^([1-9]\d{0,11}) ?([a-z]+)$/
// A structured field's string (RFC 9651 §3.3.3) that needs no escape.
const NAME = /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}$/

const units = new Map<string, number>([
  ...['ms', 'millisecond', 'milliseconds'].map((unit) => [unit, 1] as const),
  ...['s', 'sec', 'secs', 'second', 'seconds'].map((unit) => [unit, 1000] as const),
  ...['m', 'min', 'mins', 'minute', 'minutes'].map((unit) => [unit, 60_000] as const),
  ...['h', 'hr', 'hrs', 'hour', 'hours'].map((unit) => [unit, 3_600_000] as const),
  ...['d', 'day', 'days'].map((unit) => [unit, DAY] as const)
])

export function resolveRateLimitOptions (options: RateLimitOptions): RateLimitSettings {
  assertKnownOptions('rateLimit', options, ['max', 'timeWindow', 'maxKeys', 'guards'])
  const { max, timeWindow, maxKeys = 100_000 } = options
  assertInteger('rateLimit.maxKeys', maxKeys, { min: 1, max: 10_000_000 })
  if ((max === undefined) !== (timeWindow === undefined)) throw invalid('rateLimit', 'needs both max and timeWindow, or neither')
  if (max === undefined) return Object.freeze({ service: null, maxKeys })
  assertInteger('rateLimit.max', max, { min: 1, max: MOST })
  return Object.freeze({ service: Object.freeze({ max, windowMs: milliseconds('rateLimit.timeWindow', timeWindow) }), maxKeys })
}

export function resolveLimitOptions (options: LimitOptions): LimitSettings {
  if (typeof options !== 'object' || options === null) throw invalid('limit', 'needs options')
  assertKnownOptions('limit', options, ['name', 'max', 'timeWindow', 'by', 'counts', 'whenFull'])
  const { name, max, by = 'address', counts = 'requests', whenFull = 'open' } = options
  if (name !== undefined && (typeof name !== 'string' || !NAME.test(name))) throw invalid('limit.name', 'must be up to 64 characters of printable ASCII without quote and backslash')
  assertInteger('limit.max', max, { min: 1, max: MOST })
  const windowMs = milliseconds('limit.timeWindow', options.timeWindow)
  if (by !== 'address' && by !== 'principal' && typeof by !== 'function') throw invalid('limit.by', "must be 'address', 'principal' or a function")
  if (counts !== 'requests' && counts !== 'failures') throw invalid('limit.counts', "must be 'requests' or 'failures'")
  if (whenFull !== 'open' && whenFull !== 'closed') throw invalid('limit.whenFull', "must be 'open' or 'closed'")
  const key = typeof by === 'function' ? by : null
  const kind = typeof by === 'function' ? 'custom' : by
  const window = windowMs % 1000 === 0 ? `${windowMs / 1000}s` : `${windowMs}ms`
  const derivedName = [kind, ...(counts === 'failures' ? [counts] : []), max, window].join('-')
  return Object.freeze({ name, derivedName, max, windowMs, by: kind, key, counts, whenFull })
}

function milliseconds (option: string, timeWindow: unknown): number {
  const length = typeof timeWindow === 'string' ? parse(timeWindow) : timeWindow
  if (length === null || !Number.isInteger(length) || Number(length) < 1 || Number(length) > LONGEST_WINDOW) {
    throw invalid(option, "must be whole milliseconds, or a whole number and a unit as in '1 minute', up to 365 days")
  }
  return Number(length)
}

function parse (text: string): number | null {
  const [, amount, unit = ''] = WINDOW.exec(text) ?? []
  const length = units.get(unit)
  return amount === undefined || length === undefined ? null : Number(amount) * length
}

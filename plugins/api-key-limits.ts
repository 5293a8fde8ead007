// Limits that API keys bring themselves: exact windows, counted for each key after it was verified.
import { assertInteger } from '../guards/scheme-options.ts'
import { countAtOnce } from './rate-limit-limiter.ts'
import { Windows } from './rate-limit-store.ts'
import type { Limit, LimitContext, LimitState } from '../guards/limit.ts'
import type { SharedCounts, SharedKey } from './rate-limit-shared.ts'

/** How often an API key may be used. */
export interface KeyLimit {
  /** Requests: 1 to 1,000,000,000. */
  max: number
  /** Seconds in which they are counted: 1 to 31,536,000, a year. */
  windowSeconds: number
}

/** The limits of all keys of one registration. */
export interface KeyLimits {
  readonly limit: Limit
  /** Says that the request came with this key, once the key is known to be good. */
  note (request: object, keyId: string, limit: KeyLimit): void
}

const MOST = 1_000_000_000
const YEAR_SECONDS = 31_536_000
const MOST_KEYS = 100_000
// Windows of one length end in the order in which they began; each length is a table of its own.
const MOST_LENGTHS = 32

/**
 * `onFull` is told when a table holds nothing but exhausted keys; the keys that come then are let through. With `shared`
 * all processes count together, and alone where they cannot.
 */
export function createKeyLimits (name: string, onFull: () => void, shared: SharedCounts | null = null): KeyLimits {
  const tables = new Map<number, Windows>()
  const noted = new WeakMap<object, { keyId: string; limit: KeyLimit }>()

  function tableOf (windowSeconds: number): Windows {
    const known = tables.get(windowSeconds)
    if (known !== undefined) return known
    if (tables.size >= MOST_LENGTHS) throw new RangeError(`API keys have windows of more than ${String(MOST_LENGTHS)} lengths`)
    const made = new Windows({ max: MOST, windowMs: windowSeconds * 1000, maxKeys: MOST_KEYS, whenFull: 'open', onFull })
    tables.set(windowSeconds, made)
    return made
  }

  function keyOf ({ request }: LimitContext): SharedKey | null {
    const found = noted.get(request)
    if (found === undefined) return null
    const { keyId, limit: { max, windowSeconds } } = found
    return { name: `${name}:${String(windowSeconds)}`, key: keyId, max, windowMs: windowSeconds * 1000 }
  }

  function stateOf ({ exceeded, remaining, resetSeconds }: LimitState, { max, windowMs }: SharedKey): LimitState {
    return { exceeded, remaining, resetSeconds, policy: { max, windowSeconds: windowMs / 1000 } }
  }

  function alone (key: SharedKey): LimitState {
    const { key: keyId, max, windowMs } = key
    return stateOf(countAtOnce(tableOf(windowMs / 1000), max)(keyId), key)
  }

  const described = { name, by: 'apiKey', max: null, windowSeconds: null } as const
  return {
    note (request, keyId, limit) { noted.set(request, { keyId, limit }) },
    limit: shared === null
      ? Object.freeze<Limit>({
        ...described,
        consume (context) {
          const key = keyOf(context)
          return key === null ? null : alone(key)
        }
      })
      : shared.limit({ ...described, keyOf, use: stateOf, alone })
  }
}

/** A limit as `verify` told it, checked; a malformed one lets nobody in. */
export function readKeyLimit (limit: unknown): KeyLimit | null {
  if (limit === undefined) return null
  if (typeof limit !== 'object' || limit === null) throw new TypeError('apiKeyAuth.verify must return limit as an object')
  const { max, windowSeconds } = limit as Partial<KeyLimit>
  assertInteger('apiKeyAuth.verify: limit.max', max, { min: 1, max: MOST })
  assertInteger('apiKeyAuth.verify: limit.windowSeconds', windowSeconds, { min: 1, max: YEAR_SECONDS })
  return { max, windowSeconds }
}

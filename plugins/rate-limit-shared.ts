// Limits that several processes count together, on Redis: fixed windows as in memory, by its clock, each count and each
// refusal decided by one script, in one round trip for all limits of a stage.
import { createHash } from 'node:crypto'
import { chain } from '../guards/awaitable.ts'
import type { Awaitable } from '../guards/principal.ts'
import type { Limit, LimitContext, LimitState, SharedLimits } from '../guards/limit.ts'
import type { SharedRedis } from './redis.ts'
import type { Count } from './rate-limit-limiter.ts'

/** What a request is counted under, and how. */
export interface SharedKey {
  /** Which limit. */
  readonly name: string
  readonly key: string
  readonly max: number
  readonly windowMs: number
}

/** A count that can be taken back. */
export interface SharedCount extends Count {
  /** Takes it out of its window, if that still goes on; never rejects. */
  giveBack (): Promise<void>
}

/** A limit that is counted on Redis. */
export interface SharedLimitParts extends Pick<Limit, 'name' | 'by' | 'max' | 'windowSeconds'> {
  /** What the request is counted under; `null` where nothing of it is limited. */
  keyOf (context: LimitContext): Awaitable<SharedKey | null>
  /** What becomes of what was counted. */
  use (count: SharedCount, key: SharedKey, context: LimitContext): LimitState
  /** Counts while Redis does not answer; throws where that is refused. */
  alone (key: SharedKey, context: LimitContext): LimitState
}

/** The counts on one Redis. */
export interface SharedCounts {
  /** Counts under each key, in their order, up to and with the first that is exceeded. Rejects with `unavailable`. */
  count (keys: readonly SharedKey[]): Promise<SharedCount[]>
  limit (parts: SharedLimitParts): Limit
}

// A window is a hash: how many, and the end, which says as well which window it is.
const COUNT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for i, key in ipairs(KEYS) do
  local max, length = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local window = redis.call('HMGET', key, 'count', 'ends')
  local count, ends = tonumber(window[1] or 0), tonumber(window[2] or 0)
  if ends <= now then
    count, ends = 0, now + length
    local text = string.format('%.0f', ends)
    redis.call('HSET', key, 'count', 0, 'ends', text)
    redis.call('PEXPIREAT', key, text)
  end
  if count < max then redis.call('HINCRBY', key, 'count', 1) end
  found[3 * i - 2], found[3 * i - 1], found[3 * i] = count + 1, ends - now, ends
  if count >= max then break end
end
return found`

const GIVE_BACK = `
local window = redis.call('HMGET', KEYS[1], 'count', 'ends')
if window[2] == ARGV[1] and tonumber(window[1]) > 0 then redis.call('HINCRBY', KEYS[1], 'count', -1) end
return 0`

const NUMBERS_EACH = 3
const known = new WeakMap<SharedRedis, SharedCounts>()

/** The counts on this Redis; the same for all that ask, so that the limits of all are counted together. */
export function sharedCountsOn (redis: SharedRedis): SharedCounts {
  const counts = known.get(redis) ?? createSharedCounts(redis)
  known.set(redis, counts)
  return counts
}

function createSharedCounts (redis: SharedRedis): SharedCounts {
  const [countAll, takeBack] = [redis.script('Count', COUNT), redis.script('GiveBack', GIVE_BACK)]
  const partsOf = new WeakMap<Limit, SharedLimitParts>()

  async function count (keys: readonly SharedKey[]): Promise<SharedCount[]> {
    const names = keys.map(placeOf)
    const numbers = await countAll(names, keys.flatMap(({ max, windowMs }) => [max, windowMs]))
    const counts = keys.flatMap(({ max }, i) => {
      const [current, ttl, ends] = (numbers as number[]).slice(i * NUMBERS_EACH, (i + 1) * NUMBERS_EACH)
      if (current === undefined || ttl === undefined || ends === undefined) return []
      const giveBack = async (): Promise<void> => { await takeBack(names.slice(i, i + 1), [ends]).catch(() => undefined) }
      return [{ exceeded: current > max, remaining: Math.max(0, max - current), resetSeconds: Math.ceil(ttl / 1000), ttl, giveBack }]
    })
    // What was not counted must not pass for what is not limited.
    if (counts.length < keys.length && counts.at(-1)?.exceeded !== true) throw new TypeError('Redis did not count every limit')
    return counts
  }

  const shared: SharedLimits = {
    async consume (limits, context) {
      const asked = await Promise.all(limits.map(async (limit) => {
        const parts = partsOf.get(limit)
        if (parts === undefined) throw new TypeError(`${limit.name} is not counted here`)
        return { parts, key: await parts.keyOf(context) }
      }))
      const counted = await countOrNull(asked.flatMap(({ key }) => key ?? []))
      const states: (LimitState | null)[] = []
      let next = 0
      for (const { parts, key } of asked) {
        const found = key === null ? undefined : counted?.[next++]
        const state = key === null ? null : found === undefined ? parts.alone(key, context) : parts.use(found, key, context)
        states.push(state)
        if (state?.exceeded === true) break
      }
      return states
    }
  }

  /** `null` where Redis does not answer. */
  async function countOrNull (keys: readonly SharedKey[]): Promise<SharedCount[] | null> {
    if (keys.length === 0 || redis.state() === 'down') return null
    try {
      return await count(keys)
    } catch {
      // Said once, by whoever keeps the connection.
      return null
    }
  }

  return {
    count,

    limit (parts) {
      const { name, by, max, windowSeconds } = parts
      const limit: Limit = Object.freeze({
        name, by, max, windowSeconds, shared,
        consume: (context: LimitContext) => chain(shared.consume([limit], context), ([state]) => state ?? null)
      })
      partsOf.set(limit, parts)
      return limit
    }
  }
}

/** Keys may hold names and addresses of people, or be as long as a header: none of it is kept on another machine. */
function placeOf ({ name, key }: SharedKey): string {
  return `limit:${name}:${createHash('sha256').update(key).digest('base64url')}`
}

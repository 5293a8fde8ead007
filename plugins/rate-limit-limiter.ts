// How a request is counted. What is counted under an address or a principal is known at once and counted at once; what
// a function of the user's has to tell first is counted by the limiter of @fastify/rate-limit, over the same table.
// The official limiter is lent by an instance that never listens: it decorates nobody's instance and adds no hook to
// anybody's routes, so a service that registers the official plugin keeps its own.
import type { FastifyRequest } from 'fastify'
import type { LimitState } from '../guards/limit.ts'
import type { LimitSettings } from './rate-limit-options.ts'
import type { Windows } from './rate-limit-store.ts'

/** What a count found; `ttl` is what remains of the key's window, in milliseconds. */
export interface Count extends LimitState { readonly ttl: number }

/** Counts under a key, as the official limiter does, without waiting for anything. */
export function countAtOnce (windows: Windows, max: number): (key: string) => Count {
  return function count (key) {
    const { current, ttl } = windows.count(key, max)
    return { exceeded: current > max, remaining: Math.max(0, max - current), resetSeconds: Math.ceil(ttl / 1000), ttl }
  }
}

/** What the limiter sees of a request: its key, and no route, whose `config.rateLimit` would change the key. */
interface Keyed { readonly key: string; readonly routeOptions: object }

interface Limiter { readonly max: number; readonly timeWindow: number; keyGenerator (request: unknown): string; readonly windows: Windows }

/** The official plugin makes one store, and asks it for a child for each limiter: the table which that one brings. */
class LentStore {
  incr (): never {
    throw new TypeError('every limiter has a store of its own')
  }

  child (limiter: unknown): Windows {
    return (limiter as Limiter).windows
  }
}

export async function loadLimiters (): Promise<(windows: Windows, settings: Pick<LimitSettings, 'max' | 'windowMs'>) => (key: string) => Promise<Count>> {
  const [{ fastify }, { fastifyRateLimit }] = await Promise.all([import('fastify'), import('@fastify/rate-limit')])
  const host = fastify()
  await host.register(fastifyRateLimit, { global: false, store: LentStore })
  await host.ready()
  return function limiterOf (windows, { max, windowMs }) {
    const limiter: Limiter = { max, timeWindow: windowMs, keyGenerator: (request) => (request as Keyed).key, windows }
    const check = host.createRateLimit(limiter)
    return async function count (key) {
      const keyed: Keyed = { key, routeOptions: {} }
      const found = await check(keyed as unknown as FastifyRequest)
      if (found.isAllowed) throw new TypeError('the limiter did not count')
      return { exceeded: found.isExceeded, remaining: found.remaining, resetSeconds: found.ttlInSeconds, ttl: found.ttl }
    }
  }
}

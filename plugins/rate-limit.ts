// Limits on how much one client or one principal may ask for: against guessing, scraping and exhaustion.
// RFC 6585 §4 (429), draft-ietf-httpapi-ratelimit-headers-11 (RateLimit, RateLimit-Policy).
import fp from 'fastify-plugin'
import { fault, refusal } from '../errors.ts'
import { chain } from '../guards/awaitable.ts'
import { isDevelopment } from '../guards/environment.ts'
import { limitGuard } from '../guards/guard.ts'
import { compilePlan } from '../guards/plan.ts'
import { routeRecord } from '../guards/route.ts'
import { runPlan } from '../guards/run.ts'
import { invalid } from '../guards/scheme-options.ts'
import { onUpgrade, stateOf } from '../guards/state.ts'
import { useGuards } from './guards.ts'
import { keyOf } from './rate-limit-key.ts'
import { countAtOnce, loadLimiters } from './rate-limit-limiter.ts'
import { resolveLimitOptions, resolveRateLimitOptions } from './rate-limit-options.ts'
import { takeName } from './rate-limit-names.ts'
import { sharedCountsOn } from './rate-limit-shared.ts'
import { Windows } from './rate-limit-store.ts'
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import type { LimitGuard } from '../guards/guard.ts'
import type { Limit, LimitContext } from '../guards/limit.ts'
import type { Plan } from '../guards/plan.ts'
import type { Registry } from '../guards/registry.ts'
import type { DeclaredRoute } from '../guards/route.ts'
import type { Count } from './rate-limit-limiter.ts'
import type { LimitOptions, LimitSettings, RateLimitOptions } from './rate-limit-options.ts'

export type { LimitKey, LimitOptions, RateLimitOptions, TimeWindow } from './rate-limit-options.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * A guard that counts; one value is one limit, shared by the routes it stands on. Past `max` it answers 429
     * `quota_exceeded` with `Retry-After`; every answer has `RateLimit` and `RateLimit-Policy`.
     */
    limit (options: LimitOptions): LimitGuard
  }
}

const failureStatuses = new Set([400, 401, 403])

async function registerRateLimit (app: FastifyInstance, options: RateLimitOptions): Promise<void> {
  const { service, maxKeys } = resolveRateLimitOptions(options)
  const registry = useGuards(app, options.guards)
  if (service !== null) assertCoversAll(app, registry)
  const shared = app.hasDecorator('gatehouseRedis') ? sharedCountsOn(app.gatehouseRedis) : null
  const limiterOf = shared === null ? await loadLimiters() : null

  function createLimit (settings: LimitSettings): Limit {
    const { max, windowMs, by, key, counts, whenFull } = settings
    const name = takeName(registry, settings)
    const onFull = (): void => { app.log.warn({ limit: name, maxKeys, whenFull }, 'the table of a limit is full of exhausted keys') }
    const windows = new Windows({ max, windowMs, maxKeys, whenFull, onFull })
    const described = { name, by, max, windowSeconds: Math.ceil(windowMs / 1000) } as const
    const countAlone = countAtOnce(windows, max)

    const isReserved = ({ exceeded }: Count): boolean => counts === 'failures' && !exceeded

    function reserveAlone (counted: Count, countedKey: string, context: LimitContext): Count {
      if (isReserved(counted)) {
        const endsBy = windows.endAfter(counted.ttl)
        unlessFailed(context, () => { windows.giveBack(countedKey, endsBy) })
      }
      return counted
    }

    if (shared !== null) {
      return shared.limit({
        ...described,
        keyOf: (context) => chain(keyOf(settings, registry, context), (counted) => ({ name, key: counted, max, windowMs })),
        use (counted, _key, context) {
          if (isReserved(counted)) unlessFailed(context, () => { void counted.giveBack() })
          return counted
        },
        alone (counted, context) {
          if (whenFull === 'closed') throw refusal('unavailable', { retryAfterSeconds: 1, reason: `the limit ${name} is counted on Redis, which does not answer` })
          return reserveAlone(countAlone(counted.key), counted.key, context)
        }
      })
    }
    const count = key === null || limiterOf === null ? countAlone : limiterOf(windows, settings)
    return Object.freeze({
      ...described,
      consume: (context) => chain(keyOf(settings, registry, context), (counted) =>
        chain(count(counted), (state) => reserveAlone(state, counted, context)))
    } satisfies Limit)
  }

  app.decorate('limit', (limit: LimitOptions) => limitGuard(createLimit(resolveLimitOptions(limit))))
  if (shared === null && !isDevelopment()) app.log.warn('rate limits are counted by this process alone: several of them allow as many times the limit')
  if (service === null) return

  const limitNamed = (derivedName: string): Limit => createLimit({
    ...service, name: undefined, derivedName, by: 'address', key: null, counts: 'requests', whenFull: 'open'
  })
  const routed = limitNamed('service')
  registry.serviceLimits.push(routed)
  app.addHook('onRequest', serviceHook(registry, planFor(routed), planFor(limitNamed('unrouted'))))
}

/** Gives back when the answer turns out to be no failure, or a WebSocket was let in; what a client leaves is never finished. */
function unlessFailed ({ request, reply: { raw } }: LimitContext, giveBack: () => void): void {
  raw.once('finish', () => { if (!failureStatuses.has(raw.statusCode)) giveBack() })
  onUpgrade(request, giveBack)
}

/** A hook of the root reaches what is declared after it; nothing more may be claimed in the registry. */
function assertCoversAll (app: FastifyInstance, registry: Registry): void {
  if (Object.getPrototypeOf(app) !== Object.prototype) throw invalid('rateLimit.max', 'is accepted only on the root context; elsewhere use app.protect(app.limit(…))')
  const [earlier] = registry.routes
  if (earlier !== undefined) throw fault('GATEHOUSE_LIMIT_TOO_LATE', `${earlier.methods.join(', ')} ${earlier.url}`)
}

function planFor (limit: Limit): Plan {
  return compilePlan([{ node: { type: 'limit', limit }, level: '/' }], 'the service')
}

/** Counts before the guards of a route, and where there is no route; answers in the form that the route answers in. */
function serviceHook (registry: Registry, routed: Plan, unrouted: Plan): onRequestHookHandler {
  return function limitService (request, reply, done) {
    if (stateOf(request) !== null) {
      done(fault('GATEHOUSE_LIMIT_TOO_LATE', 'app.protect() was called before rateLimit was registered'))
      return
    }
    const record = (request.routeOptions.config as DeclaredRoute['config'])?.[routeRecord]
    runPlan(isUnrouted(request) ? unrouted : routed, record?.runtime ?? registry.runtime, request, reply, done)
  }
}

function isUnrouted ({ is404, method, headers }: FastifyRequest): boolean {
  return is404 || (method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined)
}

/**
 * Decorates `app.limit`; with `max` and `timeWindow` it also limits the whole service by address, before anyone is
 * authenticated, as the limit `service`, and unknown URLs and preflights apart, as `unrouted`. Register it on the root,
 * before `app.protect` and before any route.
 *
 * Counts are exact, in fixed windows, bounded by `maxKeys` in the memory of this process, or on Redis for all processes
 * where `redis` is registered. Addresses come from the
 * core's `trustedProxies`, never from `request.ip`. A refusal is 429 `quota_exceeded` (RFC 6585 §4).
 * Registering fails with `GATEHOUSE_OPTION_INVALID` and `GATEHOUSE_LIMIT_TOO_LATE`.
 *
 * @example
 * ```ts
 * await app.register(rateLimit, { max: 300, timeWindow: '1 minute' })
 * const limit = app.limit({ max: 5, timeWindow: '1 minute' })
 * app.get('/limited', { onRequest: [app.publicAccess('a demonstration'), limit] }, async () => ({ ok: true }))
 * ```
 */
export const rateLimit = fp(registerRateLimit, { name: 'gatehouse-rate-limit', fastify: '5.x' })

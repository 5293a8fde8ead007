// 503 before the process falls over (ASVS 15.2.2): while the event loop lags or memory runs out, requests are turned away
// before anything is hashed, counted or read for them, so that those already begun can end.
import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { fault, refusal } from '../errors.ts'
import { routeRecord } from '../guards/route.ts'
import { writeRefusal } from '../guards/run.ts'
import { assertInteger, assertKnownOptions, invalid } from '../guards/scheme-options.ts'
import { useGuards } from './guards.ts'
import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import type { DeclaredRoute } from '../guards/route.ts'
import type { GuardsOptions } from './guards.ts'

/** Options of {@link loadShedding}. Each measure is taken once a second, and holds until the next. */
export interface LoadSheddingOptions {
  /** How late the event loop may be, the mean of a second. @defaultValue 1000 */
  maxEventLoopDelayMilliseconds?: number
  /** How much of V8's heap may be in use. @defaultValue 90 % of what V8 may use */
  maxHeapUsedBytes?: number
  /** How much memory the process may hold. @defaultValue 90 % of what the machine, or the container, has */
  maxRssBytes?: number
  /** Options of the core, as for `guards`. */
  guards?: GuardsOptions
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Why this route is answered even while `loadShedding` turns requests away. */
    neverShed?: string
  }
}

type Settings = Readonly<Required<Omit<LoadSheddingOptions, 'guards'>>>
type Official = typeof import('@fastify/under-pressure').default
interface Measures { heapUsed: number; rssBytes: number; eventLoopDelay: number }
interface Pressure { isUnderPressure (): boolean; measures (): Measures; close (): Promise<void> }

const SAMPLE_MILLISECONDS = 1000
const SHARE = 0.9
/** A few measures later: those who come back at once would meet the same pressure. */
const RETRY_AFTER_SECONDS = 5

/** Bytes that this process may hold; without a limit of its own, Node tells a number beyond the machine's memory. */
function memoryLimit (): number {
  const constrained = process.constrainedMemory()
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}

function resolve (options: LoadSheddingOptions): Settings {
  assertKnownOptions('loadShedding', options, ['maxEventLoopDelayMilliseconds', 'maxHeapUsedBytes', 'maxRssBytes', 'guards'])
  const {
    maxEventLoopDelayMilliseconds = 1000,
    maxHeapUsedBytes = Math.floor(getHeapStatistics().heap_size_limit * SHARE),
    maxRssBytes = Math.floor(memoryLimit() * SHARE)
  } = options
  assertInteger('loadShedding.maxEventLoopDelayMilliseconds', maxEventLoopDelayMilliseconds, { min: 1, max: 3_600_000 })
  assertInteger('loadShedding.maxHeapUsedBytes', maxHeapUsedBytes, { min: 1, max: Number.MAX_SAFE_INTEGER })
  assertInteger('loadShedding.maxRssBytes', maxRssBytes, { min: 1, max: Number.MAX_SAFE_INTEGER })
  return Object.freeze({ maxEventLoopDelayMilliseconds, maxHeapUsedBytes, maxRssBytes })
}

/** The official measures, hosted where they decorate nobody's instance. */
async function measure (underPressure: Official, { maxEventLoopDelayMilliseconds, maxHeapUsedBytes, maxRssBytes }: Settings): Promise<Pressure> {
  const host = Fastify()
  await host.register(underPressure, { sampleInterval: SAMPLE_MILLISECONDS, maxEventLoopDelay: maxEventLoopDelayMilliseconds, maxHeapUsedBytes, maxRssBytes })
  await host.ready()
  return {
    isUnderPressure: () => host.isUnderPressure(),
    measures: () => host.memoryUsage(),
    close: () => host.close()
  }
}

async function registerLoadShedding (app: FastifyInstance, options: LoadSheddingOptions): Promise<void> {
  const settings = resolve(options)
  if (Object.getPrototypeOf(app) !== Object.prototype) throw invalid('loadShedding', 'is accepted only on the root context')
  const registry = useGuards(app, options.guards)
  const [earlier] = registry.routes
  if (earlier !== undefined) throw fault('GATEHOUSE_OPTIONS_LATE', `loadShedding does not cover ${earlier.methods.join(', ')} ${earlier.url}`)
  registry.shedsLoad = true

  const { default: underPressure } = await import('@fastify/under-pressure')
  let pressure: Pressure | null = null
  let shedding = false
  // Not before: a boot blocks the loop, and no request waits for it.
  app.addHook('onReady', async () => { pressure = await measure(underPressure, settings) })
  app.addHook('onClose', async () => { await pressure?.close() })
  app.addHook('onRoute', ({ config, method, url }) => {
    const why: unknown = config?.neverShed
    if (why !== undefined && (typeof why !== 'string' || why === '')) throw invalid('config.neverShed', `of ${String(method)} ${url} must say why`)
  })

  /** One line when it begins and one when it is over: a line for each request would be load of its own. */
  function tell (now: boolean): void {
    shedding = now
    if (now) app.log.warn({ ...settings, ...pressure?.measures() }, 'the process is under pressure: requests are turned away')
    else app.log.info('requests are taken again')
  }

  const shedLoad: onRequestHookHandler = (request, reply, done) => {
    const now = pressure?.isUnderPressure() === true
    if (now !== shedding) tell(now)
    const record = (request.routeOptions.config as DeclaredRoute['config'])?.[routeRecord]
    if (!now || record?.shedsLoad === false) {
      done()
      return
    }
    writeRefusal(request, reply, record?.runtime?.format ?? registry.runtime.format, refusal('unavailable', { retryAfterSeconds: RETRY_AFTER_SECONDS }))
  }
  app.addHook('onRequest', shedLoad)
}

/**
 * Turns requests away with 503 `unavailable` and `Retry-After` while the process is under pressure: its event loop is
 * late, or its heap or memory nearly used up. It happens before limits count and guards look at credentials; OpenAPI says so on
 * every route. A route with `config: { neverShed: 'why' }` is answered all the same, such as the probe that asks whether
 * the process lives: restarting one that has too much to do helps nobody. A readiness probe should be turned away,
 * so that traffic goes elsewhere.
 *
 * Register it on the root, before every route and before `rateLimit`. Registering fails with `GATEHOUSE_OPTION_INVALID`
 * and `GATEHOUSE_OPTIONS_LATE`.
 *
 * @example
 * ```ts
 * await app.register(loadShedding, { maxEventLoopDelayMilliseconds: 500 })
 * app.get('/health/live', { config: { neverShed: 'A restart helps nobody' } }, () => 'ok')
 * ```
 */
export const loadShedding = fp(registerLoadShedding, { name: 'gatehouse-load-shedding', fastify: '5.x' })

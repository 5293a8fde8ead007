// The options of `audit`, and from them what it works with.
import { assertInteger, assertKnownOptions, assertText, invalid } from '../guards/scheme-options.ts'
import type { GuardsOptions } from './guards.ts'
import type { AuditSink } from './audit-records.ts'

/** Options of `audit`. */
export interface AuditOptions {
  /**
   * Which requests that were let in are recorded, as `gatehouse_endpoint_used`: `writes` are all methods but GET, HEAD, OPTIONS
   * and TRACE. `config: { audit: true }` on a route records it in any case, `false` in none.
   * @defaultValue `'none'`
   */
  access?: 'all' | 'writes' | 'none'
  /**
   * Where records go: `log` is `app.log`, `store` is `app.stores`, a stream gets a line of JSON each.
   * @defaultValue `['log', 'store']`, without `store` where `stores` is not registered
   */
  sinks?: readonly ('log' | 'store' | AuditSink)[]
  /**
   * How many records may wait for the store; those that come when it is full are dropped, and how many is recorded.
   * @defaultValue 10000
   */
  maxQueued?: number
  /**
   * Seconds in which failures that say the same of the same identity are one record, and a second one that counts them; 0 turns it off.
   * @defaultValue 60
   */
  foldSeconds?: number
  /** The key file of `tokens`: checkpoints are signed by a key that follows from it. @defaultValue none: there are no checkpoints */
  keyFile?: string
  /** Options of the core, as for the `guards` plugin. */
  guards?: GuardsOptions
}

/** The options, resolved. */
export interface AuditSettings {
  readonly access: 'all' | 'writes' | 'none'
  readonly toLog: boolean
  readonly toStore: boolean
  readonly sinks: readonly AuditSink[]
  readonly maxQueued: number
  readonly foldSeconds: number
  readonly keyFile: string | null
}

const accesses = ['all', 'writes', 'none']

/** @throws `GATEHOUSE_OPTION_INVALID` with the path of the option. */
export function resolveAuditOptions (options: AuditOptions, { hasStores }: { hasStores: boolean }): AuditSettings {
  assertKnownOptions('audit', options, ['access', 'sinks', 'maxQueued', 'foldSeconds', 'keyFile', 'guards'])
  const { access = 'none', sinks = hasStores ? ['log', 'store'] : ['log'], maxQueued = 10_000, foldSeconds = 60, keyFile } = options
  if (!accesses.includes(access)) throw invalid('audit.access', `must be one of ${accesses.join(', ')}`)
  if (!Array.isArray(sinks) || sinks.length === 0) throw invalid('audit.sinks', 'must be a list of at least one')
  const own = (sinks as readonly unknown[]).filter((sink) => sink !== 'log' && sink !== 'store')
  if (!own.every(isSink)) throw invalid('audit.sinks', 'must hold log, store, streams and functions')
  if (sinks.includes('store') && !hasStores) throw invalid('audit.sinks', 'has store, and stores is not registered before it')
  assertInteger('audit.maxQueued', maxQueued, { min: 1, max: 1_000_000 })
  assertInteger('audit.foldSeconds', foldSeconds, { min: 0, max: 3600 })
  if (keyFile !== undefined) assertText('audit.keyFile', keyFile)
  if (keyFile !== undefined && !hasStores) throw invalid('audit.keyFile', 'is for the chain that stores keeps, and stores is not registered before it')
  return Object.freeze({ access, toLog: sinks.includes('log'), toStore: sinks.includes('store'), sinks: own, maxQueued, foldSeconds, keyFile: keyFile ?? null })
}

function isSink (sink: unknown): sink is AuditSink {
  return typeof sink === 'function' || (typeof sink === 'object' && sink !== null && 'write' in sink && typeof sink.write === 'function')
}

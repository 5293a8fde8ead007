// What security does, in numbers for Prometheus: counted from the stream of events, in the shape of ASP.NET Core's metrics of
// authentication and authorization. No label ever tells a user, a key or an address.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import fp from 'fastify-plugin'
import { fault } from '../errors.ts'
import { EVENT_CHANNEL, securityEvents } from '../guards/events.ts'
import { nodeOf } from '../guards/guard.ts'
import { recordOf } from '../guards/route.ts'
import { assertKnownOptions, invalid } from '../guards/scheme-options.ts'
import { knownDependencies } from './dependency.ts'
import { useGuards } from './guards.ts'
import type { FastifyInstance } from 'fastify'
import type { Registry as PrometheusRegistry } from 'prom-client'
import type { AuthorizationGuard, Guard, LimitGuard, PublicGuard } from '../guards/guard.ts'
import type { SecurityEvent, SecurityEventMessage } from '../guards/events.ts'
import type { Principal } from '../guards/principal.ts'
import type { GuardsOptions } from './guards.ts'

/** A `Registry` of prom-client; that package is an optional peer, so its types are not part of ours. */
export interface MetricsRegistry {
  /** Takes a metric up. */
  registerMetric (metric: never): void
  /** What is sent. */
  metrics (): Promise<string>
  /** The media type of that. */
  readonly contentType: string
}

/** Options of {@link metrics}. */
export interface MetricsOptions {
  /** Guards of the route, or `[app.publicAccess('why')]`. */
  access: readonly (Guard<Principal | null> | AuthorizationGuard | LimitGuard | PublicGuard)[]
  /** Where it stands. @defaultValue `'/metrics'` */
  path?: string
  /** A registry of prom-client that has metrics of your own. @defaultValue a new one */
  registry?: MetricsRegistry
  /** Options of the core, as for the `guards` plugin. */
  guards?: GuardsOptions
}

/** The channel on which whoever depends on something tells `{ name, state }`: `up`, or anything else. */
const DEPENDENCY_CHANNEL = 'gatehouse:dependency'
const MOST_DEPENDENCIES = 50

async function load (): Promise<typeof import('prom-client')> {
  try {
    return await import('prom-client')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') throw fault('GATEHOUSE_PEER_MISSING', 'metrics needs a package: npm install prom-client')
    throw error
  }
}

function resolve (options: MetricsOptions): Pick<MetricsOptions, 'access' | 'registry'> & { path: string } {
  assertKnownOptions('metrics', options, ['access', 'path', 'registry', 'guards'])
  const { access, path = '/metrics', registry } = options
  if (!Array.isArray(access) || access.length === 0 || access.some((guard: unknown) => nodeOf(guard) === undefined)) throw invalid('metrics.access', 'must be a list of guards')
  if (typeof path !== 'string' || !path.startsWith('/')) throw invalid('metrics.path', 'must begin with a slash')
  if (registry !== undefined && (typeof registry !== 'object' || typeof (registry as Partial<MetricsRegistry> | null)?.registerMetric !== 'function')) throw invalid('metrics.registry', 'must be a Registry of prom-client')
  return { access, path, ...(registry === undefined ? {} : { registry }) }
}

async function metricsPlugin (app: FastifyInstance, options: MetricsOptions): Promise<void> {
  const { access, path, registry: given } = resolve(options)
  const core = useGuards(app, options.guards)
  const { Counter, Gauge, Registry } = await load()
  const registry = (given as PrometheusRegistry | undefined) ?? new Registry()
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) => new Counter<L>({ name, help, labelNames: [...labelNames], registers: [registry] })

  const authentications = counter('gatehouse_authentication_attempts_total', 'Requests whose credentials were judged, logins among them.', ['scheme', 'result'])
  const challenges = counter('gatehouse_authentication_challenges_total', 'Requests that came without credentials and were asked for some.')
  const forbids = counter('gatehouse_authentication_forbids_total', 'Requests of somebody who may not do what they asked for.', ['scheme'])
  const signIns = counter('gatehouse_authentication_sign_ins_total', 'Sessions that were opened.', ['scheme'])
  const signOuts = counter('gatehouse_authentication_sign_outs_total', 'Sessions that were ended.', ['scheme'])
  const limited = counter('gatehouse_limits_exceeded_total', 'Requests past a limit.', ['limit'])
  const detected = counter('gatehouse_detections_total', 'Attacks that may be going on.', ['detection'])
  const dropped = counter('gatehouse_audit_events_dropped_total', 'Security events that no audit log keeps.')
  const told = counter('gatehouse_security_events_total', 'Security events.', ['event', 'outcome'])
  const undeclared = counter('gatehouse_undeclared_requests_total', 'Requests to routes that declare neither a guard nor that they are public: 0, or something is wrong.')
  const dependencies = new Gauge({ name: 'gatehouse_dependency_up', help: 'Whether what the service depends on answers.', labelNames: ['name'] as const, registers: [registry] })
  for (const metric of [challenges, dropped, undeclared]) metric.inc(0)

  const detections = new Set(['authn_login_successafterfail', 'authn_impossible_travel', 'gatehouse_password_spraying', 'malicious_excess_404'])
  const otherSchemes = new Set(['password', 'client', 'refresh_token'])
  const schemeOf = ({ scheme }: SecurityEvent): string => typeof scheme === 'string' && (core.schemes.has(scheme) || otherSchemes.has(scheme)) ? scheme : 'other'

  const counts: Readonly<Record<string, (event: SecurityEvent) => void>> = {
    gatehouse_authenticated: (event) => { authentications.inc({ scheme: schemeOf(event), result: 'success' }) },
    authn_login_success: (event) => { authentications.inc({ scheme: schemeOf(event), result: 'success' }) },
    authn_login_fail: (event) => { authentications.inc({ scheme: schemeOf(event), result: 'failure' }) },
    gatehouse_challenged: () => { challenges.inc() },
    authz_fail: (event) => { forbids.inc({ scheme: schemeOf(event) }) },
    session_created: (event) => { signIns.inc({ scheme: schemeOf(event) }) },
    session_expired: (event) => { signOuts.inc({ scheme: schemeOf(event) }) },
    excess_rate_limit_exceeded: ({ details }) => { for (const limit of namesIn(details?.['limit'])) limited.inc({ limit }) },
    gatehouse_events_dropped: ({ details }) => { dropped.inc(typeof details?.['count'] === 'number' ? details['count'] : 1) }
  }

  function hear (message: unknown): void {
    const { server, event } = message as SecurityEventMessage
    if (server !== app.server) return
    const name = Object.hasOwn(securityEvents, event.event) ? event.event : 'other'
    told.inc({ event: name, outcome: event.outcome })
    if (detections.has(name)) detected.inc({ detection: name })
    counts[name]?.(event)
  }

  const known = new Set<string>()
  function hearDependency (message: unknown): void {
    const { name, state } = message as { name?: unknown, state?: unknown }
    if (typeof name !== 'string' || (!known.has(name) && known.size >= MOST_DEPENDENCIES)) return
    known.add(name)
    dependencies.set({ name }, state === 'up' ? 1 : 0)
  }

  subscribe(EVENT_CHANNEL, hear)
  subscribe(DEPENDENCY_CHANNEL, hearDependency)
  for (const dependency of knownDependencies()) hearDependency(dependency)
  app.addHook('onClose', (_app, done) => {
    unsubscribe(EVENT_CHANNEL, hear)
    unsubscribe(DEPENDENCY_CHANNEL, hearDependency)
    done()
  })
  app.addHook('onResponse', (request, _reply, done) => {
    if (!request.is404 && (recordOf({ config: request.routeOptions.config })?.plan.access ?? 'undeclared') === 'undeclared') undeclared.inc()
    done()
  })
  const config = { neverShed: 'What happens under pressure is to be seen' }
  app.get(path, { onRequest: [...access], config, schema: { hide: true } }, async (_request, reply) => {
    void reply.header('cache-control', 'no-store').type(registry.contentType)
    return await registry.metrics()
  })
}

/** A limit names itself in a list, as the answer does. */
function namesIn (names: unknown): string[] {
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : ['other']
}

/**
 * Adds `GET /metrics` for Prometheus, behind the guards in `access`. It counts what this process tells on the channel
 * `gatehouse:event`, which `audit` and others hear as well. Needs prom-client.
 * Registering fails with `GATEHOUSE_OPTION_INVALID`, and `GATEHOUSE_PEER_MISSING` without prom-client.
 *
 * @example
 * ```ts
 * await app.register(metrics, { access: [app.bearer, app.requireScopes('metrics')] })
 * ```
 */
export const metrics = fp(metricsPlugin, { name: 'gatehouse-metrics', fastify: '5.x' })

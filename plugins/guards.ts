// The core: guards that enforce and document. A route says what it requires; this plugin compiles it, runs it,
// refuses to boot where it is contradictory, and keeps the registry that OpenAPI and the posture read.
// RFC 9110 §11 (authentication framework), OpenAPI 3.1 (security requirements).
import fp from 'fastify-plugin'
import { fault } from '../errors.ts'
import { settleWrittenSecurity } from '../guards/adoption.ts'
import { allOf, anyOf, optional, publicAccess } from '../guards/composition.ts'
import { hasEarlierRoutes } from '../guards/earlier-routes.ts'
import { authenticatingGuard, nodeOf } from '../guards/guard.ts'
import { Registry } from '../guards/registry.ts'
import { contextHook, enrol } from '../guards/route.ts'
import { guardState, requestPrincipal } from '../guards/state.ts'
import { ProblemSchema } from '../schemas/problem.ts'
import type { FastifyInstance } from 'fastify'
import type { RefusalFormat } from '../guards/answer.ts'
import type { AuthorizationGuard, Guard, LimitGuard, PublicGuard } from '../guards/guard.ts'
import type { PlacedNode } from '../guards/plan.ts'
import type { Principal } from '../guards/principal.ts'
import type { GuardedRoute, GuardsOptions } from '../guards/registry.ts'
import type { DeclaredRoute } from '../guards/route.ts'
import type { Scheme } from '../guards/scheme.ts'

export type { GuardedRoute, GuardsOptions, RefusalFormat }

declare module 'fastify' {
  interface FastifyInstance {
    anyOf: typeof anyOf
    allOf: typeof allOf
    optional: typeof optional
    publicAccess: typeof publicAccess
    /** Puts guards on every route of this context and of its children, outer ones first. */
    protect (...guards: readonly (Guard<Principal | null> | AuthorizationGuard | LimitGuard | PublicGuard)[]): void
    /** A guard for any scheme, decorated under the scheme's name and published in OpenAPI. */
    defineScheme<P extends Principal> (scheme: Scheme<P>): Guard<P>
    /** Every route with what it requires: sorted by URL and method, safe to serialise. */
    guardedRoutes (): GuardedRoute[]
  }
  interface FastifyRequest {
    /** The principal the request was accepted by; reading it where there is none throws `GATEHOUSE_NO_PRINCIPAL`. */
    readonly principal: Principal
  }
  interface FastifyContextConfig {
    /** How refusals of this route are written, where it differs from the rest of the service. */
    refusal?: RefusalFormat
  }
}

const problemFormat: RefusalFormat = Object.freeze({
  schema: ProblemSchema,
  contentType: 'application/problem+json',
  write: (problem: object) => problem
})

const registries = new WeakMap<object, Registry>()
const protections = new WeakMap<object, readonly PlacedNode[]>()
/** Contexts in which, or below which, a route was declared that `protect` would have to cover. */
const declaring = new WeakSet<object>()
const attached = new WeakSet<object>()

/** The registry of the server that `app` belongs to. */
export function registryOf (app: FastifyInstance): Registry {
  const known = registries.get(app.server)
  if (known !== undefined) return known
  const registry = new Registry(problemFormat)
  registries.set(app.server, registry)
  return registry
}

/** Makes sure that the core is loaded in this context; every plugin that hands out guards calls it first. */
export function useGuards (app: FastifyInstance, options: GuardsOptions = {}): Registry {
  const registry = registryOf(app)
  if (options.defaultAccess === 'deny' && Object.getPrototypeOf(app) !== Object.prototype) throw fault('GATEHOUSE_DENY_NOT_ROOT', 'guards.defaultAccess')
  registry.configure(options)
  if (contextsOf(app).some((context) => attached.has(context))) return registry
  if (registry.options.earlierRoutes !== 'ignore' && hasEarlierRoutes(app, registry)) throw fault('GATEHOUSE_EARLIER_ROUTES', 'guards')
  attached.add(app)
  decorate(app, registry)
  app.addHook('onRoute', function (this: FastifyInstance, options) {
    const route = options as unknown as DeclaredRoute
    const contexts = contextsOf(this)
    const record = enrol(route, contexts.flatMap((context) => protections.get(context) ?? []), registry)
    if (record.plan.access !== 'public') for (const context of contexts) declaring.add(context)
  })
  app.addHook('onReady', function (done) {
    settleWrittenSecurity(registry)
    assertStances(registry)
    registry.seal()
    done()
  })
  return registry
}

function decorate (app: FastifyInstance, registry: Registry): void {
  app.decorate('anyOf', anyOf)
  app.decorate('allOf', allOf)
  app.decorate('optional', optional)
  app.decorate('publicAccess', publicAccess)
  app.decorate('guardedRoutes', () => registry.guardedRoutes())
  app.decorate('defineScheme', function <P extends Principal> (this: FastifyInstance, scheme: Scheme<P>): Guard<P> {
    return defineScheme(this, registry, scheme)
  })
  app.decorate('protect', function (this: FastifyInstance, ...guards: readonly unknown[]): void {
    protect(this, guards)
  })
  app.decorateRequest(guardState, null)
  if (registry.options.principal === false) return
  if (app.hasRequestDecorator('principal')) throw fault('GATEHOUSE_PRINCIPAL_TAKEN', 'guards.principal')
  app.decorateRequest('principal', { getter () { return requestPrincipal(this) } })
}

function defineScheme<P extends Principal> (app: FastifyInstance, registry: Registry, scheme: Scheme<P>): Guard<P> {
  if (!/^[A-Za-z0-9._-]+$/.test(scheme.name)) throw fault('GATEHOUSE_OPTION_INVALID', `scheme name ${JSON.stringify(scheme.name)}`)
  if (app.hasDecorator(scheme.name)) throw fault('GATEHOUSE_NAME_TAKEN', `app.${scheme.name}`)
  registry.addScheme(scheme)
  const guard = authenticatingGuard<P>({ type: 'scheme', scheme })
  app.decorate(scheme.name, guard)
  return guard
}

function protect (app: FastifyInstance, guards: readonly unknown[]): void {
  const level = app.prefix === '' ? '/' : app.prefix
  if (declaring.has(app)) throw fault('GATEHOUSE_PROTECT_TOO_LATE', level)
  const placed = guards.map((guard): PlacedNode => {
    const node = nodeOf(guard)
    if (node === undefined) throw fault('GATEHOUSE_GUARD_MISSING', `protect() at ${level}`)
    return { node, level }
  })
  const protectedAlready = contextsOf(app).some((context) => protections.has(context))
  protections.set(app, [...(protections.get(app) ?? []), ...placed])
  if (!protectedAlready) app.addHook('onRequest', contextHook)
}

/** The context and those around it, outermost first: Fastify makes a child by inheriting from its parent. */
function contextsOf (app: FastifyInstance): object[] {
  const contexts: object[] = []
  for (let context: unknown = app; typeof context === 'object' && context !== null && context !== Object.prototype; context = Object.getPrototypeOf(context)) {
    contexts.unshift(context)
  }
  return contexts
}

function assertStances (registry: Registry): void {
  if (registry.options.defaultAccess !== 'deny') return
  const open = registry.routes.filter(({ plan }) => plan.access === 'undeclared').map(({ methods, url }) => `${methods.join(', ')} ${url}`)
  if (open.length > 0) throw fault('GATEHOUSE_NO_STANCE', open.join('; '))
}

/** @see {@link GuardsOptions} */
export const guards = fp((app, options: GuardsOptions, done) => {
  useGuards(app, options)
  done()
}, { name: 'gatehouse-guards', fastify: '5.x' })

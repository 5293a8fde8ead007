// The core: guards that enforce and document. A route says what it requires; this plugin compiles it, runs it,
// refuses to boot where it is contradictory, and keeps the registry that OpenAPI and the posture read.
// RFC 9110 §11 (authentication framework), OpenAPI 3.1 (security requirements).
// `schema.security` and its neighbours are typed there; an import would not survive in the declarations.
/// <reference types="@fastify/swagger" preserve="true" />
import fp from 'fastify-plugin'
import { fault } from '../errors.ts'
import { settleWrittenSecurity } from '../guards/adoption.ts'
import { allOf, anyOf, optional, publicAccess } from '../guards/composition.ts'
import { hasUnseenRoutes } from '../guards/earlier-routes.ts'
import { eventOrigin, tellEvent } from '../guards/events.ts'
import { authenticatingGuard, nodeOf } from '../guards/guard.ts'
import { postureOf } from '../guards/posture.ts'
import { Registry } from '../guards/registry.ts'
import { assertGuardsDefined, contextHook, enrol } from '../guards/route.ts'
import { isRecord } from '../guards/scheme-options.ts'
import { guardState, requestPrincipal } from '../guards/state.ts'
import { ProblemSchema } from '../schemas/problem.ts'
import { standingHeaders } from './server-answers.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RefusalFormat } from '../guards/answer.ts'
import type { EventOrigin, OriginRequest, SecurityEvent, SecurityEventName } from '../guards/events.ts'
import type { AuthorizationGuard, CrossSiteGuard, Guard, LimitGuard, PublicGuard } from '../guards/guard.ts'
import type { PlacedNode } from '../guards/plan.ts'
import type { Posture } from '../guards/posture.ts'
import type { Principal } from '../guards/principal.ts'
import type { GuardedRoute, GuardsOptions } from '../guards/registry.ts'
import type { DeclaredRoute } from '../guards/route.ts'
import type { Scheme } from '../guards/scheme.ts'

export type { BodyBounds, Bounds, Lifetimes, Posture, PostureRoute, PostureScheme } from '../guards/posture.ts'
export type { GuardedRoute, GuardsOptions, RefusalFormat }

declare module 'fastify' {
  interface FastifyInstance {
    anyOf: typeof anyOf
    allOf: typeof allOf
    optional: typeof optional
    publicAccess: typeof publicAccess
    /** Puts guards on every route of this context and of its children, outer ones first. */
    protect (...guards: readonly (Guard<Principal | null> | AuthorizationGuard | LimitGuard | CrossSiteGuard | PublicGuard)[]): void
    /** A guard for any scheme, decorated under the scheme's name and published in OpenAPI. */
    defineScheme<P extends Principal> (scheme: Scheme<P>): Guard<P>
    /** Whose request it is, as limits count it: behind the `trustedProxies`, never what a client says of itself; IPv6 by its network. */
    clientAddress (request: Pick<FastifyRequest, 'raw'>): string
    /** What the events that a request causes tell of it, for the services that cause them: its address, id, method and route, and who it was let in as. */
    eventOrigin (request: OriginRequest): EventOrigin
    /** Tells an event of {@link securityEvents}, as plugins and routes do; whoever subscribed to the channel `gatehouse:event` hears it. */
    tellEvent (event: SecurityEvent & { readonly event: SecurityEventName }): void
    /** Every route with what it requires: sorted by URL and method, safe to serialise. */
    guardedRoutes (): GuardedRoute[]
    /** Everything that the service declares of its security: routes, bodies, schemes, lifetimes, headers; the same wherever the same code runs. */
    posture (): Posture
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
  write: (problem: object) => problem,
  example: (problem: object) => problem
})

const registries = new WeakMap<object, Registry>()
const protections = new WeakMap<object, readonly PlacedNode[]>()
/** Contexts in which, or below which, a route was declared that `protect` would have to cover. */
const declaring = new WeakSet<object>()
const attached = new WeakSet<object>()
/** Roots whose routes are asked for guards that are `undefined` there. */
const watched = new WeakSet<object>()
/** Contexts in which `request.principal` is ours. */
const decorated = new WeakSet<object>()

/** The registry of the server that `app` belongs to. */
export function registryOf (app: FastifyInstance): Registry {
  const root = contextsOf(app)[0] ?? app
  const known = registries.get(root)
  if (known !== undefined) return known
  const registry = new Registry(problemFormat)
  registries.set(root, registry)
  return registry
}

/** Makes sure that the core is loaded in this context; every plugin that hands out guards calls it first. */
export function useGuards (app: FastifyInstance, options: GuardsOptions = {}): Registry {
  if (!isRecord(options)) throw fault('GATEHOUSE_OPTION_INVALID', 'guards must be an object of options')
  const registry = registryOf(app)
  // Nor may a child undo what the root decided for the whole server.
  if (contextsOf(app).length > 1 && [options.defaultAccess, options.defaultAccess && registry.options.defaultAccess].includes('deny')) {
    throw fault('GATEHOUSE_DENY_NOT_ROOT', 'guards.defaultAccess')
  }
  registry.configure(options)
  const joined = contextsOf(app).find((context) => attached.has(context))
  if (joined !== undefined) {
    if (options.principal === false && decorated.has(joined)) throw fault('GATEHOUSE_OPTIONS_LATE', 'guards.principal')
    return registry
  }
  if (registry.options.earlierRoutes !== 'ignore' && hasUnseenRoutes(app, registry)) throw fault('GATEHOUSE_EARLIER_ROUTES', 'guards')
  attached.add(app)
  watchOutside(app)
  decorate(app, registry)
  app.addHook('onRoute', function (this: FastifyInstance, options) {
    const route = options as unknown as DeclaredRoute
    const contexts = contextsOf(this)
    const record = enrol(route, { levels: contexts.flatMap((context) => protections.get(context) ?? []), registry, context: this })
    if (record.plan.access !== 'public') for (const context of contexts) declaring.add(context)
  })
  app.addHook('onReady', function (done) {
    settleWrittenSecurity(registry)
    registry.assertCsrf()
    assertStances(app, registry)
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
  app.decorate('guardedRoutes', () => registry.guardedRoutes((route) => app.hasRoute(route)))
  app.decorate('posture', () => postureOf(registry, { app, headers: standingHeaders(contextsOf(app)[0] ?? app) }))
  app.decorate('clientAddress', (request: Pick<FastifyRequest, 'raw'>) => registry.clientAddress(request.raw))
  app.decorate('eventOrigin', eventOrigin)
  app.decorate('tellEvent', (event: Parameters<typeof tellEvent>[1]) => { tellEvent(app.server, event) })
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
  decorated.add(app)
}

function defineScheme<P extends Principal> (app: FastifyInstance, registry: Registry, scheme: Scheme<P>): Guard<P> {
  assertScheme(scheme)
  if (app.hasDecorator(scheme.name)) throw fault('GATEHOUSE_NAME_TAKEN', `app.${scheme.name}`)
  registry.addScheme(scheme)
  const guard = authenticatingGuard<P>({ type: 'scheme', scheme })
  app.decorate(scheme.name, guard)
  return guard
}

const carriers = ['header', 'query', 'cookie', 'connection']

function assertScheme ({ name, definition, carrier, ambient, scopes, csrfSecret, authenticate, challenge }: Partial<Scheme>): void {
  if (typeof name !== 'string' || !/^[A-Za-z0-9._-]+$/.test(name)) throw fault('GATEHOUSE_OPTION_INVALID', 'defineScheme: the name must be letters, digits, dots, dashes and underscores')
  const wrong = Object.entries({
    definition: typeof definition === 'object',
    carrier: typeof carrier === 'object' && carriers.includes(carrier.in) && typeof carrier.name === 'string',
    ambient: typeof ambient === 'boolean',
    scopes: scopes === undefined || typeof scopes === 'object',
    csrfSecret: csrfSecret === undefined || typeof csrfSecret === 'function',
    authenticate: typeof authenticate === 'function',
    challenge: typeof challenge === 'function'
  }).find(([, right]) => !right)
  if (wrong !== undefined) throw fault('GATEHOUSE_OPTION_INVALID', `defineScheme: ${name}.${wrong[0]} is missing or of the wrong type`)
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

/** A guard of a child is `undefined` outside of it, and Fastify takes that for no hook at all. */
function watchOutside (app: FastifyInstance): void {
  const root = contextsOf(app)[0] as FastifyInstance
  if (root === app || watched.has(root)) return
  watched.add(root)
  root.addHook('onRoute', (route) => { assertGuardsDefined(route as unknown as DeclaredRoute) })
}

function assertStances (app: FastifyInstance, registry: Registry): void {
  if (registry.options.defaultAccess !== 'deny') return
  // A context made before the core was loaded can still declare routes afterwards, and our hook is not in it.
  if (hasUnseenRoutes(app, registry)) throw fault('GATEHOUSE_EARLIER_ROUTES', 'guards')
  const open = registry.routes.filter(({ plan }) => plan.access === 'undeclared').map(({ methods, url }) => `${methods.join(', ')} ${url}`)
  if (open.length > 0) throw fault('GATEHOUSE_NO_STANCE', open.join('; '))
}

/** @see {@link GuardsOptions} */
// Async, so that a refusal to boot rejects `ready()`: what a callback plugin throws nobody catches.
export const guards = fp(async (app, options: GuardsOptions) => {
  useGuards(app, options)
}, { name: 'gatehouse-guards', fastify: '5.x' })

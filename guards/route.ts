// From the options of a route to its plan: which of its hooks are guards, which levels protect it, and the
// one compiled hook that takes their place.
import { fault, refusal } from '../errors.ts'
import { isRefusalFormat } from './answer.ts'
import { nodeOf } from './guard.ts'
import { describe } from './node.ts'
import { isActive } from './plan.ts'
import { isSecurityRequirement, sameRequirements } from './requirement.ts'
import { accusedPrincipal, tellRefused } from './run-events.ts'
import { runPlan } from './run.ts'
import { stateOf } from './state.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RefusalFormat } from './answer.ts'
import type { AmbientRequest } from './csrf.ts'
import type { PlacedNode } from './plan.ts'
import type { Registry, RouteContext, RouteRecord } from './registry.ts'
import type { SecurityRequirement } from './requirement.ts'

type Handler = (this: unknown, first: object, second: object) => unknown

/** What an `onRoute` hook is given, as far as the core reads and writes it. */
export interface DeclaredRoute {
  method: string | string[]
  url: string
  prefix: string
  routePath: string
  handler: Handler
  /** The second handler of a WebSocket route. */
  wsHandler?: Handler
  /** Of @fastify/websocket: the one handler is that of a WebSocket. */
  websocket?: boolean
  onRequest?: unknown
  constraints?: Readonly<Record<string, unknown>>
  config?: { refusal?: RefusalFormat; csrf?: 'form'; neverShed?: string; [routeRecord]?: RouteRecord }
  schema?: { security?: unknown; [part: string]: unknown }
}

const otherHooks = ['preParsing', 'preValidation', 'preHandler', 'preSerialization', 'onSend', 'onResponse', 'onTimeout', 'onError', 'onRequestAbort'] as const

/** Where the record of a route stands in its `config`: a symbol, so that it is nobody else's business. */
export const routeRecord = Symbol('gatehouse.route')

const records = new WeakMap<object, RouteRecord>()

/** The record of a route by the options that `onRoute` hooks were given, or by a copy of them. */
export function recordOf (route: object): RouteRecord | undefined {
  return records.get(route) ?? (route as Partial<DeclaredRoute>).config?.[routeRecord]
}

/**
 * Reads a route that is being declared, compiles its guards and puts the compiled hook where the first stood.
 * `levels` are the guards of the protecting contexts, outer ones first; `context` is the one that declares the route.
 */
export function enrol (route: DeclaredRoute, { levels, registry, context }: { levels: readonly PlacedNode[]; registry: Registry; context: RouteContext }): RouteRecord {
  const known = records.get(route)
  if (known !== undefined) return known
  const methods = Array.isArray(route.method) ? [...route.method] : [route.method]
  const place = `${methods.join(', ')} ${route.url}`
  assertHooks(route, place)
  const hooks = listOf(route.onRequest)
  const own = hooks.flatMap((hook): PlacedNode[] => {
    const node = nodeOf(hook)
    return node === undefined ? [] : [{ node, level: 'route' }]
  })
  const guards = [...levels, ...own]
  const security = writtenSecurity(route, place)
  const plan = registry.planOf(guards, place)
  // Limits are no stance: what is written beside them is still to be enforced.
  const written = plan.access === 'undeclared' ? security : null
  const record: RouteRecord = {
    methods,
    url: route.url,
    contextual: levels.length > 0,
    format: routeFormat(route, place),
    csrf: { inForm: route.config?.csrf === 'form', webSocket: route.websocket === true || route.wsHandler !== undefined },
    written,
    twice: route.routePath === '' && route.prefix !== '',
    constraints: route.constraints ?? {},
    context,
    shedsLoad: registry.shedsLoad && route.config?.neverShed === undefined,
    schema: route.schema,
    plan,
    runtime: null,
    serviceLimits: registry.serviceLimits
  }
  if (security !== null && written === null && !sameRequirements(security, record.plan.requirement ?? [])) {
    throw fault('GATEHOUSE_SECURITY_DIFFERS', `${place}: guards require ${JSON.stringify(record.plan.requirement)}`)
  }
  if (written !== null || isActive(record.plan)) {
    if (!record.contextual) route.onRequest = withCompiled(hooks, compiledHook(record))
    else if (own.length > 0) route.onRequest = hooks.filter((hook) => nodeOf(hook) === undefined)
    route.handler = checked(route.handler, record)
    if (route.wsHandler !== undefined) route.wsHandler = checked(route.wsHandler, record)
  } else if (own.length > 0) {
    route.onRequest = hooks.filter((hook) => nodeOf(hook) === undefined)
  }
  route.config = { ...route.config, [routeRecord]: record }
  records.set(route, record)
  registry.routes.push(record)
  return record
}

function routeFormat (route: DeclaredRoute, place: string): RefusalFormat | null {
  const format = route.config?.refusal
  if (format === undefined) return null
  if (!isRefusalFormat(format)) throw fault('GATEHOUSE_OPTION_INVALID', `${place}: config.refusal must be { schema, contentType, write }`)
  return format
}

/** The hand-written requirement of a route, or `null` for none. What OpenAPI could not read is not passed over. */
function writtenSecurity (route: DeclaredRoute, place: string): readonly SecurityRequirement[] | null {
  const security = route.schema?.security
  if (security === undefined) return null
  if (!Array.isArray(security) || !security.every(isSecurityRequirement)) throw fault('GATEHOUSE_SECURITY_DIFFERS', `${place}: schema.security is no list of security requirements`)
  return security
}

/** Runs the compiled guards of a protected route; stands in the outermost protecting context. */
export function contextHook (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
  const record = (request.routeOptions.config as DeclaredRoute['config'])?.[routeRecord]
  if (record !== undefined) {
    // Contexts that began to protect from the inside out each have the hook; the first has decided.
    if (record.contextual && isActive(record.plan) && stateOf(request)?.plan !== record.plan) run(record, request, reply, done)
    else done()
  } else if (request.is404) done()
  else done(fault('GATEHOUSE_GUARDS_DID_NOT_RUN', `${request.method} ${request.routeOptions.url ?? ''}`))
}

function compiledHook (record: RouteRecord) {
  return function guards (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    run(record, request, reply, done)
  }
}

function run (record: RouteRecord, request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
  const { plan, runtime } = record
  if (runtime === null) done(fault('GATEHOUSE_GUARDS_DID_NOT_RUN', 'before boot'))
  else runPlan(plan, runtime, request, reply, done)
}

function withCompiled (hooks: readonly unknown[], compiled: unknown): unknown[] {
  const first = hooks.findIndex((hook) => nodeOf(hook) !== undefined)
  const rest = (list: readonly unknown[]): unknown[] => list.filter((hook) => nodeOf(hook) === undefined)
  const at = Math.max(0, first)
  return [...rest(hooks.slice(0, at)), compiled, ...rest(hooks.slice(at))]
}

/**
 * The handler, reached only after the guards of the route let this very request pass: a plugin that takes the
 * compiled hook away turns the route into a 500. A WebSocket handler is called with the socket first.
 */
function checked (handler: Handler, record: RouteRecord): Handler {
  return function guardedHandler (first, second) {
    const state = stateOf(first) ?? stateOf(second)
    if (isActive(record.plan) && (state?.plan !== record.plan || !state.passed)) {
      throw fault('GATEHOUSE_GUARDS_DID_NOT_RUN', `${record.methods.join(', ')} ${record.url}`)
    }
    if (state !== null && state.tokenDue !== null) assertFormToken(record, state.tokenDue)
    if (isUpgrade(first, second)) state?.onUpgrade?.()
    return handler.call(this, first, second)
  }
}

/** Whether @fastify/websocket takes the connection: it marks the request, which it hands over second where it calls the handler itself. */
function isUpgrade (first: object, second: object): boolean {
  const request = stateOf(first) === null ? second : first
  return (request as { ws?: unknown }).ws === true
}

/** The token of a form is known when the body is: here, after which there is only the handler. */
function assertFormToken ({ runtime }: RouteRecord, asked: AmbientRequest): void {
  const csrf = runtime?.csrf ?? null
  const refused = csrf === null ? refusal('csrf_token_invalid') : csrf.proveToken(asked, 'form')
  if (refused === null) return
  tellRefused(asked.request, refused, accusedPrincipal(asked.principal))
  throw refused
}

/** `onRequest` that is present but undefined, alone or in a list. */
export function assertGuardsDefined (route: DeclaredRoute): void {
  if ('onRequest' in route && (route.onRequest === undefined || listOf(route.onRequest).includes(undefined))) {
    throw fault('GATEHOUSE_GUARD_MISSING', `${[route.method].flat().join(', ')} ${route.url}`)
  }
}

function assertHooks (route: DeclaredRoute, place: string): void {
  assertGuardsDefined(route)
  for (const name of otherHooks) {
    for (const hook of listOf((route as Partial<Record<typeof name, unknown>>)[name])) {
      const node = nodeOf(hook)
      if (node !== undefined) throw fault('GATEHOUSE_GUARD_WRONG_HOOK', `${place}: ${describe(node)} in ${name}`)
    }
  }
}

function listOf (hooks: unknown): unknown[] {
  return hooks === undefined ? [] : Array.isArray(hooks) ? hooks : [hooks]
}

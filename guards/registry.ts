// What the core knows of a server: its schemes, its routes, its options. One registry a server, whichever
// contexts the plugins were registered in.
import { fault } from '../errors.ts'
import { anyOriginOf } from './any-origin.ts'
import { isRefusalFormat } from './answer.ts'
import { createClientAddress } from './client-address.ts'
import { csrfOf } from './csrf.ts'
import { isDevelopment } from './environment.ts'
import { describe } from './node.ts'
import { compilePlan } from './plan.ts'
import type { IncomingMessage } from 'node:http'
import type { RefusalFormat } from './answer.ts'
import type { CsrfProof, CsrfProtection } from './csrf.ts'
import type { Limit } from './limit.ts'
import type { GuardNode } from './node.ts'
import type { Access, PlacedNode, Plan } from './plan.ts'
import type { SecurityRequirement } from './requirement.ts'
import type { Runtime } from './run.ts'
import type { Scheme } from './scheme.ts'

/** Options of the core; given again, they replace those given before, until the service has booted. */
export interface GuardsOptions {
  /**
   * Whether a route without a guard and without `publicAccess` may exist. `deny` is accepted only on the root context.
   * @defaultValue 'open'
   */
  defaultAccess?: 'open' | 'deny'
  /**
   * Enforces a hand-written `schema.security` on routes that have no guard.
   * @defaultValue false: such a route is refused at boot.
   */
  adoptSchemaSecurity?: boolean
  /**
   * Addresses and CIDRs of the proxies whose `X-Forwarded-For` is believed.
   * @defaultValue none
   */
  trustedProxies?: readonly string[]
  /**
   * How refusals are written, and what OpenAPI says of them.
   * @defaultValue problem+json (RFC 9457)
   */
  refusal?: RefusalFormat
  /**
   * What to do about routes that the core cannot see, and so not guard: declared before it was loaded, or outside of its context.
   * `ignore` is not accepted together with `deny`.
   * @defaultValue 'refuse': the service does not start.
   */
  earlierRoutes?: 'refuse' | 'ignore'
  /**
   * Whether `request.principal` is decorated; counts only where the core is loaded first.
   * @defaultValue true
   */
  principal?: boolean
  /**
   * Seconds that a callback or a store may take to answer, before the request gets 503.
   * @defaultValue 10
   */
  callbackTimeoutSeconds?: number
}

const checks: Readonly<Record<keyof GuardsOptions, (value: unknown) => boolean>> = {
  defaultAccess: (value) => value === 'open' || value === 'deny',
  adoptSchemaSecurity: (value) => typeof value === 'boolean',
  trustedProxies: (value) => Array.isArray(value) && value.every((entry) => typeof entry === 'string'),
  refusal: isRefusalFormat,
  earlierRoutes: (value) => value === 'refuse' || value === 'ignore',
  principal: (value) => typeof value === 'boolean',
  callbackTimeoutSeconds: (value) => typeof value === 'number' && value > 0 && value <= 3600
}

/** The encapsulation context of a route, as far as the core asks it. */
export interface RouteContext {
  readonly server: object
  /** Shared schemas, by their id. */
  getSchemas (): Readonly<Record<string, unknown>>
}

/** A route as the registry keeps it; `plan` is final once the service has booted. */
export interface RouteRecord {
  readonly methods: readonly string[]
  readonly url: string
  /** Whether the compiled hook stands in a protecting context instead of on the route. */
  readonly contextual: boolean
  readonly format: RefusalFormat | null
  /** Whether the CSRF token stands in a field of the body, and whether a GET may begin a WebSocket. */
  readonly csrf: { readonly inForm: boolean; readonly webSocket: boolean }
  /** `schema.security` of a route without a guard, to be adopted or refused at boot. */
  readonly written: readonly SecurityRequirement[] | null
  /** Whether Fastify may declare it a second time with a trailing slash, without telling `onRoute` hooks. */
  readonly twice: boolean
  readonly constraints: Readonly<Record<string, unknown>>
  /** The encapsulation context that declared it. */
  readonly context: RouteContext
  /** Its schemas, as they were declared. */
  readonly schema: Readonly<Record<string, unknown>> | undefined
  /** Whether `loadShedding` may answer in its place. */
  readonly shedsLoad: boolean
  plan: Plan
  /** Set when the service has booted. */
  runtime: Runtime | null
  /** Limits that hold for every route of the service. */
  readonly serviceLimits: readonly Limit[]
}

/** A line of `app.guardedRoutes()`. */
export interface GuardedRoute {
  /** One HTTP method; a `HEAD` that Fastify adds has a line of its own. */
  method: string
  /** The pattern of the route, with its prefix. */
  url: string
  /** In the order in which they decide; `level` is the prefix of the context, or `route`. */
  guards: { name: string; level: string }[]
  /** What OpenAPI says; `null` where the route declares no stance. */
  requirement: SecurityRequirement[] | null
  /** Every scope that is named, also by `requireAnyScope`. */
  scopes: string[]
  /** Every role that is named, also by `requireAnyRole`. */
  roles: string[]
  /** The names of its policies. */
  policies: string[]
  /** Limits of the service, then those before and after authentication; of `apiKey`, each key says how much. */
  limits: { name: string; by: Limit['by']; max: number | null; windowSeconds: number | null }[]
  /**
   * What a request has to prove that was let in by what a browser sends unasked: `token`, that it comes from this service's
   * own pages and has the token of its session; `form`, the same by a field of its form; `origin`, the first alone; `not-cross-site`, that nothing says otherwise.
   */
  csrf: CsrfProof | null
  /** `undeclared`: neither a guard nor `publicAccess`. */
  access: Access
  /** Why it is public. */
  reason: string | null
  /** Why the pages of every origin may read its answers, where `cors` says so; `null` where they may not. */
  anyOrigin: string | null
}

type HasRoute = (route: { method: string; url: string }) => boolean

export class Registry {
  readonly schemes = new Map<string, Scheme>()
  readonly routes: RouteRecord[] = []
  /** Limits that hold for every route of the service. */
  readonly serviceLimits: Limit[] = []
  /** Whether `loadShedding` is registered. */
  shedsLoad = false
  readonly #defaultFormat: RefusalFormat
  readonly #plans = new Map<string, Plan>()
  readonly #nodes = new Map<GuardNode, number>()
  #options: Readonly<GuardsOptions> = Object.freeze({})
  #csrf: CsrfProtection | null = null
  #runtime: Runtime | null = null
  #clientAddress = createClientAddress([])

  constructor (defaultFormat: RefusalFormat) {
    this.#defaultFormat = defaultFormat
  }

  get options (): Readonly<GuardsOptions> {
    return this.#options
  }

  configure (options: GuardsOptions): void {
    const given = Object.entries(options).filter(([, value]) => value !== undefined)
    for (const [name, value] of given) {
      const check = Object.hasOwn(checks, name) ? checks[name as keyof GuardsOptions] : undefined
      if (check?.(value) !== true) throw fault('GATEHOUSE_OPTION_INVALID', `guards.${name} ${check === undefined ? 'is not an option' : 'has a value that it does not take'}`)
    }
    if (given.length === 0) return
    if (this.#runtime !== null) throw fault('GATEHOUSE_OPTIONS_LATE', 'guards')
    this.#options = Object.freeze({ ...this.#options, ...Object.fromEntries(given) })
    if (this.#options.defaultAccess === 'deny' && this.#options.earlierRoutes === 'ignore') {
      throw fault('GATEHOUSE_OPTION_INVALID', "guards.earlierRoutes cannot be 'ignore' under defaultAccess: 'deny'")
    }
    if (options.trustedProxies !== undefined) this.#clientAddress = createClientAddress(options.trustedProxies)
  }

  /** The plan of these guards. Routes with the same ones, as a `GET` and the `HEAD` that Fastify adds, share it. */
  planOf (guards: readonly PlacedNode[], place: string): Plan {
    const key = guards.map(({ node, level }) => `${String(this.#numberOf(node))} ${level}`).join('\n')
    const plan = this.#plans.get(key) ?? compilePlan(guards, place)
    this.#plans.set(key, plan)
    return plan
  }

  #numberOf (node: GuardNode): number {
    const number = this.#nodes.get(node) ?? this.#nodes.size
    this.#nodes.set(node, number)
    return number
  }

  /** From here on state-changing requests by ambient credentials are judged; one protection a server. */
  protectByCsrf (protection: CsrfProtection): void {
    if (this.#csrf !== null) throw fault('GATEHOUSE_NAME_TAKEN', 'csrf is registered twice')
    if (this.#runtime !== null) throw fault('GATEHOUSE_OPTIONS_LATE', 'csrf')
    this.#csrf = protection
  }

  /** A state-changing route, or one for WebSockets, that takes ambient credentials, where nothing would judge its requests. */
  assertCsrf (): void {
    if (this.#csrf !== null) return
    const open = this.routes.flatMap(({ methods, url, plan, csrf }) => methods.filter((method) => csrfOf(plan, method, csrf) !== null)
      .map((method) => `${method} ${url}: ${plan.schemes.filter(({ ambient }) => ambient).map(({ name }) => name).join(', ')}`))
    if (open.length > 0) throw fault('GATEHOUSE_CSRF_MISSING', open.join('; '))
  }

  /** Ends the configuration: from here on every route has the settings that its requests run under. */
  seal (): void {
    const runtime: Runtime = Object.freeze({
      callbackTimeoutSeconds: this.#options.callbackTimeoutSeconds ?? 10,
      format: this.#options.refusal ?? this.#defaultFormat,
      csrf: this.#csrf,
      explains: isDevelopment()
    })
    this.#runtime = runtime
    for (const record of this.routes) {
      record.runtime = record.format === null ? runtime : Object.freeze({ ...runtime, format: record.format })
    }
  }

  /** How answers are written that belong to no route, such as those of a limit on the whole service. */
  get runtime (): Runtime {
    if (this.#runtime === null) throw fault('GATEHOUSE_GUARDS_DID_NOT_RUN', 'before boot')
    return this.#runtime
  }

  /** The client's address as limits count it: behind trusted proxies, unmapped, IPv6 by /64. */
  clientAddress (raw: IncomingMessage): string {
    return this.#clientAddress(raw)
  }

  addScheme (scheme: Scheme): void {
    if (this.schemes.has(scheme.name)) throw fault('GATEHOUSE_NAME_TAKEN', `scheme ${scheme.name}`)
    this.schemes.set(scheme.name, scheme)
  }

  /** Every route, sorted. */
  guardedRoutes (hasRoute: HasRoute): GuardedRoute[] {
    return this.describedRoutes(hasRoute).map(({ route }) => route)
  }

  /** The same, each with its record. `hasRoute` tells whether the router has the twin with a trailing slash, which no hook is told of. */
  describedRoutes (hasRoute: HasRoute): { route: GuardedRoute; record: RouteRecord }[] {
    const told = new Set(this.routes.flatMap(({ methods, url }) => methods.map((method) => `${method} ${url}`)))
    return this.routes
      .flatMap((record) => record.methods.flatMap((method) => {
        const twin = `${record.url}/`
        const hasTwin = record.twice && !told.has(`${method} ${twin}`) && hasRoute({ method, url: twin })
        const lines = [this.#line(method, record), ...(hasTwin ? [this.#line(method, { ...record, url: twin })] : [])]
        return lines.map((route) => ({ route, record }))
      }))
      .sort(({ route: a }, { route: b }) => (a.url === b.url ? compare(a.method, b.method) : compare(a.url, b.url)))
  }

  #line (method: string, { url, plan, csrf, context }: RouteRecord): GuardedRoute {
    return {
      method,
      url,
      guards: plan.guards.map(({ node, level }) => ({ name: describe(node), level })),
      requirement: plan.requirement === undefined ? null : plan.requirement.map((alternative) => Object.fromEntries(Object.entries(alternative).map(([name, scopes]) => [name, [...scopes]]))),
      scopes: [...new Set([...plan.scopes, ...plan.anyScopes.flat()])],
      roles: [...new Set([...plan.roles, ...plan.anyRoles.flat()])],
      policies: [...plan.policies],
      limits: [...this.serviceLimits, ...plan.limitsBefore, ...plan.limitsAfter].map(({ name, by, max, windowSeconds }) => ({ name, by, max, windowSeconds })),
      csrf: csrfOf(plan, method, csrf),
      access: plan.access,
      reason: plan.reason,
      anyOrigin: anyOriginOf(context)
    }
  }
}

function compare (a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

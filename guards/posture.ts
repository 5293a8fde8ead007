// The posture of a service: everything that it declares of its security, as one value that is the same wherever the same
// code runs, so that it can be kept, read and compared.
import { bodyBounds, loosenessOf } from './body-bounds.ts'
import { lifetimesOf } from './lifetimes.ts'
import type { BodyBounds } from './body-bounds.ts'
import type { Lifetimes } from './lifetimes.ts'
import type { GuardedRoute, Registry, RouteRecord } from './registry.ts'

export type { BodyBounds, Bounds } from './body-bounds.ts'
export type { Lifetimes } from './lifetimes.ts'

/** A security scheme, as far as it decides how hard it is to abuse. */
export interface PostureScheme {
  /** Where its credentials travel: `header`, `query`, `cookie` or `connection`. */
  in: string
  /** The name of the header, parameter or cookie. */
  name: string
  /** Whether a browser sends it unasked. */
  ambient: boolean
}

/** A route with what it requires, and what its body is held to. */
export interface PostureRoute extends Omit<GuardedRoute, 'scopes' | 'roles'> {
  /** What Fastify constrains the route to, such as a host. */
  constraints: Record<string, string>
  /** Scopes that all have to be there. */
  scopes: string[]
  /** Lists of scopes, one of each of which has to be there. */
  anyScopes: string[][]
  /** Roles that all have to be there. */
  roles: string[]
  /** Lists of roles, one of each of which has to be there. */
  anyRoles: string[][]
  /** What its body is held to; `null` without a schema, and where there is no body. */
  body: BodyBounds | null
  /** Where that is loose, one sentence each. */
  loose: string[]
}

/** What `app.posture()` tells. */
export interface Posture {
  /** The version of this form. */
  version: 1
  /** The headers that `securityHeaders` puts on every answer over https; `null` where it is not registered on the root. */
  headers: Record<string, string> | null
  /** Seconds that cookies, tokens and keys live, by what they are. */
  lifetimes: Record<string, Lifetimes>
  /** The schemes, by name. */
  schemes: Record<string, PostureScheme>
  /** Sorted by URL and method. */
  routes: PostureRoute[]
}

/** Derives the posture of a server from what its plugins told. */
export function postureOf (registry: Registry, { app, headers }: { app: { readonly server: object; hasRoute (route: { method: string; url: string }): boolean }; headers: Readonly<Record<string, string>> | null }): Posture {
  const schemes = [...registry.schemes.values()].sort((one, other) => (one.name < other.name ? -1 : 1))
  return {
    version: 1,
    headers: headers === null ? null : Object.fromEntries(Object.entries(headers).sort(([one], [other]) => (one < other ? -1 : 1))),
    lifetimes: lifetimesOf(app),
    schemes: Object.fromEntries(schemes.map(({ name, carrier, ambient }) => [name, { in: carrier.in, name: carrier.name, ambient }])),
    routes: registry.describedRoutes((route) => app.hasRoute(route)).map(routeOf)
  }
}

function routeOf ({ route, record }: { route: GuardedRoute; record: RouteRecord }): PostureRoute {
  const { plan, schema, context } = record
  const written = mayHaveBody(route.method) ? schema?.['body'] : undefined
  const schemas = written === undefined ? {} : context.getSchemas()
  const body = written === undefined ? null : bodyBounds(written, (id) => schemas[id])
  return {
    ...route,
    constraints: Object.fromEntries(Object.entries(record.constraints).map(([name, value]) => [name, String(value)])),
    scopes: [...plan.scopes],
    anyScopes: plan.anyScopes.map((names) => [...names]),
    roles: [...plan.roles],
    anyRoles: plan.anyRoles.map((names) => [...names]),
    body,
    loose: body === null ? (['POST', 'PUT', 'PATCH'].includes(route.method) ? ['there is no schema of the body'] : []) : loosenessOf(body)
  }
}

function mayHaveBody (method: string): boolean {
  return !['GET', 'HEAD'].includes(method)
}

// Whether the server has routes that the registry has not seen: they were declared before the core was loaded, or
// in a context that its hook never reached, and so the service must not start as if they were guarded.
import type { FastifyInstance } from 'fastify'
import type { Registry, RouteRecord } from './registry.ts'

// The methods at the end of a printed line, with the constraints that may follow.
const METHODS = /\(([A-Z, -]+)\)(?= \{|$)/gm
// An optional last parameter: the router keeps such a route twice, with and without it.
const OPTIONAL_PARAMETER = /\/:[^/()]*\?\/?$/

export function hasUnseenRoutes (app: FastifyInstance, registry: Registry): boolean {
  const printed = app.printRoutes()
  if (registry.routes.length === 0) return printed !== '(empty tree)'
  const declared = [...printed.matchAll(METHODS)].reduce((count, [, methods = '']) => count + methods.split(', ').length, 0)
  const urls = new Set(registry.routes.flatMap(({ methods, url }) => methods.map((method) => `${method} ${url}`)))
  return declared > registry.routes.reduce((count, route) => count + entriesOf(route, app, urls), 0)
}

function entriesOf ({ methods, url, twice, constraints }: RouteRecord, app: FastifyInstance, urls: ReadonlySet<string>): number {
  if (OPTIONAL_PARAMETER.test(url)) return methods.length * 2
  const slashed = `${url}/`
  return methods.reduce((count, method) =>
    count + (twice && !urls.has(`${method} ${slashed}`) && app.hasRoute({ method, url: slashed, constraints }) ? 2 : 1), 0)
}

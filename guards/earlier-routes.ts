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
  // A set, because Fastify may offer the router an automatic HEAD twice.
  return declared > new Set(registry.routes.flatMap((route) => entriesOf(route, app))).size
}

/** What the router keeps of a route. */
function entriesOf ({ methods, url, twice, constraints }: RouteRecord, app: FastifyInstance): string[] {
  const conditions = JSON.stringify(constraints, (_name, value: unknown) => (value instanceof RegExp ? String(value) : value))
  return methods.flatMap((method) => {
    const urls = [url]
    if (OPTIONAL_PARAMETER.test(url)) urls.push(url.replace(OPTIONAL_PARAMETER, ''))
    if (twice && app.hasRoute({ method, url: `${url}/`, constraints })) urls.push(`${url}/`)
    return urls.map((entry) => `${method} ${entry} ${conditions}`)
  })
}

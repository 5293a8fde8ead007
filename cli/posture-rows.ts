// A posture as rows of text, for whichever form they are shown in.
import type { Posture, PostureRoute } from '../guards/posture.ts'

/** The columns of the routes, in order. */
export const columns = ['route', 'access', 'guards', 'scopes', 'roles', 'policies', 'limits', 'CSRF', 'body'] as const

/** One row a route, a text a column; an empty one where there is nothing to tell. */
export function routeRows ({ routes }: Posture): string[][] {
  return routes.map((route) => [
    `${route.method} ${route.url}${constraintsOf(route)}`,
    [route.access, route.reason, route.anyOrigin === null ? null : `any origin: ${route.anyOrigin}`].filter((text) => text !== null).join(': '),
    route.guards.map(({ name, level }) => level === 'route' ? name : `${name} (${level})`).join('; '),
    namesOf(route.scopes, route.anyScopes),
    namesOf(route.roles, route.anyRoles),
    route.policies.join(', '),
    route.limits.map(({ name, by, max, windowSeconds }) => max === null ? `${name}, as each says` : `${name}: ${String(max)} in ${String(windowSeconds)} s by ${by}`).join('; '),
    route.csrf ?? '',
    bodyOf(route)
  ])
}

function constraintsOf ({ constraints }: PostureRoute): string {
  return Object.entries(constraints).map(([name, value]) => ` (${name} ${value})`).join('')
}

function namesOf (all: readonly string[], any: readonly (readonly string[])[]): string {
  return [...all, ...any.map((names) => names.join(' or '))].join(', ')
}

function bodyOf ({ body, loose }: PostureRoute): string {
  if (loose.length > 0) return `loose: ${loose.join('; ')}`
  return body === null ? '' : 'bounded'
}

/** What holds for the whole service: a title, and names with their values. */
export function serviceRows ({ headers, lifetimes, schemes }: Posture): { title: string; rows: [name: string, value: string][] }[] {
  return [
    { title: 'Schemes', rows: Object.entries(schemes).map(([name, scheme]) => [name, `${scheme.in} ${scheme.name}${scheme.ambient ? ', sent unasked by browsers' : ''}`]) },
    { title: 'Lifetimes', rows: Object.entries(lifetimes).map(([name, members]) => [name, Object.entries(members).map(([member, value]) => `${member} ${String(value)}`).join(', ')]) },
    { title: 'Headers', rows: headers === null ? [['none', 'securityHeaders is not registered on the root']] : Object.entries(headers) }
  ]
}

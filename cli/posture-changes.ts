// Two postures, compared: a table of rules, each of which tells whether a change makes the service weaker or stronger.
import { compareBodies } from './posture-body-changes.ts'
import { compareCeiling, compareChoices, compareDemands, compareFloor } from './posture-change.ts'
import { compareHeaders, compareLifetimes } from './posture-header-changes.ts'
import type { Change, Effect, Finding } from './posture-change.ts'
import type { Posture, PostureRoute, PostureScheme } from '../guards/posture.ts'

interface Pair<T> { readonly before: T; readonly after: T }
type Alternative = Readonly<Record<string, readonly string[]>>

const openness = ['undeclared', 'public', 'optional', 'guarded']
/** What a request has to prove that a browser sent, from nothing to most. */
const proofs = [null, 'not-cross-site', 'origin', 'form', 'token']

/** Every difference: what makes the service weaker first, then by place. */
export function comparePostures (before: Posture, after: Posture): Change[] {
  const order: readonly Effect[] = ['weaker', 'stronger', 'neutral']
  const changes = [...serviceChanges({ before, after }), ...routeChanges({ before, after })]
  return changes.sort((one, other) => order.indexOf(one.effect) - order.indexOf(other.effect) || (one.where < other.where ? -1 : one.where > other.where ? 1 : 0))
}

function serviceChanges ({ before, after }: Pair<Posture>): Change[] {
  const at = (where: string, findings: readonly Finding[]): Change[] => findings.map((finding) => ({ ...finding, where }))
  return [
    ...at('headers', compareHeaders(before.headers, after.headers)),
    ...at('lifetimes', compareLifetimes(before.lifetimes, after.lifetimes)),
    ...at('schemes', compareSchemes({ before: before.schemes, after: after.schemes }))
  ]
}

function compareSchemes ({ before, after }: Pair<Readonly<Record<string, PostureScheme>>>): Finding[] {
  const rule = 'scheme'
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].sort().flatMap((name): Finding[] => {
    const [was, is] = [before[name], after[name]]
    if (was === undefined || is === undefined) return [{ effect: 'neutral', rule, what: was === undefined ? `${name} is a scheme` : `${name} is no scheme any more` }]
    return [
      ...(was.ambient === is.ambient ? [] : [{ effect: is.ambient ? 'weaker' : 'stronger', rule, what: `browsers ${is.ambient ? '' : 'do not '}send ${name} unasked` } as const]),
      ...(was.in === is.in ? [] : [{ effect: is.in === 'query' ? 'weaker' : was.in === 'query' ? 'stronger' : 'neutral', rule, what: `${name} travels in the ${is.in}, where it was the ${was.in}` } as const]),
      ...(was.name === is.name ? [] : [{ effect: 'neutral', rule, what: `${name} travels as ${is.name}, where it was ${was.name}` } as const])
    ]
  })
}

function routeChanges ({ before, after }: Pair<Posture>): Change[] {
  const [was, is] = [byPlace(before.routes), byPlace(after.routes)]
  return [...new Set([...was.keys(), ...is.keys()])].sort().flatMap((where) => {
    const [one, other] = [was.get(where), is.get(where)]
    if (one !== undefined && other !== undefined) return compareRoutes({ before: one, after: other }, after.schemes).map((finding) => ({ ...finding, where }))
    if (one !== undefined) return [{ effect: 'neutral', rule: 'route-removed', where, what: 'the route is not there any more' } as const]
    return other === undefined ? [] : [added(where, other)]
  })
}

/** Method, URL and constraints name a route: two of one URL may stand on different hosts. */
function byPlace (routes: readonly PostureRoute[]): Map<string, PostureRoute> {
  return new Map(routes.map((route) => {
    const constraints = Object.entries(route.constraints).sort().map(([name, value]) => ` (${name} ${value})`).join('')
    return [`${route.method} ${route.url}${constraints}`, route]
  }))
}

function added (where: string, { access, reason }: PostureRoute): Change {
  const why = reason === null ? '' : `: ${reason}`
  return { effect: access === 'guarded' ? 'neutral' : 'weaker', rule: 'route-added', where, what: `the route is new, and ${access}${why}` }
}

function compareRoutes (pair: Pair<PostureRoute>, schemes: Posture['schemes']): Finding[] {
  const { before, after } = pair
  const of = <T>(member: (route: PostureRoute) => T): Pair<T> => ({ before: member(before), after: member(after) })
  const judged = [
    ...compareAccess(pair),
    ...compareAlternatives(of(({ requirement }) => requirement ?? [])),
    ...compareDemands('scope', 'the scope', of(({ scopes }) => scopes)),
    ...compareChoices('any-scope', 'one scope of', of(({ anyScopes }) => anyScopes)),
    ...compareDemands('role', 'the role', of(({ roles }) => roles)),
    ...compareChoices('any-role', 'one role of', of(({ anyRoles }) => anyRoles)),
    ...compareDemands('policy', 'the policy', of(({ policies }) => policies)),
    ...compareLimits(of(({ limits }) => limits)),
    ...compareCsrf(pair, schemes)
  ]
  return [...judged, ...(judged.length > 0 ? [] : compareGuards(pair)), ...compareReasons(pair), ...compareBodies(before.body, after.body)]
}

function compareAccess ({ before, after }: Pair<PostureRoute>): Finding[] {
  if (before.access === after.access) return []
  const isWeaker = openness.indexOf(after.access) < openness.indexOf(before.access)
  return [{ effect: isWeaker ? 'weaker' : 'stronger', rule: 'access', what: `it is ${after.access}, where it was ${before.access}` }]
}

/** A way in that asks for less than every way before is weaker; one that is gone, and that no other covers, is stronger. */
function compareAlternatives ({ before, after }: Pair<readonly Alternative[]>): Finding[] {
  const [was, is] = [before, after].map((list) => list.filter((alternative) => Object.keys(alternative).length > 0))
  if (was === undefined || is === undefined || was.length === 0 || is.length === 0) return []
  return [
    ...is.filter((way) => !was.some((other) => asksAsMuch(way, other))).map((way): Finding => ({ effect: 'weaker', rule: 'alternative', what: `${wayOf(way)} is enough` })),
    ...was.filter((way) => !is.some((other) => asksAsMuch(way, other))).map((way): Finding => ({ effect: 'stronger', rule: 'alternative', what: `${wayOf(way)} is not enough any more` }))
  ]
}

function asksAsMuch (way: Alternative, other: Alternative): boolean {
  return Object.entries(other).every(([name, scopes]) => scopes.every((scope) => way[name]?.includes(scope) === true) && Object.hasOwn(way, name))
}

function wayOf (alternative: Alternative): string {
  return Object.entries(alternative).map(([name, scopes]) => scopes.length === 0 ? name : `${name} with ${scopes.join(' and ')}`).join(' together with ')
}

function compareLimits ({ before, after }: Pair<PostureRoute['limits']>): Finding[] {
  const rule = 'limit'
  return [
    ...compareDemands(rule, 'the limit', { before: before.map(({ name }) => name), after: after.map(({ name }) => name), gone: 'does not hold any more', come: 'holds' }),
    ...after.flatMap((limit) => {
      const was = before.find(({ name }) => name === limit.name)
      if (was === undefined) return []
      return [
        ...compareCeiling(rule, `the most of the limit ${limit.name}`, { before: was.max, after: limit.max }),
        ...compareFloor(rule, `the window of the limit ${limit.name}`, { before: was.windowSeconds, after: limit.windowSeconds }),
        ...(was.by === limit.by ? [] : [{ effect: 'weaker', rule, what: `the limit ${limit.name} counts by ${limit.by}, where it was ${was.by}` } as const])
      ]
    })
  ]
}

/** Where nothing that browsers send unasked lets anybody in any more, there is nothing to prove. */
function compareCsrf ({ before, after }: Pair<PostureRoute>, schemes: Posture['schemes']): Finding[] {
  if (before.csrf === after.csrf) return []
  const isAmbient = (after.requirement ?? []).some((alternative) => Object.keys(alternative).some((name) => schemes[name]?.ambient === true))
  const isWeaker = proofs.indexOf(after.csrf) < proofs.indexOf(before.csrf)
  const effect = !isWeaker ? 'stronger' : after.csrf === null && after.access === 'guarded' && !isAmbient ? 'neutral' : 'weaker'
  return [{ effect, rule: 'csrf', what: `it asks ${after.csrf ?? 'no proof'} against forged requests, where it was ${before.csrf ?? 'no proof'}` }]
}

function compareReasons ({ before, after }: Pair<PostureRoute>): Finding[] {
  const isOther = before.reason !== after.reason && before.access === 'public' && after.access === 'public'
  return [
    ...(isOther ? [{ effect: 'neutral', rule: 'reason', what: `it is public for another reason: ${after.reason ?? 'none'}` } as const] : []),
    ...(['guarded', 'optional'].includes(before.access) && after.reason !== null ? [{ effect: 'weaker', rule: 'reason', what: `it is said to be public: ${after.reason}` } as const] : []),
    ...(before.anyOrigin === after.anyOrigin ? [] : [{
      effect: before.anyOrigin === null ? 'weaker' : after.anyOrigin === null ? 'stronger' : 'neutral', rule: 'any-origin',
      what: after.anyOrigin === null ? 'the pages of other origins may not read it any more' : `the pages of every origin may read it: ${after.anyOrigin}`
    } as const])
  ]
}

/** Guards that are written otherwise, where no other rule tells what that means. */
function compareGuards ({ before, after }: Pair<PostureRoute>): Finding[] {
  const written = ({ guards }: PostureRoute): string => guards.map(({ name, level }) => `${name} at ${level}`).join(', ')
  if (written(before) === written(after)) return []
  const gone = before.guards.filter(({ name }) => !after.guards.some((guard) => guard.name === name))
  if (gone.length === 0) return [{ effect: 'neutral', rule: 'guards', what: `the guards stand elsewhere: ${written(after)}` }]
  return [{ effect: 'weaker', rule: 'guards', what: `the guards are written otherwise, and cannot be compared: ${gone.map(({ name }) => name).join(', ')} is gone` }]
}

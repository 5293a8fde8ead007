// The OpenAPI security requirement of a list of guards: its disjunctive normal form, in order of writing.
import { fault } from '../errors.ts'
import type { Authorization, RequirementNode } from './node.ts'
import { describe } from './node.ts'
import type { Scheme } from './scheme.ts'

/** OpenAPI 3.1 Security Requirement Objects: a list is OR, one object with several keys is AND, `{}` is optional. */
export type SecurityRequirement = Readonly<Record<string, readonly string[]>>

/** Whether `value` is a Security Requirement Object. */
export function isSecurityRequirement (value: unknown): value is SecurityRequirement {
  return typeof value === 'object' && value !== null && !Array.isArray(value) &&
    Object.values(value).every((scopes) => Array.isArray(scopes) && scopes.every((scope) => typeof scope === 'string'))
}

interface Judgement {
  authorization: Authorization
  /** Whose principal is judged. */
  scheme: Scheme
}

/** What is asked: a scheme, or where there is an authorization, what it says of the scheme's principal. */
type Step = Judgement | { authorization: null; scheme: Scheme }

/** One way to be let in. */
export interface Alternative {
  schemes: readonly Scheme[]
  judgements: readonly Judgement[]
  /** Both, in order of writing. */
  steps: readonly Step[]
  /** What was left out as optional: nothing of it may have been presented and be bad. */
  unrefused: readonly RequirementNode[]
}

export const MAX_ALTERNATIVES = 16

const NOBODY: Alternative = { schemes: [], judgements: [], steps: [], unrefused: [] }

/**
 * The alternatives of an AND list, in order of writing; `place` names the route in faults. With `strangersLast`, an
 * `anyOf` puts those whom nobody identifies behind the others: who presents good credentials is never a stranger.
 */
export function alternativesOf (members: readonly RequirementNode[], place: string, strangersLast: boolean): Alternative[] {
  let alternatives: Alternative[] = [NOBODY]
  for (const [index, member] of members.entries()) {
    if (member.type === 'authorization') {
      const { authorization } = member
      alternatives = alternatives.map(({ schemes, judgements, steps, unrefused }) => {
        const scheme = schemes[0]
        if (scheme === undefined) throw fault('GATEHOUSE_UNAUTHENTICATED_AUTHORIZATION', `${place}: ${describe(member)}`)
        const judgement = { authorization, scheme }
        return { schemes, judgements: [...judgements, judgement], steps: [...steps, judgement], unrefused }
      })
      continue
    }
    const ways = waysOf(member, place, strangersLast)
    alternatives = index === 0 ? bounded(ways, place) : bounded(alternatives.flatMap((left) => ways.map((right) => ({
      schemes: [...new Set([...left.schemes, ...right.schemes])],
      judgements: [...left.judgements, ...right.judgements],
      steps: [...left.steps, ...right.steps],
      unrefused: [...new Set([...left.unrefused, ...right.unrefused])]
    }))), place)
  }
  return alternatives
}

/** The alternatives of one member, as {@link alternativesOf} has them for a list. */
export function waysOf (node: RequirementNode, place: string, strangersLast: boolean): Alternative[] {
  switch (node.type) {
    case 'scheme': return [{ ...NOBODY, schemes: [node.scheme], steps: [{ authorization: null, scheme: node.scheme }] }]
    case 'optional': return [...waysOf(node.member, place, strangersLast), { ...NOBODY, unrefused: [node.member] }]
    case 'anyOf': {
      const ways = node.members.flatMap((member) => waysOf(member, place, strangersLast)).map((way) =>
        // A stranger whom one member lets in must not have failed at another.
        way.schemes.length > 0 ? way : { ...way, unrefused: [...new Set([...way.unrefused, ...node.members])] })
      const ordered = [...ways.filter(({ schemes }) => schemes.length > 0), ...ways.filter(({ schemes }) => schemes.length === 0)]
      return bounded(strangersLast ? ordered : ways, place)
    }
    case 'allOf': return alternativesOf(node.members, place, strangersLast)
    case 'authorization': throw fault('GATEHOUSE_UNAUTHENTICATED_AUTHORIZATION', `${place}: ${describe(node)}`)
  }
}

/** Without those that an earlier one contains; those that differ only in what was left out count as one. */
function bounded (alternatives: Alternative[], place: string): Alternative[] {
  if (alternatives.length === 1) return alternatives
  const seen = new Map<string, Alternative[]>()
  const kept = alternatives.filter((alternative) => {
    const key = [
      ...alternative.schemes.map(({ name }) => name).sort(),
      ...alternative.judgements.map(({ authorization, scheme }) => `${scheme.name}:${authorization.kind}:${authorization.names.join(' ')}`).sort()
    ].join('\n')
    const twins = seen.get(key) ?? []
    seen.set(key, [...twins, alternative])
    return !twins.some((twin) => contains(twin, alternative))
  })
  if (seen.size > MAX_ALTERNATIVES) throw fault('GATEHOUSE_TOO_MANY_ALTERNATIVES', place)
  return kept
}

/** Whether `twin` holds wherever `alternative` does; policies of one name are the same only if they are one. */
function contains (twin: Alternative, alternative: Alternative): boolean {
  return twin.unrefused.every((node) => alternative.unrefused.includes(node)) && twin.judgements.every(({ authorization }) =>
    authorization.kind !== 'policy' || alternative.judgements.some((judgement) => judgement.authorization === authorization))
}

/** Scope names stand in a requirement only where OpenAPI gives them a meaning. */
function namesScopes (scheme: Scheme): boolean {
  return scheme.definition.type === 'oauth2' || scheme.definition.type === 'openIdConnect'
}

/** The requirement as OpenAPI writes it; `requireAnyScope` is one alternative a scope. `place` names the route in faults. */
export function requirementOf (alternatives: readonly Alternative[], place: string): SecurityRequirement[] {
  const written = new Map<string, SecurityRequirement>()
  for (const alternative of alternatives) {
    for (const requirement of requirementsOf(alternative, place)) {
      const key = canonicalRequirement(requirement)
      if (!written.has(key)) written.set(key, requirement)
    }
  }
  if (written.size > MAX_ALTERNATIVES) throw fault('GATEHOUSE_TOO_MANY_ALTERNATIVES', place)
  return [...written.values()]
}

function requirementsOf ({ schemes, judgements }: Alternative, place: string): SecurityRequirement[] {
  let scopesByScheme: ReadonlyMap<Scheme, readonly string[]>[] = [new Map()]
  for (const { authorization, scheme } of judgements) {
    if (!namesScopes(scheme)) continue
    const choices = authorization.kind === 'scopes' ? [authorization.names] : authorization.kind === 'anyScope' ? authorization.names.map((name) => [name]) : []
    if (choices.length === 0) continue
    // Checked before it is multiplied out: a few long lists would keep the boot busy for ever.
    if (scopesByScheme.length * choices.length > MAX_ALTERNATIVES ** 2) throw fault('GATEHOUSE_TOO_MANY_ALTERNATIVES', place)
    scopesByScheme = scopesByScheme.flatMap((scopes) => choices.map((names) =>
      new Map(scopes).set(scheme, [...new Set([...(scopes.get(scheme) ?? []), ...names])])))
  }
  return scopesByScheme.map((scopes) => Object.fromEntries(schemes.map((scheme) => [scheme.name, scopes.get(scheme) ?? []])))
}

/** The same text for requirements that mean the same: the order of keys and scopes carries no meaning. */
export function canonicalRequirement (requirement: SecurityRequirement): string {
  return JSON.stringify(Object.entries(requirement).map(([name, scopes]) => [name, [...scopes].sort()] as const).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Whether two lists of requirements mean the same. */
export function sameRequirements (left: readonly SecurityRequirement[], right: readonly SecurityRequirement[]): boolean {
  const texts = (list: readonly SecurityRequirement[]): string => [...new Set(list.map(canonicalRequirement))].sort().join('\n')
  return texts(left) === texts(right)
}

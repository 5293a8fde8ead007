// The guards of one route, compiled at boot: what is asked, in which order, and what the route requires.
import { fault } from '../errors.ts'
import { alternativesOf, requirementOf } from './requirement.ts'
import { authorizationsOf, describe, isAuthenticating, schemesOf } from './node.ts'
import type { AllOfDecision, Decision } from './decision.ts'
import type { Authorization, GuardNode, Limit, RequirementNode } from './node.ts'
import type { Scheme } from './scheme.ts'
import type { SecurityRequirement } from './requirement.ts'

/** A guard and where it was declared: `route`, or the prefix of the context that protects. */
export interface PlacedNode {
  readonly node: GuardNode
  readonly level: string
}

/** What the outcome of a slot answers. */
export type Question =
  | { readonly type: 'scheme'; readonly scheme: Scheme }
  | { readonly type: 'authorization'; readonly authorization: Authorization; readonly group: AllOfDecision }

export type Access = 'guarded' | 'optional' | 'public' | 'undeclared'

export interface Plan {
  readonly guards: readonly PlacedNode[]
  readonly questions: readonly Question[]
  /** Every node of the route, nested ones too, with what decides it. */
  readonly decisions: ReadonlyMap<GuardNode, Decision>
  readonly root: AllOfDecision
  /** The list up to its last authenticating member: what must accept before `limitsAfter` count. */
  readonly gate: AllOfDecision
  readonly limitsBefore: readonly Limit[]
  readonly limitsAfter: readonly Limit[]
  readonly schemes: readonly Scheme[]
  /** What OpenAPI says: `undefined` where the route declares no stance. */
  readonly requirement: readonly SecurityRequirement[] | undefined
  /** Required scopes of all levels, outer first; each list of `anyScopes` asks for one of its names. */
  readonly scopes: readonly string[]
  readonly anyScopes: readonly (readonly string[])[]
  readonly roles: readonly string[]
  readonly anyRoles: readonly (readonly string[])[]
  readonly policies: readonly string[]
  readonly access: Access
  /** Why a public route is public. */
  readonly reason: string | null
}

/** Compiles the guards of a route, outer levels first. `place` is its method and URL, for faults. */
export function compilePlan (guards: readonly PlacedNode[], place: string): Plan {
  const members = guards.map(({ node }) => node).filter(isRequirement)
  const publics = guards.flatMap(({ node }) => (node.type === 'public' ? [node] : []))
  const limits = [...new Set(guards.flatMap(({ node }) => (node.type === 'limit' ? [node.limit] : [])))]
  const schemes = [...new Set(members.flatMap(schemesOf))]
  const authorizations = members.flatMap(authorizationsOf)
  if (publics.length > 0 && members.length > 0) throw fault('GATEHOUSE_PUBLIC_AND_GUARDED', place)
  if (schemes.length === 0 && limits.some(({ by }) => by === 'principal')) {
    throw fault('GATEHOUSE_UNAUTHENTICATED_AUTHORIZATION', `${place}: a limit by principal`)
  }
  const alternatives = alternativesOf(members, place)
  assertScopesKnown(schemes, authorizations, place)

  const compiled = compileDecisions(members)
  const lastAuthenticating = members.findLastIndex(isAuthenticating)
  const strangers = alternatives.some(({ schemes }) => schemes.length === 0)
  const access = members.length === 0 ? (publics.length > 0 ? 'public' : 'undeclared') : strangers ? 'optional' : 'guarded'
  return Object.freeze({
    guards,
    ...compiled,
    gate: { type: 'allOf', members: compiled.root.members.slice(0, lastAuthenticating + 1), thorough: false },
    limitsBefore: limits.filter(({ by }) => by === 'address'),
    limitsAfter: limits.filter(({ by }) => by !== 'address'),
    schemes,
    requirement: access === 'undeclared' ? undefined : access === 'public' ? [] : requirementOf(alternatives, place),
    scopes: unique(authorizations, 'scopes'),
    anyScopes: authorizations.filter(({ kind }) => kind === 'anyScope').map(({ names }) => names),
    roles: unique(authorizations, 'roles'),
    anyRoles: authorizations.filter(({ kind }) => kind === 'anyRole').map(({ names }) => names),
    policies: unique(authorizations, 'policy'),
    access,
    reason: publics.length === 0 ? null : [...new Set(publics.map(({ reason }) => reason))].join('; ')
  } as const satisfies Plan)
}

/** Whether anything has to run before the handler of the route. */
export function isActive (plan: Plan): boolean {
  return plan.questions.length > 0 || plan.limitsBefore.length > 0 || plan.limitsAfter.length > 0
}

function isRequirement (node: GuardNode): node is RequirementNode {
  return node.type !== 'limit' && node.type !== 'public'
}

function unique (authorizations: readonly Authorization[], kind: Authorization['kind']): string[] {
  return [...new Set(authorizations.flatMap((authorization) => (authorization.kind === kind ? authorization.names : [])))]
}

function assertScopesKnown (schemes: readonly Scheme[], authorizations: readonly Authorization[], place: string): void {
  const declared = schemes.map(({ scopes }) => scopes ?? {}).filter((scopes) => Object.keys(scopes).length > 0)
  if (declared.length === 0) return
  for (const authorization of authorizations) {
    if (authorization.kind !== 'scopes' && authorization.kind !== 'anyScope') continue
    const unknown = authorization.names.find((name) => !declared.some((scopes) => Object.hasOwn(scopes, name)))
    if (unknown !== undefined) throw fault('GATEHOUSE_SCOPE_UNKNOWN', `${place}: ${describe({ type: 'authorization', authorization })}`)
  }
}

/**
 * One slot a scheme, so that a credential is verified at most once however many guards refer to it; one slot
 * for each place of an authorization, because it judges the principal of the group it stands in.
 */
function compileDecisions (members: readonly RequirementNode[]): Pick<Plan, 'questions' | 'decisions' | 'root'> {
  const questions: Question[] = []
  const decisions = new Map<GuardNode, Decision>()
  const schemeSlots = new Map<Scheme, number>()

  function group (nodes: readonly RequirementNode[], thorough: boolean): AllOfDecision {
    const compiled: Decision[] = []
    const decision: AllOfDecision = { type: 'allOf', members: compiled, thorough }
    for (const node of nodes) compiled.push(compile(node, decision))
    return decision
  }

  function compile (node: RequirementNode, enclosing: AllOfDecision | null): Decision {
    const known = node.type === 'authorization' ? undefined : decisions.get(node)
    if (known !== undefined) return known
    const decision = compileNew(node, enclosing)
    decisions.set(node, decision)
    return decision
  }

  function compileNew (node: RequirementNode, enclosing: AllOfDecision | null): Decision {
    switch (node.type) {
      case 'scheme': {
        const slot = schemeSlots.get(node.scheme) ?? questions.push({ type: 'scheme', scheme: node.scheme }) - 1
        schemeSlots.set(node.scheme, slot)
        return { type: 'scheme', scheme: node.scheme, slot }
      }
      case 'authorization': {
        if (enclosing === null) throw new TypeError('an authorization is judged in a group')
        const slot = questions.push({ type: 'authorization', authorization: node.authorization, group: enclosing }) - 1
        return { type: 'authorization', authorization: node.authorization, slot }
      }
      case 'optional': return { type: 'optional', member: compile(node.member, null) }
      case 'anyOf': return { type: 'anyOf', members: node.members.map((member) => compile(member, null)) }
      case 'allOf': return group(node.members, true)
    }
  }

  const root = group(members, false)
  return { questions, decisions, root }
}

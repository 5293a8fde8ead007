// The guards of one route, compiled at boot: what is asked, in which order, and what the route requires.
import { fault } from '../errors.ts'
import { alternativesOf, requirementOf, waysOf } from './requirement.ts'
import { authorizationsOf, describe, isAuthenticating, nestedNodes, schemesOf } from './node.ts'
import type { Branch, CompiledAlternative } from './decision.ts'
import { countingSteps } from './limit.ts'
import type { Limit, LimitBatch } from './limit.ts'
import type { Authorization, CrossSiteNode, GuardNode, RequirementNode } from './node.ts'
import type { Scheme } from './scheme.ts'
import type { Alternative, SecurityRequirement } from './requirement.ts'

/** A guard and where it was declared: `route`, or the prefix of the context that protects. */
export interface PlacedNode {
  readonly node: GuardNode
  readonly level: string
}

/** What the outcome of a slot answers; `judged` is the slot of the scheme whose principal an authorization judges. */
export type Question =
  | { readonly type: 'scheme'; readonly scheme: Scheme }
  | { readonly type: 'authorization'; readonly authorization: Authorization; readonly judged: number }

export type Access = 'guarded' | 'optional' | 'public' | 'undeclared'

export interface Plan {
  readonly guards: readonly PlacedNode[]
  readonly questions: readonly Question[]
  /** Every authenticating node of the route, nested ones too, on its own. */
  readonly branches: ReadonlyMap<GuardNode, Branch>
  readonly alternatives: readonly CompiledAlternative[]
  /** The alternatives of the list up to its last authenticating member: what must hold before `limitsAfter` count, if there are any. */
  readonly gate: readonly CompiledAlternative[]
  /** What refuses requests of other sites before anything is counted or asked. */
  readonly crossSite: readonly CrossSiteNode[]
  readonly limitsBefore: readonly Limit[]
  readonly limitsAfter: readonly Limit[]
  /** The same limits in the steps in which they are counted. */
  readonly countsBefore: readonly (Limit | LimitBatch)[]
  readonly countsAfter: readonly (Limit | LimitBatch)[]
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
  const written = alternativesOf(members, place, false)
  assertScopesKnown(schemes, authorizations, place)

  const limitsBefore = limits.filter(({ by }) => by === 'address')
  const limitsAfter = [...limits.filter(({ by }) => by !== 'address'), ...schemes.flatMap(({ limit }) => limit ?? [])]
  const alternatives = members.flatMap(nestedNodes).some(({ type }) => type === 'optional') ? alternativesOf(members, place, true) : written
  const gated = limitsAfter.length === 0 ? [] : alternativesOf(members.slice(0, members.findLastIndex(isAuthenticating) + 1), place, true)
  const strangers = members.length > 0 && written.some(({ schemes }) => schemes.length === 0)
  const access = members.length === 0 ? (publics.length > 0 ? 'public' : 'undeclared') : strangers ? 'optional' : 'guarded'
  return Object.freeze({
    guards,
    ...compileAlternatives({ members, alternatives, gated }, place),
    crossSite: [...new Set(guards.flatMap(({ node }) => (node.type === 'crossSite' ? [node] : [])))],
    limitsBefore,
    limitsAfter,
    countsBefore: countingSteps(limitsBefore),
    countsAfter: countingSteps(limitsAfter),
    schemes,
    requirement: access === 'undeclared' ? undefined : access === 'public' ? [] : requirementOf(written, place),
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
  return plan.questions.length > 0 || plan.crossSite.length > 0 || plan.limitsBefore.length > 0 || plan.limitsAfter.length > 0
}

function isRequirement (node: GuardNode): node is RequirementNode {
  return node.type !== 'limit' && node.type !== 'public' && node.type !== 'crossSite'
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
 * One slot a scheme, so that a credential is verified at most once however many guards refer to it; one slot for
 * each principal that an authorization judges.
 */
function compileAlternatives (
  { members, alternatives, gated }: { members: readonly RequirementNode[]; alternatives: readonly Alternative[]; gated: readonly Alternative[] },
  place: string
): Pick<Plan, 'questions' | 'branches' | 'alternatives' | 'gate'> {
  const questions: Question[] = []
  const schemeSlots = new Map<Scheme, number>()
  const judgementSlots = new Map<Authorization, Map<Scheme, number>>()
  const branches = new Map<GuardNode, Branch>()
  const ambients = new Map<string, readonly Scheme[]>()

  function slotOf (scheme: Scheme): number {
    const slot = schemeSlots.get(scheme) ?? questions.push({ type: 'scheme', scheme }) - 1
    schemeSlots.set(scheme, slot)
    return slot
  }

  function judgementOf ({ authorization, scheme }: Alternative['judgements'][number]): number {
    const slots = judgementSlots.get(authorization) ?? new Map<Scheme, number>()
    judgementSlots.set(authorization, slots)
    const slot = slots.get(scheme) ?? questions.push({ type: 'authorization', authorization, judged: slotOf(scheme) }) - 1
    slots.set(scheme, slot)
    return slot
  }

  function ambientOf ({ schemes }: Alternative): readonly Scheme[] {
    const ambient = schemes.filter((scheme) => scheme.ambient)
    const key = ambient.map(({ name }) => name).join(' ')
    const known = ambients.get(key) ?? ambient
    ambients.set(key, known)
    return known
  }

  function compile (alternative: Alternative): CompiledAlternative {
    return {
      slots: alternative.schemes.map(slotOf),
      ambient: ambientOf(alternative),
      steps: [...new Set(alternative.steps.map((step) => step.authorization === null ? slotOf(step.scheme) : judgementOf(step)))],
      unrefused: alternative.unrefused.map(branchOf)
    }
  }

  function branchOf (node: RequirementNode): Branch {
    const known = branches.get(node)
    if (known !== undefined) return known
    const ways = waysOf(node, place, true)
    const branch: Branch = {
      slots: schemesOf(node).map(slotOf),
      judgements: [...new Set(ways.flatMap(({ judgements }) => judgements).map(judgementOf))],
      alternatives: ways.map(compile)
    }
    branches.set(node, branch)
    return branch
  }

  for (const scheme of members.flatMap(schemesOf)) slotOf(scheme)
  const compiled = { alternatives: alternatives.map(compile), gate: gated.map(compile) }
  for (const node of members.flatMap(nestedNodes).filter(isAuthenticating)) branchOf(node)
  return { questions, branches, ...compiled }
}

// OR, AND and "may be absent" over guards. Composition only builds the tree; what it means is decision.ts.
import { fault } from '../errors.ts'
import { authenticatingGuard, nodeOf, publicGuard } from './guard.ts'
import { describe } from './node.ts'
import type { AuthorizationGuard, Guard, PrincipalOf, PublicGuard, RouteGuard } from './guard.ts'
import type { RequirementNode } from './node.ts'
import type { Principal } from './principal.ts'

type AnyGuard = Guard<Principal | null>
type GroupMember = AnyGuard | AuthorizationGuard
type FirstOf<G extends readonly RouteGuard[]> = G extends readonly [infer First, ...infer Rest extends readonly RouteGuard[]]
  ? null extends PrincipalOf<First> ? Exclude<PrincipalOf<First>, null> | FirstOf<Rest> : [PrincipalOf<First>] extends [never] ? FirstOf<Rest> : PrincipalOf<First>
  : null

/** Accepts whoever any member accepts; the members are asked in order and only as far as needed. */
export function anyOf<const G extends readonly [AnyGuard, AnyGuard, ...AnyGuard[]]> (...guards: G): Guard<PrincipalOf<G[number]>> {
  return authenticatingGuard({ type: 'anyOf', members: membersOf('anyOf', guards) })
}

/**
 * Accepts who passes every member. Authorization guards after an authenticating one judge the principal
 * of the group's first authenticating member, and hold for this group alone.
 */
export function allOf<const G extends readonly [AnyGuard, ...GroupMember[]]> (...guards: G): Guard<FirstOf<G>> {
  return authenticatingGuard({ type: 'allOf', members: membersOf('allOf', guards) })
}

/** Lets strangers in with `null`; bad credentials are still refused. */
export function optional<G extends AnyGuard> (guard: G): Guard<PrincipalOf<G> | null> {
  return authenticatingGuard({ type: 'optional', member: memberOf('optional', guard) })
}

/** Says out loud that a route is public, and why; the reason stands in OpenAPI and in the registry. */
export function publicAccess (reason: string): PublicGuard {
  if (typeof reason !== 'string' || reason.trim() === '') throw fault('GATEHOUSE_PUBLIC_REASON_MISSING', 'publicAccess()')
  return publicGuard(reason)
}

function membersOf (composition: string, guards: readonly RouteGuard[]): RequirementNode[] {
  if (guards.length === 0) throw fault('GATEHOUSE_OPTION_INVALID', `${composition}() without a guard`)
  return guards.map((guard) => memberOf(composition, guard))
}

function memberOf (composition: string, guard: RouteGuard): RequirementNode {
  const node = nodeOf(guard)
  if (node === undefined) throw fault('GATEHOUSE_GUARD_MISSING', `a member of ${composition}() is no guard`)
  if (node.type === 'limit' || node.type === 'public' || node.type === 'crossSite') throw fault('GATEHOUSE_GUARD_NESTING', `${describe(node)} inside ${composition}()`)
  return node
}

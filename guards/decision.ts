// What a compiled tree decides, given the answers that are known. Pure: the same answers, the same verdict.
//
// anyOf: someone accepted > refused credentials > a stranger let in > nothing presented. A refused member is
// stronger than a stranger: credentials that were presented and are bad never fall through to anonymous.
import type { Refusal } from '../errors.ts'
import type { Authorization } from './node.ts'
import type { Principal } from './principal.ts'
import type { Scheme } from './scheme.ts'

/** A tree whose leaves know in which slot their answer stands. */
export type Decision = SchemeDecision | AuthorizationDecision | AnyOfDecision | AllOfDecision | OptionalDecision
export interface SchemeDecision { readonly type: 'scheme'; readonly scheme: Scheme; readonly slot: number }
export interface AnyOfDecision { readonly type: 'anyOf'; readonly members: readonly Decision[] }
export interface OptionalDecision { readonly type: 'optional'; readonly member: Decision }
export interface AllOfDecision {
  readonly type: 'allOf'
  readonly members: readonly Decision[]
  /**
   * Whether the group is asked to its end although a member is absent: inside a composition refused
   * credentials outweigh absent ones, a route's own list stops at the first member that does not accept.
   */
  readonly thorough: boolean
}
export interface AuthorizationDecision {
  readonly type: 'authorization'
  readonly authorization: Authorization
  readonly slot: number
}

/**
 * The answer to one question: a scheme's principal, `null` for nothing presented, a refusal;
 * or `true` where an authorization allows. `undefined` stands for "not asked".
 */
export type Outcome = Principal | Refusal | true | null | undefined

/** Accepted without a principal: an optional guard let a stranger in. */
export const STRANGER = Symbol('stranger')
/** Nothing of the kind was presented. */
export const ABSENT = Symbol('absent')
/** Something was presented and is not good enough. */
export const REFUSED = Symbol('refused')

/** A principal accepts; a number is the slot of the question that must be asked before it can be decided. */
export type Verdict = Principal | typeof STRANGER | typeof ABSENT | typeof REFUSED | number

export function decide (decision: Decision, outcomes: readonly Outcome[]): Verdict {
  switch (decision.type) {
    case 'scheme':
    case 'authorization': return answered(decision.slot, outcomes[decision.slot])
    case 'anyOf': return decideAnyOf(decision.members, outcomes)
    case 'allOf': return decideAllOf(decision, outcomes)
    case 'optional': {
      const verdict = decide(decision.member, outcomes)
      return verdict === ABSENT ? STRANGER : verdict
    }
  }
}

function answered (slot: number, outcome: Outcome): Verdict {
  if (outcome === undefined) return slot
  if (outcome === null) return ABSENT
  if (outcome === true) return STRANGER
  return outcome instanceof Error ? REFUSED : outcome
}

function decideAnyOf (members: readonly Decision[], outcomes: readonly Outcome[]): Verdict {
  let verdict: Verdict = ABSENT
  for (const member of members) {
    const found = decide(member, outcomes)
    if (typeof found !== 'symbol') return found
    if (found === REFUSED || (found === STRANGER && verdict === ABSENT)) verdict = found
  }
  return verdict
}

function decideAllOf ({ members, thorough }: AllOfDecision, outcomes: readonly Outcome[]): Verdict {
  let principal: Principal | typeof STRANGER = STRANGER
  let absent = false
  for (const member of members) {
    if (absent && member.type === 'authorization') continue
    const found = decide(member, outcomes)
    if (typeof found === 'number' || found === REFUSED) return found
    if (found === ABSENT) {
      if (!thorough) return ABSENT
      absent = true
    } else if (principal === STRANGER) principal = found
  }
  return absent ? ABSENT : principal
}

/** The principal that an authorization in `group` judges: that of the first authenticating member. */
export function judgedPrincipal (group: AllOfDecision, outcomes: readonly Outcome[]): Principal | null {
  for (const member of group.members) {
    const found = member.type === 'authorization' ? STRANGER : decide(member, outcomes)
    if (typeof found === 'object') return found
  }
  return null
}

// What the guards of a request have found out so far, kept on the request itself.
import { fault } from '../errors.ts'
import { STRANGER, decide } from './decision.ts'
import type { Outcome } from './decision.ts'
import type { GuardNode } from './node.ts'
import type { Plan } from './plan.ts'
import type { Principal } from './principal.ts'

export interface GuardState {
  readonly plan: Plan
  readonly outcomes: Outcome[]
  principal: Principal | null
  passed: boolean
}

/** Where the state stands on a request: a symbol, so that it clashes with nobody's decorator. */
export const guardState = Symbol('gatehouse.guards')

interface StatefulRequest { [guardState]?: GuardState | null }

export function stateOf (request: object): GuardState | null {
  return (request as StatefulRequest)[guardState] ?? null
}

export function beginState (request: object, plan: Plan): GuardState {
  const state: GuardState = { plan, outcomes: new Array<Outcome>(plan.questions.length), principal: null, passed: false }
  ;(request as StatefulRequest)[guardState] = state
  return state
}

/** Whether the compiled guards of the request's route hold `node` and have let the request pass. */
export function guardPassed (request: object, node: GuardNode): boolean {
  const state = stateOf(request)
  return state !== null && state.passed && (state.plan.decisions.has(node) || state.plan.guards.some((placed) => placed.node === node))
}

/** The principal of the alternative that `request` was accepted by. */
export function requestPrincipal (request: object): Principal {
  const state = stateOf(request)
  if (state === null || !state.passed || state.principal === null) throw fault('GATEHOUSE_NO_PRINCIPAL', 'request.principal')
  return state.principal
}

/** The principal that `node` accepted; `null` for a stranger that an optional guard let in. */
export function acceptedPrincipal (request: object, node: GuardNode): Principal | null {
  const state = stateOf(request)
  const decision = state?.plan.decisions.get(node)
  if (state !== null && state.passed && decision !== undefined) {
    const verdict = decide(decision, state.outcomes)
    if (verdict === STRANGER) return null
    if (typeof verdict === 'object') return verdict
  }
  throw fault('GATEHOUSE_NO_PRINCIPAL', 'guard.principal(request)')
}

// What the guards of a request have found out so far, kept on the request itself.
import { fault } from '../errors.ts'
import { principalIn } from './decision.ts'
import type { AmbientRequest } from './csrf.ts'
import type { CompiledAlternative, Outcome } from './decision.ts'
import type { GuardNode } from './node.ts'
import type { Plan } from './plan.ts'
import type { Principal } from './principal.ts'

export interface GuardState {
  readonly plan: Plan
  readonly outcomes: Outcome[]
  /** The alternative that let the request in, so far as it was decided. */
  accepted: CompiledAlternative | null
  passed: boolean
  /** Whose CSRF token has still to be judged, before the handler: it stands in the body. */
  tokenDue: AmbientRequest | null
  /** Called when a WebSocket handler takes the connection: there is no answer then whose end could be awaited. */
  onUpgrade: (() => void) | null
}

/** Where the state stands on a request: a symbol, so that it clashes with nobody's decorator. */
export const guardState = Symbol('gatehouse.guards')

interface StatefulRequest { [guardState]?: GuardState | null }

export function stateOf (request: object): GuardState | null {
  return (request as StatefulRequest)[guardState] ?? null
}

export function beginState (request: object, plan: Plan): GuardState {
  const state: GuardState = { plan, outcomes: new Array<Outcome>(plan.questions.length), accepted: null, passed: false, tokenDue: null, onUpgrade: null }
  ;(request as StatefulRequest)[guardState] = state
  return state
}

/** Calls `upgraded` when the connection of a guarded request is handed to a WebSocket handler. */
export function onUpgrade (request: object, upgraded: () => void): void {
  const state = stateOf(request)
  if (state === null) return
  const { onUpgrade: earlier } = state
  state.onUpgrade = earlier === null ? upgraded : () => { earlier(); upgraded() }
}

/** Whether the compiled guards of the request's route hold `node` and have let the request pass. */
export function guardPassed (request: object, node: GuardNode): boolean {
  const state = stateOf(request)
  return state !== null && state.passed && (state.plan.branches.has(node) || state.plan.guards.some((placed) => placed.node === node))
}

/** The principal of the alternative's first authenticating guard; `null` for a stranger. */
export function principalOf ({ accepted, outcomes }: GuardState): Principal | null {
  return principalIn(accepted?.slots[0], outcomes)
}

/** The principal that the request was accepted as. */
export function requestPrincipal (request: object): Principal {
  const state = stateOf(request)
  const principal = state?.passed === true ? principalOf(state) : null
  if (principal === null) throw fault('GATEHOUSE_NO_PRINCIPAL', 'request.principal')
  return principal
}

/** The principal that `node` gave to the accepted alternative; `null` for a stranger that an optional guard let in. */
export function acceptedPrincipal (request: object, node: GuardNode): Principal | null {
  const state = stateOf(request)
  const branch = state?.plan.branches.get(node)
  if (state?.passed === true && branch !== undefined) {
    const slot = branch.slots.find((candidate) => state.accepted?.slots.includes(candidate))
    if (slot !== undefined) return principalIn(slot, state.outcomes)
    if (branch.alternatives.some(({ slots }) => slots.length === 0)) return null
  }
  throw fault('GATEHOUSE_NO_PRINCIPAL', 'guard.principal(request)')
}

// What the alternatives of a route decide, given the answers that are known. Pure: the same answers, the same verdict.
// They are the alternatives that OpenAPI publishes, in order of writing; the first that holds lets the request in.
import type { Refusal } from '../errors.ts'
import type { Principal } from './principal.ts'
import type { Scheme } from './scheme.ts'

/** One way to be let in: every step was taken, nothing of the branches was refused. */
export interface CompiledAlternative {
  /** The slots of its schemes; the first one's principal is that of the request. None: a stranger is let in. */
  readonly slots: readonly number[]
  /** Those of its schemes whose credentials a browser sends unasked; one list for all that have the same. */
  readonly ambient: readonly Scheme[]
  /** The slots of its schemes and of its judgements, in the order in which they are asked. */
  readonly steps: readonly number[]
  /**
   * What a stranger may leave out but not get wrong: credentials that were presented and are bad never fall
   * through to anonymous.
   */
  readonly unrefused: readonly Branch[]
}

/** A part of a route's tree on its own. */
export interface Branch {
  readonly slots: readonly number[]
  readonly judgements: readonly number[]
  readonly alternatives: readonly CompiledAlternative[]
}

/**
 * The answer to one question: a scheme's principal, `null` for nothing presented, a refusal;
 * or `true` where an authorization allows. `undefined` stands for "not asked".
 */
export type Outcome = Principal | Refusal | true | null | undefined

/** The alternative that holds; the slot that must be asked before it can be decided; or `null`: none holds. */
export type Verdict = CompiledAlternative | number | null

export function decide (alternatives: readonly CompiledAlternative[], outcomes: readonly Outcome[]): Verdict {
  for (const alternative of alternatives) {
    const held = holds(alternative, outcomes)
    if (held === true) return alternative
    if (held !== false) return held
  }
  return null
}

function holds ({ steps, unrefused }: CompiledAlternative, outcomes: readonly Outcome[]): boolean | number {
  for (const slot of steps) {
    const outcome = outcomes[slot]
    if (outcome === undefined) return slot
    if (outcome === null || outcome instanceof Error) return false
  }
  for (const branch of unrefused) {
    const refused = isRefused(branch, outcomes)
    if (refused !== false) return refused === true ? false : refused
  }
  return true
}

/** Whether something of the branch was presented and is not good enough, and nothing else of it was accepted. */
function isRefused ({ slots, judgements, alternatives }: Branch, outcomes: readonly Outcome[]): boolean | number {
  const verdict = decide(alternatives, outcomes)
  if (typeof verdict === 'number') return verdict
  if (verdict !== null) return false
  const unasked = slots.find((slot) => outcomes[slot] === undefined)
  return unasked ?? [...slots, ...judgements].some((slot) => outcomes[slot] instanceof Error)
}

/** The principal in a slot, or `null`. */
export function principalIn (slot: number | undefined, outcomes: readonly Outcome[]): Principal | null {
  const outcome = slot === undefined ? null : outcomes[slot]
  return typeof outcome === 'object' && !(outcome instanceof Error) ? outcome : null
}

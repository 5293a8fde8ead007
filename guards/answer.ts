// Which answer a refused request gets: one status, one code, and the challenges that would help the client.
import { refusal } from '../errors.ts'
import { formatChallenge, isQuotable } from './challenge.ts'
import type { FastifyRequest } from 'fastify'
import type { Problem, Refusal } from '../errors.ts'
import type { Plan } from './plan.ts'
import type { ChallengeContext, Scheme } from './scheme.ts'
import type { GuardState } from './state.ts'
import { describe } from './node.ts'
import { decide } from './decision.ts'
import type { Branch } from './decision.ts'
import type { Authorization } from './node.ts'

/** How refusals are written; body and OpenAPI change together. */
export interface RefusalFormat {
  /** JSON Schema of the body, for OpenAPI. */
  readonly schema: object
  /** The media type of the body. */
  readonly contentType: string
  /** The body: an object is sent as JSON, a string as it is. */
  write (problem: Problem, request: FastifyRequest): object | string
  /** The body as OpenAPI's examples show it, of no request. @defaultValue none: the document has no examples */
  example? (problem: Problem): unknown
}

export function isRefusalFormat (value: unknown): value is RefusalFormat {
  const format = value as Partial<RefusalFormat> | null
  return typeof format === 'object' && format !== null && typeof format.schema === 'object' && (format.schema as unknown) !== null &&
    typeof format.contentType === 'string' && typeof format.write === 'function' && ['undefined', 'function'].includes(typeof format.example)
}

export interface Answer {
  readonly refusal: Refusal
  readonly challenges: readonly string[]
}

/**
 * 503 if a question could not be answered; else 403 (or 404) if someone authenticated but lacks a right; else
 * 403 for a disabled account; else 401 for bad credentials; else 400 if something malformed was all there was;
 * else 401 for none.
 */
export function answerOf ({ plan, outcomes }: GuardState, request: FastifyRequest): Answer {
  const refused = outcomes.filter((outcome): outcome is Refusal => outcome instanceof Error)
  const chosen =
    refused.find(({ code }) => code === 'unavailable') ??
    plan.questions.map(({ type }, slot) => (type === 'authorization' ? outcomes[slot] : null)).find((outcome): outcome is Refusal => outcome instanceof Error) ??
    refused.find(({ statusCode }) => statusCode === 403) ??
    refused.find(({ statusCode }) => statusCode === 401) ??
    refused[0] ??
    refusal('credentials_required')
  return { refusal: chosen, challenges: challengesOf(chosen, plan, outcomes, request) }
}

function challengesOf (chosen: Refusal, plan: Plan, outcomes: GuardState['outcomes'], request: FastifyRequest): string[] {
  const scopes = [...new Set([...plan.scopes, ...plan.anyScopes.flat()])]
  const challenges = new Set<string>()
  plan.questions.forEach((question, slot) => {
    if (question.type !== 'scheme') return
    const outcome = outcomes[slot]
    const error = chosen.statusCode === 403 && !lacks(slot, plan, outcomes) ? 'none' : errorFor(chosen, outcome)
    if (error === 'none') return
    const challenge = challengeOf(question.scheme, error === null ? { request, scopes } : { request, scopes, error })
    if (challenge !== null) challenges.add(challenge)
  })
  // A 401 has at least one challenge (RFC 9110 §15.5.2), also where no scheme has a word for itself.
  if (chosen.statusCode === 401 && challenges.size === 0) {
    for (const { name } of plan.schemes) challenges.add(formatChallenge(name, { realm: 'api' }))
  }
  return [...challenges]
}

/** Whether the principal in `slot` was judged and found lacking. */
function lacks (slot: number, plan: Plan, outcomes: GuardState['outcomes']): boolean {
  return plan.questions.some((question, at) => question.type === 'authorization' && question.judged === slot && outcomes[at] instanceof Error)
}

/** What the scheme asks for; a scheme that fails at it must not turn the refusal into an error of the service. */
function challengeOf (scheme: Scheme, context: ChallengeContext): string | null {
  try {
    const challenge = scheme.challenge(context)
    if (challenge === null || (typeof challenge === 'string' && isQuotable(challenge))) return challenge
    throw new TypeError('a challenge must be printable ASCII or null')
  } catch (error) {
    context.request.log.error({ err: error, scheme: scheme.name }, 'the challenge of a scheme failed')
    return null
  }
}

/** What a scheme is told when it is asked for its challenge: a refusal, `null` for a bare one; `none` for no challenge. */
function errorFor (chosen: Refusal, outcome: GuardState['outcomes'][number]): Refusal | null | 'none' {
  const accepted = typeof outcome === 'object' && outcome !== null && !(outcome instanceof Error)
  if (chosen.statusCode === 401) return accepted ? 'none' : outcome instanceof Error ? outcome : null
  if (chosen.statusCode === 400) return outcome instanceof Error ? outcome : 'none'
  return chosen.statusCode === 403 && accepted ? chosen : 'none'
}

/** For development: which clause of which level failed, and what was presented, without its value. */
export function explain (state: GuardState, request: FastifyRequest): object {
  const { plan, outcomes } = state
  return {
    clauses: plan.guards.flatMap(({ node, level }) => {
      const outcome = node.type === 'authorization' ? judgementWord(state, node.authorization) : branchWord(state, plan.branches.get(node))
      return outcome === null ? [] : [{ level, guard: describe(node), outcome }]
    }),
    presented: plan.schemes.filter(({ carrier }) => isPresented(carrier, request)).map(({ name, carrier }) => ({ scheme: name, in: carrier.in, name: carrier.name })),
    reasons: outcomes.flatMap((outcome) => (outcome instanceof Error && outcome.reason !== undefined ? [outcome.reason] : []))
  }
}

function judgementWord ({ plan, outcomes }: GuardState, authorization: Authorization): string {
  const judged = outcomes.filter((_outcome, slot) => {
    const question = plan.questions[slot]
    return question?.type === 'authorization' && question.authorization === authorization
  })
  if (judged.includes(true)) return 'accepted'
  return judged.some((outcome) => outcome instanceof Error) ? 'refused' : 'not asked'
}

function branchWord ({ outcomes }: GuardState, branch: Branch | undefined): string | null {
  if (branch === undefined) return null
  const verdict = decide(branch.alternatives, outcomes)
  if (typeof verdict === 'number') return 'not asked'
  if (verdict !== null) return verdict.slots.length > 0 ? 'accepted' : 'stranger'
  return [...branch.slots, ...branch.judgements].some((slot) => outcomes[slot] instanceof Error) ? 'refused' : 'absent'
}

function isPresented (carrier: Scheme['carrier'], request: FastifyRequest): boolean {
  switch (carrier.in) {
    case 'header': return request.headers[carrier.name.toLowerCase()] !== undefined
    case 'query': return new URLSearchParams((request.raw.url ?? '').split('?').slice(1).join('?')).has(carrier.name)
    case 'cookie': return request.headers.cookie !== undefined
    case 'connection': return false
  }
}

// What a limit is: a count that a request adds to, whoever keeps it.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Awaitable, Principal } from './principal.ts'

/** How many, in how many seconds. */
export interface LimitPolicy {
  readonly max: number
  readonly windowSeconds: number
}

/** A count that a request adds to; one value is one limit, shared by the routes it stands on. */
export interface Limit {
  readonly name: string
  /** What is counted apart; `apiKey` are keys that bring limits of their own. */
  readonly by: 'address' | 'principal' | 'custom' | 'apiKey'
  /** `null` where what is counted says how much it may. */
  readonly max: number | null
  readonly windowSeconds: number | null
  /** Counts the request; `null` where nothing of it is limited. */
  consume (context: LimitContext): Awaitable<LimitState | null>
  /** Who counts it where that is not this process; limits that have one in common are counted together. */
  readonly shared?: SharedLimits
}

/** The request that is counted. */
export interface LimitContext {
  readonly principal: Principal | null
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/** Counts several limits of a request at once. */
export interface SharedLimits {
  /** What each would answer, in their order, up to and with the first that is exceeded. */
  consume (limits: readonly Limit[], context: LimitContext): Promise<readonly (LimitState | null)[]>
}

/** Limits that are counted together. */
export interface LimitBatch {
  readonly shared: SharedLimits
  readonly limits: readonly Limit[]
}

/** The steps in which limits are counted, in their order: neighbours that are shared are one. */
export function countingSteps (limits: readonly Limit[]): readonly (Limit | LimitBatch)[] {
  const steps: (Limit | LimitBatch)[] = []
  for (const limit of limits) {
    const last = steps.at(-1)
    if (limit.shared === undefined) steps.push(limit)
    else if (last !== undefined && isBatch(last) && last.shared === limit.shared) steps.splice(-1, 1, { ...last, limits: [...last.limits, limit] })
    else steps.push({ shared: limit.shared, limits: [limit] })
  }
  return steps
}

export function isBatch (step: Limit | LimitBatch): step is LimitBatch {
  return 'limits' in step
}

/** What remains of a limit after this request was counted. */
export interface LimitState {
  exceeded: boolean
  remaining: number
  resetSeconds: number
  /** What holds, where the limit itself does not say. */
  policy?: LimitPolicy
}

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
  consume (context: { principal: Principal | null; request: FastifyRequest; reply: FastifyReply }): Awaitable<LimitState | null>
}

/** What remains of a limit after this request was counted. */
export interface LimitState {
  exceeded: boolean
  remaining: number
  resetSeconds: number
  /** What holds, where the limit itself does not say. */
  policy?: LimitPolicy
}

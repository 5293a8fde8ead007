// The RateLimit header fields (draft-ietf-httpapi-ratelimit-headers-11): structured-field lists of strings.
import type { FastifyReply } from 'fastify'
import type { Limit, LimitPolicy, LimitState } from './limit.ts'

/** Seconds until the last of the exhausted limits of an answer opens again; an answer with none is not in it. */
const waits = new WeakMap<FastifyReply, number>()

/** Adds what a limit says to the answer; several limits share one list each. */
export function writeLimitHeaders (reply: FastifyReply, limit: Limit, { remaining, resetSeconds, policy }: LimitState): void {
  const { max, windowSeconds }: Limit | LimitPolicy = policy ?? limit
  append(reply, 'ratelimit-policy', `"${limit.name}";q=${String(max)};w=${String(windowSeconds)}`)
  append(reply, 'ratelimit', `"${limit.name}";r=${String(Math.max(0, remaining))};t=${String(resetSeconds)}`)
  if (remaining <= 0) waits.set(reply, Math.max(secondsToWait(reply), resetSeconds))
}

/**
 * What `Retry-After` says: at least 1, and not before every limit written so far has room again, so that
 * it never contradicts the `t` of an exhausted one.
 */
export function secondsToWait (reply: FastifyReply): number {
  return waits.get(reply) ?? 1
}

function append (reply: FastifyReply, name: string, member: string): void {
  const present = reply.getHeader(name)
  void reply.header(name, typeof present === 'string' ? `${present}, ${member}` : member)
}

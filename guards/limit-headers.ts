// The RateLimit header fields (draft-ietf-httpapi-ratelimit-headers-11): structured-field lists of strings.
import type { FastifyReply } from 'fastify'
import type { Limit, LimitState } from './node.ts'

/** Adds what a limit says to the answer; several limits share one list each. */
export function writeLimitHeaders (reply: FastifyReply, limit: Limit, { remaining, resetSeconds }: LimitState): void {
  append(reply, 'ratelimit-policy', `"${limit.name}";q=${String(limit.max)};w=${String(limit.windowSeconds)}`)
  append(reply, 'ratelimit', `"${limit.name}";r=${String(Math.max(0, remaining))};t=${String(resetSeconds)}`)
}

function append (reply: FastifyReply, name: string, member: string): void {
  const present = reply.getHeader(name)
  void reply.header(name, typeof present === 'string' ? `${present}, ${member}` : member)
}

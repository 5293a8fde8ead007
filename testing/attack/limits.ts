// One more than a limit allows, and what clients say of themselves to be counted as somebody else.
import { createAttempt, mintFor, newAddress, Skipped } from './attempt.ts'
import { requestFor } from './requests.ts'
import type { AttackContext } from './attempt.ts'
import type { AttackedRoute, AttackRequest, AttackResponse, Attempt } from './types.ts'

const MOST_REQUESTS = 1000
const withBody = ['POST', 'PUT', 'PATCH']
const spoofs = ['x-forwarded-for', 'x-real-ip', 'true-client-ip', 'cf-connecting-ip', 'x-client-ip', 'x-cluster-client-ip', 'fastly-client-ip']

export function limitAttempts (context: AttackContext, route: AttackedRoute): Attempt[] {
  const { options: { maxRequests = MOST_REQUESTS }, transport } = context
  return route.limits.flatMap(({ name, by, max }) => {
    if (max === null || max >= maxRequests || (by !== 'address' && by !== 'principal')) return []
    return [createAttempt('limit', route, `one more than the limit ${name} allows`, async () => {
      if (!transport.choosesAddress) throw new Skipped('a limit is tried where each attempt has an address of its own')
      const problems: string[] = []
      for (const failing of [false, true]) {
        const request = await requestOf(context, route, by, failing)
        const last = await exhaust(context, request, { name, max })
        if (last === null) continue
        if (last.headers['retry-after'] === undefined) problems.push('a 429 without Retry-After')
        return by === 'address' ? [...problems, ...await bypasses(context, request)] : problems
      }
      return [`${String(max + 1)} requests are not too many`]
    })]
  })
}

/** A request that is counted; one that fails, for limits that count failures alone. */
async function requestOf (context: AttackContext, route: AttackedRoute, by: string, failing: boolean): Promise<AttackRequest> {
  const credentials = by === 'principal' ? await mintFor(context, route) : []
  const request = await requestFor(context, route, { credentials, ...(failing ? { body: '{' } : {}) })
  // A type that nobody takes is 415, which limits of failures do not count.
  const neutral = !failing && withBody.includes(route.method)
  return { ...request, ...(neutral ? { headers: { ...request.headers, 'content-type': 'application/x-nothing' }, body: 'x' } : {}), address: newAddress() }
}

/** The refusal by that limit, or `null` where it lets one more through than it says. */
async function exhaust ({ transport }: AttackContext, request: AttackRequest, { name, max }: { name: string; max: number }): Promise<AttackResponse | null> {
  for (let sent = 0; sent <= max; sent++) {
    const response = await transport.send(request)
    if (response.status === 429) return isOf(response, name) ? response : null
  }
  return null
}

/** By what `RateLimit` tells of it; any limit will do where an answer has no such header. */
function isOf ({ headers }: AttackResponse, name: string): boolean {
  const told = [headers['ratelimit'] ?? []].flat().join(', ')
  return told === '' || told.includes(`"${name}";r=0`)
}

async function bypasses ({ transport }: AttackContext, request: AttackRequest): Promise<string[]> {
  const problems: string[] = []
  const headers = [...spoofs.map((name) => ({ [name]: newAddress() })), { forwarded: `for=${newAddress()}` }]
  for (const header of headers) {
    const { status } = await transport.send({ ...request, headers: { ...request.headers, ...header } })
    if (status !== 429) problems.push(`${Object.keys(header).join()} is believed`)
  }
  return problems
}

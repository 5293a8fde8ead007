// Who gets in: nobody without credentials, with bad ones, without a right, or to what belongs to somebody else.
import { badCredentials } from './bad-credentials.ts'
import { createAttempt, exampleOf, knownAlternatives, mintAll, mintFor, namesOf, neededOf, newAddress, problemsOf, refusedAttempt, Skipped } from './attempt.ts'
import { requestFor } from './requests.ts'
import type { AttackContext } from './attempt.ts'
import type { BadCredentials } from './bad-credentials.ts'
import type { AttackedAlternative, AttackedRoute, Attempt, MintedCredentials } from './types.ts'

/** Statuses that say that nobody was let in, or that nothing works. */
const turnedAway = [401, 403, 429, 500, 502, 503]

/** That good credentials are let in: without it, everything else would hold for a service that refuses everybody. */
export function controls (context: AttackContext, route: AttackedRoute): Attempt[] {
  if (route.access !== 'guarded' || route.method === 'HEAD') return []
  return knownAlternatives(context, route).map((alternative) => createAttempt('control', route, `good credentials of ${namesOf(alternative)} are let in`, async () => {
    const minted = await mintAll(context, alternative, neededOf(route, alternative))
    const { status, headers, entered } = await context.transport.send({ address: newAddress(), ...await requestFor(context, route, { credentials: [...minted.values()] }) })
    // What the guards let through may still be no input.
    const isIn = typeof entered === 'string' || (!turnedAway.includes(status) && headers['www-authenticate'] === undefined)
    return isIn ? [] : [`good credentials get ${String(status)}`]
  }))
}

export async function credentialAttempts (context: AttackContext, route: AttackedRoute): Promise<Attempt[]> {
  if (route.alternatives.every((alternative) => Object.keys(alternative).length === 0)) return []
  const stranger = refusedAttempt(context, 'credentials', route, 'no credentials', { request: () => requestFor(context, route), expected: { statuses: [401] } })
  const attempts = route.access === 'guarded' ? [stranger] : []
  for (const alternative of knownAlternatives(context, route)) {
    for (const scheme of Object.keys(alternative)) attempts.push(...await badFor(context, route, alternative, scheme))
  }
  return attempts
}

async function badFor (context: AttackContext, route: AttackedRoute, alternative: AttackedAlternative, scheme: string): Promise<Attempt[]> {
  const means = context.options.credentials?.[scheme]
  if (means === undefined) return []
  const needed = neededOf(route, alternative)
  const prototype = await means.mint(needed)
  // The cookie of a session that has ended is one that a browser still has: who may be a stranger, is one with it.
  if (prototype === null || (route.access === 'optional' && prototype.headers?.['cookie'] !== undefined)) return []
  const titles = await badCredentials(prototype, means)
  const attempts = titles.map(({ title, malformed }) => refusedAttempt(context, 'credentials', route, `${namesOf(alternative)}: ${scheme} ${title}`, {
    async request () {
      const minted = await mintAll(context, alternative, needed)
      const good = minted.get(scheme) ?? {}
      const bad = (await badCredentials(good, means)).find((candidate) => candidate.title === title)
      return await requestFor(context, route, { credentials: [...minted.values()].map((one) => one === good ? withoutCarrier(one) : one), ...carrierOf(bad) })
    },
    expected: { statuses: malformed ? [400, 401] : [401] }
  }))
  if (prototype.revoke === undefined) return attempts
  return [...attempts, refusedAttempt(context, 'credentials', route, `${namesOf(alternative)}: ${scheme} revoked`, {
    async request () {
      const minted = await mintAll(context, alternative, needed)
      await minted.get(scheme)?.revoke?.()
      return await requestFor(context, route, { credentials: [...minted.values()] })
    },
    expected: { statuses: [401, 403] }
  })]
}

function withoutCarrier ({ csrf }: MintedCredentials): MintedCredentials {
  return csrf === undefined ? {} : { csrf }
}

function carrierOf (bad: BadCredentials | undefined): Pick<BadCredentials, 'headers' | 'query'> {
  if (bad === undefined) throw new Skipped('these credentials cannot be bad in this way')
  return { ...(bad.headers === undefined ? {} : { headers: bad.headers }), ...(bad.query === undefined ? {} : { query: bad.query }) }
}

/** Everything but one right: all the others that the service knows do not make up for it. */
export function rightsAttempts (context: AttackContext, route: AttackedRoute): Attempt[] {
  return knownAlternatives(context, route).flatMap((alternative) => {
    const missing = [
      ...scopesOf(route, alternative).map((names) => ({ what: `scope ${names.join(' or ')}`, scopes: context.scopes.filter((name) => !names.includes(name)), roles: context.roles, lacking: names })),
      ...rolesOf(route).map((names) => ({ what: `role ${names.join(' or ')}`, scopes: context.scopes, roles: context.roles.filter((name) => !names.includes(name)), lacking: names }))
    ]
    return missing.map(({ what, ...asked }) => refusedAttempt(context, 'rights', route, `${namesOf(alternative)} without ${what}`, {
      request: async () => requestFor(context, route, { credentials: [...(await mintAll(context, alternative, asked)).values()] }),
      expected: { statuses: [403] }
    }))
  })
}

/** Lists of scopes, each of which must not be missing as a whole. */
function scopesOf (route: AttackedRoute, alternative: AttackedAlternative): string[][] {
  const { rights, alternatives } = route
  const twins = alternatives.filter((other) => namesOf(other) === namesOf(alternative)).map((other) => Object.values(other).flat())
  const all = [...new Set(twins.flat())]
  const common = all.filter((name) => twins.every((scopes) => scopes.includes(name)))
  const choice = all.filter((name) => !common.includes(name))
  const lists = [...common.map((name) => [name]), ...rights.scopes.map((name) => [name]), ...(choice.length > 0 ? [choice] : []), ...rights.anyScopes.map((names) => [...names])]
  return [...new Map(lists.map((names) => [[...names].sort().join(' '), names])).values()]
}

function rolesOf ({ rights }: AttackedRoute): string[][] {
  return [...rights.roles.map((name) => [name]), ...rights.anyRoles.map((names) => [...names])]
}

/** What belongs to somebody else, by its id. */
export function ownershipAttempts (context: AttackContext, route: AttackedRoute): Attempt[] {
  const { foreign } = exampleOf(context, route)
  if (foreign === undefined) return []
  return knownAlternatives(context, route).map((alternative) => createAttempt('ownership', route, `the id of somebody else, with ${namesOf(alternative)}`, async () => {
    const minted = await mintAll(context, alternative, neededOf(route, alternative))
    const request = await requestFor(context, route, { credentials: [...minted.values()], params: await foreign() })
    return await problemsOf(context, route, request, { statuses: [403, 404], mayEnter: true })
  }))
}

/** Good credentials, for attempts that are about something else. */
export async function goodRequest (context: AttackContext, route: AttackedRoute, parts: Parameters<typeof requestFor>[2] = {}): ReturnType<typeof requestFor> {
  return await requestFor(context, route, { credentials: await mintFor(context, route), ...parts })
}

// One attempt: a request that must be refused, sent, and judged by what came back and by what must not have happened.
import assert from 'node:assert/strict'
import type { AskedCredentials, Attempt, AttackedAlternative, AttackedRoute, AttackExample, AttackKind, AttackOptions, AttackRequest, AttackResponse, AttackResult, AttackTransport, MintedCredentials } from './types.ts'

/** What makers of attempts share. */
export interface AttackContext {
  readonly transport: AttackTransport
  readonly options: AttackOptions
  readonly surface: readonly AttackedRoute[]
  /** Every scope and role that some route names. */
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
}

/** How a request must be refused. */
export interface Expected {
  readonly statuses: readonly number[]
  /** The start of the places that `errors` of a validation must name, where it names any. */
  readonly place?: string
  /** Whether the handler may be entered; what it refuses itself must leave everything as it was all the same. */
  readonly mayEnter?: boolean
}

/** A request that could not be made, and why. */
export class Skipped extends Error {}

type Probe = () => Promise<readonly string[]>

let addresses = 0

/** A client that nobody was before. */
export function newAddress (): string {
  addresses += 1
  return `10.${String((addresses >> 16) & 255)}.${String((addresses >> 8) & 255)}.${String(addresses & 255)}`
}

export function nameOf ({ method, url }: Pick<AttackedRoute, 'method' | 'url'>): string {
  return `${method} ${url}`
}

export function createAttempt (kind: AttackKind, route: AttackedRoute, what: string, check: Probe): Attempt {
  const name = nameOf(route)
  const title = `${name}: ${what}`
  async function probe (): Promise<AttackResult> {
    const result = { kind, route: name, title }
    try {
      const problems = await check()
      return { ...result, outcome: problems.length === 0 ? 'held' : 'found', problems }
    } catch (error) {
      if (error instanceof Skipped) return { ...result, outcome: 'skipped', problems: [error.message] }
      throw error
    }
  }
  return {
    kind,
    route: name,
    title,
    probe,
    async run () {
      const { outcome, problems } = await probe()
      assert.ok(outcome !== 'found', `${title}: ${problems.join('; ')}`)
    }
  }
}

/** An attempt of one request. The credentials are made first, so that they are no change of what is compared. */
export function refusedAttempt (context: AttackContext, kind: AttackKind, route: AttackedRoute, what: string, { request, expected }: { request: () => Promise<AttackRequest>; expected: Expected }): Attempt {
  return createAttempt(kind, route, what, async () => await problemsOf(context, route, await request(), expected))
}

export async function problemsOf ({ transport, options }: AttackContext, route: AttackedRoute, request: AttackRequest, expected: Expected): Promise<string[]> {
  const before = await options.snapshot?.()
  const response = await transport.send({ address: newAddress(), ...request })
  const after = await options.snapshot?.()
  return [
    ...judge(response, route, expected),
    ...(before === after ? [] : ['what must not change has changed'])
  ]
}

function judge (response: AttackResponse, route: AttackedRoute, { statuses, place, mayEnter = false }: Expected): string[] {
  const { status, headers, entered, body, events } = response
  const problems: string[] = []
  if (!statuses.includes(status)) problems.push(`the answer is ${String(status)}, not ${statuses.join(' or ')}`)
  if (status === 401 && headers['www-authenticate'] === undefined) problems.push('a 401 without WWW-Authenticate')
  if (status === 429 && headers['retry-after'] === undefined) problems.push('a 429 without Retry-After')
  if (entered === nameOf(route) && !mayEnter) problems.push('the handler was entered')
  // Refused by guards: what handlers refuse is told by whom they asked.
  if ([401, 403, 429].includes(status) && entered === null && events !== undefined && events.length !== 1) problems.push(`it told ${String(events.length)} security events, not one`)
  const places = status === 400 && place !== undefined ? placesOf(body) : []
  if (places.length > 0 && !places.some((found) => found === place || found.startsWith(`${String(place)}/`) || found.endsWith(String(place)))) problems.push(`it was refused for ${places.join(', ')}, not for ${String(place)}`)
  return problems
}

/** The pointers or parameters that a validation failed at. */
function placesOf (body: string): string[] {
  try {
    const { errors } = JSON.parse(body) as { errors?: { pointer?: string; parameter?: string }[] }
    return (errors ?? []).flatMap(({ pointer, parameter }) => pointer ?? parameter ?? [])
  } catch {
    return []
  }
}

/** What users told of the operation. */
export function exampleOf ({ options }: AttackContext, route: AttackedRoute): AttackExample {
  return options.examples?.[nameOf(route)] ?? {}
}

/** The schemes of one way in, and what each has to be good for. */
export function neededOf (route: AttackedRoute, alternative: AttackedAlternative): AskedCredentials {
  const { rights } = route
  const scopes = [...rights.scopes, ...rights.anyScopes.flatMap(([first = '']) => first), ...Object.values(alternative).flat()]
  const roles = [...rights.roles, ...rights.anyRoles.flatMap(([first = '']) => first)]
  return { scopes: [...new Set(scopes)], roles: [...new Set(roles)], lacking: [] }
}

/** Good credentials for every scheme of one way in, by scheme. */
export async function mintAll ({ options }: AttackContext, alternative: AttackedAlternative, asked: AskedCredentials): Promise<Map<string, MintedCredentials>> {
  const minted = new Map<string, MintedCredentials>()
  for (const scheme of Object.keys(alternative)) {
    const credentials = await options.credentials?.[scheme]?.mint(asked)
    if (credentials === undefined || credentials === null) throw new Skipped(`there are no credentials of ${scheme} for this`)
    minted.set(scheme, credentials)
  }
  return minted
}

export function namesOf (alternative: AttackedAlternative): string {
  return Object.keys(alternative).join(' and ')
}

/** The ways in whose credentials can be made; one of those that differ in scopes alone. */
export function knownAlternatives ({ options }: AttackContext, { alternatives }: AttackedRoute): AttackedAlternative[] {
  const known = alternatives.filter((alternative) => Object.keys(alternative).length > 0 && Object.keys(alternative).every((scheme) => options.credentials?.[scheme] !== undefined))
  return [...new Map(known.map((alternative) => [namesOf(alternative), alternative])).values()]
}

/** Credentials of the first way in that has any; nothing for a public route. */
export async function mintFor (context: AttackContext, route: AttackedRoute): Promise<MintedCredentials[]> {
  let skipped = new Skipped('no credentials are given for any of its schemes')
  for (const alternative of knownAlternatives(context, route)) {
    try {
      return [...(await mintAll(context, alternative, neededOf(route, alternative))).values()]
    } catch (error) {
      if (!(error instanceof Skipped)) throw error
      skipped = error
    }
  }
  if (route.access === 'guarded') throw skipped
  return []
}

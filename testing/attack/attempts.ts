// Every attempt on a surface, route by route, and a run of all of them; over whatever transport reaches the service.
import { controls, credentialAttempts, ownershipAttempts, rightsAttempts } from './access.ts'
import { corsAttempts, csrfAttempts, headerAttempts } from './browser.ts'
import { bodyAttempts, parameterAttempts } from './input.ts'
import { limitAttempts } from './limits.ts'
import { wireAttempts } from './wire.ts'
import { attackKinds } from './types.ts'
import type { AttackContext } from './attempt.ts'
import type { AttackedRoute, AttackKind, AttackOptions, AttackResult, AttackTransport, Attempt } from './types.ts'

const makers: Readonly<Record<AttackKind, (context: AttackContext, route: AttackedRoute) => Attempt[] | Promise<Attempt[]>>> = {
  control: controls,
  credentials: credentialAttempts,
  rights: rightsAttempts,
  ownership: ownershipAttempts,
  wire: wireAttempts,
  csrf: csrfAttempts,
  cors: corsAttempts,
  headers: headerAttempts,
  parameters: parameterAttempts,
  body: bodyAttempts,
  limit: limitAttempts
}

/** The attempts of `options.kinds` on every route, in the order in which they are to be made: limits last. */
export async function attemptsOn (surface: readonly AttackedRoute[], transport: AttackTransport, options: AttackOptions): Promise<Attempt[]> {
  const unique = (names: readonly string[]): string[] => [...new Set(names)]
  const context: AttackContext = {
    transport,
    options,
    surface,
    scopes: unique(surface.flatMap(({ rights, alternatives }) => [...rights.scopes, ...rights.anyScopes.flat(), ...alternatives.flatMap((alternative) => Object.values(alternative).flat())])),
    roles: unique(surface.flatMap(({ rights }) => [...rights.roles, ...rights.anyRoles.flat()]))
  }
  const attempts: Attempt[] = []
  for (const kind of attackKinds) {
    if (options.kinds?.includes(kind) === false) continue
    for (const route of surface) attempts.push(...await makers[kind](context, route))
  }
  return attempts
}

/** Makes the attempts one after the other; `onResult` hears of each, for progress. */
export async function runAttempts (attempts: readonly Attempt[], onResult: (result: AttackResult, done: number) => void = () => undefined): Promise<AttackResult[]> {
  const results: AttackResult[] = []
  for (const attempt of attempts) {
    const result = await attempt.probe()
    results.push(result)
    onResult(result, results.length)
  }
  return results
}

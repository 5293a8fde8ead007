// The attack on a service that runs in this process, as tests of whatever runner there is.
import { attemptsOn } from './attempts.ts'
import { injectTransport } from './transport-inject.ts'
import { surfaceFrom } from './surface.ts'
import type { FastifyInstance } from 'fastify'
import type { AttackDocument, DeclaredLine } from './surface.ts'
import type { AttackedRoute, AttackOptions, Attempt } from './types.ts'

/** What the service declares: every route that guards see, with the schemas of its OpenAPI document. Safe to serialise. */
export async function surfaceOf (app: FastifyInstance): Promise<AttackedRoute[]> {
  await app.ready()
  const document = app.hasDecorator('swagger') ? app.getDecorator<() => AttackDocument>('swagger')() : {}
  return surfaceFrom(app.getDecorator<() => DeclaredLine[]>('guardedRoutes')(), document)
}

/**
 * What an attacker would try on this service, through `inject`: for every route no, malformed, forged, expired and revoked
 * credentials, each right that is missing, what belongs to others, other ways to write the request, requests of other
 * sites, one request more than a limit allows, and a value for each bound of its schemas. An attempt holds where the
 * service refuses with the right status and challenge, the handler was not entered and nothing of `snapshot` has changed.
 *
 * Without `surface` a service is held to what it declares now; keep {@link surfaceOf} of a release to hear of a guard that
 * somebody took away.
 *
 * @example
 * ```ts
 * for (const attempt of await attack(app, { credentials })) test(attempt.title, () => attempt.run())
 * ```
 */
export async function attack (app: FastifyInstance, options: AttackOptions = {}): Promise<Attempt[]> {
  const surface = options.surface ?? await surfaceOf(app)
  await app.ready()
  return await attemptsOn(surface, injectTransport(app), options)
}

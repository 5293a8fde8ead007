// Acting as somebody in a test, without credentials: the scheme is told whom to answer with, for exactly the requests that
// are made here. Everything after that is what it always is: alternatives, scopes, policies, limits, CSRF, validation.
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { fault } from '../errors.ts'
import { plant } from '../guards/planted.ts'
import { readPrincipal } from '../guards/read-principal.ts'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Principal } from '../guards/principal.ts'
import type { GuardedRoute } from '../guards/registry.ts'

type Given<P extends Principal> = Pick<P, 'kind' | 'subject'> & Partial<P>

/**
 * Whom to act as: `kind` and `subject`, and whatever of the principal a test needs. `scheme` is the kind unless said
 * otherwise; there are no scopes, roles and attributes that are not given.
 */
export type TestPrincipal = { [K in Principal['kind']]: Given<Extract<Principal, { kind: K }>> }[Principal['kind']]

/** What {@link as} answers with. */
export interface ActingClient {
  /** The whole principal, as guards and handlers see it. */
  readonly principal: Principal
  /** `app.inject` as the principal. */
  inject (options: InjectOptions | string): Promise<LightMyRequestResponse>
  /** What the service's own pages send with a change: the evidence of `csrf`, and the token where the scheme asks for one. */
  csrfHeaders (): Record<string, string>
}

const LIFETIME_SECONDS = 300

/** What principals of a kind have besides. */
function membersOf (kind: Principal['kind'], subject: string): object {
  const now = Math.floor(Date.now() / 1000)
  switch (kind) {
    case 'bearer': return { issuer: null, clientId: null, tokenId: null, expiresAt: now + LIFETIME_SECONDS, claims: Object.freeze({ sub: subject }) }
    case 'apiKey': return { keyId: null }
    case 'session': return { sessionId: randomBytes(32).toString('base64url'), authenticatedAt: now }
    default: return {}
  }
}

function principalFrom (app: FastifyInstance, given: TestPrincipal): Principal {
  const { kind, subject } = given
  const principal = readPrincipal({ scheme: kind, scopes: [], roles: [], attributes: {}, ...membersOf(kind, subject), ...given })
  if (principal === null) throw fault('GATEHOUSE_OPTION_INVALID', 'as() takes a principal: { kind, subject }, with scopes and roles as lists of texts')
  const known = app.hasDecorator('guardedRoutes') ? app.getDecorator<() => GuardedRoute[]>('guardedRoutes')().flatMap(({ requirement }) => (requirement ?? []).flatMap(Object.keys)) : []
  if (!known.includes(principal.scheme)) throw fault('GATEHOUSE_OPTION_INVALID', `as() found no route that takes the scheme ${principal.scheme}`)
  return principal
}

/**
 * A client that acts as `principal` in tests: the counterpart of FastAPI's `dependency_overrides`, with the door left where
 * it is. The principal's scheme answers with it instead of reading credentials; whatever else the route requires still has
 * to hold: other schemes, scopes, roles, policies, limits and CSRF. Nothing that a request says can do the same.
 *
 * What a handler asks of the credentials themselves is not there: `app.session.current(request)` is `null`.
 * Throws `GATEHOUSE_OPTION_INVALID` for what is no principal and for a scheme that no route takes, and
 * `GATEHOUSE_TESTING_IN_PRODUCTION` unless `NODE_ENV` is `development` or `test`.
 *
 * @example
 * ```ts
 * const alice = as(app, { kind: 'bearer', subject: 'alice', scopes: ['items:read'] })
 * const answer = await alice.inject('/items')
 * ```
 */
export function as (app: FastifyInstance, given: TestPrincipal): ActingClient {
  // `inject` makes the request an instance of this class, which is nobody else's.
  class PlantedRequest extends Readable {}
  const principal = principalFrom(app, given)
  plant(PlantedRequest.prototype, { principal, csrfSecret: randomBytes(24).toString('base64url') })
  return {
    principal,
    async inject (options) {
      return await app.inject({ ...(typeof options === 'string' ? { url: options } : options), Request: PlantedRequest } as InjectOptions)
    },
    csrfHeaders () {
      const token = app.hasDecorator('csrfToken') ? app.getDecorator<(request: object) => string | null>('csrfToken')({ raw: Object.create(PlantedRequest.prototype) as object }) : null
      return { 'sec-fetch-site': 'same-origin', ...(token === null ? {} : { 'x-csrf-token': token }) }
    }
  }
}

// The options of `sessionAuth`, and from them what it works with.
import { assertCallback, assertInteger, invalid, resolveSchemeOptions } from '../guards/scheme-options.ts'
import type { FastifyRequest } from 'fastify'
import type { Awaitable, PrincipalGrant } from '../guards/principal.ts'
import type { SchemeOptions, SchemeSettings } from '../guards/scheme-options.ts'
import type { Session } from '../stores/ports.ts'
import type { GuardsOptions } from './guards.ts'

/** Whom a session belongs to, with the rights of this moment; `null` when the account is gone. A throw is answered with 503. */
export type LoadSessionPrincipal = (context: { subject: string; session: Session; request: FastifyRequest }) => Awaitable<PrincipalGrant | null>

/** Options of {@link sessionAuth}. */
export interface SessionAuthOptions extends SchemeOptions {
  /** Asked with every request; its `subject` is that of the session. `disabled: true` is 403 `account_disabled`. */
  loadPrincipal: LoadSessionPrincipal
  /**
   * The name of the cookie. It begins with `__Host-`, by which browsers take it from this very host alone, over https.
   * @defaultValue `'__Host-session'`
   */
  cookieName?: string
  /** Seconds without a request after which a session ends, 30 days at most. @defaultValue `1800` */
  idleSeconds?: number
  /** Seconds after which a session ends, however it is used, a year at most. @defaultValue `43200` */
  absoluteSeconds?: number
  /**
   * Seconds between two writes of when a session was used, at most the half of `idleSeconds`; 0 writes with each request.
   * A session may end this much early.
   * @defaultValue `60`, or the half of `idleSeconds`
   */
  touchSeconds?: number
  /** Options of the core, as for the `guards` plugin. */
  guards?: GuardsOptions
}

export interface SessionAuthSettings extends SchemeSettings {
  readonly loadPrincipal: LoadSessionPrincipal
  readonly cookieName: string
  readonly idleMs: number
  readonly absoluteMs: number
  readonly touchMs: number
}

// RFC 6265 §4.1.1, with the prefix of RFC 6265bis §4.1.3.2.
const COOKIE_NAME = /^__Host-[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/
const LONGEST_IDLE_SECONDS = 30 * 86_400
const LONGEST_SECONDS = 366 * 86_400

export function resolveSessionAuthOptions (options: SessionAuthOptions): SessionAuthSettings {
  const names = ['loadPrincipal', 'cookieName', 'idleSeconds', 'absoluteSeconds', 'touchSeconds']
  const shared = resolveSchemeOptions('sessionAuth', options, { defaultName: 'session', names })
  const { loadPrincipal, cookieName = '__Host-session', idleSeconds = 1800, absoluteSeconds = 43_200 } = options
  assertCallback('sessionAuth.loadPrincipal', loadPrincipal)
  if (typeof cookieName !== 'string' || !COOKIE_NAME.test(cookieName)) throw invalid('sessionAuth.cookieName', 'must be a token that begins with __Host-')
  assertInteger('sessionAuth.idleSeconds', idleSeconds, { min: 1, max: LONGEST_IDLE_SECONDS })
  assertInteger('sessionAuth.absoluteSeconds', absoluteSeconds, { min: 1, max: LONGEST_SECONDS })
  if (idleSeconds > absoluteSeconds) throw invalid('sessionAuth.idleSeconds', 'must not be more than absoluteSeconds')
  const half = Math.floor(idleSeconds / 2)
  const { touchSeconds = Math.min(60, half) } = options
  assertInteger('sessionAuth.touchSeconds', touchSeconds, { min: 0, max: half })
  return Object.freeze({ ...shared, loadPrincipal, cookieName, idleMs: idleSeconds * 1000, absoluteMs: absoluteSeconds * 1000, touchMs: touchSeconds * 1000 })
}

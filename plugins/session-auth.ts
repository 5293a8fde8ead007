// Logins by cookie, for browsers: an opaque id in a `__Host-` cookie (RFC 6265bis §4.1.3.2), its digest in the store, which
// alone says when a session ends. Nobody gets one without a login, and every login gets a new one (OWASP Session Management).
import { isIPv4 } from 'node:net'
import fp from 'fastify-plugin'
import { createSessionId, csrfSecretOf, digestOfSessionId } from '../credentials/session-ids.ts'
import { refusal } from '../errors.ts'
import { formatChallenge } from '../guards/challenge.ts'
import { eventOrigin } from '../guards/events.ts'
import { readGrant } from '../guards/grant.ts'
import { tellLifetimes } from '../guards/lifetimes.ts'
import { useGuards } from './guards.ts'
import { resolveSessionAuthOptions } from './session-auth-options.ts'
import { createSessionCookie } from './session-cookie.ts'
import { createSessionUpkeep } from './session-upkeep.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { OriginRequest } from '../guards/events.ts'
import type { Guard } from '../guards/guard.ts'
import type { SessionPrincipal } from '../guards/principal.ts'
import type { Scheme } from '../guards/scheme.ts'
import type { Session, StoreSet } from '../stores/ports.ts'
import type { SessionAuthOptions } from './session-auth-options.ts'

export type { LoadSessionPrincipal, SessionAuthOptions } from './session-auth-options.ts'

/** Writes a new session of `subject`, and ends the one that the request came with, in the transaction whose stores these are. */
export type OpenSession = (subject: string, stores: StoreSet) => Promise<void>

/** The part of a request that a session needs; every typed `FastifyRequest` is one. */
export type SessionRequest = Pick<FastifyRequest, 'headers' | 'protocol' | 'hostname'> & OriginRequest

/** The part of a reply that a session needs; every typed `FastifyReply` is one. */
export interface SessionReply {
  /** Sets a header of the answer. */
  header (name: string, value: string): unknown
}

/** Which sessions end. */
export interface SessionRevocation {
  /** Whose. */
  subject: string
  /** One of them. @defaultValue all of them */
  id?: string | undefined
  /** Of all of them, the one that stays. @defaultValue none */
  except?: string | undefined
}

/** What `sessionAuth` decorates: the guard, and what opens and ends sessions. */
export interface SessionGuard extends Guard<SessionPrincipal> {
  /** The `WWW-Authenticate` value that a 401 of a login has. */
  readonly challenge: string
  /**
   * Opens a session for somebody who has just proven who they are: always under a new id, and the one that the request came
   * with ends, whosever it was. `https_required` over plain http, but for loopback hosts; `credentials_required` where the
   * session that let the request in has ended meanwhile.
   */
  open (request: SessionRequest, reply: SessionReply, subject: string): Promise<void>
  /** The same as a part of whatever `within` writes: the cookie is sent when that has resolved and `open` was called in it. */
  open<T> (request: SessionRequest, reply: SessionReply, within: (open: OpenSession) => Promise<T>): Promise<T>
  /** Ends the session that the request came with, if there is one, and takes the cookie back. */
  end (request: SessionRequest, reply: SessionReply): Promise<void>
  /** Ends a session of a subject by its `id`, or all that it has; the ids of what was ended. */
  revoke (request: SessionRequest, revocation: SessionRevocation): Promise<string[]>
  /** Takes the cookie back, where the session was ended in another way. */
  forget (reply: SessionReply): void
  /** The session that the request was let in by, or has opened; `null` without one. Its `id` is a digest. */
  current (request: SessionRequest): Session | null
}

declare module 'fastify' {
  interface FastifyInstance {
    session: SessionGuard
  }
}

/** A session whose id is known: the request came with it, or has opened it. */
interface Held {
  readonly id: string
  readonly session: Session
}

const none: readonly string[] = Object.freeze([])

function isLoopback (hostname: string): boolean {
  const host = hostname.toLowerCase()
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

/** Browsers take a `Secure` cookie over https, and from loopback hosts, where nobody listens. */
function isSafeFor ({ protocol, hostname }: SessionRequest): boolean {
  return protocol === 'https' || isLoopback(hostname)
}

async function registerSessionAuth (app: FastifyInstance, options: SessionAuthOptions): Promise<void> {
  const settings = resolveSessionAuthOptions(options)
  const { name, cookieName, loadPrincipal, idleMs, absoluteMs } = settings
  useGuards(app, options.guards)
  const { stores, log } = app
  const cookie = await createSessionCookie(cookieName)
  const upkeep = createSessionUpkeep({ stores, settings, log })
  app.addHook('onClose', () => upkeep.stop())
  const challenge = formatChallenge('Cookie', { realm: settings.realm, 'cookie-name': cookieName })
  const held = new WeakMap<object, Held>()

  async function find (request: FastifyRequest, id: string): Promise<SessionPrincipal | null> {
    const session = await stores.sessions.findActive(digestOfSessionId(id))
    if (session === null) return null
    const grant = readGrant(await loadPrincipal({ subject: session.subject, session, request }), 'sessionAuth.loadPrincipal')
    if (grant === null) return null
    if (grant.subject !== session.subject) throw new TypeError('sessionAuth.loadPrincipal must return the subject of the session')
    if (grant.disabled) throw refusal('account_disabled', { reason: 'the account of the session is disabled' })
    held.set(request, { id, session })
    upkeep.use(session)
    const { subject, scopes, roles, attributes } = grant
    const authenticatedAt = Math.floor(Date.parse(session.authenticated_at) / 1000)
    return Object.freeze({ kind: 'session', scheme: name, subject, scopes: scopes ?? none, roles: roles ?? none, attributes, sessionId: session.id, authenticatedAt })
  }

  const scheme: Scheme<SessionPrincipal> = {
    name,
    definition: { type: 'apiKey', in: 'cookie', name: cookieName, ...settings.description },
    carrier: { in: 'cookie', name: cookieName },
    ambient: true,
    ...settings.scopes,
    csrfSecret (request) {
      const session = held.get(request)
      return session === undefined ? null : csrfSecretOf(session.id)
    },
    authenticate (request) {
      const id = cookie.read(request.headers.cookie)
      return id === null ? null : find(request, id)
    },
    challenge ({ error }) {
      return error === undefined || error.statusCode === 401 ? challenge : null
    }
  }

  async function openWithin<T> (request: SessionRequest, reply: SessionReply, within: (open: OpenSession) => Promise<T>): Promise<T> {
    if (!isSafeFor(request)) throw refusal('https_required', { reason: 'no session over plain http; behind a proxy, name it in trustedProxies' })
    const id = createSessionId()
    const before = cookie.read(request.headers.cookie)
    const cameIn = before !== null && held.get(request)?.id === before
    const opened: { session?: Session } = {}
    const result = await within(async (subject, inside) => {
      const now = Date.now()
      const ended = before !== null && await inside.sessions.remove(digestOfSessionId(before))
      // Whoever signed out or was turned off while this request was on its way stays out.
      if (cameIn && !ended) {
        reply.header('www-authenticate', challenge)
        throw refusal('credentials_required', { reason: 'the session ended meanwhile' })
      }
      opened.session = await inside.sessions.create({
        id: digestOfSessionId(id), subject, authenticatedAt: new Date(now), idleExpiresAt: new Date(now + idleMs), absoluteExpiresAt: new Date(now + absoluteMs)
      })
      await inside.audit.append({ ...eventOrigin(request), event: ended ? 'session_renewed' : 'session_created', outcome: 'success', actor: subject, scheme: name, target: opened.session.id })
    })
    if (opened.session !== undefined) {
      held.set(request, { id, session: opened.session })
      send(reply, cookie.write(id))
    }
    return result
  }

  async function endSession (digest: string, request: SessionRequest): Promise<void> {
    await stores.transaction(async (inside) => {
      const session = await inside.sessions.findActive(digest)
      if (session === null || !await inside.sessions.remove(digest)) return
      await inside.audit.append({ ...eventOrigin(request), event: 'session_expired', outcome: 'success', actor: session.subject, scheme: name, target: digest, reason: 'logout' })
    })
  }

  async function revoke (request: SessionRequest, { subject, id, except }: SessionRevocation): Promise<string[]> {
    return await stores.transaction(async ({ audit, sessions }) => {
      const ended = id === undefined ? await sessions.removeBySubject(subject, { except }) : await sessions.remove(id, { subject }) ? [id] : []
      for (const target of ended) await audit.append({ ...eventOrigin(request), event: 'session_expired', outcome: 'success', target, reason: 'revoked' })
      return ended
    })
  }

  function send (reply: SessionReply, setCookie: string): void {
    reply.header('set-cookie', setCookie)
    reply.header('cache-control', 'no-store')
  }

  function open (request: SessionRequest, reply: SessionReply, subject: string | ((write: OpenSession) => Promise<unknown>)): Promise<unknown> {
    const within = typeof subject === 'string' ? (write: OpenSession) => stores.transaction((inside) => write(subject, inside)) : subject
    return openWithin(request, reply, within)
  }

  tellLifetimes(app, name, { cookie: cookie.write(''), idleSeconds: idleMs / 1000, absoluteSeconds: absoluteMs / 1000 })
  const guard = app.defineScheme(scheme)
  Object.assign(guard, {
    challenge,
    open: open as SessionGuard['open'],
    async end (request: SessionRequest, reply: SessionReply) {
      const id = cookie.read(request.headers.cookie)
      if (id !== null) await endSession(digestOfSessionId(id), request)
      held.delete(request)
      send(reply, cookie.expired)
    },
    revoke,
    forget (reply: SessionReply) { send(reply, cookie.expired) },
    current: (request: SessionRequest) => held.get(request)?.session ?? null
  } satisfies Omit<SessionGuard, keyof Guard<SessionPrincipal>>)
}

/**
 * Sessions by cookie: decorates `app.session`, or the name given as `as`. Needs `stores`; state-changing routes need
 * `csrf` too, or the service does not start.
 *
 * A cookie that is missing, malformed, sent twice, unknown or ended is no session: 401 with
 * `Cookie realm="…", cookie-name="…"`, and a stranger where the guard is optional. Account disabled: 403
 * `account_disabled`; a store that fails: 503.
 * Registering fails with `GATEHOUSE_OPTION_INVALID` for unknown, wrong-typed or contradictory options.
 *
 * @example
 * await app.register(sessionAuth, { loadPrincipal: ({ subject }) => app.accounts.grantFor(subject) })
 * app.get('/me', { onRequest: app.session }, (request) => ({ subject: app.session.principal(request).subject }))
 */
export const sessionAuth = fp(registerSessionAuth, { name: 'gatehouse-session-auth', fastify: '5.x', dependencies: ['gatehouse-stores'] })

// Security events, told where they happen, in the words of the OWASP logging vocabulary: lower case, its arguments as
// fields; `gatehouse_` begins what it has no word for. Whoever wants to know subscribes to one channel (ASVS 16.3).
import { channel } from 'node:diagnostics_channel'
import { principalOf, stateOf } from './state.ts'
import type { FastifyRequest } from 'fastify'

/** The name of the channel of `node:diagnostics_channel` on which a {@link SecurityEventMessage} is published. */
export const EVENT_CHANNEL = 'gatehouse:event'

/** Something that happened; what is left out is not known. No member ever holds a secret, nor text that a client chose, but for names that were checked. */
export interface SecurityEvent {
  /** Such as `authn_login_fail`: a name of {@link securityEvents}, or of your own. */
  readonly event: string
  /** How it ended. */
  readonly outcome: 'success' | 'failure'
  /** Who did it: the subject of a principal, or the hash of a name that was tried. */
  readonly actor?: string | null | undefined
  /** The scheme that the credentials were presented to. */
  readonly scheme?: string | null | undefined
  /** To whom or what it was done, by its id. */
  readonly target?: string | null | undefined
  /** The client's address, as limits count it. */
  readonly ip?: string | null | undefined
  /** The method of the request. */
  readonly method?: string | null | undefined
  /** The pattern of the route, never the URL. */
  readonly route?: string | null | undefined
  /** The id that the log has. */
  readonly request_id?: string | null | undefined
  /** Why, as a code. */
  readonly reason?: string | null | undefined
  /** What else there is to say, safe to serialise. */
  readonly details?: Readonly<Record<string, unknown>> | undefined
}

/** The part of an event that its request tells. */
export type EventOrigin = Pick<SecurityEvent, 'actor' | 'scheme' | 'ip' | 'method' | 'route' | 'request_id'>

/** The part of a request that an event needs; every typed `FastifyRequest` is one. */
export type OriginRequest = Pick<FastifyRequest, 'id' | 'method' | 'raw' | 'routeOptions' | 'server'>

/** What subscribers of {@link EVENT_CHANNEL} get. */
export interface SecurityEventMessage {
  /** `app.server`: it tells the services of a process apart. */
  readonly server: object
  /** What happened. */
  readonly event: SecurityEvent
  /** The id under which the store has it already, written with the change that it tells of; `null`: it is not kept yet. */
  readonly keptAs: string | null
}

/** What an event is about. */
export interface EventKind {
  /** How much it should worry whoever reads the log. */
  readonly level: 'info' | 'warn'
  /** Whether `audit` keeps it; the others are too many, and are for counting. */
  readonly recorded: boolean
  /** A sentence for people. */
  readonly text: string
}

const info = (text: string): EventKind => ({ level: 'info', recorded: true, text })
const warn = (text: string): EventKind => ({ level: 'warn', recorded: true, text })
const counted = (text: string): EventKind => ({ level: 'info', recorded: false, text })

/** Every event that Gatehouse tells. */
export const securityEvents = {
  authn_login_success: info('Somebody logged in with a password.'),
  authn_login_successafterfail: warn('Somebody logged in after ten failures.'),
  authn_login_fail: warn('Credentials were wrong, malformed, expired or revoked.'),
  authn_login_fail_max: warn('Many logins fail over all accounts.'),
  authn_login_lock: warn('An account was locked.'),
  authn_login_unlock: info('An account was unlocked.'),
  authn_password_change: info('A password was changed.'),
  authn_password_change_fail: warn('A password was to be changed with a wrong one.'),
  authn_impossible_travel: warn('One principal came from two distant networks within a minute.'),
  authn_token_created: info('A token or an API key was made.'),
  authn_token_revoked: info('A token, an API key or a client was revoked, or somebody tried.'),
  authn_token_reuse: warn('A refresh token came back after its use; its family was revoked.'),
  authz_fail: warn('Somebody may not do what they asked for.'),
  authz_change: warn('An account has other roles.'),
  excess_rate_limit_exceeded: warn('A limit was reached.'),
  input_validation_fail: warn('A request does not match the schema of its route.'),
  malicious_cors: warn('A page of an origin that is not listed tried to read an answer.'),
  malicious_csrf: warn('A change was to be made from elsewhere in the name of somebody who is logged in.'),
  malicious_excess_404: warn('One address asks for many things that are not there.'),
  session_created: info('A session was opened.'),
  session_renewed: info('A session took the place of another.'),
  session_expired: info('A session was ended.'),
  sys_startup: info('The service started.'),
  sys_shutdown: info('The service stopped.'),
  user_created: info('An account was made.'),
  user_updated: info('An account was changed.'),
  user_archived: warn('An account was turned off.'),
  gatehouse_user_restored: info('An account was turned on again.'),
  gatehouse_client_created: info('A client application was made.'),
  gatehouse_client_revoked: info('A client application was revoked.'),
  gatehouse_key_rotated: info('A signing key was made.'),
  gatehouse_endpoint_used: info('A request was let in.'),
  gatehouse_credentials_leaked: warn('Credentials came over plain HTTP.'),
  gatehouse_password_spraying: warn('Logins of many accounts fail from one address.'),
  gatehouse_audit_pruned: warn('The oldest records were written out and removed.'),
  gatehouse_events_dropped: warn('Events came faster than they could be kept.'),
  gatehouse_authenticated: counted('The credentials of a request were good.'),
  gatehouse_challenged: counted('A request came without credentials.'),
  gatehouse_not_found: counted('What was asked for is not there.')
} as const satisfies Record<string, EventKind>

/** The name of an event that Gatehouse tells. */
export type SecurityEventName = keyof typeof securityEvents

const kinds: ReadonlyMap<string, EventKind> = new Map(Object.entries(securityEvents))

/** Whether `audit` keeps it; an event of your own it does. */
export function isRecorded (event: string): boolean {
  return kinds.get(event)?.recorded ?? true
}

/** The level of the log that it belongs to. */
export function levelOf (event: string): 'info' | 'warn' {
  return kinds.get(event)?.level ?? 'info'
}

const events = channel(EVENT_CHANNEL)

/** Whether anybody subscribed: asked before an event is put together on the path of a request. */
export function isHeard (): boolean {
  return events.hasSubscribers
}

/** Tells an event of the service whose `app.server` this is. */
export function tellEvent (server: object, event: SecurityEvent & { readonly event: SecurityEventName }): void {
  publishEvent({ server, event, keptAs: null })
}

/** Tells an event of any name, or one that the store has already. */
export function publishEvent (message: SecurityEventMessage): void {
  if (events.hasSubscribers) events.publish(message)
}

/** What a request tells of itself and of whoever the guards let in. */
export function eventOrigin (request: OriginRequest): EventOrigin {
  const { id, method, server, routeOptions } = request
  const state = stateOf(request)
  const principal = state?.passed === true ? principalOf(state) : null
  const ip = server.hasDecorator('clientAddress') ? server.clientAddress(request) : null
  return { actor: principal?.subject ?? null, scheme: principal?.scheme ?? null, ip, method, route: routeOptions.url ?? null, request_id: id }
}

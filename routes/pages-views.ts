// What the templates show, made of what the stores hold. Texts stay as they are: the templates escape them.
import type { ApiKey, AuditEvent, Client, Page, Session, User } from '../stores/ports.ts'

const moment = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })

/** A moment. */
export interface TimeView {
  /** RFC 3339, for a program. */
  readonly iso: string
  /** For people, in UTC. */
  readonly text: string
}

/** A box to tick: of a scope, a role or a grant. */
export interface Choice {
  /** What is chosen. */
  readonly name: string
  /** The name of its box. */
  readonly field: string
  /** What it means. */
  readonly text?: string
  /** Whether it is ticked unless somebody unticks it. */
  readonly standard?: boolean
}

/** How a moment is shown. */
export function timeView (iso: string): TimeView {
  return { iso, text: `${moment.format(new Date(iso))} UTC` }
}

/** A box for each name; `kind` keeps those of several lists apart. */
export function choicesOf (kind: string, names: Readonly<Record<string, string>>): Choice[] {
  return Object.entries(names).map(([name, text]) => ({ name, text, field: `${kind}-${name}` }))
}

/** The names whose boxes are ticked. */
export function chosen (form: object, choices: readonly Choice[]): string[] {
  return choices.filter(({ field }) => Object.hasOwn(form, field)).map(({ name }) => name)
}

/** An account, as its owner sees it. */
export function accountView ({ username, full_name: fullName, email, roles, created_at: since }: User): object {
  return { username, fullName, email, roles, since: timeView(since) }
}

/** API keys: those that work, and those that ended. */
export function keysView ({ items, next }: Page<ApiKey>, { here, first }: { here: string; first: boolean }): object {
  const now = new Date().toISOString()
  const isLive = ({ revoked_at: revoked, expires_at: expires }: ApiKey): boolean => revoked === null && expires > now
  return {
    live: items.filter(isLive).map(liveKey),
    ended: items.filter((key) => !isLive(key)).map(endedKey),
    none: first && items.length === 0,
    older: next === undefined ? null : `${here}?keys=${encodeURIComponent(next)}#keys`
  }
}

function liveKey ({ id, name, hint, scopes, last_used_at: used, expires_at: expires, rotated_to: successor }: ApiKey): object {
  return { id, name, hint, scopes, lastUsed: used === null ? null : timeView(used), expires: timeView(expires), rotated: successor !== null, rotatable: successor === null }
}

function endedKey ({ name, hint, revoked_at: revoked, expires_at: expires }: ApiKey): object {
  return { name, hint, ending: revoked === null ? 'Expired' : 'Revoked', ended: timeView(revoked ?? expires) }
}

/** Sessions, and which of them is that of the request. */
export function sessionsView ({ items, next }: Page<Session>, { here, current }: { here: string; current: string }): object {
  return {
    items: items.map(({ id, authenticated_at: since, last_seen_at: seen, idle_expires_at: ends }) => ({ id, current: id === current, since: timeView(since), seen: timeView(seen), ends: timeView(ends) })),
    older: next === undefined ? null : `${here}?sessions=${encodeURIComponent(next)}#sessions`
  }
}

/** An account, as an administrator sees it. */
export function userView ({ id, username, email, full_name: fullName, disabled, roles, created_at: since }: User, flags: { self: boolean; locked: boolean }): object {
  return { id, username, email, fullName, disabled, roles, since: timeView(since), ...flags }
}

/** A client. */
export function clientView ({ client_id: id, name, grants, scopes, created_at: since, revoked_at: revoked }: Client): object {
  return { id, name, grants, scopes, since: timeView(since), ended: revoked !== null }
}

/** An event, with the names of those behind it as far as they are known. */
export function eventView ({ event, outcome, actor, method, route, ip, reason, time }: AuditEvent, names: ReadonlyMap<string, string>): object {
  const request = [method, route].filter((part) => part !== null).join(' ')
  return { name: event, failed: outcome === 'failure', actor: actor === null ? null : names.get(actor) ?? actor, request, ip, reason, time: timeView(time) }
}

/** Links to the newest and to the older ones, as far as there are any. */
export function pagerView (next: string | undefined, { here, cursor, q }: { here: string; cursor?: string | undefined; q?: string | undefined }): { first: string | null; older: string | null } {
  const search = q === undefined ? '' : `q=${encodeURIComponent(q)}`
  const at = (...parts: string[]): string => [here, parts.filter((part) => part !== '').join('&')].filter((part) => part !== '').join('?')
  return {
    first: cursor === undefined ? null : at(search),
    older: next === undefined ? null : at(search, `cursor=${encodeURIComponent(next)}`)
  }
}

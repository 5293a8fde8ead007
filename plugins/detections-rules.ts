// What is looked for in the stream of events. Each rule keeps little, of at most so many addresses or accounts, and forgets
// the ones that were quiet longest; what was found is told once a window.
import ipaddr from 'ipaddr.js'
import { LRUCache } from 'lru-cache'
import type { SecurityEvent, SecurityEventName } from '../guards/events.ts'

/** What a rule found. */
export type Detection = SecurityEvent & { readonly event: SecurityEventName }

/** Looks at an event; answers what it completes, or `null`. */
export type Rule = (event: SecurityEvent, now: number) => Detection | null

const MOST = 10_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Names of accounts that fail from one address before it is told. */
export const SPRAYED_NAMES = 10
/** Failures before a success that is told. */
export const FAILURES_BEFORE = 10
/** Requests for what is not there, in a minute from one address, before it is told. */
export const SWEPT = 30

/** Many accounts fail from one address within ten minutes: one password is tried on all of them. */
export function passwordSpraying (): Rule {
  const tried = new LRUCache<string, { until: number; names: Set<string> }>({ max: MOST })
  return ({ event, actor, ip }, now) => {
    if (event !== 'authn_login_fail' || typeof actor !== 'string' || typeof ip !== 'string') return null
    let window = tried.get(ip)
    if (window === undefined || now >= window.until) {
      window = { until: now + 10 * MINUTE, names: new Set() }
      tried.set(ip, window)
    }
    const { names } = window
    if (names.size >= SPRAYED_NAMES || names.has(actor)) return null
    names.add(actor)
    return names.size === SPRAYED_NAMES ? { event: 'gatehouse_password_spraying', outcome: 'failure', ip, details: { names: names.size } } : null
  }
}

/** An account that failed ten times within an hour is logged in to. */
export function successAfterFailures (): Rule {
  const failures = new LRUCache<string, { since: number; count: number }>({ max: MOST })
  return ({ event, actor, target, ip, method, route, request_id }, now) => {
    if (event === 'authn_login_fail' && typeof target === 'string') {
      const known = failures.get(target)
      if (known === undefined || now - known.since >= HOUR) failures.set(target, { since: now, count: 1 })
      else known.count += 1
      return null
    }
    if (event !== 'authn_login_success' || typeof actor !== 'string') return null
    const known = failures.get(actor)
    failures.delete(actor)
    if (known === undefined || known.count < FAILURES_BEFORE || now - known.since >= HOUR) return null
    return { event: 'authn_login_successafterfail', outcome: 'success', actor, ip, method, route, request_id, details: { failures: known.count } }
  }
}

/** One address asks for many things that are not there within a minute: it looks for what might be. */
export function sweep (): Rule {
  const missed = new LRUCache<string, { until: number; count: number }>({ max: MOST })
  return ({ event, ip }, now) => {
    if (event !== 'gatehouse_not_found' || typeof ip !== 'string') return null
    const known = missed.get(ip)
    if (known === undefined || now >= known.until) {
      missed.set(ip, { until: now + MINUTE, count: 1 })
      return null
    }
    known.count += 1
    return known.count === SWEPT ? { event: 'malicious_excess_404', outcome: 'failure', ip, details: { count: known.count } } : null
  }
}

interface Whereabouts { ip: string; network: string; at: number; toldAt: number }

/** One principal comes from two distant networks within a minute. An address of each family is compared with its own: many have both. */
export function impossibleTravel (): Rule {
  const seen = new LRUCache<string, Partial<Record<'ipv4' | 'ipv6', Whereabouts>>>({ max: MOST })
  return ({ event, actor, scheme, ip }, now) => {
    if ((event !== 'gatehouse_authenticated' && event !== 'authn_login_success') || typeof actor !== 'string' || typeof ip !== 'string') return null
    const known = seen.get(actor) ?? {}
    const family = ip.includes(':') ? 'ipv6' : 'ipv4'
    const last = known[family]
    if (last?.ip === ip) {
      last.at = now
      return null
    }
    const network = networkOf(ip)
    if (network === null) return null
    const isFar = last !== undefined && last.network !== network && now - last.at < MINUTE
    const isNews = isFar && now - last.toldAt >= MINUTE
    known[family] = { ip, network, at: now, toldAt: isNews ? now : last?.toldAt ?? -Infinity }
    seen.set(actor, known)
    return isNews ? { event: 'authn_impossible_travel', outcome: 'failure', actor, scheme, ip, details: { networks: [last.network, network] } } : null
  }
}

/** The /16 of an IPv4 address, the /32 of an IPv6 one; `null` for addresses that are not of the Internet: they may be next door. */
function networkOf (ip: string): string | null {
  const [text = ''] = ip.split('/')
  if (!ipaddr.isValid(text)) return null
  const address = ipaddr.parse(text)
  if (address.range() !== 'unicast') return null
  const bytes = address.toByteArray()
  return address.kind() === 'ipv4' ? `${bytes.slice(0, 2).join('.')}.0.0/16` : `${address.toString().split(':').slice(0, 2).join(':')}::/32`
}

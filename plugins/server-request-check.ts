// What must hold of a request before it is routed (RFC 9112 §3.2): one host, and bounds that Node would otherwise
// keep by silently dropping what stands above them.
import type { IncomingMessage } from 'node:http'
import type { RefusalCode } from '../errors.ts'

export interface RequestBounds {
  readonly allowedHosts: readonly string[] | null
  readonly maxHeaderCount: number
  readonly maxQueryParameters: number
}

export interface RequestCheck {
  /** For Fastify's `rewriteUrl`: the URL to route, or one that no router takes. */
  check (raw: IncomingMessage): string
  /** Why `check` did not let the request pass; `null` if it did. */
  reasonFor (raw: IncomingMessage): RefusalCode | null
}

// The router answers it with frameworkErrors, which reaches no route and no hook.
const UNROUTABLE = '/%'

export function createRequestCheck ({ allowedHosts, maxHeaderCount, maxQueryParameters }: RequestBounds): RequestCheck {
  const hosts = allowedHosts === null ? null : new Set(allowedHosts)
  const reasons = new WeakMap<IncomingMessage, RefusalCode>()

  function problemWith (raw: IncomingMessage): RefusalCode | null {
    if (raw.rawHeaders.length > 2 * maxHeaderCount) return 'headers_too_large'
    const { host = '' } = raw.headers
    if (hasSeveralHosts(raw.rawHeaders)) return 'invalid_request'
    if (hosts !== null && !hosts.has(host.toLowerCase())) return 'invalid_request'
    if (isForeignForm(raw.url ?? '', host)) return 'invalid_request'
    return hasMoreParameters(raw.url ?? '', maxQueryParameters) ? 'invalid_request' : null
  }

  return {
    check (raw) {
      const problem = problemWith(raw)
      if (problem === null) return raw.url ?? '/'
      reasons.set(raw, problem)
      return UNROUTABLE
    },
    reasonFor: (raw) => reasons.get(raw) ?? null
  }
}

function hasSeveralHosts (rawHeaders: readonly string[]): boolean {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts > 1
}

/** An absolute URL names the host as well; where the two differ, a proxy and we would not mean the same. */
function isForeignForm (url: string, host: string): boolean {
  if (url.startsWith('/') || url === '*') return false
  return !URL.canParse(url) || new URL(url).host !== host.toLowerCase()
}

function hasMoreParameters (url: string, max: number): boolean {
  let count = 1
  for (let at = url.indexOf('&'); at !== -1; at = url.indexOf('&', at + 1)) {
    if (++count > max) return true
  }
  return false
}

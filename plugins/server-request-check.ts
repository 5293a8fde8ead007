// What must hold of a request before it is routed (RFC 9112 §3.2): one host, one media type, and bounds that Node would
// otherwise keep by silently dropping what stands above them.
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
    // RFC 9112 §3.2; Node's own answer to it would have neither our headers nor our body.
    if (raw.httpVersion === '1.1' && raw.headers.host === undefined) return 'invalid_request'
    if (repeats(raw.rawHeaders, 'host') || repeats(raw.rawHeaders, 'content-type')) return 'invalid_request'
    if (hosts !== null && !hosts.has(host.toLowerCase())) return 'invalid_request'
    if (!isOriginForm(raw.url ?? '') && !isAsteriskForm(raw) && !namesHost(raw.url ?? '', host)) return 'invalid_request'
    return hasMoreParameters(raw.url ?? '', maxQueryParameters) ? 'invalid_request' : null
  }

  return {
    check (raw) {
      const problem = problemWith(raw)
      if (problem === null) return originForm(raw.url ?? '')
      reasons.set(raw, problem)
      return UNROUTABLE
    },
    reasonFor: (raw) => reasons.get(raw) ?? null
  }
}

/** Of two such fields Node keeps the first, where another server on the way may read the second. */
function repeats (rawHeaders: readonly string[], field: string): boolean {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === field.length && name.toLowerCase() === field) count++
  }
  return count > 1
}

function isOriginForm (url: string): boolean {
  return url.startsWith('/')
}

/** RFC 9112 §3.2.4: of the server as a whole, and for OPTIONS only; any other method would reach `/`. */
function isAsteriskForm ({ method, url }: IncomingMessage): boolean {
  return url === '*' && method === 'OPTIONS'
}

/** An absolute URL names the host as well; where the two differ, a proxy and we would not mean the same. */
function namesHost (url: string, host: string): boolean {
  if (!URL.canParse(url)) return false
  const target = new URL(url)
  const stated = `${target.protocol}//${host}/`
  return URL.canParse(stated) && new URL(stated).host === target.host
}

const AUTHORITY = /^[^/]*\/\/[^/?#]*/

function originForm (url: string): string {
  if (isOriginForm(url) || url === '*') return url
  const path = url.replace(AUTHORITY, '')
  return path.startsWith('/') ? path : `/${path}`
}

function hasMoreParameters (url: string, max: number): boolean {
  let count = 1
  for (let at = url.indexOf('&'); at !== -1; at = url.indexOf('&', at + 1)) {
    if (++count > max) return true
  }
  return false
}

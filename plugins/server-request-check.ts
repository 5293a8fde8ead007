// What must hold of a request before it is routed (RFC 9112): one host that is one, one media type, one reading of where
// its body ends, and bounds that Node would otherwise keep by silently dropping what stands above them.
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
  /** Their connections end with the answer; what Node has read of them already may be a part of what was refused. */
  const ending = new WeakSet<object>()

  function problemWith (raw: IncomingMessage): RefusalCode | null {
    if (ending.has(raw.socket)) return 'invalid_request'
    if (raw.rawHeaders.length > 2 * maxHeaderCount) return 'headers_too_large'
    const { host = '' } = raw.headers
    if (!hasOneFraming(raw)) return 'invalid_request'
    // RFC 9112 §3.2; Node's own answer to it would have neither our headers nor our body.
    if (raw.httpVersion === '1.1' && raw.headers.host === undefined) return 'invalid_request'
    if (raw.headers.host !== undefined && !HOST.test(host)) return 'invalid_request'
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
      ending.add(raw.socket)
      return UNROUTABLE
    },
    reasonFor: (raw) => reasons.get(raw) ?? null
  }
}

/** A host name or address, and a port (RFC 9110 §7.2); an empty one, a list or a path is what proxies disagree about. */
const HOST = /^(?:\[[\da-f:.]+\]|[\w.-]+)(?:$|:\d*$)/i

/**
 * What Node lets through though it cannot be read in one way: versions that have no header fields, or other frames; codings that
 * nobody takes off again; a coding in HTTP/1.0, whose recipients do not know of it (RFC 9112 §2.3, §6.1).
 */
function hasOneFraming ({ httpVersion, headers }: IncomingMessage): boolean {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return false
  const coding = headers['transfer-encoding']
  return coding === undefined || (httpVersion === '1.1' && coding.toLowerCase() === 'chunked')
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

/** A fragment is not sent (RFC 9112 §3.2.1): one that is, another server may take for a part of the path. */
function isOriginForm (url: string): boolean {
  return url.startsWith('/') && !url.includes('#')
}

/** RFC 9112 §3.2.4: of the server as a whole, and for OPTIONS only; any other method would reach `/`. */
function isAsteriskForm ({ method, url }: IncomingMessage): boolean {
  return url === '*' && method === 'OPTIONS'
}

/** An absolute URL names the host as well; where the two differ, a proxy and we would not mean the same. */
function namesHost (url: string, host: string): boolean {
  if (!URL.canParse(url) || !/^https?:[^#]*$/i.test(url)) return false
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

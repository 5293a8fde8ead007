// Where a request comes from, as the browser tells: Fetch Metadata first, which no page can set and no referrer policy
// takes away; then Origin, then Referer, compared with what was configured, never with Host.
import type { IncomingHttpHeaders } from 'node:http'

export interface Evidence {
  /** `unknown`: nothing tells. */
  readonly from: 'own' | 'elsewhere' | 'unknown'
  /** For the log. */
  readonly reason: string
}

const own: Evidence = Object.freeze({ from: 'own', reason: 'it comes from here' })
const unknown: Evidence = Object.freeze({ from: 'unknown', reason: 'neither Sec-Fetch-Site nor Origin nor Referer tells where it comes from' })
const site: Evidence = Object.freeze({ from: 'elsewhere', reason: 'Sec-Fetch-Site tells of another site' })
const origin: Evidence = Object.freeze({ from: 'elsewhere', reason: 'Origin is none of csrf.origins' })
const referer: Evidence = Object.freeze({ from: 'elsewhere', reason: 'Referer is of none of csrf.origins' })

/** A sibling subdomain is own where its origin is listed; `null`, which a sandboxed page sends, never is. */
export function judgeOrigin (headers: IncomingHttpHeaders, origins: ReadonlySet<string>): Evidence {
  const fetchSite = headers['sec-fetch-site']
  if (fetchSite !== undefined) {
    if (fetchSite === 'same-origin' || fetchSite === 'none') return own
    return fetchSite === 'same-site' && origins.has(headers.origin ?? '') ? own : site
  }
  if (headers.origin !== undefined) return origins.has(headers.origin) ? own : origin
  if (headers.referer === undefined) return unknown
  return URL.canParse(headers.referer) && origins.has(new URL(headers.referer).origin) ? own : referer
}

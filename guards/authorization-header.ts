// Reading `Authorization` (RFC 9110 §11.4, §11.6.2) the same way for every scheme that travels in it.
import { refusal } from '../errors.ts'
import type { GuardedRequest } from './scheme.ts'

// RFC 9110 §5.6.2: an auth-scheme is a token.
const AUTH_SCHEME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/
const SPACE = 0x20

/**
 * What stands after `scheme` in the `Authorization` header, or `null` when the header is absent or another
 * scheme's. The name compares case-insensitively; the rest is untrimmed on the right and may be empty or
 * malformed: its grammar is the scheme's to judge.
 * @throws `invalid_request` when the header was sent more than once: peers disagree on which one counts.
 */
export function readAuthorization (request: GuardedRequest, scheme: string): string | null {
  const authorization = readHeader(request, 'authorization')
  if (authorization === null) return null
  const after = scheme.length
  // As nearly everybody writes it: the name in its usual case, one space, no space after it.
  if (authorization.charCodeAt(after) === SPACE && authorization.charCodeAt(after + 1) !== SPACE && authorization.startsWith(scheme)) {
    return authorization.slice(after + 1)
  }
  const presented = AUTH_SCHEME.exec(authorization)?.[0]
  if (presented?.toLowerCase() !== scheme.toLowerCase()) return null
  const rest = authorization.slice(presented.length)
  // `Bearer/x` has no space, so nothing that could be credentials (RFC 9110 §11.4)
  return rest.startsWith(' ') ? rest.replace(/^ +/, '') : ''
}

/**
 * The value of a header that may be sent once, or `null`. Node keeps the first `Authorization` and joins other
 * fields; only `rawHeaders` tells.
 * @throws `invalid_request` when it was sent more than once.
 */
export function readHeader (request: GuardedRequest, lowerCaseName: string): string | null {
  const value = request.headers[lowerCaseName]
  if (value === undefined) return null
  if (typeof value !== 'string' || isRepeated(request.raw.rawHeaders, lowerCaseName)) throw refusal('invalid_request', { reason: `the header ${lowerCaseName} is repeated` })
  return value
}

function isRepeated (rawHeaders: readonly string[], lowerCaseName: string): boolean {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === lowerCaseName.length && name.toLowerCase() === lowerCaseName) count += 1
  }
  return count > 1
}

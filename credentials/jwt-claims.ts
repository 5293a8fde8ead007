// The claims of a verified token against what the service expects (RFC 7519 §4.1, RFC 8725 §3.8 to 3.11).
import { refusal } from '../errors.ts'
import type { Claims, JwtHeader } from './jwt-parse.ts'

export interface ClaimRules {
  /** Exact issuers; `null`: not checked. */
  readonly issuers: ReadonlySet<string> | null
  readonly audiences: ReadonlySet<string> | null
  /** The expected `typ`, lower-cased and without `application/`; `null`: not checked. */
  readonly type: string | null
  readonly clockToleranceSeconds: number
}

/** The registered claims that a principal is made of. */
export interface RegisteredClaims {
  readonly subject: string | null
  readonly issuer: string | null
  readonly clientId: string | null
  readonly tokenId: string | null
  readonly expiresAt: number
  readonly notBefore: number | null
  readonly issuedAt: number | null
}

/** @throws `invalid_token` when the header's `typ` is not the expected one (RFC 9068 §4). */
export function assertType ({ typ }: JwtHeader, { type }: ClaimRules): void {
  if (type !== null && typ !== type) throw badClaim('the typ is not the expected one')
}

/** The registered claims; all but the dates are judged. @throws `invalid_token` with the reason for the log. */
export function readRegisteredClaims (claims: Claims, rules: ClaimRules): RegisteredClaims {
  const issuer = readString(claims, 'iss')
  if (rules.issuers !== null && (issuer === null || !rules.issuers.has(issuer))) throw badClaim('the issuer is not trusted')
  assertAudience(claims, rules.audiences)
  const expiresAt = readDate(claims, 'exp')
  if (expiresAt === null) throw badClaim('exp is missing')
  return {
    subject: readString(claims, 'sub'),
    issuer,
    clientId: readString(claims, 'client_id'),
    tokenId: readString(claims, 'jti'),
    expiresAt,
    notBefore: readDate(claims, 'nbf'),
    issuedAt: readDate(claims, 'iat')
  }
}

/** @throws `invalid_token` for a token that is not valid now (RFC 7519 §4.1.4 to 4.1.6). */
export function assertDates ({ expiresAt, notBefore, issuedAt }: RegisteredClaims, { clockToleranceSeconds: tolerance }: ClaimRules, nowSeconds: number): void {
  if (nowSeconds >= expiresAt + tolerance) throw badClaim('expired')
  if (notBefore !== null && nowSeconds < notBefore - tolerance) throw badClaim('not valid yet')
  if (issuedAt !== null && nowSeconds < issuedAt - tolerance) throw badClaim('issued in the future')
}

function assertAudience (claims: Claims, trusted: ReadonlySet<string> | null): void {
  const aud = member(claims, 'aud')
  const audiences: unknown[] = Array.isArray(aud) ? aud : aud === undefined ? [] : [aud]
  if (!audiences.every((audience) => typeof audience === 'string')) throw badClaim('aud is malformed')
  if (trusted !== null && !audiences.some((audience) => trusted.has(audience))) throw badClaim('the token is for another audience')
}

function readString (claims: Claims, name: string): string | null {
  const value = member(claims, name)
  if (value === undefined) return null
  if (typeof value !== 'string' || value === '') throw badClaim(`${name} is malformed`)
  return value
}

/** RFC 7519 §2 NumericDate: a finite number of seconds, never before the epoch. */
function readDate (claims: Claims, name: string): number | null {
  const value = member(claims, name)
  if (value === undefined) return null
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw badClaim(`${name} is malformed`)
  return value
}

/** A claim that the token itself has: what `Object.prototype` has is no claim. */
export function member (claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined
}

/** The claim that `path` leads to, by own members all the way; `undefined` where there is none. */
export function memberAt (claims: Claims, path: readonly string[]): unknown {
  let found: unknown = claims
  for (const name of path) {
    if (typeof found !== 'object' || found === null || Array.isArray(found)) return undefined
    found = member(found as Claims, name)
  }
  return found
}

function badClaim (reason: string): Error {
  return refusal('invalid_token', { reason })
}

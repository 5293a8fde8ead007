// The signature algorithms of RFC 7518 §3.1 and RFC 8037 that a key may be bound to. Adding one is adding a row.
import type { HmacHash } from './hmac.ts'

interface AlgorithmRow {
  /** The JWK key type (RFC 7518 §6.1, RFC 8037 §2). */
  readonly kty: 'oct' | 'RSA' | 'EC' | 'OKP'
  /** The JWK curve, where the algorithm fixes it. */
  readonly crv?: string
  /** The same curve in node:crypto's words. */
  readonly namedCurve?: string
  /** The least key: bytes of a secret (RFC 7518 §3.2), bits of an RSA modulus (§3.3). */
  readonly minimum?: number
  /** The hash of an HMAC (RFC 7518 §3.2). */
  readonly hash?: HmacHash
}

const rsa = { kty: 'RSA', minimum: 2048 } as const

const rows = {
  HS256: { kty: 'oct', minimum: 32, hash: 'sha256' },
  HS384: { kty: 'oct', minimum: 48, hash: 'sha384' },
  HS512: { kty: 'oct', minimum: 64, hash: 'sha512' },
  RS256: rsa,
  RS384: rsa,
  RS512: rsa,
  PS256: rsa,
  PS384: rsa,
  PS512: rsa,
  ES256: { kty: 'EC', crv: 'P-256', namedCurve: 'prime256v1' },
  ES384: { kty: 'EC', crv: 'P-384', namedCurve: 'secp384r1' },
  ES512: { kty: 'EC', crv: 'P-521', namedCurve: 'secp521r1' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519' }
} as const satisfies Record<string, AlgorithmRow>

/** A JWS `alg` that keys may be bound to; `none` is not one. */
export type Algorithm = keyof typeof rows

/** The algorithms whose key may be published. */
export const asymmetricAlgorithms: readonly Algorithm[] = Object.freeze(Object.keys(rows).filter(isAlgorithm).filter((name) => !isSymmetric(name)))

/** Whether `name` is an algorithm, spelt exactly so (RFC 7515 §4.1.1: case-sensitive). */
export function isAlgorithm (name: unknown): name is Algorithm {
  return typeof name === 'string' && Object.hasOwn(rows, name)
}

/** What `algorithm` asks of its key and signature. */
export function algorithmRow (algorithm: Algorithm): AlgorithmRow {
  return rows[algorithm]
}

/** Whether signing and verifying take the same secret. */
export function isSymmetric (algorithm: Algorithm): boolean {
  return rows[algorithm].kty === 'oct'
}

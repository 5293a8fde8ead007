// Which key a token's header selects. The token names a key; it never brings one and never chooses an algorithm.
import { refusal } from '../errors.ts'
import { checked } from './jwt-keys.ts'
import type { KeyObject } from 'node:crypto'
import type { Algorithm } from './jwt-algorithms.ts'
import type { VerificationKey } from './jwt-keys.ts'
import type { JwtHeader } from './jwt-parse.ts'
import type { SignatureCheck } from './jwt-verifiers.ts'

/** A key that is ready to judge signatures. */
export interface RingKey {
  readonly kid: string | null
  readonly algorithm: Algorithm
  readonly check: SignatureCheck
}

/**
 * A look-up over keys that are fixed at start. A `kid` selects by exact match (RFC 7515 §4.1.4), unless no key has
 * a name; without one, the only key of the token's algorithm is meant, and where there are several, none is:
 * trying all of them would multiply the work of a forged token.
 */
export function createKeyring (keys: readonly RingKey[]): (header: Pick<JwtHeader, 'kid' | 'algorithm'>) => RingKey | null {
  const named = new Map<string, RingKey>()
  const unambiguous = new Map<Algorithm, RingKey | null>()
  for (const key of keys) {
    if (key.kid !== null) named.set(key.kid, key)
    unambiguous.set(key.algorithm, unambiguous.has(key.algorithm) ? null : key)
  }
  return function findKey ({ kid, algorithm }) {
    if (kid !== undefined && named.size > 0) return named.get(kid) ?? null
    return unambiguous.get(algorithm) ?? null
  }
}

/**
 * Binds the keys that a source returns, each judged by the same rules as a key at start, once for as long as the
 * source returns the same `KeyObject`.
 * @throws `unavailable` for a key that breaks the rules: the service is at fault, not the token.
 */
export function createKeyBinder (algorithms: readonly Algorithm[], createCheck: (key: VerificationKey) => SignatureCheck): (key: VerificationKey | null) => RingKey | null {
  const bound = new WeakMap<KeyObject, RingKey>()
  return function bindKey (key) {
    if (key === null) return null
    const known = bound.get(key.key)
    if (known?.algorithm === key.algorithm) return known
    if (known !== undefined) throw badKey('is used with two algorithms')
    if (!algorithms.includes(key.algorithm)) throw badKey('has an algorithm that algorithms does not name')
    const fresh = { kid: null, algorithm: key.algorithm, check: createCheck(judged(key)) }
    bound.set(key.key, fresh)
    return fresh
  }
}

function judged (key: VerificationKey): VerificationKey {
  try {
    return checked(key)
  } catch (error) {
    throw error instanceof TypeError ? badKey(error.message) : error
  }
}

function badKey (why: string): Error {
  return refusal('unavailable', { reason: `a key of the key source ${why}` })
}

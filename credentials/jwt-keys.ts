// Which keys may verify a token, and with which one algorithm (RFC 8725 §3.1): decided before the first token.
import { KeyObject, createPublicKey, createSecretKey } from 'node:crypto'
import { algorithmRow, isAlgorithm, isSymmetric } from './jwt-algorithms.ts'
import { weaknessOf } from './secret-strength.ts'
import type { Algorithm } from './jwt-algorithms.ts'

/** A key and the one algorithm it is used with. */
export interface VerificationKey {
  /** A secret or a public key; never a private one. */
  readonly key: KeyObject
  /** The one algorithm that it verifies. */
  readonly algorithm: Algorithm
}

/** A key of a set, with the name that tokens call it by. */
export interface NamedKey extends VerificationKey {
  readonly kid: string | null
}

// RFC 7515 §4.1.4 leaves the form open; printable and bounded, it can be logged and looked up safely.
const KID = /^[\x20-\x7e]{1,256}$/
// What the text of a public key begins with, and nothing before it: RFC 7468 §13, and PKCS #1's own form.
const PUBLIC_KEY_PEM = /^-----BEGIN (RSA )?PUBLIC KEY-----\s[A-Za-z0-9+/=\s]+-----END \1?PUBLIC KEY-----$/
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/** Whether `kid` can name a key: 1 to 256 printable ASCII characters. */
export function isKid (kid: unknown): kid is string {
  return typeof kid === 'string' && KID.test(kid)
}

/**
 * A shared secret as a key.
 * @throws TypeError that says what is wrong with it, without telling it (RFC 7518 §3.2).
 */
export function secretKey (secret: string | Uint8Array, algorithm: Algorithm): VerificationKey {
  const bytes = typeof secret === 'string' ? Buffer.from(secret, 'utf8') : Buffer.from(secret)
  return checked({ key: createSecretKey(bytes), algorithm })
}

/**
 * The public key in a PEM text.
 * @throws TypeError for anything else: a private key, a certificate, a comment before the key.
 */
export function publicPemKey (pem: string, algorithm: Algorithm): VerificationKey {
  const text = pem.trim()
  if (!PUBLIC_KEY_PEM.test(text)) throw new TypeError('must be the PEM text of one public key and nothing else')
  return checked({ key: parsed(() => createPublicKey(text)), algorithm })
}

/**
 * The public key in a JSON Web Key (RFC 7517), bound to its `alg` or to the one of `allowed` that fits it.
 * @throws TypeError that says why the key may not verify.
 */
export function publicJwkKey (jwk: Readonly<Record<string, unknown>>, allowed: readonly Algorithm[] | null): NamedKey {
  if (privateMembers.some((member) => Object.hasOwn(jwk, member))) throw new TypeError('holds private or symmetric key material')
  if (jwk.use !== undefined && jwk.use !== 'sig') throw new TypeError('is not for signatures: use must be absent or "sig"')
  const keyOps = jwk.key_ops
  if (keyOps !== undefined && !(Array.isArray(keyOps) && keyOps.includes('verify'))) throw new TypeError('is not for verifying: key_ops must be absent or contain "verify"')
  const kid = jwk.kid ?? null
  if (kid !== null && !isKid(kid)) throw new TypeError('has a kid that is not 1 to 256 printable characters')
  const algorithm = algorithmOf(jwk, allowed)
  return Object.freeze({ ...checked({ key: parsed(() => createPublicKey({ key: jwk, format: 'jwk' })), algorithm }), kid })
}

function algorithmOf (jwk: Readonly<Record<string, unknown>>, allowed: readonly Algorithm[] | null): Algorithm {
  const alg = jwk.alg
  if (alg !== undefined) {
    if (!isAlgorithm(alg)) throw new TypeError('has an alg that is not supported')
    if (allowed !== null && !allowed.includes(alg)) throw new TypeError('has an alg that algorithms does not name')
    return alg
  }
  const [fitting, second] = (allowed ?? []).filter((algorithm) => {
    const { kty, crv } = algorithmRow(algorithm)
    return kty === jwk.kty && (crv === undefined || crv === jwk.crv)
  })
  if (fitting === undefined || second !== undefined) throw new TypeError('has no alg, and algorithms does not name exactly one that fits its kty and crv')
  return fitting
}

/** The key as it is, frozen. @throws TypeError when it may not verify (RFC 7518 §3.2 to 3.4, RFC 8037 §3.1). */
export function checked ({ key, algorithm }: VerificationKey): VerificationKey {
  const defect = defectOf(key, algorithm)
  if (defect !== null) throw new TypeError(defect)
  return Object.freeze({ key, algorithm })
}

function defectOf (key: unknown, algorithm: unknown): string | null {
  if (!isAlgorithm(algorithm)) return 'has an algorithm that is not supported'
  if (!(key instanceof KeyObject)) return 'is not a KeyObject'
  const row = algorithmRow(algorithm)
  if (isSymmetric(algorithm)) return key.type === 'secret' ? weaknessOf(key.export(), row.minimum ?? 0) : `is not a secret, which ${algorithm} needs`
  if (key.type !== 'public') return `is not a public key, which ${algorithm} needs`
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = key
  const unfit = `does not fit ${algorithm}`
  if (row.kty === 'OKP') return type === 'ed25519' ? null : unfit
  if (row.kty === 'EC') return type === 'ec' && details.namedCurve === row.namedCurve ? null : unfit
  if (type !== 'rsa') return unfit
  const { modulusLength = 0, publicExponent = 0n } = details
  if (modulusLength < (row.minimum ?? 0)) return `has a modulus of fewer than ${String(row.minimum)} bits`
  return publicExponent < 65537n || publicExponent % 2n === 0n ? 'has a public exponent that is even or below 65537' : null
}

function parsed (read: () => KeyObject): KeyObject {
  try {
    return read()
  } catch (cause) {
    throw new TypeError('cannot be read as a public key', { cause })
  }
}

// Keys that sign access tokens: made here, and kept by a store that cannot read them, wrapped with a key that it never sees.
import { createPrivateKey, createSecretKey, generateKeyPair, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { publicJwkKey } from './jwt-keys.ts'
import { seal, unseal } from './sealed-text.ts'
import { jwkThumbprint } from './thumbprint.ts'
import type { KeyObject } from 'node:crypto'
import type { VerificationKey } from './jwt-keys.ts'

/** What access tokens can be signed with. */
export const signingAlgorithms = ['ES256', 'EdDSA', 'RS256', 'HS256'] as const
/** One of them. */
export type SigningAlgorithm = typeof signingAlgorithms[number]

/** A public key as it stands in a JSON Web Key Set (RFC 7517 §4); it has no private member. */
export interface PublicSigningJwk {
  /** The type of the key. */
  readonly kty: string
  /** The curve, of EC and OKP keys. */
  readonly crv?: string
  /** A coordinate, of EC and OKP keys. */
  readonly x?: string
  /** The other one, of EC keys. */
  readonly y?: string
  /** The modulus, of RSA keys. */
  readonly n?: string
  /** The exponent, of RSA keys. */
  readonly e?: string
  /** The one algorithm that it is used with. */
  readonly alg: string
  /** Signatures only. */
  readonly use: 'sig'
  /** Its RFC 7638 thumbprint. */
  readonly kid: string
}

/** A new key: `material` is PKCS #8, or the bytes of a secret, and is for {@link wrapSigningKey} alone. */
export interface GeneratedSigningKey {
  readonly kid: string
  readonly algorithm: SigningAlgorithm
  /** Of a secret, `{ kty: 'oct' }` and its name: nothing that verifies. */
  readonly publicJwk: Readonly<Record<string, unknown>>
  readonly material: Buffer
}

/** How a signing key is kept. */
export interface KeptSigningKey {
  readonly kid: string
  readonly algorithm: string
  readonly publicJwk: Readonly<Record<string, unknown>>
  readonly wrappedPrivateKey: string
}

const generate = promisify(generateKeyPair)
const pkcs8 = { type: 'pkcs8', format: 'der' } as const
// RFC 7518 §3.3 asks for 2048; 3072 is what NIST SP 800-57 has beyond 2030.
const RSA_BITS = 3072

const generators = {
  ES256: () => generate('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generate('ed25519'),
  RS256: () => generate('rsa', { modulusLength: RSA_BITS }),
  HS256: null
} as const satisfies Record<SigningAlgorithm, (() => Promise<{ publicKey: KeyObject; privateKey: KeyObject }>) | null>

/** Whether `name` is one of {@link signingAlgorithms}. */
export function isSigningAlgorithm (name: unknown): name is SigningAlgorithm {
  return (signingAlgorithms as readonly unknown[]).includes(name)
}

/** A key for `algorithm`. Its `kid` is the RFC 7638 thumbprint; that of a secret is random, as a thumbprint would tell of it. */
export async function generateSigningKey (algorithm: SigningAlgorithm): Promise<GeneratedSigningKey> {
  const make = generators[algorithm]
  if (make === null) {
    const kid = randomBytes(32).toString('base64url')
    return { kid, algorithm, publicJwk: { kty: 'oct', alg: algorithm, use: 'sig', kid }, material: randomBytes(32) }
  }
  const { publicKey, privateKey } = await make()
  const jwk = publicKey.export({ format: 'jwk' })
  const kid = jwkThumbprint(jwk)
  return { kid, algorithm, publicJwk: { ...jwk, alg: algorithm, use: 'sig', kid }, material: privateKey.export(pkcs8) }
}

/** The private part for a store: AES-256-GCM, bound to the key's name and algorithm. */
export function wrapSigningKey ({ kid, algorithm, material }: GeneratedSigningKey, wrappingKey: Buffer): string {
  return seal(material, { key: wrappingKey, context: contextOf({ kid, algorithm }) })
}

/** What signs; `null` when it was wrapped with another key. */
export function unwrapSigningKey ({ kid, algorithm, wrappedPrivateKey }: KeptSigningKey, wrappingKey: Buffer): KeyObject | null {
  const material = unseal(wrappedPrivateKey, { key: wrappingKey, context: contextOf({ kid, algorithm }) })
  if (material === null) return null
  return algorithm === 'HS256' ? createSecretKey(material) : createPrivateKey({ key: material, ...pkcs8 })
}

/** What verifies: the public key, or the secret itself. */
export function verificationKeyOf ({ algorithm, publicJwk }: KeptSigningKey, signing: KeyObject): VerificationKey {
  return algorithm === 'HS256' ? { key: signing, algorithm } : publicJwkKey(publicJwk, null)
}

/** The members that a key set may hold (RFC 7517 §4, RFC 7518 §6), whatever the store has. */
export function publishedJwk (jwk: Readonly<Record<string, unknown>>): PublicSigningJwk {
  const members = ['kty', 'crv', 'x', 'y', 'n', 'e', 'alg', 'use', 'kid']
  return Object.freeze(Object.fromEntries(members.flatMap((name) => Object.hasOwn(jwk, name) ? [[name, jwk[name]]] : []))) as unknown as PublicSigningJwk
}

function contextOf ({ kid, algorithm }: { kid: string; algorithm: string }): string {
  return `gatehouse signing key ${algorithm} ${kid}`
}

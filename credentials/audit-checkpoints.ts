// Checkpoints: where the chain of the audit log stood, signed, to be kept where whoever can write to the database cannot.
// A key of its own follows from the key file, so that nothing more has to be kept secret. A cut says that what came before it
// was removed on purpose; it has a type of its own, so that a checkpoint, which anybody may have, is none.
import { createPrivateKey, createPublicKey, hkdfSync } from 'node:crypto'
import { jwkThumbprint } from './thumbprint.ts'
import type { ChainHead } from './audit-chain.ts'

/** What a checkpoint says. */
export interface Checkpoint extends ChainHead {
  /** When it was signed, in seconds since the epoch. */
  readonly iat: number
}

/** The public key of checkpoints (RFC 8037). */
export interface CheckpointJwk {
  /** An octet key pair. */
  readonly kty: 'OKP'
  /** Its curve. */
  readonly crv: 'Ed25519'
  /** The key itself, in base64url. */
  readonly x: string
  /** Its RFC 7638 thumbprint. */
  readonly kid: string
}

const types = { checkpoint: 'audit-checkpoint+jwt', cut: 'audit-cut+jwt' } as const
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

/** What is signed. */
export type CheckpointKind = keyof typeof types

/** What signs checkpoints, or cuts, under the key of a key file. */
export async function createCheckpointSigner (fileKey: Buffer, kind: CheckpointKind = 'checkpoint'): Promise<{ readonly publicJwk: CheckpointJwk; sign (head: ChainHead): string }> {
  const { createSigner } = await import('fast-jwt')
  const seed = Buffer.from(hkdfSync('sha256', fileKey, '', 'gatehouse audit checkpoint', 32))
  const privateKey = createPrivateKey({ key: Buffer.concat([ED25519_PKCS8, seed]), format: 'der', type: 'pkcs8' })
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  const kid = jwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x })
  const sign = createSigner({ key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), algorithm: 'EdDSA', kid, header: { alg: 'EdDSA', typ: types[kind] } })
  return { publicJwk: { kty: 'OKP', crv: 'Ed25519', x, kid }, sign: ({ seq, hash }) => sign({ seq, hash }) }
}

/** What a checkpoint, or a cut, says; `null` for whatever that key did not sign as one. */
export async function readCheckpoint (text: string, { kty, crv, x }: Pick<CheckpointJwk, 'kty' | 'crv' | 'x'>, kind: CheckpointKind = 'checkpoint'): Promise<Checkpoint | null> {
  const { createVerifier } = await import('fast-jwt')
  const key = createPublicKey({ key: { kty, crv, x }, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString()
  const verify = createVerifier({ key, algorithms: ['EdDSA'], complete: true })
  try {
    const { header, payload: { seq, hash, iat } } = verify(text) as unknown as { header: { typ?: string }, payload: Partial<Checkpoint> }
    if (header.typ !== types[kind]) return null
    return typeof seq === 'number' && Number.isSafeInteger(seq) && typeof hash === 'string' && typeof iat === 'number' ? { seq, hash, iat } : null
  } catch {
    return null
  }
}

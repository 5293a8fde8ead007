// Text that only the holder of a key can read or change: AES-256-GCM (NIST SP 800-38D), with a random nonce each time.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** `context` is what the text belongs to: moved elsewhere, it does not open. */
export interface SealOptions {
  /** 32 bytes. */
  readonly key: Buffer
  /** Authenticated with the text, and not in it. */
  readonly context: string
}

/** The sealed form, base64url. */
export function seal (content: Buffer, { key, context }: SealOptions): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(Buffer.from(context))
  return Buffer.concat([nonce, cipher.update(content), cipher.final(), cipher.getAuthTag()]).toString('base64url')
}

/** What was sealed; `null` for another key, another context or a text that was changed. */
export function unseal (sealed: string, { key, context }: SealOptions): Buffer | null {
  const bytes = Buffer.from(sealed, 'base64url')
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return null
  const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
  } catch {
    // What the library says is one sentence for all three.
    return null
  }
}

/** 32 bytes that follow from a secret of at least as many, for one purpose (RFC 5869). */
export function deriveKey (secret: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), purpose, 32))
}

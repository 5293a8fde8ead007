// Secrets of confidential clients (RFC 6749 §2.3.1): generated here, 256 random bits, so SHA-256 is enough at rest.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** A new secret, for its owner's eyes, once, and its digest for the store. */
export function createClientSecret (): { secret: string; digest: string } {
  const secret = randomBytes(32).toString('base64url')
  return { secret, digest: digestOfClientSecret(secret) }
}

/** Whether a presented secret is the one of the digest, in constant time. `null`, for an unknown client, costs the same. */
export function matchesClientSecret (presented: string, digest: string | null): boolean {
  const given = Buffer.from(digestOfClientSecret(presented))
  const known = Buffer.from(digest ?? digestOfClientSecret('nobody'))
  return known.length === given.length && timingSafeEqual(known, given) && digest !== null
}

function digestOfClientSecret (secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}

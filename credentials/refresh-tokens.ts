// Refresh tokens: 256 random bits that say nothing. At rest there is their digest, and for a short while the answer that a
// repetition gets, sealed with a key that follows from the token itself: the store alone can read neither.
import { createHash, randomBytes } from 'node:crypto'
import { deriveKey, seal, unseal } from './sealed-text.ts'

const TOKEN = /^[A-Za-z0-9_-]{43}$/
const PURPOSE = 'gatehouse refresh replay'

/** A new refresh token, for its client's eyes. */
export function createRefreshToken (): string {
  return randomBytes(32).toString('base64url')
}

/** Whether a text has the form of a refresh token, so that a store is worth asking. */
export function isRefreshToken (text: string): boolean {
  return TOKEN.test(text)
}

/** What a refresh token is kept as: SHA-256, base64url. */
export function digestOfRefreshToken (token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

/** An answer that only the presented token opens again. */
export function sealReplay (presented: string, answer: string): string {
  return seal(Buffer.from(answer), replayOptions(presented))
}

/** The answer; `null` when it is not this token's. */
export function openReplay (presented: string, sealed: string): string | null {
  return unseal(sealed, replayOptions(presented))?.toString() ?? null
}

function replayOptions (presented: string): { key: Buffer; context: string } {
  return { key: deriveKey(Buffer.from(presented), PURPOSE), context: digestOfRefreshToken(presented) }
}

// Passwords that were verified against a stored hash, remembered for a moment, so that Basic does not cost an argon2
// hash with every request. What is kept is a fact that cannot change: this password is the one of this very hash. A
// changed password has another hash, so nothing that is kept here speaks for it.
import { createHmac, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** Which passwords were verified; neither they nor their hashes can be read out of it. */
export interface VerifiedPasswords {
  has (password: string, passwordHash: string): boolean
  /** Only after it was verified: a refusal is never kept. */
  add (password: string, passwordHash: string): void
}

/** What is kept at most; the least recently used goes first. */
const MOST = 10_000

/** Keeps each for `seconds` from when it was verified, however often it is used; with 0 it keeps none. */
export function createVerifiedPasswords (seconds: number): VerifiedPasswords {
  if (seconds === 0) return { has: () => false, add: () => undefined }
  const key = randomBytes(32)
  const verified = new LRUCache<string, true>({ max: MOST, ttl: seconds * 1000 })

  function nameOf (password: string, passwordHash: string): string {
    return createHmac('sha256', key).update(`${String(passwordHash.length)}:${passwordHash}${password}`).digest('base64url')
  }

  return {
    has: (password, passwordHash) => verified.has(nameOf(password, passwordHash)),
    add (password, passwordHash) { verified.set(nameOf(password, passwordHash), true) }
  }
}

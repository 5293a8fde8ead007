// Tokens that were verified, kept so that one which comes again costs a digest and a look-up. What time, revocation and
// the key set say of it is judged on every request all the same: nothing but signature, form and fixed claims is kept.
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** What is kept of tokens, by their digests; a table belongs to one registration, so nothing crosses issuers. */
export interface VerifiedTokens<T extends object> {
  get (digest: string): T | undefined
  /** `length` is the token's, which tells how much there is to keep; after `lifetimeSeconds`, a day at most, it goes. */
  set (digest: string, verified: T, length: number, lifetimeSeconds: number): void
}

/** The name of a token here: no token can be read out of the table. */
export function digestOfToken (token: string): string {
  return hash('sha256', token, 'binary')
}

// What claims take as objects, measured: about four bytes for a character of the token, and the entry itself.
const BYTES_PER_CHARACTER = 4
const BYTES_PER_ENTRY = 512
const AVERAGE_BYTES = 2048
const DAY_SECONDS = 86_400

/** At most `maxTokens` tokens, and `maxTokens` × 2 KiB; the least recently used one goes first. With 0 nothing is kept. */
export function createVerifiedTokens<T extends object> (maxTokens: number): VerifiedTokens<T> {
  if (maxTokens === 0) return { get: () => undefined, set: () => undefined }
  const table = new LRUCache<string, T>({ max: maxTokens, maxSize: maxTokens * AVERAGE_BYTES, ttlResolution: 1000 })
  return {
    get: (digest) => table.get(digest),
    set (digest, verified, length, lifetimeSeconds) {
      table.set(digest, verified, { size: BYTES_PER_ENTRY + length * BYTES_PER_CHARACTER, ttl: Math.ceil(Math.min(lifetimeSeconds, DAY_SECONDS) * 1000) })
    }
  }
}

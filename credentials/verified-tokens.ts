// Tokens that were verified, kept so that one which comes again costs a digest and a look-up. What time, revocation and
// the key set say of it is judged on every request all the same: nothing but signature, form and fixed claims is kept.
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** What is kept of tokens, by their digests; a table belongs to one registration, so nothing crosses issuers. */
export interface VerifiedTokens<T extends object> {
  /** Whether the token was here lately: one that never comes again is not worth the room that it would take from others. */
  comesAgain (digest: string): boolean
  get (digest: string): T | undefined
  /** `weight` is that of the claims; after `lifetimeSeconds`, a day at most, the entry goes. */
  set (digest: string, verified: T, weight: number, lifetimeSeconds: number): void
}

/** The name of a token here: no token can be read out of the table. */
export function digestOfToken (token: string): string {
  return hash('sha256', token, 'binary')
}

// Measured, in bytes: an entry with its principal; an object or a list; a member of one.
const ENTRY = 1024
const CONTAINER = 64
const MEMBER = 16
const AVERAGE = 2048
const DAY_SECONDS = 86_400
// How many tokens are told apart that came once; a power of two.
const SLOTS = 65_536

/** What a JSON value takes in memory, about: a short text can hold many empty objects. */
export function weightOf (value: unknown): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 0
  let weight = CONTAINER
  for (const member of Object.values(value) as unknown[]) weight += MEMBER + weightOf(member)
  return weight
}

/** Four bytes of a digest as a number. */
function bytesOf (digest: string, at: number): number {
  return digest.charCodeAt(at) << 24 | digest.charCodeAt(at + 1) << 16 | digest.charCodeAt(at + 2) << 8 | digest.charCodeAt(at + 3)
}

/** At most `maxTokens` tokens, and `maxTokens` × 2 KiB; the least recently used one goes first. With 0 nothing is kept. */
export function createVerifiedTokens<T extends object> (maxTokens: number): VerifiedTokens<T> {
  if (maxTokens === 0) return { comesAgain: () => false, get: () => undefined, set: () => undefined }
  const seen = new Int32Array(SLOTS)
  const table = new LRUCache<string, T>({ max: maxTokens, maxSize: maxTokens * AVERAGE, ttlResolution: 1000 })
  return {
    comesAgain (digest) {
      const [slot, mark] = [bytesOf(digest, 0) & (SLOTS - 1), bytesOf(digest, 4)]
      if (seen[slot] === mark) return true
      seen[slot] = mark
      return false
    },
    get: (digest) => table.get(digest),
    set (digest, verified, weight, lifetimeSeconds) {
      table.set(digest, verified, { size: ENTRY + weight, ttl: Math.ceil(Math.min(lifetimeSeconds, DAY_SECONDS) * 1000) })
    }
  }
}

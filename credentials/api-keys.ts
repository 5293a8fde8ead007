// API keys: `<prefix>_<id 12>_<secret 43><crc 6>` in base62. The secret has 256 bits, so a plain SHA-256 is enough at
// rest (ASVS 11.4.2); the checksum lets a typing error, or a scanner's false hit, be told without asking a store.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { fault } from '../errors.ts'
import { isBase62, randomBase62, toBase62 } from './base62.ts'

const ID_LENGTH = 12
const SECRET_LENGTH = 43
const CHECKSUM_LENGTH = 6
const HINT_LENGTH = 4

/** The prefix of keys where no other is configured. */
export const DEFAULT_KEY_PREFIX = 'gate'

// Secret scanners act on these: a key of ours under one of them would be reported to, and revoked by, somebody else.
const VENDOR_PREFIXES = [
  'github', 'ghp', 'gho', 'ghu', 'ghs', 'ghr', 'glpat', 'xox', 'sk', 'pk', 'rk', 'npm', 'pypi',
  'akia', 'asia', 'aiza', 'sg', 'hf', 'dop', 'shp'
] as const

/** A new key. `key` is for its owner's eyes, once; the rest is for the store. */
export interface NewApiKey {
  key: string
  id: string
  digest: string
  /** The last characters of the key, to recognise it by in a list. */
  hint: string
}

/** What a presented key says of itself: where to look, and what to compare. */
export interface PresentedApiKey {
  id: string
  digest: string
}

/** Throws `GATEHOUSE_OPTION_INVALID` unless `prefix` is 2 to 16 of a-z and 0-9 and does not begin as another vendor's. */
export function assertKeyPrefix (prefix: string): void {
  if (typeof prefix !== 'string' || !/^[a-z][a-z0-9]{1,15}$/.test(prefix)) {
    throw fault('GATEHOUSE_OPTION_INVALID', 'apiKeys.prefix must be 2 to 16 lower-case letters and digits, a letter first')
  }
  const vendor = VENDOR_PREFIXES.find((known) => prefix.startsWith(known))
  if (vendor !== undefined) {
    throw fault('GATEHOUSE_OPTION_INVALID', `apiKeys.prefix begins with "${vendor}", which is another vendor's`)
  }
}

/** A key with an id and a secret of its own. Throws `GATEHOUSE_OPTION_INVALID` for a bad prefix. */
export function createApiKey (prefix: string = DEFAULT_KEY_PREFIX): NewApiKey {
  assertKeyPrefix(prefix)
  const id = randomBase62(ID_LENGTH)
  // 43 digits hold all of 2^256, so every one of the 256 random bits counts and none is drawn unevenly.
  const secret = toBase62(BigInt(`0x${randomBytes(32).toString('hex')}`), SECRET_LENGTH)
  const body = `${prefix}_${id}_${secret}`
  const key = body + checksumOf(body)
  return { key, id, digest: digestOf(secret), hint: key.slice(-HINT_LENGTH) }
}

/** Reads a presented key; `null` when its form or its checksum is wrong, so that no store is asked. */
export function parseApiKey (text: string, prefix: string = DEFAULT_KEY_PREFIX): PresentedApiKey | null {
  const idStart = prefix.length + 1
  const secretStart = idStart + ID_LENGTH + 1
  const secretEnd = secretStart + SECRET_LENGTH
  if (text.length !== secretEnd + CHECKSUM_LENGTH || !text.startsWith(`${prefix}_`)) return null

  const id = text.slice(idStart, secretStart - 1)
  const secret = text.slice(secretStart, secretEnd)
  if (text[secretStart - 1] !== '_' || !isBase62(id) || !isBase62(secret)) return null
  return text.slice(secretEnd) === checksumOf(text.slice(0, secretEnd)) ? { id, digest: digestOf(secret) } : null
}

/** Whether two digests are one, in constant time. `null`, for an unknown id, costs the same and is never a match. */
export function matchesDigest (presented: string, stored: string | null): boolean {
  const known = Buffer.from(stored ?? presented, 'base64url')
  const given = Buffer.from(presented, 'base64url')
  return known.length === given.length && timingSafeEqual(known, given) && stored !== null
}

function digestOf (secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}

function checksumOf (body: string): string {
  return toBase62(BigInt(crc32(body)), CHECKSUM_LENGTH)
}

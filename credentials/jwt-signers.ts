// Access tokens are signed by the official engine, fast-jwt, which @fastify/jwt is built on: keys change while the service runs.
import { createSigner } from 'fast-jwt'
import type { KeyObject } from 'node:crypto'
import type { SigningAlgorithm } from './signing-keys.ts'

/** Signs claims as they are; `typ` is that of RFC 9068 §2.1. */
export function createTokenSigner ({ kid, algorithm }: { kid: string; algorithm: SigningAlgorithm }, key: KeyObject): (claims: object) => string {
  const material = key.type === 'secret' ? key.export() : key.export({ type: 'pkcs8', format: 'pem' }).toString()
  const sign = createSigner({ key: material, algorithm, kid, header: { alg: algorithm, typ: 'at+jwt' } })
  return (claims) => sign({ ...claims })
}

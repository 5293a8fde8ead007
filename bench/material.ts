// What server and load have to share: keys and credentials, made once by `run` and handed on in the environment.
import { createHmac, createPrivateKey, generateKeyPairSync, hash, randomBytes, sign } from 'node:crypto'
import { createApiKey } from '../credentials/api-keys.ts'
import type { NewApiKey } from '../credentials/api-keys.ts'

export const issuer = 'https://id.example'
export const audience = 'https://api.example'
export const scopeNames = ['items:read', 'items:write']

export type BenchAlgorithm = 'HS256' | 'RS256' | 'ES256' | 'EdDSA'
type Asymmetric = Exclude<BenchAlgorithm, 'HS256'>

export interface Material {
  readonly secret: string
  readonly apiKey: string
  /** A key as `accounts` makes them. */
  readonly storedKey: NewApiKey
  readonly privateKeys: Readonly<Record<Asymmetric, string>>
  readonly publicKeys: Readonly<Record<Asymmetric, string>>
}

const VARIABLE = 'GATEHOUSE_BENCH_MATERIAL'

/** The material of this run; the first call makes it, for this process and those that it starts. */
export function material (): Material {
  process.env[VARIABLE] ??= JSON.stringify(createMaterial())
  return JSON.parse(process.env[VARIABLE]) as Material
}

function createMaterial (): Material {
  const publicKeyEncoding = { type: 'spki', format: 'pem' } as const
  const privateKeyEncoding = { type: 'pkcs8', format: 'pem' } as const
  const pairs = {
    RS256: generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding, privateKeyEncoding }),
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256', publicKeyEncoding, privateKeyEncoding }),
    EdDSA: generateKeyPairSync('ed25519', { publicKeyEncoding, privateKeyEncoding })
  }
  return {
    secret: randomBytes(32).toString('base64'),
    apiKey: randomBytes(32).toString('base64url'),
    storedKey: createApiKey(),
    privateKeys: { RS256: pairs.RS256.privateKey, ES256: pairs.ES256.privateKey, EdDSA: pairs.EdDSA.privateKey },
    publicKeys: { RS256: pairs.RS256.publicKey, ES256: pairs.ES256.publicKey, EdDSA: pairs.EdDSA.publicKey }
  }
}

export function digestOf (text: string): Buffer {
  return Buffer.from(hash('sha256', text, 'base64'), 'base64')
}

function segment (value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** Makes tokens that differ in their `jti`, as an issuer signs them (RFC 9068). */
export function tokenMaker (algorithm: BenchAlgorithm, changes: object = {}, members: object = {}): (number: number) => string {
  const { secret, privateKeys } = material()
  const key = algorithm === 'HS256' ? null : createPrivateKey(privateKeys[algorithm])
  const header = segment({ alg: algorithm, typ: 'at+jwt', ...members })
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: issuer, aud: audience, sub: 'alice', client_id: 'bench', iat: now, exp: now + 86_400, scope: scopeNames.join(' '), ...changes }
  return function tokenOf (number) {
    const input = `${header}.${segment({ ...claims, jti: `token-${String(number)}` })}`
    const signature = key === null
      ? createHmac('sha256', secret).update(input).digest('base64url')
      : sign(algorithm === 'EdDSA' ? null : 'sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
    return `${input}.${signature}`
  }
}

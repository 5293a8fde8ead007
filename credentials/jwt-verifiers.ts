// Signatures are verified by the official engine: @fastify/jwt, hosted where it decorates nobody's instance, for
// keys that are fixed at start; fast-jwt, which it is built on, for keys that come later. Each verifier holds one
// key and one algorithm, and judges the signature alone: dates and other claims are ours to judge, on every request.
import fastifyJwt from '@fastify/jwt'
import { TokenError, createVerifier } from 'fast-jwt'
import Fastify from 'fastify'
import { refusal } from '../errors.ts'
import type { VerificationKey } from './jwt-keys.ts'

/** Returns when the signature is good. @throws `invalid_token` when it is not. */
export type SignatureCheck = (token: string) => void

const signatureOnly = { ignoreExpiration: true, ignoreNotBefore: true, cache: false } as const

/** One check a key, in the same order. */
export async function createFixedChecks (keys: readonly VerificationKey[]): Promise<readonly SignatureCheck[]> {
  const host = Fastify()
  for (const [index, key] of keys.entries()) {
    await host.register(fastifyJwt, {
      namespace: namespaceOf(index),
      secret: { public: materialOf(key) },
      verify: { ...signatureOnly, algorithms: [key.algorithm] }
    })
  }
  await host.ready()
  const namespaces = host.jwt as unknown as Record<string, { verify (token: string): unknown } | undefined>
  return keys.map((_key, index) => {
    const namespace = namespaces[namespaceOf(index)]
    return checkWith((token) => namespace?.verify(token) ?? neverVerified())
  })
}

/** The check for a key that came after start. */
export function createCheck (key: VerificationKey): SignatureCheck {
  return checkWith(createVerifier({ ...signatureOnly, key: materialOf(key), algorithms: [key.algorithm] }))
}

function checkWith (verify: (token: string) => unknown): SignatureCheck {
  return function checkSignature (token) {
    try {
      verify(token)
    } catch (cause) {
      if (cause instanceof TokenError) throw refusal('invalid_token', { reason: 'the signature is not valid', cause })
      throw cause
    }
  }
}

function neverVerified (): never {
  throw new TypeError('the verifier answered nothing')
}

function namespaceOf (index: number): string {
  return `key${String(index)}`
}

/** The engine takes bytes and PEM, not key objects; the algorithm it is given decides how they are read. */
function materialOf ({ key }: VerificationKey): Buffer | string {
  return key.type === 'secret' ? key.export() : key.export({ type: 'spki', format: 'pem' })
}

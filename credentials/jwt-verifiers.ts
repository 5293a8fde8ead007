// Signatures are verified by the official engine: @fastify/jwt, hosted where it decorates nobody's instance, for
// keys that are fixed at start; fast-jwt, which it is built on, for keys that come later. Each verifier holds one
// key and one algorithm, and judges the signature alone: dates and other claims are ours to judge, on every request.
// A code under a shared secret is computed here: it is two hashes, and the engine's way to them costs more than they do.
import fastifyJwt from '@fastify/jwt'
import { TokenError, createVerifier } from 'fast-jwt'
import Fastify from 'fastify'
import { refusal } from '../errors.ts'
import { createHmacCheck } from './hmac.ts'
import { algorithmRow } from './jwt-algorithms.ts'
import type { VerificationKey } from './jwt-keys.ts'

/** Returns when the signature is good. @throws `invalid_token` when it is not. */
export type SignatureCheck = (token: string) => void

const signatureOnly = { ignoreExpiration: true, ignoreNotBefore: true, cache: false } as const

/** The check for a key that is fixed at start. */
export async function createFixedCheck (key: VerificationKey): Promise<SignatureCheck> {
  const check = codeCheck(key)
  if (check !== null) return check
  const host = Fastify()
  await host.register(fastifyJwt, { secret: { public: materialOf(key) }, verify: { ...signatureOnly, algorithms: [key.algorithm] } })
  await host.ready()
  return checkWith((token) => host.jwt.verify(token))
}

/** The check for a key that came after start. */
export function createCheck (key: VerificationKey): SignatureCheck {
  return codeCheck(key) ?? checkWith(createVerifier({ ...signatureOnly, key: materialOf(key), algorithms: [key.algorithm] }))
}

/** The check of an HMAC; `null` for a key of another kind. */
function codeCheck ({ key, algorithm }: VerificationKey): SignatureCheck | null {
  const { hash: name } = algorithmRow(algorithm)
  if (name === undefined) return null
  const isCodeOf = createHmacCheck(name, key)
  return function checkCode (token) {
    const dot = token.lastIndexOf('.')
    if (!isCodeOf(token.slice(0, dot), Buffer.from(token.slice(dot + 1), 'base64url'))) throw refusal('invalid_token', { reason: 'the signature is not valid' })
  }
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

/** The engine takes PEM, not key objects; the algorithm it is given decides how it is read. */
function materialOf ({ key }: VerificationKey): string {
  return key.export({ type: 'spki', format: 'pem' }).toString()
}

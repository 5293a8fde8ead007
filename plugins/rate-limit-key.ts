// What a request is counted under. No two clients share the text of a key, whatever characters their names hold.
import { chain } from '../guards/awaitable.ts'
import type { FastifyRequest } from 'fastify'
import type { Awaitable, Principal } from '../guards/principal.ts'
import type { Registry } from '../guards/registry.ts'
import type { LimitSettings } from './rate-limit-options.ts'

/** The key for a limit; who is not authenticated has the client's address, as the core tells it, for a name. */
export function keyOf (
  { by, key }: Pick<LimitSettings, 'by' | 'key'>,
  registry: Registry,
  { principal, request }: { principal: Principal | null; request: FastifyRequest }
): Awaitable<string> {
  if (key !== null) return chain(key({ principal, request }), customKey)
  if (by === 'principal' && principal !== null) {
    return compositeKey('principal', principal.scheme, 'issuer' in principal ? principal.issuer : null, principal.subject)
  }
  return compositeKey('address', registry.clientAddress(request.raw))
}

function customKey (key: unknown): string {
  if (typeof key !== 'string' || key === '') throw new TypeError('limit.by must answer a non-empty string')
  return compositeKey('custom', key)
}

/** Every part is told with its length, so that no part can end early; a missing one is told without. */
function compositeKey (...parts: readonly (string | null)[]): string {
  let key = ''
  for (const part of parts) key += part === null ? '-' : `${String(part.length)}:${part}`
  return key
}

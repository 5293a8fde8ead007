// A key set that somebody else publishes (RFC 7517 §5): which of its keys may verify, and why the others may not.
import { publicJwkKey } from './jwt-keys.ts'
import type { Algorithm } from './jwt-algorithms.ts'
import type { NamedKey } from './jwt-keys.ts'

/** What a published set comes to. */
export interface PublishedKeys {
  readonly keys: readonly NamedKey[]
  /** Why the others were left out, by their places; nothing of a key is told. */
  readonly ignored: readonly string[]
}

/** The most keys that a set may have. */
export const MAX_PUBLISHED_KEYS = 100

/**
 * The keys of `document` that may verify. A key that is private, symmetric, weak, of a kind that is not supported or
 * for something else is left out, as RFC 7517 §5 asks; keys that share a `kid` are all left out, since which of them
 * is meant would be a guess.
 * @throws TypeError for what is no key set at all.
 */
export function readPublishedKeys (document: unknown, algorithms: readonly Algorithm[]): PublishedKeys {
  const members = isObject(document) ? document.keys : undefined
  if (!Array.isArray(members)) throw new TypeError('is no JSON Web Key Set')
  if (members.length > MAX_PUBLISHED_KEYS) throw new TypeError(`has more than ${String(MAX_PUBLISHED_KEYS)} keys`)
  const ignored: string[] = []
  const usable: NamedKey[] = []
  const uses = new Map<string, number>()
  for (const [index, jwk] of (members as unknown[]).entries()) {
    try {
      if (!isObject(jwk)) throw new TypeError('is not an object')
      const key = publicJwkKey(jwk, algorithms)
      if (key.kid !== null) uses.set(key.kid, (uses.get(key.kid) ?? 0) + 1)
      usable.push(key)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      ignored.push(`keys[${String(index)}] ${error.message}`)
    }
  }
  const ambiguous = [...uses.values()].filter((count) => count > 1).length
  if (ambiguous > 0) ignored.push(`${String(ambiguous)} kid${ambiguous > 1 ? 's' : ''} that several keys share`)
  return { keys: usable.filter(({ kid }) => kid === null || uses.get(kid) === 1), ignored }
}

function isObject (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

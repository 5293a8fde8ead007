// Scope names (RFC 6749 §3.3): compared exactly and case-sensitively, never by prefix or pattern.

const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/
const NONE: readonly string[] = Object.freeze([])

/** Whether `value` can be one scope: printable ASCII without space, quote and backslash (RFC 6749 §3.3). */
export function isScope (value: unknown): value is string {
  return typeof value === 'string' && SCOPE.test(value)
}

/**
 * The scopes that a claim holds: a string of names with one space between them, or with `lists` an array of names.
 * Anything else, and a claim with one malformed name, holds none: half of a list is never trusted.
 */
export function readScopes (value: unknown, { lists }: { lists: boolean }): readonly string[] {
  if (typeof value !== 'string' && !(lists && Array.isArray(value))) return NONE
  const names: unknown[] = typeof value === 'string' ? value.split(' ') : value
  return names.every(isScope) ? Object.freeze([...new Set(names)]) : NONE
}

/** The role names that a claim holds: an array of non-empty strings; anything else holds none. */
export function readRoles (value: unknown): readonly string[] {
  if (!Array.isArray(value) || !value.every(isName)) return NONE
  return Object.freeze([...new Set<string>(value)])
}

function isName (value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

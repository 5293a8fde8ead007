// What a callback answers about a principal, checked before anything rests on it.
// A malformed answer is a fault of the service: it throws a plain error, which the core answers with 503.
import { isScope } from './scope.ts'
import type { PrincipalAttributes, PrincipalGrant } from './principal.ts'

/** A grant whose every part was checked; frozen, and a copy of what the callback returned. */
export interface CheckedGrant {
  readonly subject: string
  /** `null` where the callback said nothing. */
  readonly scopes: readonly string[] | null
  readonly roles: readonly string[] | null
  readonly attributes: Readonly<PrincipalAttributes>
  readonly disabled: boolean
}

/**
 * The callback's grant, or `null` where it refused. `source` names the callback, as in `basicAuth.verify`.
 * @throws TypeError for anything that is neither, so that a slip such as `disabled: 1` never lets anyone in.
 */
export function readGrant (grant: PrincipalGrant | null | undefined, source: string): CheckedGrant | null {
  if (grant === null || grant === undefined) return null
  if (typeof grant !== 'object') throw new TypeError(`${source} must return an object or null`)
  const { subject, scopes, roles, attributes, disabled } = grant
  if (typeof subject !== 'string' || subject === '') throw new TypeError(`${source} must return a subject, a non-empty string`)
  if (disabled !== undefined && typeof disabled !== 'boolean') throw new TypeError(`${source} must return disabled as a boolean`)
  if (attributes !== undefined && (typeof attributes !== 'object' || attributes === null)) throw new TypeError(`${source} must return attributes as an object`)
  return Object.freeze({
    subject,
    scopes: readNames(scopes, isScope, `${source} must return scopes as an array of scope names`),
    roles: readNames(roles, isRole, `${source} must return roles as an array of non-empty strings`),
    attributes: Object.freeze({ ...attributes }),
    disabled: disabled === true
  })
}

function readNames (names: unknown, isValid: (name: unknown) => boolean, message: string): readonly string[] | null {
  if (names === undefined) return null
  if (!Array.isArray(names) || !names.every(isValid)) throw new TypeError(message)
  return Object.freeze(names.length < 2 ? [...names as string[]] : [...new Set<string>(names)])
}

function isRole (name: unknown): boolean {
  return typeof name === 'string' && name !== ''
}

// What a scheme answers about whom it authenticated, checked before a right rests on it: `scopes` as one text, say,
// would grant every scope whose name stands somewhere in it.
import type { Principal } from './principal.ts'

/** The principal, frozen with its lists; `null` for anything that is not one. What the scheme returned is not changed. */
export function readPrincipal (answer: unknown): Principal | null {
  if (typeof answer !== 'object' || answer === null || answer instanceof Error) return null
  const { kind, scheme, subject, scopes, roles, attributes } = answer as Partial<Record<keyof Principal, unknown>>
  if (typeof kind !== 'string' || typeof scheme !== 'string' || typeof subject !== 'string' || subject === '') return null
  if (!isNames(scopes) || !isNames(roles) || typeof attributes !== 'object' || attributes === null) return null
  if (Object.isFrozen(answer) && Object.isFrozen(scopes) && Object.isFrozen(roles) && Object.isFrozen(attributes)) return answer as Principal
  return Object.freeze({
    ...answer as Principal,
    scopes: Object.freeze([...scopes]),
    roles: Object.freeze([...roles]),
    attributes: Object.freeze({ ...attributes })
  })
}

function isNames (value: unknown): value is string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string')
}

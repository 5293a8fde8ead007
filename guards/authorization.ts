// What scopes and roles ask of a principal: exact names, compared as sets (RFC 6749 §3.3).
import { refusal } from '../errors.ts'
import type { Authorization } from './node.ts'

const judges = {
  scopes: { held: 'scopes', code: 'insufficient_scope', every: true },
  anyScope: { held: 'scopes', code: 'insufficient_scope', every: false },
  roles: { held: 'roles', code: 'insufficient_role', every: true },
  anyRole: { held: 'roles', code: 'insufficient_role', every: false }
} as const

/** All of the names, or any of them. */
export function requireNames (kind: keyof typeof judges, names: readonly string[]): Authorization {
  const { held, code, every } = judges[kind]
  const required = Object.freeze([...names])
  return Object.freeze({
    kind,
    names: required,
    authorize ({ principal }) {
      const has = (name: string): boolean => principal[held].includes(name)
      const allowed = every ? required.every(has) : required.some(has)
      return allowed ? null : refusal(code, { reason: `requires ${every ? 'all' : 'one'} of ${required.join(' ')}` })
    }
  } satisfies Authorization)
}

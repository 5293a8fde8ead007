// Authorization by scope, role and policy: what a principal may do, judged after it was authenticated.
// RFC 6749 §3.3 (scope), RFC 6750 §3.1 (insufficient_scope).
import fp from 'fastify-plugin'
import { fault, refusal } from '../errors.ts'
import { requireNames } from '../guards/authorization.ts'
import { authorizationGuard } from '../guards/guard.ts'
import { chain } from '../guards/awaitable.ts'
import { isScope } from '../guards/scope.ts'
import { useGuards } from './guards.ts'
import type { FastifyRequest } from 'fastify'
import type { Refusal } from '../errors.ts'
import type { AuthorizationGuard } from '../guards/guard.ts'
import type { Awaitable, Principal } from '../guards/principal.ts'
import type { GuardsOptions } from './guards.ts'

/** Options of {@link scopes}. */
export interface ScopesOptions {
  /** Options of the core, where this is the first plugin to need it. */
  guards?: GuardsOptions
}

/** Whether the principal may; `hidden` answers 404, as if the resource did not exist. */
export type Policy = (context: { principal: Principal; request: FastifyRequest }) => Awaitable<boolean | 'hidden'>

declare module 'fastify' {
  interface FastifyInstance {
    /** All of the scopes, of the principal that the guards before it authenticated. 403 `insufficient_scope`. */
    requireScopes (...all: readonly string[]): AuthorizationGuard
    /** At least one of the scopes. 403 `insufficient_scope`. */
    requireAnyScope (...any: readonly string[]): AuthorizationGuard
    /** All of the roles. 403 `insufficient_role`. */
    requireRoles (...all: readonly string[]): AuthorizationGuard
    /** At least one of the roles. 403 `insufficient_role`. */
    requireAnyRole (...any: readonly string[]): AuthorizationGuard
    /** A decision of your own: `false` is 403 `access_denied`, `'hidden'` 404, a throw 503. */
    requirePolicy (name: string, policy: Policy): AuthorizationGuard
  }
}

type NamesKind = Parameters<typeof requireNames>[0]

function guardOf (decorator: string, kind: NamesKind) {
  const isName = kind === 'scopes' || kind === 'anyScope' ? isScope : isRole
  // Routes that ask for the same share the guard, and so what the core compiles from it.
  const guards = new Map<string, AuthorizationGuard>()
  return function require (...names: readonly unknown[]): AuthorizationGuard {
    const known = names.filter((name) => isName(name))
    if (known.length === 0 && kind !== 'scopes') throw fault('GATEHOUSE_OPTION_INVALID', `${decorator}() without a name`)
    if (known.length < names.length) throw fault('GATEHOUSE_OPTION_INVALID', `${decorator}() takes names, not ${typeof names.find((name) => !isName(name))}`)
    const key = JSON.stringify(known)
    const guard = guards.get(key) ?? authorizationGuard(requireNames(kind, known))
    guards.set(key, guard)
    return guard
  }
}

function isRole (name: unknown): name is string {
  return typeof name === 'string' && name !== ''
}

function requirePolicy (name: unknown, policy: unknown): AuthorizationGuard {
  if (typeof name !== 'string' || name === '') throw fault('GATEHOUSE_OPTION_INVALID', 'requirePolicy() without a name')
  if (typeof policy !== 'function') throw fault('GATEHOUSE_OPTION_INVALID', `requirePolicy(${name}) without a function`)
  const judge = policy as Policy
  return authorizationGuard({
    kind: 'policy',
    names: Object.freeze([name]),
    authorize (context) {
      return chain(judge(context), (answer) => judgement(name, answer))
    }
  })
}

/** Anything but `true` denies; an answer that is none of the three is a fault of the policy. */
function judgement (name: string, answer: unknown): Refusal | null {
  if (answer === true) return null
  if (answer === false) return refusal('access_denied', { reason: `policy ${name}` })
  if (answer === 'hidden') return refusal('not_found', { reason: `policy ${name}` })
  throw new TypeError(`the policy ${name} must answer true, false or 'hidden'`)
}

/** Decorates `requireScopes`, `requireAnyScope`, `requireRoles`, `requireAnyRole` and `requirePolicy`. */
export const scopes = fp(async (app, options: ScopesOptions) => {
  for (const name of Object.keys(options)) {
    if (name !== 'guards') throw fault('GATEHOUSE_OPTION_INVALID', `scopes.${name} is not an option`)
  }
  useGuards(app, options.guards)
  app.decorate('requireScopes', guardOf('requireScopes', 'scopes'))
  app.decorate('requireAnyScope', guardOf('requireAnyScope', 'anyScope'))
  app.decorate('requireRoles', guardOf('requireRoles', 'roles'))
  app.decorate('requireAnyRole', guardOf('requireAnyRole', 'anyRole'))
  app.decorate('requirePolicy', requirePolicy)
}, { name: 'gatehouse-scopes', fastify: '5.x' })

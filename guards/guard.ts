// A guard: an `onRequest` hook that carries what it requires. The core compiles the guards of a route
// into one hook; a guard that is called as a plain hook only asserts that this has happened.
import { fault } from '../errors.ts'
import { describe } from './node.ts'
import { acceptedPrincipal, guardPassed } from './state.ts'
import type { Limit } from './limit.ts'
import type { Authorization, CrossSiteNode, GuardNode } from './node.ts'
import type { ApiKeyPrincipal, BasicPrincipal, BearerPrincipal, CustomPrincipal, Principal } from './principal.ts'
import type { GuardedRequest } from './scheme.ts'

/** Anything that may stand in the `onRequest` of a guarded route. */
export type RouteGuard = (request: GuardedRequest, reply: object, done: (error?: Error) => void) => void

/** A guard that authenticates; `principal` hands out whom it authenticated, typed by the guard. */
export interface Guard<P extends Principal | null = Principal> extends RouteGuard {
  /** Throws `GATEHOUSE_NO_PRINCIPAL` where this guard has not accepted the request. */
  principal (request: GuardedRequest): P
}

/** What `basicAuth` decorates. */
export type BasicGuard = Guard<BasicPrincipal>
/** What `bearerAuth` decorates. */
export type BearerGuard = Guard<BearerPrincipal>
/** What `apiKeyAuth` decorates. */
export type ApiKeyGuard = Guard<ApiKeyPrincipal>
/** What `app.defineScheme` returns for a scheme of your own. */
export type CustomGuard = Guard<CustomPrincipal>

/** A guard that judges the principal which an authenticating guard before it found. */
export interface AuthorizationGuard extends RouteGuard { readonly authorization: Authorization }

/** A guard that counts. */
export interface LimitGuard extends RouteGuard { readonly limit: Limit }

/** A guard that refuses what a browser says comes from another site. */
export interface CrossSiteGuard extends RouteGuard { readonly crossSite: true }

/** Says that a route is public, and why. */
export interface PublicGuard extends RouteGuard { readonly reason: string }

/** The principal a guard hands out. */
export type PrincipalOf<G> = G extends Guard<infer P> ? P : never

const nodes = new WeakMap<object, GuardNode>()

/** The requirement a hook carries, or `undefined` for an ordinary hook. */
export function nodeOf (hook: unknown): GuardNode | undefined {
  return typeof hook === 'function' ? nodes.get(hook) : undefined
}

function guardFor (node: GuardNode): RouteGuard {
  // It throws instead of calling back: a wrapper that tries several hooks would take an error for "not this one".
  function guard (request?: GuardedRequest, _reply?: object, done?: (error?: Error) => void): void {
    if (request === undefined) throw fault('GATEHOUSE_GUARD_UNDECLARED', `${describe(node)}() was called; write it without the parentheses`)
    if (!guardPassed(request, node)) {
      const path = (request.raw.url ?? '').split('?', 1).join()
      throw fault('GATEHOUSE_GUARD_UNDECLARED', `${describe(node)} at ${request.method} ${path}`)
    }
    done?.()
  }
  // Fastify's getDecorator() binds what it hands out; a copy would be a hook that requires nothing.
  Object.defineProperty(guard, 'bind', { value: () => guard })
  nodes.set(guard, node)
  return guard
}

export function authenticatingGuard<P extends Principal | null> (node: GuardNode): Guard<P> {
  function principal (request: GuardedRequest): P {
    return acceptedPrincipal(request, node) as P
  }
  return Object.assign(guardFor(node), { principal })
}

export function authorizationGuard (authorization: Authorization): AuthorizationGuard {
  return Object.assign(guardFor({ type: 'authorization', authorization }), { authorization })
}

export function limitGuard (limit: Limit): LimitGuard {
  return Object.assign(guardFor({ type: 'limit', limit }), { limit })
}

export function crossSiteGuard (check: CrossSiteNode['check']): CrossSiteGuard {
  return Object.assign(guardFor({ type: 'crossSite', check }), { crossSite: true } as const)
}

export function publicGuard (reason: string): PublicGuard {
  return Object.assign(guardFor({ type: 'public', reason }), { reason })
}

// What a request that changes state has to prove where it was let in by what a browser sends unasked: a cookie, Basic, a
// client certificate. Derived from the schemes of the route, as everything else.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Refusal } from '../errors.ts'
import type { Plan } from './plan.ts'
import type { Principal } from './principal.ts'
import type { Scheme } from './scheme.ts'

/**
 * `token`: origin, and the token of the session in a header; `form`: the same, in a field of a form; `origin`: that alone;
 * `not-cross-site`: that nothing says otherwise.
 */
export type CsrfProof = 'token' | 'form' | 'origin' | 'not-cross-site'

/** A request that ambient schemes let in, and as whom. */
export interface AmbientRequest {
  readonly request: FastifyRequest
  readonly schemes: readonly Scheme[]
  readonly principal: Principal | null
}

/** What judges such requests: `null` where they have proven what was asked. */
export interface CsrfProtection {
  /** That the request comes from the service's own pages. */
  proveOrigin (asked: AmbientRequest): Refusal | null
  /** That it has the token that one of the schemes asks for, `header` or, where the body was read, `form`. */
  proveToken (asked: AmbientRequest, place: 'header' | 'form'): Refusal | null
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Where the token of a session stands: `'form'` is the field `csrf_token` of the body, for forms that work without a
     * script. It is judged when the body was read, before the handler; where the request comes from, as ever, before.
     * @defaultValue the header `X-CSRF-Token`
     */
    csrf?: 'form'
  }
}

/** RFC 9110 §9.2.1; whatever is not known to be safe is not. */
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
const VARY = 'Origin, Sec-Fetch-Site'

export function isUnsafe (method: string): boolean {
  return !safeMethods.has(method)
}

/**
 * Whether it asks for a WebSocket: a GET that begins a conversation, which a browser lets every page of every site begin,
 * with the cookies and the Basic credentials that it has, and no header of the page's own (RFC 6455 §10.2).
 */
export function isHandshake ({ headers: { upgrade } }: Pick<FastifyRequest, 'headers'>): boolean {
  return upgrade !== undefined && /websocket/i.test(upgrade)
}

/** What a route asks of requests by that method, and of those that its ambient schemes let in. */
export function csrfOf ({ schemes, crossSite }: Pick<Plan, 'schemes' | 'crossSite'>, method: string, { inForm, webSocket }: { inForm: boolean; webSocket: boolean }): CsrfProof | null {
  const handshake = webSocket && method === 'GET'
  const ambient = isUnsafe(method) || handshake ? schemes.filter((scheme) => scheme.ambient) : []
  if (!handshake && ambient.some(({ csrfSecret }) => csrfSecret !== undefined)) return inForm ? 'form' : 'token'
  if (ambient.length > 0) return 'origin'
  return crossSite.length > 0 ? 'not-cross-site' : null
}

/** Caches must know what the answer depends on; `Referer`, the last resort, varies with every page. */
export function addCsrfVary (reply: FastifyReply): void {
  const present = reply.getHeader('vary')
  if (present === VARY || present === '*') return
  const names = (typeof present === 'string' ? present : '').split(',').map((name) => name.trim()).filter((name) => name !== '' && !/^(origin|sec-fetch-site)$/i.test(name))
  void reply.header('vary', [...names, VARY].join(', '))
}

// Against requests that other sites make a browser send (OWASP CSRF): whatever changes state and was let in by what a
// browser sends unasked has to come from the service's own pages, and to have the token of its session in a header.
// Evidence is Sec-Fetch-Site, else Origin, else Referer; none is a refusal. Registering it is all: routes are known.
import fp from 'fastify-plugin'
import { refusal } from '../errors.ts'
import { crossSiteGuard } from '../guards/guard.ts'
import { plantedIn } from '../guards/planted.ts'
import { assertKnownOptions, invalid } from '../guards/scheme-options.ts'
import { judgeOrigin } from './csrf-evidence.ts'
import { useGuards } from './guards.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { CrossSiteGuard } from '../guards/guard.ts'
import type { Scheme } from '../guards/scheme.ts'
import type { GuardsOptions } from './guards.ts'

/** Options of {@link csrf}. */
export interface CsrfOptions {
  /** Where the service's own pages stand, each as a browser sends it: `https://app.example.com`. Never taken from `Host`. */
  origins: readonly string[]
  /** Options of the core, as for the `guards` plugin. */
  guards?: GuardsOptions
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The CSRF token of the session that the request came with or has opened, for `X-CSRF-Token`; `null` without one. */
    csrfToken (request: object): string | null
    /**
     * Refuses what a browser says comes from another site, and lets through what says nothing: for a login, which has no
     * session yet. It stands beside `publicAccess`, on any method. 403 `cross_site_request`.
     */
    refuseCrossSite: CrossSiteGuard
  }
}

const HEADER = 'x-csrf-token'
const FIELD = 'csrf_token'
const LONGEST_TOKEN = 256

function resolve (options: CsrfOptions): ReadonlySet<string> {
  assertKnownOptions('csrf', options, ['origins', 'guards'])
  const { origins } = options
  if (!Array.isArray(origins) || origins.length === 0) throw invalid('csrf.origins', 'must be a list of the origins of your own pages')
  for (const entry of origins as unknown[]) {
    const serialized = typeof entry === 'string' && URL.canParse(entry) ? new URL(entry).origin : 'null'
    if (serialized === 'null') throw invalid('csrf.origins', 'must hold origins such as https://app.example.com')
    if (serialized !== entry) throw invalid('csrf.origins', `must hold origins as a browser sends them: ${serialized}`)
  }
  return new Set(origins)
}

/** What @fastify/csrf-protection does, for a secret that a scheme keeps. */
interface Tokens {
  create (secret: string): string
  isValid (secret: string, token: string): boolean
}

interface View { session: { _csrf: string }, token: string, log: { silent (): void } }

/** The official plugin, hosted where it decorates nobody's instance; it reads and writes the session of a view. */
async function loadTokens (): Promise<Tokens> {
  const [{ fastify }, { fastifyCsrfProtection }] = await Promise.all([import('fastify'), import('@fastify/csrf-protection')])
  const host = fastify()
  let generate: unknown
  Object.assign(host, {
    decorateReply (_name: string, added: unknown) {
      generate = added
      return host
    }
  })
  await host.register(fastifyCsrfProtection, { sessionPlugin: '@fastify/session', getToken: (view: unknown) => (view as View).token, logLevel: 'silent' } as object)
  await host.ready()
  const protect = host.csrfProtection as unknown as (view: View, reply: { send (): void }, done: () => void) => void
  const log = { silent () { /* the refusal is logged by the core */ } }
  const viewOf = (secret: string, token: string): View => ({ session: { _csrf: secret }, token, log })
  return {
    create: (secret) => (generate as (this: { request: View }) => string).call({ request: viewOf(secret, '') }),
    isValid (secret, token) {
      let valid = false
      protect(viewOf(secret, token), { send () { valid = false } }, () => { valid = true })
      return valid
    }
  }
}

function fieldOf (body: unknown): unknown {
  return typeof body === 'object' && body !== null && Object.hasOwn(body, FIELD) ? (body as Record<string, unknown>)[FIELD] : undefined
}

async function registerCsrf (app: FastifyInstance, options: CsrfOptions): Promise<void> {
  const origins = resolve(options)
  const registry = useGuards(app, options.guards)
  const tokens = await loadTokens()

  function secretOf (request: object, schemes: Iterable<Scheme>): string | null {
    for (const scheme of schemes) {
      if (scheme.csrfSecret === undefined) continue
      const secret = plantedIn(scheme.name, (request as Partial<FastifyRequest>).raw)?.csrfSecret ?? scheme.csrfSecret(request)
      if (typeof secret === 'string') return secret
    }
    return null
  }

  registry.protectByCsrf({
    proveOrigin ({ request }) {
      const { from, reason } = judgeOrigin(request.headers, origins)
      return from === 'own' ? null : refusal('cross_site_request', { reason })
    },
    proveToken ({ request, schemes }, place) {
      if (schemes.every(({ csrfSecret }) => csrfSecret === undefined)) return null
      const secret = secretOf(request, schemes)
      const token = place === 'header' ? request.headers[HEADER] : fieldOf(request.body)
      if (secret === null || typeof token !== 'string' || token.length > LONGEST_TOKEN || !tokens.isValid(secret, token)) {
        return refusal('csrf_token_invalid', { reason: token === undefined ? 'no CSRF token' : 'a CSRF token of no or another session' })
      }
      return null
    }
  })
  app.decorate('csrfToken', (request: object) => {
    const secret = secretOf(request, registry.schemes.values())
    return secret === null ? null : tokens.create(secret)
  })
  app.decorate('refuseCrossSite', crossSiteGuard((request) => {
    const { from, reason } = judgeOrigin(request.headers, origins)
    return from === 'elsewhere' ? refusal('cross_site_request', { reason }) : null
  }))
}

/**
 * Protects every state-changing route (any method but GET, HEAD, OPTIONS and TRACE) against cross-site request forgery,
 * where the scheme that let a request in is ambient: a session, Basic, a key in a cookie, a client certificate. A WebSocket
 * that such a scheme let in has to come from one of `origins` too, though it begins with a GET. Without it
 * a service with such a route does not start. A request let in by a bearer token or a key in a header is not asked.
 *
 * It has to come from one of `origins`, or with `Sec-Fetch-Site: same-origin` or `none`: else 403 `cross_site_request`,
 * also where nothing tells. Let in by a session it also needs the session's token in `X-CSRF-Token`, or, where
 * a route says `config: { csrf: 'form' }`, in the field `csrf_token` of its form instead: else 403 `csrf_token_invalid`. Decorates `app.csrfToken` and `app.refuseCrossSite`.
 * Registering fails with `GATEHOUSE_OPTION_INVALID` for anything but exact origins.
 *
 * @example
 * ```ts
 * await app.register(csrf, { origins: ['https://app.example.com'] })
 * app.get('/form', { onRequest: app.session }, (request) => ({ token: app.csrfToken(request) }))
 * ```
 */
export const csrf = fp(registerCsrf, { name: 'gatehouse-csrf', fastify: '5.x' })

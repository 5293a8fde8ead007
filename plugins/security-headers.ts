// The headers that keep an answer from being sniffed, framed, cached or sent elsewhere, on every answer of the service:
// OWASP HTTP Headers, ASVS 3.4, RFC 6797, Content Security Policy Level 3.
import { randomBytes } from 'node:crypto'
import fp from 'fastify-plugin'
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler, onSendHookHandler } from 'fastify'
import { helmetHeaders, resolve } from './security-headers-options.ts'
import { tellBelow } from './server-answers.ts'
import type { Headers, Policy, SecurityHeadersOptions } from './security-headers-options.ts'

export type { HstsOptions, SecurityHeadersOptions } from './security-headers-options.ts'

const HSTS = 'strict-transport-security'

/** What stands on an answer, by what it is; over http, or over https. V8 copies frozen headers eight times as fast as others. */
interface Standing {
  readonly other: Headers
  readonly page: Headers
  /** A 304 renews the headers of what a cache has, of which we know nothing here: no policy (RFC 9111 §3.2). */
  readonly notModified: Headers
  readonly policyHeader: string
  readonly pagePolicy: Policy | null
}

/** Where a response keeps what stands in for a header that nobody sets. */
const standing = Symbol('gatehouse.headers')
/** Where it keeps its nonce, once somebody has asked for it. */
const nonceOf = Symbol('gatehouse.nonce')

type Response = ServerResponse & { [standing]?: Standing; [nonceOf]?: string }
type WriteHead = (this: Response, status: number, reasonOrHeaders?: unknown, headers?: unknown) => ServerResponse

/**
 * Sees to it that `raw` is sent with what stands, unless a handler, a hook or another plugin sets one of them itself. It
 * happens where every answer passes, a hijacked one too, and so costs one object instead of a call for each header.
 */
function stand (raw: Response, what: Standing): void {
  const writeHead = raw.writeHead as WriteHead
  raw[standing] = what
  raw.writeHead = function (this: Response, status: number, reasonOrHeaders?: unknown, more?: unknown) {
    if (more === undefined && isPlain(reasonOrHeaders) && this.getHeaderNames().length === 0) {
      return writeHead.call(this, status, { ...headersFor(this, what, status, reasonOrHeaders['content-type']), ...reasonOrHeaders })
    }
    const headers = headersFor(this, what, status, contentTypeOf(this, more ?? reasonOrHeaders))
    for (const name of Object.keys(headers)) {
      if (!this.hasHeader(name)) this.setHeader(name, headers[name] ?? '')
    }
    return writeHead.call(this, status, reasonOrHeaders, more)
  }
}

function headersFor (raw: Response, what: Standing, status: number, contentType: unknown): Headers {
  if (status === 304) return what.notModified
  if (typeof contentType !== 'string' || !isPage(contentType)) return what.other
  const nonce = raw[nonceOf]
  if (nonce === undefined || what.pagePolicy === null) return what.page
  return { ...what.page, [what.policyHeader]: what.pagePolicy.withNonce(nonce) }
}

/** What a browser opens as a document, with scripts. */
function isPage (contentType: string): boolean {
  return /^\s*(?:text\/html|application\/xhtml\+xml)\s*(?:;|$)/i.test(contentType)
}

/** The type of an answer that is written by hand: of what `writeHead` is given, or set before. */
function contentTypeOf (raw: ServerResponse, given: unknown): unknown {
  const list: unknown[] = Array.isArray(given) ? given.flat(1) : Object.entries((typeof given === 'object' ? given : null) ?? {}).flat(1)
  const at = list.findIndex((name, index) => index % 2 === 0 && String(name).toLowerCase() === 'content-type')
  return at === -1 ? raw.getHeader('content-type') : list[at + 1]
}

/** Headers as Fastify writes them: an object whose names are in lower case, as ours are. */
function isPlain (headers: unknown): headers is OutgoingHttpHeaders {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) return false
  for (const name of Object.keys(headers)) if (name !== name.toLowerCase()) return false
  return true
}

/**
 * The nonce of this answer for a `nonce` attribute: 128 random bits in base64, the same each time it is asked for, and
 * another for each answer (CSP Level 3 §7.1). It stands where `pageContentSecurityPolicy` has `'nonce'`; a handler that
 * writes a policy of its own writes `'nonce-…'` into it. A page with a nonce belongs into no cache.
 *
 * @example
 * ```ts
 * reply.type('text/html').send(`<script nonce="${cspNonce(reply)}">…</script>`)
 * ```
 */
export function cspNonce (reply: FastifyReply): string {
  const raw: Response = reply.raw
  return raw[nonceOf] ??= randomBytes(16).toString('base64')
}

async function securityHeadersPlugin (app: FastifyInstance, options: SecurityHeadersOptions): Promise<void> {
  const { helmet, strictTransportSecurity, policyHeader, policy, pagePolicy } = resolve(options)
  const bare: Headers = { ...await helmetHeaders(helmet), 'cache-control': 'no-store' }

  const standingWith = (more: Headers): Standing => {
    const headers = Object.freeze({ ...bare, ...more })
    return Object.freeze({
      other: policy === null ? headers : Object.freeze({ ...headers, [policyHeader]: policy }),
      page: pagePolicy === null ? headers : Object.freeze({ ...headers, [policyHeader]: pagePolicy.withoutNonce }),
      notModified: headers,
      policyHeader,
      pagePolicy
    })
  }
  const overHttp = standingWith({})
  const overHttps = strictTransportSecurity === null ? overHttp : standingWith({ [HSTS]: strictTransportSecurity })

  /** What an outer registration has decided stands. */
  function write (request: FastifyRequest, reply: FastifyReply): void {
    if (!(standing in reply.raw)) stand(reply.raw, request.protocol === 'https' ? overHttps : overHttp)
  }

  const onRequest: onRequestHookHandler = (request, reply, next) => {
    write(request, reply)
    next()
  }
  const onSend: onSendHookHandler = (request, reply, payload, next) => {
    // An earlier onRequest hook that answers keeps ours from running
    write(request, reply)
    if (typeof payload === 'string') addCharset(reply)
    next(null, payload)
  }
  app.addHook('onRequest', onRequest)
  app.addHook('onSend', onSend)
  tellBelow(app, { headers: (secure) => (secure ? overHttps : overHttp).other })
}

// A text is sent as UTF-8, whatever a browser would guess; Fastify says so for JSON and for texts without a type.
function addCharset (reply: FastifyReply): void {
  const type = reply.getHeader('content-type')
  if (typeof type === 'string' && type.startsWith('text/') && !type.includes('charset=')) void reply.type(`${type}; charset=utf-8`)
}

/**
 * Adds to every answer of this context, 404s, errors and refusals included: `X-Content-Type-Options: nosniff`,
 * `Content-Security-Policy: default-src 'none'; frame-ancestors 'none'`, `Cache-Control: no-store`,
 * `Referrer-Policy: no-referrer`, `X-Frame-Options: DENY`, `Cross-Origin-Resource-Policy` and
 * `Cross-Origin-Opener-Policy: same-origin`, `X-XSS-Protection: 0`, and over https `Strict-Transport-Security`. A page
 * (`text/html`) has a policy that allows what comes from its own origin, and a nonce where {@link cspNonce} was asked.
 * Register it first. What a handler sets itself, such as the policy of a page or a `Cache-Control`, is kept.
 * On the root it holds for the answers of `serverOptions` too, which no hook sees.
 * Throws `GATEHOUSE_OPTION_INVALID` at boot.
 *
 * @example
 * ```ts
 * await app.register(securityHeaders)
 * app.get('/', (request, reply) => reply.type('text/html').send(page))
 * ```
 */
export const securityHeaders = fp(securityHeadersPlugin, { name: 'gatehouse-security-headers', fastify: '5.x' })

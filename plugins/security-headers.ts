// The headers that keep an answer from being sniffed, framed, cached or sent elsewhere, on every answer of the service:
// OWASP HTTP Headers, ASVS 3.4, RFC 6797.
import fp from 'fastify-plugin'
import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler, onSendHookHandler } from 'fastify'
import { isQuotable } from '../guards/challenge.ts'
import { assertKnownOptions, invalid } from '../guards/scheme-options.ts'

/** Options of `securityHeaders`. */
export interface SecurityHeadersOptions {
  /**
   * The `Content-Security-Policy` of answers that do not bring their own.
   * @defaultValue `"default-src 'none'; frame-ancestors 'none'"`
   */
  contentSecurityPolicy?: string
  /**
   * Sends `Strict-Transport-Security: max-age=31536000; includeSubDomains`, over https only (RFC 6797 §7.2).
   * Turn it off where a subdomain must stay on http.
   * @defaultValue `true`
   */
  hsts?: boolean
}

interface Settings {
  readonly contentSecurityPolicy: string
  readonly hsts: boolean
}

const HSTS = 'strict-transport-security'
const defaultPolicy = "default-src 'none'; frame-ancestors 'none'"

function resolve (options: SecurityHeadersOptions): Settings {
  assertKnownOptions('securityHeaders', options, ['contentSecurityPolicy', 'hsts'])
  const { contentSecurityPolicy = defaultPolicy, hsts = true } = options
  if (typeof contentSecurityPolicy !== 'string' || contentSecurityPolicy === '' || !isQuotable(contentSecurityPolicy)) {
    throw invalid('securityHeaders.contentSecurityPolicy', 'must be a policy of printable ASCII')
  }
  if (typeof hsts !== 'boolean') throw invalid('securityHeaders.hsts', 'must be true or false')
  return Object.freeze({ contentSecurityPolicy, hsts })
}

/**
 * What @fastify/helmet sends, taken down once from an instance that never listens: registered with the caller it would
 * decorate `reply.helmet`, which belongs to a service that uses helmet itself.
 */
async function helmetHeaders (): Promise<Map<string, string>> {
  const [{ fastify }, { fastifyHelmet }] = await Promise.all([import('fastify'), import('@fastify/helmet')])
  const host = fastify()
  await host.register(fastifyHelmet, {
    contentSecurityPolicy: false,
    crossOriginOpenerPolicy: { policy: 'same-origin' },
    crossOriginResourcePolicy: { policy: 'same-origin' },
    frameguard: { action: 'deny' },
    referrerPolicy: { policy: 'no-referrer' },
    strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: true }
  })
  const sent = new Map<string, string>()
  host.get('/', (_request, reply) => {
    for (const [name, value] of Object.entries(reply.raw.getHeaders())) sent.set(name, String(value))
    return ''
  })
  await host.inject('/')
  await host.close()
  return sent
}

type Headers = Readonly<Record<string, string>>
type WriteHead = (this: ServerResponse, status: number, ...rest: unknown[]) => ServerResponse

/** Where a response keeps what stands in for a header that nobody sets. */
const standing = Symbol('gatehouse.headers')

/**
 * Sees to it that `raw` is sent with `headers`, unless a handler, a hook or another plugin sets one of them itself. It
 * happens where every answer passes, a hijacked one too, and so costs one object instead of a call for each header.
 */
function stand (raw: ServerResponse & { [standing]?: Headers }, headers: Headers): void {
  raw[standing] = headers
  const writeHead = raw.writeHead as WriteHead
  raw.writeHead = function (this: ServerResponse, status: number, ...rest: unknown[]) {
    const [own] = rest
    if (rest.length === 1 && this.getHeaderNames().length === 0 && isPlain(own)) return writeHead.call(this, status, { ...headers, ...own })
    for (const name of Object.keys(headers)) {
      if (!this.hasHeader(name)) this.setHeader(name, headers[name] ?? '')
    }
    return writeHead.call(this, status, ...rest)
  } as typeof raw.writeHead
}

/** Headers as Fastify writes them: an object whose names are in lower case, as ours are. */
function isPlain (headers: unknown): headers is Headers {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) return false
  for (const name of Object.keys(headers)) if (name !== name.toLowerCase()) return false
  return true
}

async function securityHeadersPlugin (app: FastifyInstance, options: SecurityHeadersOptions): Promise<void> {
  const { contentSecurityPolicy, hsts } = resolve(options)
  const captured = await helmetHeaders()
  const strictTransport = hsts ? captured.get(HSTS) : undefined
  captured.delete(HSTS)
  const headers: Headers = Object.freeze({ ...Object.fromEntries(captured), 'content-security-policy': contentSecurityPolicy, 'cache-control': 'no-store' })
  const overHttps: Headers = strictTransport === undefined ? headers : Object.freeze({ ...headers, [HSTS]: strictTransport })

  function write (request: FastifyRequest, reply: FastifyReply): void {
    stand(reply.raw, request.protocol === 'https' ? overHttps : headers)
  }

  const onRequest: onRequestHookHandler = (request, reply, next) => {
    write(request, reply)
    next()
  }
  const onSend: onSendHookHandler = (request, reply, payload, next) => {
    // An earlier onRequest hook that answers keeps ours from running
    if (!(standing in reply.raw)) write(request, reply)
    if (typeof payload === 'string') addCharset(reply)
    next(null, payload)
  }
  app.addHook('onRequest', onRequest)
  app.addHook('onSend', onSend)
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
 * `Cross-Origin-Opener-Policy: same-origin`, `X-XSS-Protection: 0`, and over https `Strict-Transport-Security`.
 * Register it first. What a handler sets itself, such as the policy of a page or a `Cache-Control`, is kept.
 * Throws `GATEHOUSE_OPTION_INVALID` at boot.
 *
 * @example
 * ```ts
 * await app.register(securityHeaders)
 * app.get('/', (request, reply) => reply.type('text/html').header('content-security-policy', "default-src 'self'").send(page))
 * ```
 */
export const securityHeaders = fp(securityHeadersPlugin, { name: 'gatehouse-security-headers', fastify: '5.x' })

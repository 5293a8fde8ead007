// Which pages of other origins may read the answers (Fetch standard, CORS protocol): an exact list, nobody by default.
// CORS is not authorization: a disallowed origin is answered as any other, without the header that lets a page read it.
import { validateHeaderName, validateHeaderValue } from 'node:http'
import fp from 'fastify-plugin'
import type { FastifyCorsOptions } from '@fastify/cors'
import type { FastifyInstance, FastifyReply, FastifyRequest, onErrorHookHandler, onRequestHookHandler, onSendHookHandler } from 'fastify'
import { tellAnyOrigin } from '../guards/any-origin.ts'
import { eventOrigin, isHeard, tellEvent } from '../guards/events.ts'
import { assertInteger, assertKnownOptions, assertText, invalid } from '../guards/scheme-options.ts'
import { tellBelow } from './server-answers.ts'

/** Options of `cors`. */
export interface CorsOptions {
  /**
   * The allowed origins, each as a browser sends it: `https://app.example.com`. `'null'` only if listed.
   * `'*'` lets every page read the answers: it needs `anyOrigin` and is refused with `credentials`.
   * @defaultValue `[]`: no CORS headers at all
   */
  origin?: readonly string[] | '*'
  /** Why every origin may read the answers, told by `guardedRoutes()`; with `origin: '*'` only. */
  anyOrigin?: string
  /** Lets pages send cookies and read the answer. @defaultValue `false` */
  credentials?: boolean
  /** @defaultValue `['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']` */
  methods?: readonly string[]
  /** Request headers that a page may set. @defaultValue `['Authorization', 'Content-Type', 'X-API-Key', 'X-CSRF-Token']` */
  allowedHeaders?: readonly string[]
  /** Response headers that a page may read. @defaultValue `['Location', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'WWW-Authenticate']` */
  exposedHeaders?: readonly string[]
  /** How long a browser may keep the answer to a preflight: 0 to 7200. @defaultValue 600 */
  maxAgeSeconds?: number
}

interface Settings {
  readonly origin: readonly string[] | '*'
  readonly anyOrigin: string | null
  readonly credentials: boolean
  readonly methods: string[]
  readonly allowedHeaders: string[]
  readonly exposedHeaders: string[]
  readonly maxAge: number
}

// RFC 9110 §5.6.2
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const defaultMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const defaultAllowedHeaders = ['Authorization', 'Content-Type', 'X-API-Key', 'X-CSRF-Token']
const defaultExposedHeaders = ['Location', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'WWW-Authenticate']

function resolve (options: CorsOptions): Settings {
  assertKnownOptions('cors', options, ['origin', 'anyOrigin', 'credentials', 'methods', 'allowedHeaders', 'exposedHeaders', 'maxAgeSeconds'])
  const {
    origin = [], anyOrigin, credentials = false, maxAgeSeconds = 600, methods = defaultMethods,
    allowedHeaders = defaultAllowedHeaders, exposedHeaders = defaultExposedHeaders
  } = options
  if (typeof credentials !== 'boolean') throw invalid('cors.credentials', 'must be true or false')
  assertInteger('cors.maxAgeSeconds', maxAgeSeconds, { min: 0, max: 7200 })
  if (anyOrigin !== undefined) assertText('cors.anyOrigin', anyOrigin)
  if (origin === '*') {
    if (anyOrigin === undefined) throw invalid('cors.anyOrigin', "must say why, with origin: '*'")
    if (credentials) throw invalid('cors.credentials', "contradicts origin: '*'")
  } else {
    if (anyOrigin !== undefined) throw invalid('cors.anyOrigin', "is for origin: '*'")
    assertOrigins(origin)
    // Any page can send it, from a sandboxed frame.
    if (credentials && origin.includes('null')) throw invalid('cors.credentials', "contradicts the origin 'null'")
  }
  return Object.freeze({
    origin: origin === '*' ? '*' : [...origin],
    anyOrigin: anyOrigin ?? null,
    credentials,
    methods: tokens('methods', methods),
    allowedHeaders: tokens('allowedHeaders', allowedHeaders),
    exposedHeaders: tokens('exposedHeaders', exposedHeaders),
    maxAge: maxAgeSeconds
  })
}

function assertOrigins (origin: unknown): asserts origin is readonly string[] {
  if (!Array.isArray(origin)) throw invalid('cors.origin', "must be a list of origins, or '*'")
  for (const entry of origin as unknown[]) {
    if (entry === 'null') continue
    if (typeof entry !== 'string' || !URL.canParse(entry)) throw invalid('cors.origin', 'must hold origins such as https://app.example.com')
    const serialized = new URL(entry).origin
    if (serialized === 'null') throw invalid('cors.origin', 'holds a URL that has no origin')
    if (serialized !== entry) throw invalid('cors.origin', `must hold origins as a browser sends them: ${serialized}`)
  }
}

function tokens (option: string, list: unknown): string[] {
  const names: unknown[] = Array.isArray(list) ? list : [null]
  const valid = names.filter((name): name is string => typeof name === 'string' && TOKEN.test(name) && name !== '*')
  if (valid.length !== names.length) throw invalid(`cors.${option}`, 'must be a list of names')
  return valid
}

const ALLOW_ORIGIN = 'access-control-allow-origin'

type Lent = (request: FastifyRequest, reply: FastifyReply, next: () => void) => void
type Headers = Readonly<Record<string, string>>

/**
 * The hook that @fastify/cors adds, from an instance that never listens. Registered with the caller it would also add
 * `OPTIONS *`, an undeclared route under `defaultAccess: 'deny'`, and a decorator that a service's own registration needs.
 */
async function lendHook (options: FastifyCorsOptions): Promise<Lent> {
  const [{ fastify }, { fastifyCors }] = await Promise.all([import('fastify'), import('@fastify/cors')])
  const host = fastify()
  let hook: unknown
  host.addHook = function (_name: string, added: unknown) {
    hook = added
    return host
  }
  await host.register(fastifyCors, options)
  await host.close()
  return hook as Lent
}

// The lent hook sees this much of a request and none of its route, whose `config.cors` would bypass the checks above.
function viewOf ({ raw, headers }: { raw: Pick<FastifyRequest['raw'], 'method'>; headers: FastifyRequest['headers'] }): FastifyRequest {
  return { raw, headers, routeOptions: { config: {} }, corsPreflightEnabled: false } as unknown as FastifyRequest
}

/** What the lent hook answers to a request of `origin` that is no preflight: of all requests it depends on that alone. */
function headersFor (hook: Lent, origin: string | undefined): Headers {
  const found: Record<string, string> = {}
  const reply = {
    getHeader: (name: string) => found[name.toLowerCase()],
    header (name: string, value: string) { found[name.toLowerCase()] = value }
  } as unknown as FastifyReply
  hook(viewOf({ raw: { method: 'GET' }, headers: origin === undefined ? {} : { origin } }), reply, () => undefined)
  return Object.freeze(found)
}

function isPreflight ({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}

/** Whether a page of another origin asks, as a browser says: no page of the service's own sends a preflight. */
function isForeign (request: FastifyRequest): boolean {
  const { 'sec-fetch-site': site, 'sec-fetch-mode': mode } = request.headers
  return isPreflight(request) || (mode === 'cors' && (site === 'cross-site' || site === 'same-site'))
}

function isSendable (name: string, value: unknown): boolean {
  try {
    validateHeaderName(name)
    for (const part of Array.isArray(value) ? value as unknown[] : [value]) validateHeaderValue(name, part as string)
    return true
  } catch {
    return false
  }
}

/**
 * The answer to an error still has the headers that the failed one had; with one that Node refuses it would fail as well,
 * and what is sent at last has none of ours, so that a page could not read that its request failed.
 */
const dropUnsendable: onErrorHookHandler = (_request, reply, _error, next) => {
  for (const [name, value] of Object.entries(reply.getHeaders())) if (!isSendable(name, value)) void reply.removeHeader(name)
  next()
}

async function corsPlugin (app: FastifyInstance, options: CorsOptions): Promise<void> {
  const { origin, anyOrigin, credentials, methods, allowedHeaders, exposedHeaders, maxAge } = resolve(options)
  if (origin.length === 0) return
  const list = origin === '*' ? origin : [...origin]
  const forStrangers = await lendHook({ origin: list, preflight: false })
  const forAllowed = await lendHook({ origin: list, preflight: false, credentials, exposedHeaders })
  const forPreflights = await lendHook({ origin: list, credentials, methods, allowedHeaders, maxAge })
  const anyone = origin === '*' ? headersFor(forAllowed, undefined) : null
  const stranger = headersFor(forStrangers, undefined)
  const allowed = new Map(origin === '*' ? [] : origin.map((entry) => [entry, headersFor(forAllowed, entry)]))

  const onRequest: onRequestHookHandler = (request, reply, next) => {
    const known = anyone ?? allowed.get(request.headers.origin ?? '')
    if (known === undefined && isForeign(request) && isHeard()) tellEvent(app.server, { ...eventOrigin(request), event: 'malicious_cors', outcome: 'failure', reason: 'origin_not_listed' })
    if (!isPreflight(request)) {
      write(reply, known ?? stranger)
      next()
    } else if (known !== undefined) forPreflights(viewOf(request), reply, next)
    else forStrangers(viewOf(request), reply, () => { void reply.code(204).send() })
  }

  function write (reply: FastifyReply, headers: Headers): void {
    const vary = reply.getHeader('vary')
    void reply.headers(headers)
    if (vary === undefined || anyone !== null) return
    // What was there, and ours beside it.
    void reply.header('vary', vary)
    addVary(reply)
  }

  function addVary (reply: FastifyReply): void {
    forStrangers(viewOf({ raw: reply.request.raw, headers: {} }), reply, () => undefined)
  }

  app.addHook('onRequest', onRequest)
  app.addHook('onError', dropUnsendable)
  tellBelow(app, { cors: (from) => anyone ?? allowed.get(from ?? '') ?? stranger })
  if (anyOrigin !== null) tellAnyOrigin(app, anyOrigin)
  if (anyone !== null) return

  // A handler that writes these itself replaces ours, and a hook that answers before ours keeps it from running; a cache
  // would then hand one origin's answer to another, and a page could not read what it may.
  const onSend: onSendHookHandler = (request, reply, payload, next) => {
    const known = allowed.get(request.headers.origin ?? '')
    if (known !== undefined && reply.getHeader(ALLOW_ORIGIN) !== known[ALLOW_ORIGIN]) write(reply, known)
    else if (reply.getHeader('vary') !== stranger.vary) addVary(reply)
    next(null, payload)
  }
  app.addHook('onSend', onSend)
}

/**
 * Answers CORS for the listed origins; without `origin` it does nothing. Preflights are answered 204 before any guard
 * or handler, for known and unknown paths alike; a disallowed origin gets no `Access-Control-Allow-Origin`, and its
 * request is handled as any other. `Vary: Origin` stands on every answer, those of `serverOptions` included, which no hook
 * sees. Register it on the root, before other plugins.
 * Throws `GATEHOUSE_OPTION_INVALID` at boot for anything but exact origins: `true`, patterns and functions too.
 *
 * @example
 * ```ts
 * await app.register(cors, { origin: ['https://app.example.com'] })
 * ```
 */
export const cors = fp(corsPlugin, { name: 'gatehouse-cors', fastify: '5.x' })

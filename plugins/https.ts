// Nothing over plain HTTP (ASVS 4.1.2, RFC 7617 §4): a person who opens a page is sent to HTTPS; whatever carried
// credentials is refused, so that somebody notices, instead of being redirected after they were there to be read.
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import { problemOf } from '../errors.ts'
import { eventOrigin, isHeard, tellEvent } from '../guards/events.ts'
import { typed } from '../guards/problem-types.ts'
import { assertKnownOptions, invalid, isRecord } from '../guards/scheme-options.ts'

/** Options of `https`. */
export interface HttpsOptions {
  /** Where the service is over HTTPS, such as `https://api.example.com`: redirects go there, whatever `Host` says. */
  origin: string
  /** Header fields that carry credentials. @defaultValue `['Authorization', 'Proxy-Authorization', 'Cookie', 'X-API-Key', 'X-CSRF-Token']` */
  credentialHeaders?: readonly string[]
  /** Query parameters that carry credentials. @defaultValue `['access_token', 'api_key', 'client_secret', 'password', 'refresh_token', 'token']` */
  credentialParameters?: readonly string[]
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Why this route answers over plain HTTP too, where `https` is registered; never to credentials. */
    plainHttp?: string
  }
}

interface Settings {
  readonly origin: string
  readonly headers: ReadonlySet<string>
  readonly parameters: ReadonlySet<string>
}

// RFC 9110 §5.6.2
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const PROBLEM_JSON = 'application/problem+json; charset=utf-8'
const defaultHeaders = ['Authorization', 'Proxy-Authorization', 'Cookie', 'X-API-Key', 'X-CSRF-Token']
const defaultParameters = ['access_token', 'api_key', 'client_secret', 'password', 'refresh_token', 'token']

function resolve (options: HttpsOptions): Settings {
  const given: unknown = options
  if (!isRecord(given)) throw invalid('https', 'takes an object')
  assertKnownOptions('https', options, ['origin', 'credentialHeaders', 'credentialParameters'])
  const { origin, credentialHeaders = defaultHeaders, credentialParameters = defaultParameters } = options
  const isOrigin = typeof origin === 'string' && URL.canParse(origin) && new URL(origin).origin === origin && origin.startsWith('https://')
  if (!isOrigin) throw invalid('https.origin', 'must be an origin such as https://api.example.com')
  return Object.freeze({ origin, headers: names('credentialHeaders', credentialHeaders), parameters: names('credentialParameters', credentialParameters) })
}

function names (option: string, list: unknown): ReadonlySet<string> {
  const entries: unknown[] = Array.isArray(list) ? list : [null]
  if (!entries.every((name) => typeof name === 'string' && TOKEN.test(name))) throw invalid(`https.${option}`, 'must be a list of names')
  return new Set(entries.map((name) => String(name).toLowerCase()))
}

/** What carried credentials, by its name alone; `null` for nothing. */
function carrierOf ({ headers, raw }: FastifyRequest, settings: Settings): string | null {
  for (const name of settings.headers) if (headers[name] !== undefined) return name
  const { url = '' } = raw
  const query = url.indexOf('?')
  if (query === -1) return null
  for (const name of new URLSearchParams(url.slice(query + 1)).keys()) {
    if (settings.parameters.has(name.toLowerCase())) return `?${name.toLowerCase()}`
  }
  return null
}

/** Whether a person opens a page: a program should hear that it has the wrong URL, rather than follow to the right one for ever. */
function isVisit ({ method, headers, raw }: FastifyRequest): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  if (headers['transfer-encoding'] !== undefined || !['0', undefined].includes(headers['content-length'])) return false
  return raw.url?.startsWith('/') === true && acceptsHtml(headers.accept ?? '')
}

// RFC 9110 §12.5.1; a wildcard is what programs send.
function acceptsHtml (accept: string): boolean {
  return accept.split(',').some((range) => {
    const [type = '', ...parameters] = range.toLowerCase().split(';').map((part) => part.trim())
    return type === 'text/html' && !parameters.some((parameter) => /^q=0\.?0*$/.test(parameter))
  })
}

/** The same path over HTTPS. What no URL holds as it is (RFC 3986 §2) is written in percent, byte by byte: Node reads them as Latin-1. */
function locationOf (origin: string, url: string): string {
  return origin + url.replaceAll(/[^\x21-\x7e]|["<>\\^`{|}]/g, (character) => `%${(character.charCodeAt(0) & 0xff).toString(16).toUpperCase().padStart(2, '0')}`)
}

function redirect (reply: FastifyReply, location: string): void {
  // Kept by no cache: a 308 that is kept outlives the day when the service moves.
  void reply.code(308).header('location', location).header('cache-control', 'no-store').send()
}

function refuse (request: FastifyRequest, reply: FastifyReply): void {
  // A text, so that no response schema of the route takes members away
  void reply.code(403).header('cache-control', 'no-store').type(PROBLEM_JSON).send(JSON.stringify(typed(problemOf('https_required', request.id), request.server)))
}

async function httpsPlugin (app: FastifyInstance, options: HttpsOptions): Promise<void> {
  const settings = resolve(options)

  app.addHook('onRoute', ({ config, method, url }) => {
    const why: unknown = config?.plainHttp
    if (why !== undefined && (typeof why !== 'string' || why === '')) throw invalid('config.plainHttp', `of ${String(method)} ${url} must say why`)
  })

  const onRequest: onRequestHookHandler = (request, reply, next) => {
    if (request.protocol === 'https') {
      next()
      return
    }
    const carrier = carrierOf(request, settings)
    if (carrier !== null) {
      // They were on the wire for everybody to read: whoever owns them has to know.
      request.log.warn({ code: 'https_required', carrier }, 'credentials came over plain HTTP')
      if (isHeard()) tellEvent(app.server, { ...eventOrigin(request), event: 'gatehouse_credentials_leaked', outcome: 'failure', reason: 'https_required', details: { carrier } })
      refuse(request, reply)
    } else if (request.routeOptions.config.plainHttp !== undefined) next()
    else if (isVisit(request)) redirect(reply, locationOf(settings.origin, request.raw.url ?? '/'))
    else refuse(request, reply)
  }
  app.addHook('onRequest', onRequest)
}

/**
 * Answers what comes over plain HTTP before any guard or handler: 308 to the same path of `origin` for a GET or HEAD of
 * somebody who opens a page (`Accept` has `text/html`, no body), 403 `https_required` for everything else. What carried
 * credentials is refused even there, with a line in the log that names the field and not its value. A route with
 * `config: { plainHttp: 'why' }` is served, without credentials. HTTPS is what `request.protocol` says, so a proxy that ends TLS has to be
 * in `trustProxy` (`trustedProxies` of `serverOptions`). Register it on the root, after `securityHeaders` and `cors` and
 * before other plugins. Throws `GATEHOUSE_OPTION_INVALID` at boot.
 *
 * @example
 * ```ts
 * await app.register(https, { origin: 'https://api.example.com' })
 * ```
 */
export const https = fp(httpsPlugin, { name: 'gatehouse-https', fastify: '5.x' })

// What only `Fastify(…)` itself can take: time-outs that really stop a stalled body, validation that coerces nothing in
// bodies, request ids that a client cannot choose, and our answers for what never reaches a hook.
import { randomUUID } from 'node:crypto'
import { LogController } from 'fastify'
import type { IncomingMessage, Server } from 'node:http'
import type { FastifyHttpOptions, FastifyRequest, FastifyServerOptions } from 'fastify'
import { createClientAddress, createSecurityCheck } from '../guards/client-address.ts'
import { assertInteger, assertKnownOptions, invalid, isRecord } from '../guards/scheme-options.ts'
import { createRequestCheck } from './server-request-check.ts'
import { serializeError, withoutSecrets } from './server-log.ts'
import type { SerializedError } from './server-log.ts'
import { answerClientError, createFrameworkErrors } from './server-answers.ts'
import { createValidatorFactory } from './server-validation.ts'

type HttpOptions = FastifyHttpOptions<Server>
type LoggerOptions = Exclude<HttpOptions['logger'], boolean | undefined>

/** Options of {@link serverOptions}. */
export interface ServerOptionsOptions {
  /**
   * Addresses and CIDRs of the proxies whose `X-Forwarded-*` is believed; a hop count or `true` is refused.
   * @defaultValue `[]`: nobody
   */
  trustedProxies?: readonly string[]
  /** The hosts this service answers for, as in `Host` (`api.example.com`, `localhost:3000`); any other is 400. @defaultValue any */
  allowedHosts?: readonly string[]
  /** The largest body in bytes. @defaultValue 1048576 */
  bodyLimit?: number
  /** How long a whole request may take to arrive, from 1. @defaultValue 30 */
  requestTimeoutSeconds?: number
  /** How long its headers may take to arrive; never longer than the request. @defaultValue 10 */
  headersTimeoutSeconds?: number
  /** How long an idle connection is kept: 5 to 72. @defaultValue 72 */
  keepAliveTimeoutSeconds?: number
  /** How long nothing may move on a connection while a request is answered, from 1: neither from the handler nor to the client. @defaultValue 60 */
  silenceTimeoutSeconds?: number
  /** How many requests a connection may carry. @defaultValue 1000 */
  maxRequestsPerSocket?: number
  /** How many bytes the headers of a request may have in all. @defaultValue 16384 */
  maxHeaderBytes?: number
  /** How many header fields a request may have. @defaultValue 100 */
  maxHeaderCount?: number
  /** How many parameters a query may have. @defaultValue 1000 */
  maxQueryParameters?: number
  /**
   * The header whose value becomes the request's id, if it matches `^[A-Za-z0-9._-]{1,64}$`.
   * @defaultValue none: ids are random UUIDs
   */
  requestIdHeader?: string
  /**
   * As Fastify's: credentials in logged headers are redacted and logged URLs have no query.
   * @defaultValue `false`
   */
  logger?: boolean | LoggerOptions
}

/** What {@link serverOptions} returns; written out, so that the declaration names no package but Fastify. */
export interface HardenedOptions extends Pick<FastifyServerOptions,
  'bodyLimit' | 'connectionTimeout' | 'requestTimeout' | 'keepAliveTimeout' | 'maxRequestsPerSocket' | 'onProtoPoisoning' | 'onConstructorPoisoning' |
  'schemaController' | 'trustProxy' | 'requestIdHeader' | 'genReqId' | 'logger' | 'logController' | 'rewriteUrl' |
  'return503OnClosing' | 'frameworkErrors' | 'clientErrorHandler'> {
  /** For the HTTP server; repeat it beside `https` for TLS. */
  http: { requestTimeout: number; headersTimeout: number; connectionsCheckingInterval: number; maxHeaderSize: number; requireHostHeader: false; insecureHTTPParser: false }
}

interface Settings extends Required<Omit<ServerOptionsOptions, 'requestIdHeader' | 'allowedHosts'>> {
  readonly requestIdHeader: string | null
  readonly allowedHosts: readonly string[] | null
}

const optionNames = [
  'trustedProxies', 'allowedHosts', 'bodyLimit', 'requestTimeoutSeconds', 'headersTimeoutSeconds', 'keepAliveTimeoutSeconds', 'silenceTimeoutSeconds',
  'maxRequestsPerSocket', 'maxHeaderBytes', 'maxHeaderCount', 'maxQueryParameters', 'requestIdHeader', 'logger'
]
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/
// RFC 9110 §5.6.2
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

function resolve (options: ServerOptionsOptions): Settings {
  const given: unknown = options
  if (!isRecord(given)) throw invalid('serverOptions', 'takes an object')
  if (Object.hasOwn(options, 'insecureHTTPParser')) throw invalid('serverOptions.insecureHTTPParser', 'lets requests be smuggled (RFC 9112 §11.2)')
  assertKnownOptions('serverOptions', options, optionNames)
  const { requestTimeoutSeconds = 30 } = options
  assertInteger('serverOptions.requestTimeoutSeconds', requestTimeoutSeconds, { min: 1, max: 3600 })
  const {
    trustedProxies = [], allowedHosts, bodyLimit = 1_048_576,
    headersTimeoutSeconds = Math.min(10, requestTimeoutSeconds), keepAliveTimeoutSeconds = 72, silenceTimeoutSeconds = 60, maxRequestsPerSocket = 1000,
    maxHeaderBytes = 16_384, maxHeaderCount = 100, maxQueryParameters = 1000, requestIdHeader, logger = false
  } = options
  createClientAddress(trustedProxies)
  if (allowedHosts !== undefined) assertHosts(allowedHosts)
  assertInteger('serverOptions.bodyLimit', bodyLimit, { min: 1, max: Number.MAX_SAFE_INTEGER })
  assertInteger('serverOptions.headersTimeoutSeconds', headersTimeoutSeconds, { min: 1, max: requestTimeoutSeconds })
  assertInteger('serverOptions.keepAliveTimeoutSeconds', keepAliveTimeoutSeconds, { min: 5, max: 72 })
  assertInteger('serverOptions.silenceTimeoutSeconds', silenceTimeoutSeconds, { min: 1, max: 3600 })
  assertInteger('serverOptions.maxRequestsPerSocket', maxRequestsPerSocket, { min: 1, max: 1_000_000 })
  assertInteger('serverOptions.maxHeaderBytes', maxHeaderBytes, { min: 1024, max: 1_048_576 })
  // Node itself drops what stands above 2000 header fields
  assertInteger('serverOptions.maxHeaderCount', maxHeaderCount, { min: 10, max: 1000 })
  assertInteger('serverOptions.maxQueryParameters', maxQueryParameters, { min: 1, max: 100_000 })
  if (requestIdHeader !== undefined) assertHeaderName(requestIdHeader)
  if (typeof logger !== 'boolean' && !isRecord(logger)) throw invalid('serverOptions.logger', "must be true, false or pino's options")
  return Object.freeze({
    trustedProxies, allowedHosts: allowedHosts ?? null, bodyLimit, requestTimeoutSeconds, headersTimeoutSeconds, keepAliveTimeoutSeconds, silenceTimeoutSeconds, maxRequestsPerSocket,
    maxHeaderBytes, maxHeaderCount, maxQueryParameters, requestIdHeader: requestIdHeader ?? null, logger
  })
}

function assertHosts (hosts: unknown): void {
  const names: unknown[] = Array.isArray(hosts) ? hosts : []
  const valid = names.length > 0 && names.every((host) => typeof host === 'string' && URL.canParse(`http://${host}/`) && new URL(`http://${host}/`).host === host)
  if (!valid) throw invalid('serverOptions.allowedHosts', 'must be a list of hosts in lower case, such as api.example.com or localhost:3000')
}

function assertHeaderName (name: unknown): void {
  if (typeof name !== 'string' || !HEADER_NAME.test(name)) throw invalid('serverOptions.requestIdHeader', 'must be the name of a header')
}

function requestIdOf (header: string | null): (raw: IncomingMessage) => string {
  if (header === null) return () => randomUUID()
  const name = header.toLowerCase()
  return ({ headers }) => {
    const given = headers[name]
    return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
  }
}

const secretHeaders = ['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key', 'x-csrf-token']
const redactedPaths = secretHeaders.flatMap((name) => [`headers["${name}"]`, `*.headers["${name}"]`])

function loggerOf (logger: boolean | LoggerOptions): boolean | LoggerOptions {
  if (logger === false) return false
  const { redact, serializers, formatters, ...rest }: LoggerOptions = logger === true ? {} : logger
  const own = Array.isArray(redact) || redact === undefined ? { paths: redact ?? [] } : redact
  return {
    ...rest,
    redact: { ...own, paths: [...own.paths, ...redactedPaths] },
    serializers: { req: serializeRequest, err: (error: unknown) => serializeError(error) as SerializedError, ...serializers },
    formatters: { ...formatters, log: (logged) => withoutSecrets(formatters?.log?.(logged) ?? logged) }
  }
}

function serializeRequest (request: FastifyRequest): { method: string; url: string; host: string; remoteAddress: string; remotePort?: number } {
  const { method, url, host, ip, socket } = request
  return { method, url: withoutQuery(url), host, remoteAddress: ip, ...(socket?.remotePort === undefined ? {} : { remotePort: socket.remotePort }) }
}

function withoutQuery (url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

/** Fastify's own line for a 404 tells the whole URL. */
class QueryFreeLog extends LogController {
  override routeNotFound ({ log, method }: FastifyRequest): void {
    log.info({ method }, 'route not found')
  }
}

/**
 * The options of `Fastify(…)` for a hardened server; spread your own beside them.
 * A stalled or dripping request ends with 408 (`requestTimeoutSeconds`, `headersTimeoutSeconds`). Bodies are never
 * coerced, an unknown member of a closed schema is an error, a repeated query key is refused where the schema wants one
 * value. A `Host` that is none, that comes twice or contradicts an absolute URL, more than one `Content-Type`, a
 * `Transfer-Encoding` other than `chunked` or in HTTP/1.0, a fragment, too many headers or query parameters are refused
 * before routing, as problem+json with the security headers, and nothing more is read from that connection; bad URLs are
 * refused too. Only what the socket itself
 * refuses (400, 408, 413, 431) has no request id.
 *
 * For TLS repeat the HTTP part: `Fastify({ ...options, https: { ...options.http, key, cert } })`.
 * Not here, as Node takes it on the server only: `app.server.maxConnections`.
 * @throws `GATEHOUSE_OPTION_INVALID`
 *
 * @example
 * ```ts
 * const app = Fastify({ ...serverOptions({ trustedProxies: ['10.0.0.0/8'] }), exposeHeadRoutes: false })
 * ```
 */
export function serverOptions (options: ServerOptionsOptions = {}): HardenedOptions {
  const settings = resolve(options)
  const requestTimeout = settings.requestTimeoutSeconds * 1000
  const { check, reasonFor } = createRequestCheck(settings)
  return {
    bodyLimit: settings.bodyLimit,
    requestTimeout,
    // Node has no bound on how long an answer waits for a client that does not read it.
    connectionTimeout: settings.silenceTimeoutSeconds * 1000,
    keepAliveTimeout: settings.keepAliveTimeoutSeconds * 1000,
    maxRequestsPerSocket: settings.maxRequestsPerSocket,
    http: {
      // Fastify's requestTimeout alone does not stop a stalled body: Node checks against the longer headersTimeout.
      requestTimeout,
      headersTimeout: settings.headersTimeoutSeconds * 1000,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: settings.maxHeaderBytes,
      // The check before routing requires it, and answers.
      requireHostHeader: false,
      // Said out loud, it also overrules `node --insecure-http-parser`.
      insecureHTTPParser: false
    },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    schemaController: { compilersFactory: { buildValidator: createValidatorFactory() } },
    trustProxy: settings.trustedProxies.length === 0 ? false : [...settings.trustedProxies],
    requestIdHeader: false,
    genReqId: requestIdOf(settings.requestIdHeader),
    logger: loggerOf(settings.logger),
    logController: new QueryFreeLog(),
    rewriteUrl: check,
    // Fastify's own 503 while it closes has neither our headers nor our body; what still arrives is served and closed.
    return503OnClosing: false,
    frameworkErrors: createFrameworkErrors(reasonFor, createSecurityCheck(settings.trustedProxies)),
    clientErrorHandler: answerClientError
  }
}

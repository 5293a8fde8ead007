// The answers to what never reaches a hook: URLs that no router takes, and bytes that are no HTTP. The same problem
// bodies and headers as everywhere else.
import { STATUS_CODES } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { problemOf } from '../errors.ts'
import { typed } from '../guards/problem-types.ts'
import type { Problem, RefusalCode } from '../errors.ts'

/** What `securityHeaders` sends, for answers that are made before any plugin can. */
export const answerHeaders: Readonly<Record<string, string>> = Object.freeze({
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'DENY',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0'
})

type Headers = Readonly<Record<string, string>>

/** What the plugins on the root add to answers that are made below its hooks. */
export interface AnswersBelow {
  /** Those of `securityHeaders`, as it is configured. */
  readonly headers?: (secure: boolean) => Headers
  /** Those of `cors`; the parser gives up before there is an origin. */
  readonly cors?: (origin: string | undefined) => Headers
}

const below = new WeakMap<object, AnswersBelow>()

/** Tells what stands on the answers below the hooks of `app`, if it is the root; what was told first stands. */
export function tellBelow (app: FastifyInstance, answers: AnswersBelow): void {
  below.set(app, { ...answers, ...below.get(app) })
}

/** The headers that `securityHeaders` on the root puts on every answer over https; `null` where it is not there. */
export function standingHeaders (root: object): Headers | null {
  return below.get(root)?.headers?.(true) ?? null
}

const HSTS = { 'strict-transport-security': 'max-age=31536000; includeSubDomains' }

function headersBelow (root: object | undefined, { secure, origin }: { secure: boolean; origin: string | undefined }): Headers {
  const { headers, cors } = (root === undefined ? undefined : below.get(root)) ?? {}
  return { ...(headers?.(secure) ?? (secure ? { ...answerHeaders, ...HSTS } : answerHeaders)), ...cors?.(origin) }
}

const PROBLEM_JSON = 'application/problem+json; charset=utf-8'

const frameworkCodes = new Map<string, RefusalCode>([
  ['FST_ERR_BAD_URL', 'invalid_request'],
  ['FST_ERR_MAX_PARAM_LENGTH', 'uri_too_long']
])

/** For Fastify's `frameworkErrors`; `reasonFor` tells what was wrong before routing, `isSecure` what `request.protocol` does not here. */
export function createFrameworkErrors (reasonFor: (raw: IncomingMessage) => RefusalCode | null, isSecure: (raw: IncomingMessage) => boolean) {
  return function answerFrameworkError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
    const reason = reasonFor(request.raw)
    const code = reason ?? frameworkCodes.get(error.code) ?? 'internal_error'
    const problem = typed(problemOf(code, request.id), request.server)
    request.log.info({ code, status: problem.status, reason: error.code }, 'the request was refused')
    if (problem.status >= 500) request.log.error({ err: error }, 'the request failed')
    const headers = headersBelow(request.server, { secure: isSecure(request.raw), origin: request.headers.origin })
    // What follows on the connection may be a part of this request (RFC 9112 §11.2)
    if (reason !== null) void reply.header('connection', 'close')
    void reply.code(problem.status).headers(headers).type(PROBLEM_JSON).send(JSON.stringify(problem))
  }
}

const socketCodes = new Map<string, RefusalCode>([
  ['ERR_HTTP_REQUEST_TIMEOUT', 'request_timeout'],
  ['HPE_HEADER_OVERFLOW', 'headers_too_large'],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 'payload_too_large']
])

/** Codes of what went wrong with HTTP; others, such as those of a failed TLS handshake, leave nobody to answer. */
const OF_HTTP = /^(?:HPE|ERR_HTTP)_/

interface AnsweringSocket extends Socket {
  encrypted?: boolean
  _httpMessage?: { headersSent: boolean } | null
}

/** For Fastify's `clientErrorHandler`: the parser gave up or a request took too long; the connection ends. */
export function answerClientError (this: unknown, error: Error & { code: string }, socket: AnsweringSocket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  // As Node does: a second answer inside a begun one would be read as part of it.
  if (socket.writable && OF_HTTP.test(error.code) && socket._httpMessage?.headersSent !== true) {
    // Fastify binds the handler to its root.
    const root = typeof this === 'object' && this !== null ? this as FastifyInstance : undefined
    const headers = headersBelow(root, { secure: socket.encrypted === true, origin: undefined })
    socket.write(rawAnswer(typed(problemOf(socketCodes.get(error.code) ?? 'invalid_request', null), root), headers))
  }
  socket.destroy(error)
}

function rawAnswer (problem: Problem, below: Headers): string {
  const { status } = problem
  const body = JSON.stringify(problem)
  const headers = { ...below, connection: 'close', 'content-type': PROBLEM_JSON, 'content-length': String(Buffer.byteLength(body)) }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}`, ...lines, '', body].join('\r\n')
}

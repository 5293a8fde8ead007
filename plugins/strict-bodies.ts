// Bodies with one reading: JSON within bounds (RFC 8259, RFC 7493), in UTF-8, uncompressed, of a media type that the
// route has a schema for. Everything else is refused before the handler.
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest, preParsingHookHandler } from 'fastify'
import { fault, refusal } from '../errors.ts'
import { assertInteger, assertKnownOptions } from '../guards/scheme-options.ts'
import { StrictJsonError, decodeUtf8, jsonProblems, parseStrictJson } from '../strict-json.ts'
import type { StrictJsonOptions } from '../strict-json.ts'

/** Options of `strictBodies`. */
export interface StrictBodiesOptions {
  /** How many arrays and objects of a JSON body may stand inside each other. @defaultValue 32 */
  maxDepth?: number
  /** How many member names a JSON body may have in all. @defaultValue 1000 */
  maxKeys?: number
  /** The largest JSON body of routes without a `bodyLimit` of their own. @defaultValue the server's `bodyLimit` */
  maxBytes?: number
}

interface Settings {
  readonly limits: Required<StrictJsonOptions>
  readonly parser: { readonly parseAs: 'buffer'; readonly bodyLimit?: number }
}

function resolve (options: StrictBodiesOptions): Settings {
  assertKnownOptions('strictBodies', options, ['maxDepth', 'maxKeys', 'maxBytes'])
  const { maxDepth = 32, maxKeys = 1000, maxBytes } = options
  assertInteger('strictBodies.maxDepth', maxDepth, { min: 1, max: 1000 })
  assertInteger('strictBodies.maxKeys', maxKeys, { min: 1, max: 1_000_000 })
  if (maxBytes !== undefined) assertInteger('strictBodies.maxBytes', maxBytes, { min: 1, max: Number.MAX_SAFE_INTEGER })
  return Object.freeze<Settings>({
    limits: Object.freeze({ maxDepth, maxKeys }),
    parser: { parseAs: 'buffer', ...(maxBytes === undefined ? {} : { bodyLimit: maxBytes }) }
  })
}

function parseJsonBody (bytes: Buffer, limits: StrictJsonOptions): unknown {
  if (bytes.length === 0) throw refusal('invalid_request', { detail: 'The body is empty' })
  try {
    return parseStrictJson(decodeUtf8(bytes), limits)
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error
    throw refusal('invalid_request', { detail: `The body ${jsonProblems[error.problem]}`, reason: error.problem })
  }
}

// RFC 9110 §8.3.1, with nothing before, between or after; Fastify leaves out the parameters that it cannot read.
const ESSENCE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+/
const PARAMETERS = /[ \t]*;[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([!#$%&'*+.^_`|~0-9A-Za-z-]+|"(?:[\t !#-[\]-~]|\\[\t -~])*")/gy

function assertMediaType (contentType: string | undefined): void {
  if (contentType === undefined) throw refusal('unsupported_media_type', { detail: 'The body has no Content-Type' })
  if (contentType === 'application/json') return
  let read = ESSENCE.exec(contentType)?.[0].length ?? -1
  for (const [parameter, name, value] of contentType.slice(Math.max(0, read)).matchAll(PARAMETERS)) {
    read += parameter.length
    if (name?.toLowerCase() === 'charset' && value?.replaceAll('"', '').toLowerCase() !== 'utf-8') {
      throw refusal('unsupported_media_type', { detail: 'The charset must be utf-8' })
    }
  }
  if (read !== contentType.length) throw refusal('unsupported_media_type', { detail: 'The Content-Type is malformed' })
}

function assertIdentity (encoding: string | undefined, reply: FastifyReply): void {
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return
  void reply.header('accept-encoding', 'identity')
  throw refusal('unsupported_media_type', { detail: 'A compressed body is not supported' })
}

/** A route that lists media types has a schema for those and for no other. */
function assertListed (request: FastifyRequest): void {
  const body: unknown = request.routeOptions.schema?.body
  if (typeof body !== 'object' || body === null || !('content' in body) || typeof body.content !== 'object' || body.content === null) return
  if (!Object.hasOwn(body.content, request.mediaType ?? '')) throw refusal('unsupported_media_type', { detail: 'The route does not take this media type' })
}

function hasBody ({ raw }: FastifyRequest): boolean {
  const length = raw.headers['content-length']
  if (raw.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')) return true
  // HTTP/2 needs neither header
  return raw.httpVersionMajor > 1 && raw.headers['content-type'] !== undefined
}

const beforeParsing: preParsingHookHandler = (request, reply, payload, next) => {
  if (request.is404 || !hasBody(request)) {
    next(null, payload)
    return
  }
  assertIdentity(request.headers['content-encoding'], reply)
  assertMediaType(request.headers['content-type'])
  assertListed(request)
  next(null, payload)
}

async function strictBodiesPlugin (app: FastifyInstance, options: StrictBodiesOptions): Promise<void> {
  const { limits, parser } = resolve(options)
  if ('insecureHTTPParser' in app.server && app.server.insecureHTTPParser === true) {
    throw fault('GATEHOUSE_OPTION_INVALID', 'insecureHTTPParser lets requests be smuggled')
  }
  app.removeContentTypeParser('text/plain')
  app.addContentTypeParser('application/json', parser, async (_request: FastifyRequest, bytes: Buffer) => parseJsonBody(bytes, limits))
  app.addHook('preParsing', beforeParsing)
}

/**
 * Makes bodies strict in this context: JSON is bounded in depth and names, without duplicate names, `__proto__` or
 * `constructor.prototype`, in valid UTF-8 without a byte order mark, else 400 `invalid_request`; a body without
 * `Content-Type`, of a malformed or unknown one, in another charset, compressed, or of a type that the route's
 * `schema.body.content` does not list is 415 `unsupported_media_type`. `text/plain` is not parsed.
 * Throws `GATEHOUSE_OPTION_INVALID` at boot.
 *
 * @example
 * ```ts
 * await app.register(strictBodies, { maxDepth: 8 })
 * ```
 */
export const strictBodies = fp(strictBodiesPlugin, { name: 'gatehouse-strict-bodies', fastify: '5.x' })

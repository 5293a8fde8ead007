// How the token endpoint answers what goes wrong (RFC 6749 §5.2): its own errors, and everything else in its shape.
import { isOauthError, isRefusal, oauthErrors } from '../errors.ts'
import type { FastifyError, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import type { OauthErrorCode } from '../errors.ts'
import { TokenError } from '../schemas/tokens.ts'

/** Neither the RFC nor its registry has a word for these. */
const beyondTheRfc: Readonly<Record<number, string>> = { 429: 'slow_down', 500: 'server_error', 503: 'temporarily_unavailable' }

function bodyFor (status: number, code: OauthErrorCode | null): TokenError {
  if (code !== null) return { error: code, error_description: oauthErrors[code].description }
  const error = beyondTheRfc[status] ?? 'invalid_request'
  return error === 'invalid_request' ? { error, error_description: oauthErrors.invalid_request.description } : { error }
}

/** The refusals of guards and limits on an OAuth route. */
export const oauthRefusal = {
  schema: TokenError,
  contentType: 'application/json',
  write: ({ status }: { status: number }) => bodyFor(status, null),
  example: ({ status }: { status: number }) => bodyFor(status, null)
}

/** How a client authenticates beside the form (RFC 6749 §2.3.1). */
const basic = 'Basic realm="api", charset="UTF-8"'
const clientChallenge = { 'WWW-Authenticate': { type: 'string', pattern: '^Basic [ -~]+$', maxLength: 256, examples: [basic], description: 'How a client authenticates (RFC 7617 §2).' } }

/** A response of an OAuth route's schema, with an example of each of `codes`, or of what stands for the status. */
export function oauthAnswer (status: number, description: string, codes: readonly OauthErrorCode[] = []): object {
  const bodies = codes.length === 0 ? [bodyFor(status, null)] : codes.map((code) => bodyFor(status, code))
  const examples = Object.fromEntries(bodies.map((value) => [value.error, { value }]))
  return { description, ...(status === 401 ? { headers: clientChallenge } : {}), content: { [oauthRefusal.contentType]: { schema: { $ref: 'TokenError#' }, examples } } }
}

/** The error handler of an OAuth route; what the client sees is one of few words, the log has the rest. */
export const oauthErrorHandler: NonNullable<RouteShorthandOptions['errorHandler']> = function (error: FastifyError, request: FastifyRequest, reply: FastifyReply) {
  const given = isOauthError(error) || isRefusal(error) || error.validation !== undefined || (error.statusCode ?? 500) < 500
  const status = error.validation === undefined ? (given ? error.statusCode ?? 400 : 500) : 400
  if (status >= 500) request.log.error({ err: error }, 'the token endpoint failed')
  else request.log.info({ code: error.code, reason: isRefusal(error) ? error.reason : undefined }, 'the token endpoint refused')
  const code = isOauthError(error) ? error.code : null
  const event = status === 429 ? 'excess_rate_limit_exceeded' : (code ?? 'invalid_request') === 'invalid_request' && status < 500 ? 'input_validation_fail' : null
  if (event !== null) request.server.tellEvent({ ...request.server.eventOrigin(request), event, outcome: 'failure', reason: event === 'input_validation_fail' ? 'invalid_request' : 'quota_exceeded' })
  // RFC 6749 §5.2 asks for it where Authorization was used, RFC 9110 §15.5.2 with every 401.
  if (status === 401) void reply.header('www-authenticate', basic)
  if (isRefusal(error) && error.retryAfterSeconds !== undefined) void reply.header('retry-after', String(error.retryAfterSeconds))
  void reply.code(status).type(oauthRefusal.contentType).send(JSON.stringify(bodyFor(status, code)))
}

// Every error that is not a guard's refusal, and every 404, as problem+json (RFC 9457): the code and title of the one
// table, never a message, a value or a path.
import { STATUS_CODES } from 'node:http'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isRefusal, problemOf, refusals } from '../errors.ts'
import { eventOrigin, isHeard, tellEvent } from '../guards/events.ts'
import { nameTypes, typed } from '../guards/problem-types.ts'
import { assertKnownOptions } from '../guards/scheme-options.ts'
import { validationErrors } from './problem-validation.ts'
import type { Problem, RefusalCode, RefusalContext } from '../errors.ts'
import type { SecurityEventName } from '../guards/events.ts'

/** Options of {@link problems}. */
export interface ProblemsOptions {
  /**
   * What stands before the code in the `type` of every problem of the service, those of guards too, such as
   * `https://api.example.com/errors#`: one place for the whole service. `quota_exceeded` keeps its registered type.
   * @defaultValue none: a problem has no `type`, which means `about:blank`
   */
  typeBase?: string
}

const PROBLEM_JSON = 'application/problem+json; charset=utf-8'

interface Answer {
  readonly problem: Problem
  readonly retryAfterSeconds?: number | undefined
}

// The first row of a status stands for it, except where a stranger's error cannot mean what that row says.
const codes = new Map<number, RefusalCode>([[403, 'access_denied']])
for (const [code, { status }] of Object.entries(refusals)) {
  if (!codes.has(status)) codes.set(status, code as RefusalCode)
}

function answerOf (error: unknown, request: FastifyRequest, statusSoFar: number): Answer {
  if (isRefusal(error)) return { problem: problemOf(error.code, request.id, error), retryAfterSeconds: error.retryAfterSeconds }
  const status = statusOf(error, statusSoFar)
  const errors = status === 400 ? validationErrors(error) : null
  if (errors !== null) return { problem: problemOf('validation', request.id, { errors }) }
  return { problem: problemForStatus(status, request.id) }
}

/** A status that the table does not have keeps its own reason phrase, under the code of its class. */
function problemForStatus (status: number, requestId: string): Problem {
  const code = codes.get(status)
  if (code !== undefined) return problemOf(code, requestId)
  const problem = problemOf(status < 500 ? 'invalid_request' : 'internal_error', requestId)
  return { ...problem, status, title: STATUS_CODES[status] ?? problem.title }
}

function statusOf (error: unknown, statusSoFar: number): number {
  const { statusCode, status } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>
  return [statusCode, status, statusSoFar].find(isErrorStatus) ?? 500
}

function isErrorStatus (status: unknown): status is number {
  return Number.isInteger(status) && Number(status) >= 400 && Number(status) <= 599
}

function logAnswer (request: FastifyRequest, error: unknown, { problem: { code, status } }: Answer): void {
  if (status >= 500) {
    request.log.error({ err: error, code, status }, 'the request failed')
    return
  }
  const { reason } = (isRefusal(error) ? error : {}) as RefusalContext
  const frameworkCode = error instanceof Error && 'code' in error && !isRefusal(error) ? error.code : undefined
  request.log.info({ code, status, reason: reason ?? frameworkCode }, 'the request was refused')
}

/** Answers that are events of security; what guards refuse they tell themselves. */
const events = new Map<string, SecurityEventName>([
  ['validation', 'input_validation_fail'],
  ['invalid_request', 'input_validation_fail'],
  ['payload_too_large', 'input_validation_fail'],
  ['unsupported_media_type', 'input_validation_fail'],
  ['insufficient_scope', 'authz_fail'],
  ['insufficient_role', 'authz_fail'],
  ['access_denied', 'authz_fail'],
  ['quota_exceeded', 'excess_rate_limit_exceeded'],
  ['not_found', 'gatehouse_not_found']
])

function tellAnswer (request: FastifyRequest, { code, errors }: Problem): void {
  const event = events.get(code)
  if (event === undefined || !isHeard()) return
  // Where something was wrong, and not its name: the client chose that too.
  const details = errors === undefined ? {} : { in: [...new Set(errors.map((error) => error.in))] }
  tellEvent(request.server.server, { ...eventOrigin(request), event, outcome: 'failure', reason: code, details })
}

function sendProblem (reply: FastifyReply, { problem, retryAfterSeconds }: Answer): void {
  if (retryAfterSeconds !== undefined) void reply.header('retry-after', String(retryAfterSeconds))
  void reply
    .code(problem.status)
    .header('cache-control', 'no-store')
    .type(PROBLEM_JSON)
    // A text, so that no response schema of the route takes members away
    .send(JSON.stringify(typed(problem, reply.server)))
}

function handleError (error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const answer = answerOf(error, request, reply.statusCode)
  logAnswer(request, error, answer)
  tellAnswer(request, answer.problem)
  guardLastResort(request, reply)
  sendProblem(reply, answer)
}

/**
 * An `onSend` hook that throws while an error is being sent ends in Fastify's own handler, which would send that
 * message; the handler's one way out is `reply.send`, which works once here. Installed first, as a hook may fail at once.
 */
function guardLastResort (request: FastifyRequest, reply: FastifyReply): void {
  if (reply.sent) return
  const send = reply.send.bind(reply)
  let sent = false
  reply.send = function sendLastResort (payload?: unknown) {
    if (!sent) {
      sent = true
      return send(payload)
    }
    const { raw } = reply.hijack()
    if (raw.headersSent) {
      raw.destroy()
      return reply
    }
    const body = JSON.stringify(typed(problemOf('internal_error', request.id), request.server))
    raw.statusCode = 500
    raw.setHeader('cache-control', 'no-store')
    raw.setHeader('content-type', PROBLEM_JSON)
    raw.setHeader('content-length', Buffer.byteLength(body))
    raw.end(body)
    return reply
  }
}

function handleNotFound (request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemOf('not_found', request.id)
  tellAnswer(request, problem)
  sendProblem(reply, { problem })
}

async function problemsPlugin (app: FastifyInstance, options: ProblemsOptions): Promise<void> {
  assertKnownOptions('problems', options, ['typeBase'])
  if (options.typeBase !== undefined) nameTypes(app, options.typeBase)
  app.setErrorHandler(handleError)
  app.setNotFoundHandler(handleNotFound)
}

/**
 * The error handler and the 404 of this context: what a handler or a service throws becomes problem+json with
 * `Cache-Control: no-store` and `instance` `urn:request:<id>`, and with `typeBase` a `type` that leads to a page about the code.
 *
 * A `refusal(…)` becomes its answer. A validation failure is 400 `validation` with `errors`, which say where and what
 * rule, never the value. Any other error has the title of its status and nothing of its message; above 499 it is
 * logged as an error, with the request's id. Throws `GATEHOUSE_OPTION_INVALID` at boot.
 *
 * @example
 * ```ts
 * await app.register(problems)
 * app.get('/items/:id', async () => { throw refusal('not_found') })
 * ```
 */
export const problems = fp(problemsPlugin, { name: 'gatehouse-problems', fastify: '5.x' })

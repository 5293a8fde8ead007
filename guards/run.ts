// The one hook a guarded route has: asks what its plan still needs to know, in a straight line while every
// answer comes synchronously, and lets the request pass or refuses it.
import { isRefusal, problemOf, refusal } from '../errors.ts'
import { answerOf, explain } from './answer.ts'
import { isPromise } from './awaitable.ts'
import { addCsrfVary, isHandshake, isUnsafe } from './csrf.ts'
import { decide, principalIn } from './decision.ts'
import { isBatch } from './limit.ts'
import { plantedIn } from './planted.ts'
import { typed } from './problem-types.ts'
import { readPrincipal } from './read-principal.ts'
import { accusedOf, accusedPrincipal, tellPassed, tellRefused } from './run-events.ts'
import { beginState, principalOf } from './state.ts'
import { secondsToWait, writeLimitHeaders } from './limit-headers.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Problem, Refusal } from '../errors.ts'
import type { RefusalFormat } from './answer.ts'
import type { CsrfProtection } from './csrf.ts'
import type { CompiledAlternative, Outcome } from './decision.ts'
import type { Limit, LimitBatch, LimitState } from './limit.ts'
import type { Plan, Question } from './plan.ts'
import type { Principal } from './principal.ts'
import type { Scheme } from './scheme.ts'
import type { GuardState } from './state.ts'

/** What the core was configured with. */
export interface Runtime {
  /** How long a callback or a store may take before the answer is 503. */
  readonly callbackTimeoutSeconds: number
  readonly format: RefusalFormat
  /** What judges state-changing requests that were let in by what a browser sends unasked; `null`: none of them is let in. */
  readonly csrf: CsrfProtection | null
  /** Whether refusals carry an `explanation`: in development only. */
  readonly explains: boolean
}

interface Run {
  readonly state: GuardState
  readonly runtime: Runtime
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly done: () => void
  countedBefore: number
  countedAfter: number
  /** The ambient schemes for which the request was proven. */
  proven: readonly Scheme[] | null
}

export function runPlan (plan: Plan, runtime: Runtime, request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  const run: Run = { state: beginState(request, plan), runtime, request, reply, done, countedBefore: 0, countedAfter: 0, proven: null }
  for (const { check } of plan.crossSite) {
    addCsrfVary(reply)
    const refused = check(request)
    if (refused !== null) {
      send(run, refused, [])
      return
    }
  }
  advance(run)
}

function advance (run: Run): void {
  const { state } = run
  const { plan, outcomes } = state
  while (run.countedBefore < plan.countsBefore.length) {
    if (!count(run, plan.countsBefore[run.countedBefore++])) return
  }
  for (;;) {
    const gated = run.countedAfter < plan.countsAfter.length
    const verdict = decide(gated ? plan.gate : plan.alternatives, outcomes)
    if (typeof verdict === 'number') {
      if (!ask(run, verdict)) return
    } else if (verdict === null) {
      refuse(run)
      return
    } else {
      if (verdict.ambient.length > 0 && !isProven(run, verdict)) return
      state.accepted = verdict
      if (!gated) break
      if (!count(run, plan.countsAfter[run.countedAfter++])) return
    }
  }
  state.passed = true
  tellPassed(state, run.request)
  run.done()
}

/** Whether a request that changes state, or begins a conversation, comes from where it may; false where it was refused. */
function isProven (run: Run, { ambient, slots }: CompiledAlternative): boolean {
  const { request, reply, runtime: { csrf }, state } = run
  const unsafe = isUnsafe(request.method)
  if (run.proven === ambient || !(unsafe || isHandshake(request))) return true
  run.proven = ambient
  addCsrfVary(reply)
  const asked = { request, schemes: ambient, principal: principalIn(slots[0], state.outcomes) }
  const inForm = unsafe && request.routeOptions.config.csrf === 'form'
  if (inForm) state.tokenDue = asked
  const refused = csrf === null
    ? refusal('cross_site_request', { reason: 'csrf is not registered' })
    : csrf.proveOrigin(asked) ?? (inForm || !unsafe ? null : csrf.proveToken(asked, 'header'))
  if (refused === null) return true
  send(run, refused, [], accusedPrincipal(asked.principal))
  return false
}

/** Asks the question of `slot`; false where the answer comes later, or was a refusal that ended the request. */
function ask (run: Run, slot: number): boolean {
  const { outcomes, plan } = run.state
  const question = plan.questions[slot]
  if (question === undefined) throw new RangeError(`no question in slot ${String(slot)}`)
  try {
    const answer = question.type === 'scheme'
      ? plantedIn(question.scheme.name, run.request.raw)?.principal ?? question.scheme.authenticate(run.request)
      : question.authorization.authorize({ principal: judged(question.judged, outcomes), request: run.request })
    if (isPromise(answer)) {
      settle<unknown>(run, answer, (found) => { resume(run, slot, outcomeOf(question, found)) }, (error) => { resume(run, slot, error) })
      return false
    }
    outcomes[slot] = outcomeOf(question, answer)
  } catch (error) {
    outcomes[slot] = refusalFrom(error)
  }
  return true
}

function resume (run: Run, slot: number, outcome: Outcome): void {
  run.state.outcomes[slot] = outcome
  advance(run)
}

function judged (slot: number, outcomes: readonly Outcome[]): Principal {
  const principal = principalIn(slot, outcomes)
  if (principal === null) throw new TypeError('an authorization was asked before anyone was authenticated')
  return principal
}

/** Schemes and policies are anybody's code: an answer that is not of the agreed form lets no one in. */
function outcomeOf (question: Question, found: unknown): Outcome {
  if (question.type === 'authorization') return found === null ? true : refusalFrom(found)
  return found === null ? null : readPrincipal(found) ?? refusalFrom(new TypeError('authenticate() answered with neither a principal nor null'))
}

/** Counts the request; false where the answer comes later, or the limit was exceeded. */
function count (run: Run, limit: Limit | LimitBatch | undefined): boolean {
  if (limit === undefined) return true
  const context = { principal: principalOf(run.state), request: run.request, reply: run.reply }
  if (isBatch(limit)) {
    const { shared, limits } = limit
    settle(run, shared.consume(limits, context), (states) => { if (haveRoom(run, limits, states)) advance(run) }, (error) => { send(run, error, []) })
    return false
  }
  try {
    const found = limit.consume(context)
    if (!isPromise(found)) return hasRoom(run, limit, found)
    settle(run, found, (state) => { if (hasRoom(run, limit, state)) advance(run) }, (error) => { send(run, error, []) })
  } catch (error) {
    send(run, refusalFrom(error), [])
  }
  return false
}

function hasRoom (run: Run, limit: Limit, found: LimitState | null): boolean {
  if (found === null) return true
  writeLimitHeaders(run.reply, limit, found)
  if (!found.exceeded) return true
  send(run, exceeded(limit, run.reply), [], accusedPrincipal(principalOf(run.state)))
  return false
}

function haveRoom (run: Run, limits: readonly Limit[], states: readonly (LimitState | null)[]): boolean {
  return limits.every((limit, i) => hasRoom(run, limit, states[i] ?? null))
}

/** Waits for an answer, at most as long as configured; a client that left meanwhile is not answered. */
function settle<T> (run: Run, answer: PromiseLike<T>, onFound: (found: T) => void, onError: (error: Refusal) => void): void {
  let waiting = true
  const timer = setTimeout(() => { finish(() => { onError(refusal('unavailable', { retryAfterSeconds: 1, reason: 'no answer in time' })) }) }, run.runtime.callbackTimeoutSeconds * 1000)
  const finish = (proceed: () => void): void => {
    if (!waiting) return
    waiting = false
    clearTimeout(timer)
    if (!run.reply.sent) proceed()
  }
  // A thenable may be anybody's, and may call back twice or answer nothing itself.
  Promise.resolve(answer).then(
    (found) => { finish(() => { onFound(found) }) },
    (error: unknown) => { finish(() => { onError(refusalFrom(error)) }) }
  ).catch((error: unknown) => { send(run, refusalFrom(error), []) })
}

function refusalFrom (error: unknown): Refusal {
  return isRefusal(error) ? error : refusal('unavailable', { retryAfterSeconds: 1, reason: 'a callback or store failed', cause: error })
}

function exceeded ({ name }: Limit, reply: FastifyReply): Refusal {
  return refusal('quota_exceeded', { retryAfterSeconds: secondsToWait(reply), members: { 'violated-policies': [name] }, reason: `limit ${name}` })
}

function refuse (run: Run): void {
  const { refusal: chosen, challenges } = answerOf(run.state, run.request)
  send(run, chosen, challenges)
}

function send ({ state, runtime, request, reply }: Run, error: Refusal, challenges: readonly string[], accused = accusedOf(state, error)): void {
  tellRefused(request, error, accused)
  const explanation = runtime.explains ? { explanation: explain(state, request) } : {}
  sendRefusal(request, reply, runtime.format, { error, challenges, members: explanation })
}

/** Logs a refusal, and sends it. */
export function sendRefusal (
  request: FastifyRequest,
  reply: FastifyReply,
  format: RefusalFormat,
  { error, challenges, members }: { error: Refusal; challenges: readonly string[]; members: Readonly<Record<string, unknown>> }
): void {
  const { code, statusCode, reason, cause } = error
  if (statusCode >= 500) request.log.error({ code, reason, err: cause }, 'refused')
  else request.log.info({ code, reason }, 'refused')
  if (challenges.length > 0) void reply.header('www-authenticate', challenges.length === 1 ? challenges[0] : challenges)
  writeRefusal(request, reply, format, error, members)
}

/** Sends a refusal past every error handler and serializer of the service; its hooks still see it. */
export function writeRefusal (request: FastifyRequest, reply: FastifyReply, format: RefusalFormat, error: Refusal, members: Readonly<Record<string, unknown>> = {}): void {
  const { code, statusCode } = error
  const retryAfterSeconds = error.retryAfterSeconds ?? (statusCode === 503 ? 1 : undefined)
  if (retryAfterSeconds !== undefined) void reply.header('retry-after', String(retryAfterSeconds))
  const problem = typed(problemOf(code, request.id, { ...error, members: { ...error.members, ...members } }), request.server)
  const { contentType, body } = written(format, problem, request)
  void reply.code(statusCode).header('cache-control', 'no-store').type(contentType).serializer((text: string) => text).send(body)
}

/** The body in the service's own format; where that fails, the refusal stands all the same. */
function written (format: RefusalFormat, problem: Problem, request: FastifyRequest): { contentType: string; body: string } {
  const { contentType } = format
  try {
    const body: unknown = format.write(problem, request)
    if (typeof body !== 'string' && (typeof body !== 'object' || body === null || isPromise(body))) throw new TypeError('refusal.write must return an object or a string')
    return { contentType: isJson(contentType) ? `${contentType}; charset=utf-8` : contentType, body: typeof body === 'string' ? body : JSON.stringify(body) }
  } catch (error) {
    request.log.error({ err: error }, 'the format of refusals failed')
    return { contentType: 'application/problem+json; charset=utf-8', body: JSON.stringify(problem) }
  }
}

/** Whether Fastify would name the charset; the serializer that keeps a hook's own away keeps it from that too. */
function isJson (contentType: string): boolean {
  return contentType.includes('json') && !contentType.includes('charset')
}

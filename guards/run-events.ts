// What the guards of a request tell of their decision.
import { principalIn } from './decision.ts'
import { eventOrigin, isHeard, tellEvent } from './events.ts'
import { principalOf } from './state.ts'
import type { FastifyRequest } from 'fastify'
import type { Refusal, RefusalCode } from '../errors.ts'
import type { SecurityEventName } from './events.ts'
import type { Principal } from './principal.ts'
import type { GuardState } from './state.ts'

/** Whom a refusal is about, as far as is known. */
export interface Accused {
  readonly scheme: string | null
  readonly actor: string | null
}

/** What a refusal by guards is; other codes go by their status. */
const byCode: Partial<Record<RefusalCode, SecurityEventName>> = {
  credentials_required: 'gatehouse_challenged',
  invalid_request: 'authn_login_fail',
  account_disabled: 'authn_login_fail',
  cross_site_request: 'malicious_csrf',
  csrf_token_invalid: 'malicious_csrf'
}
const byStatus: Readonly<Record<number, SecurityEventName>> = { 401: 'authn_login_fail', 403: 'authz_fail', 404: 'authz_fail', 429: 'excess_rate_limit_exceeded' }

/** The request was let in; a stranger's tells nothing. */
export function tellPassed (state: GuardState, request: FastifyRequest): void {
  if (!isHeard()) return
  if (principalOf(state) !== null) tellEvent(request.server.server, { ...eventOrigin(request), event: 'gatehouse_authenticated', outcome: 'success' })
}

/** The request was refused; a service that cannot answer is no event of security. */
export function tellRefused (request: FastifyRequest, error: Refusal, { scheme, actor }: Accused): void {
  const event = byCode[error.code] ?? byStatus[error.statusCode]
  if (event === undefined || !isHeard()) return
  const { code, reason, members } = error
  const limit = members?.['violated-policies']
  tellEvent(request.server.server, {
    ...eventOrigin(request),
    event,
    outcome: 'failure',
    actor: actor ?? null,
    scheme,
    reason: code,
    details: { ...(event === 'authn_login_fail' && reason !== undefined ? { why: reason } : {}), ...(limit === undefined ? {} : { limit }) }
  })
}

export function accusedPrincipal (principal: Principal | null): Accused {
  return { scheme: principal?.scheme ?? null, actor: principal?.subject ?? null }
}

/** Whose question it was that `error` answered. */
export function accusedOf ({ plan, outcomes }: GuardState, error: Refusal): Accused {
  const question = plan.questions[outcomes.indexOf(error)]
  if (question?.type === 'authorization') return accusedPrincipal(principalIn(question.judged, outcomes))
  return { scheme: question?.scheme.name ?? null, actor: error.actor ?? null }
}

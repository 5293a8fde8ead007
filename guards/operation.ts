// What OpenAPI says of a route's security, derived from the plan that is enforced: the requirement, the
// refusals as they are really sent, and what OpenAPI has no word for as extensions.
import { csrfOf } from './csrf.ts'
import { examplesOf } from './operation-examples.ts'
import { operationNotes } from './operation-notes.ts'
import { typed } from './problem-types.ts'
import type { RefusalCode, RefusalContext } from '../errors.ts'
import type { Examples } from './operation-examples.ts'
import type { Limit } from './limit.ts'
import type { CsrfProof } from './csrf.ts'
import type { RefusalFormat } from './answer.ts'
import type { Plan } from './plan.ts'
import type { RouteRecord } from './registry.ts'
import type { SecurityRequirement } from './requirement.ts'
import type { Scheme, SecuritySchemeObject } from './scheme.ts'

/** A response as a Fastify route schema declares it. */
export interface DeclaredResponse {
  description: string
  headers?: Record<string, object>
  content?: Record<string, { schema: object; examples?: Examples }>
}

/** What the core adds to the operation of a route. */
export interface OperationSecurity {
  /** Absent where the route declares no stance. */
  security?: readonly SecurityRequirement[]
  responses: Record<string, DeclaredResponse>
  /** What every answer of a handler carries; absent where that is nothing. */
  headers?: Record<string, object>
  /** Request headers that guards read, beside those of the schemes; absent where there are none. */
  parameters?: { properties: Record<string, object>; required?: string[] }
  /** Markdown for people, who do not see extensions; empty where the route declares nothing. */
  notes: string
  extensions: Record<string, unknown>
  securitySchemes: Record<string, SecuritySchemeObject>
}

/** What a field may hold: RFC 9110 §5.5. */
const field = (description: string): object => ({ type: 'string', pattern: '^[\\t\\x20-\\x7e\\x80-\\xff]*$', maxLength: 16_384, description })
/** A list of strings with parameters (RFC 9651 §3.1), in the words of `limit-headers`. */
const limitList = (member: string, description: string, example: string): object => ({
  type: 'string', pattern: `^${member}(, ${member})*$`, maxLength: 16_384, examples: [example], description
})
const challenge = { 'WWW-Authenticate': field('A challenge for each scheme that would be accepted (RFC 9110 §11.6.1).') }
const bearerChallenge = { 'WWW-Authenticate': field('Where a bearer token was presented: the error, and the scopes that are required (RFC 6750 §3).') }
const limitFields = {
  RateLimit: limitList('"[ !#-~]+";r=\\d+;t=\\d+', 'What remains of each limit, and the seconds until it opens again.', '"hourly";r=4;t=60'),
  'RateLimit-Policy': limitList('"[ !#-~]+";q=\\d+;w=\\d+', 'The limits that hold: how many, in how many seconds.', '"hourly";q=5;w=3600')
}
/** The longest window of a limit, a year. */
const LONGEST_WAIT = 31_536_000
const retryAfter = { 'Retry-After': { type: 'integer', format: 'int32', minimum: 1, maximum: LONGEST_WAIT, examples: [1], description: 'Seconds to wait (RFC 9110 §10.2.3).' } }

const csrfHeader = { type: 'string', pattern: '^[\\w-]*$', maxLength: 256, description: 'The CSRF token of the session; only where the session is what lets the request in.' }
const csrfCodes: Readonly<Record<CsrfProof, readonly RefusalCode[]>> = {
  token: ['cross_site_request', 'csrf_token_invalid'],
  form: ['cross_site_request', 'csrf_token_invalid'],
  origin: ['cross_site_request'],
  'not-cross-site': ['cross_site_request']
}

/** What the requests of a route have to prove; a route of several methods tells of the strictest. */
function proofOf ({ plan, methods, csrf }: RouteRecord): CsrfProof | null {
  const proofs = methods.map((method) => csrfOf(plan, method, csrf))
  return (['token', 'form', 'origin', 'not-cross-site'] as const).find((proof) => proofs.includes(proof)) ?? null
}

/** Whether no alternative goes without the token. */
function isTokenRequired ({ alternatives }: Plan): boolean {
  return alternatives.every(({ ambient }) => ambient.some(({ csrfSecret }) => csrfSecret !== undefined))
}

/** Derives the operation's security; `body` is the schema that the refusals' bodies refer to. */
export function operationSecurity (record: RouteRecord, format: RefusalFormat, serviceLimits: readonly Limit[], body: object): OperationSecurity {
  const { plan } = record
  const csrf = proofOf(record)
  const limits = [...serviceLimits, ...plan.limitsBefore, ...plan.limitsAfter]
  // A limit that counts before anyone is authenticated tells of itself in every refusal after it.
  const counted = serviceLimits.length + plan.limitsBefore.length > 0 ? limitFields : {}
  const told = plan.schemes.some(isBearer) ? { ...bearerChallenge, ...counted } : counted
  // One that counts after that has counted whoever lacks a right.
  const lacked = limits.length > 0 ? { ...told, ...limitFields } : told
  const contentOf = (codes: readonly RefusalCode[], context?: RefusalContext): DeclaredResponse['content'] & object => {
    const examples = format.example === undefined ? {} : examplesOf(codes, (problem) => format.example?.(typed(problem, record.context)), context)
    return { [format.contentType]: { schema: body, ...(format.example === undefined ? {} : { examples }) } }
  }
  const rights = [
    ...plan.scopes.map((name) => `scope ${name}`), ...plan.anyScopes.map((names) => `one of the scopes ${names.join(', ')}`),
    ...plan.roles.map((name) => `role ${name}`), ...plan.anyRoles.map((names) => `one of the roles ${names.join(', ')}`),
    ...plan.policies.map((name) => `policy ${name}`)
  ]
  const responses: Record<string, DeclaredResponse> = {}
  if (plan.schemes.length > 0) {
    responses['400'] = { description: 'The request is malformed.', ...withHeaders(told), content: contentOf(['invalid_request']) }
    responses['401'] = { description: 'No credentials, or none that are accepted.', ...withHeaders({ ...challenge, ...counted }), content: contentOf(['credentials_required', plan.schemes.some(isBearer) ? 'invalid_token' : 'invalid_credentials']) }
  }
  if (plan.schemes.length > 0 || csrf !== null) {
    const reasons = [
      ...(rights.length > 0 ? ['the credentials lack a right'] : []),
      ...(plan.schemes.length > 0 ? ['the account is disabled'] : []),
      ...(csrf === null ? [] : [csrf === 'not-cross-site' ? 'the request comes from another site' : 'the request is not known to come from this site']),
      ...(csrf === 'token' || csrf === 'form' ? ['its CSRF token is not that of the session'] : [])
    ]
    responses['403'] = {
      description: sentences(reasons, rights),
      ...withHeaders(rights.length === 0 ? counted : lacked),
      content: contentOf([...(plan.schemes.length > 0 ? lacking(plan) : []), ...(csrf === null ? [] : csrfCodes[csrf])])
    }
  }
  if (limits.length > 0) responses['429'] = { description: 'Too many requests.', headers: { ...retryAfter, ...limitFields }, content: contentOf(['quota_exceeded'], { members: { 'violated-policies': limits.slice(0, 1).map(({ name }) => name) } }) }
  const unavailable = [...(record.shedsLoad ? ['the service has too much to do'] : []), ...(plan.schemes.length > 0 ? ['the credentials could not be checked'] : [])]
  if (unavailable.length > 0) responses['503'] = { description: sentences(unavailable, []), headers: { ...retryAfter, ...counted }, content: contentOf(['unavailable']) }
  return {
    ...(plan.requirement === undefined ? {} : { security: plan.requirement }),
    responses,
    ...(limits.length > 0 ? { headers: limitFields } : {}),
    ...(csrf === 'token' ? { parameters: { properties: { 'X-CSRF-Token': csrfHeader }, ...(isTokenRequired(plan) ? { required: ['X-CSRF-Token'] } : {}) } } : {}),
    notes: operationNotes(plan, limits, csrf),
    extensions: {
      ...extension('x-required-scopes', plan.scopes),
      ...extension('x-required-any-scope', plan.anyScopes),
      ...extension('x-required-roles', plan.roles),
      ...extension('x-required-any-role', plan.anyRoles),
      ...extension('x-required-policies', plan.policies),
      ...extension('x-rate-limit', limits.map(({ name, by, max, windowSeconds }) => ({ name, by, max, windowSeconds }))),
      ...(csrf === null ? {} : { 'x-csrf': csrf }),
      ...(plan.reason === null ? {} : { 'x-public-reason': plan.reason })
    },
    securitySchemes: Object.fromEntries(plan.schemes.map(({ name, definition }) => [name, definition]))
  }
}

function sentences (reasons: readonly string[], rights: readonly string[]): string {
  const last = reasons.length > 1 ? `, or ${reasons.at(-1) ?? ''}` : ''
  const text = `${reasons.slice(0, Math.max(1, reasons.length - 1)).join(', ')}${last}.`
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${rights.length === 0 ? '' : ` Required: ${rights.join('; ')}.`}`
}

/** Why somebody known may be refused. */
function lacking ({ scopes, anyScopes, roles, anyRoles, policies }: Plan): RefusalCode[] {
  return [
    ...(scopes.length + anyScopes.length > 0 ? ['insufficient_scope'] as const : []),
    ...(roles.length + anyRoles.length > 0 ? ['insufficient_role'] as const : []),
    ...(policies.length > 0 ? ['access_denied'] as const : []),
    'account_disabled'
  ]
}

function withHeaders (headers: Record<string, object>): { headers?: Record<string, object> } {
  return Object.keys(headers).length === 0 ? {} : { headers }
}

/** The kinds of scheme whose credentials are bearer tokens (RFC 6750). */
function isBearer ({ definition }: Scheme): boolean {
  return definition.type === 'oauth2' || definition.type === 'openIdConnect' || (definition.type === 'http' && definition.scheme === 'bearer')
}

function extension (name: string, values: readonly unknown[]): Record<string, unknown> {
  return values.length === 0 ? {} : { [name]: values }
}

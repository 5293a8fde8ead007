// The one error table: every answer a client can get and every reason a service does not start.
// `code` and `title` are sent; `reason` and `cause` are only ever logged.
import createError from '@fastify/error'
import type { FastifyError } from '@fastify/error'

/** Answers to a request, by the `code` that stands in the problem (RFC 9457). */
export const refusals = {
  invalid_request: { status: 400, title: 'The request is malformed' },
  validation: { status: 400, title: 'The request does not match the schema' },
  credentials_required: { status: 401, title: 'Credentials are required' },
  invalid_credentials: { status: 401, title: 'The credentials are invalid' },
  invalid_token: { status: 401, title: 'The access token is invalid' },
  insufficient_scope: { status: 403, title: 'The credentials lack a required scope' },
  insufficient_role: { status: 403, title: 'The credentials lack a required role' },
  access_denied: { status: 403, title: 'Access is denied' },
  account_disabled: { status: 403, title: 'The account is disabled' },
  cross_site_request: { status: 403, title: 'The request is not known to come from this site' },
  csrf_token_invalid: { status: 403, title: 'The CSRF token is missing or is not that of this session' },
  https_required: { status: 403, title: 'HTTPS is required' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  request_timeout: { status: 408, title: 'The request took too long' },
  conflict: { status: 409, title: 'The request conflicts with the current state' },
  payload_too_large: { status: 413, title: 'The request body is too large' },
  uri_too_long: { status: 414, title: 'The request URI is too long' },
  unsupported_media_type: { status: 415, title: 'The media type is not supported' },
  quota_exceeded: {
    status: 429,
    title: 'Too many requests',
    type: 'https://iana.org/assignments/http-problem-types#quota-exceeded'
  },
  headers_too_large: { status: 431, title: 'The request headers are too large' },
  internal_error: { status: 500, title: 'Internal error' },
  unavailable: { status: 503, title: 'Temporarily unavailable' }
} as const satisfies Record<string, { status: number; title: string; type?: string }>

/** The `code` of an answer to a client: a key of {@link refusals}. */
export type RefusalCode = keyof typeof refusals

/** Errors of the token endpoint (RFC 6749 §5.2), which has a body of its own. */
export const oauthErrors = {
  invalid_request: { status: 400, description: 'The request is malformed' },
  invalid_client: { status: 401, description: 'Client authentication failed' },
  invalid_grant: { status: 400, description: 'The grant is invalid' },
  unauthorized_client: { status: 400, description: 'The client may not use this grant' },
  unsupported_grant_type: { status: 400, description: 'The grant type is not supported' },
  invalid_scope: { status: 400, description: 'The scope is invalid or exceeds what may be granted' }
} as const satisfies Record<string, { status: number; description: string }>

/** The `error` of an answer of the token endpoint: a key of {@link oauthErrors}. */
export type OauthErrorCode = keyof typeof oauthErrors

/** Reasons not to start, or a fault of the service's own code found while it runs. */
export const faults = {
  GATEHOUSE_OPTION_INVALID: 'an option is unknown, of the wrong type or contradicts another',
  GATEHOUSE_PEER_MISSING: 'an optional package is needed here and is not installed',
  GATEHOUSE_KEY_FILE_INVALID: 'a key file cannot be used',
  GATEHOUSE_OPTIONS_LATE: 'an option of the core came too late to count',
  GATEHOUSE_NAME_TAKEN: 'two security schemes, or a scheme and a decorator, share a name',
  GATEHOUSE_PRINCIPAL_TAKEN: 'request.principal is decorated already; register guards with principal: false',
  GATEHOUSE_DENY_NOT_ROOT: "defaultAccess: 'deny' is accepted only on the root context",
  GATEHOUSE_EARLIER_ROUTES: 'routes were declared before the core was loaded; await every register of Gatehouse before them',
  GATEHOUSE_GUARD_MISSING: 'onRequest is present but undefined; a plugin was probably not awaited, or registered in another context',
  GATEHOUSE_GUARD_WRONG_HOOK: 'a guard stands in a hook other than onRequest',
  GATEHOUSE_GUARD_NESTING: 'a limit, publicAccess or refuseCrossSite stands inside anyOf, allOf or optional',
  GATEHOUSE_GUARD_UNDECLARED: 'a guard runs on a route that does not declare it; use app.protect()',
  GATEHOUSE_GUARDS_DID_NOT_RUN: 'the handler was reached though the guards of the route did not run',
  GATEHOUSE_PROTECT_TOO_LATE: 'protect() was called after a route of the same context or of a child was declared',
  GATEHOUSE_LIMIT_TOO_LATE: 'rateLimit.max does not cover the routes declared before it, nor count before an earlier app.protect()',
  GATEHOUSE_REDIS_LATE: 'redis was registered after what would have counted there; register it first',
  GATEHOUSE_UNAUTHENTICATED_AUTHORIZATION: 'an authorization guard stands without an authenticating one before it',
  GATEHOUSE_SCOPE_UNKNOWN: 'a required scope is declared by no scheme of the route, though some declare scopes',
  GATEHOUSE_SECURITY_DIFFERS: 'schema.security differs from what the guards enforce',
  GATEHOUSE_SECURITY_NOT_ENFORCED: 'schema.security is documented but no guard enforces it',
  GATEHOUSE_SECURITY_UNKNOWN: 'schema.security names a scheme that no plugin defines',
  GATEHOUSE_PUBLIC_AND_GUARDED: 'publicAccess stands beside or under an authenticating guard',
  GATEHOUSE_PUBLIC_REASON_MISSING: 'publicAccess needs a reason',
  GATEHOUSE_CSRF_MISSING: 'a route that changes state takes credentials that a browser sends unasked, and csrf is not registered',
  GATEHOUSE_NO_STANCE: "the route declares neither a guard nor publicAccess under defaultAccess: 'deny'",
  GATEHOUSE_TOO_MANY_ALTERNATIVES: 'the requirement of the route has more than 16 alternatives',
  GATEHOUSE_NO_PRINCIPAL: 'no principal was authenticated by the guards of this route',
  GATEHOUSE_TESTING_IN_PRODUCTION: 'fastify-gatehouse/testing is for tests; set NODE_ENV to development or test'
} as const satisfies Record<string, string>

/** The `code` of a refusal to start, or of a fault of the service: a key of {@link faults}. */
export type FaultCode = keyof typeof faults

/** What an answer may carry beside its code. */
export interface RefusalContext {
  /** Sent: one sentence for the client. Never a secret, never an echoed value. */
  detail?: string
  /** Sent with `validation`: where the request is wrong, never what it held. */
  errors?: readonly ProblemError[]
  /** Sent as `Retry-After`, in whole seconds. */
  retryAfterSeconds?: number
  /** Sent as the problem's further members, such as `violated-policies`. */
  members?: Readonly<Record<string, unknown>>
  /** Logged only: why, for the operator. Never a secret. */
  reason?: string
  /** Logged only: the error behind this one. */
  cause?: unknown
  /** For the audit log alone: who it was about, a subject or the hash of a name that was tried. */
  actor?: string
}

/** One thing that a validation found wrong: where, and which rule; never what was sent. */
export interface ProblemError {
  /** Where in the body (RFC 6901); absent for what is not in it. */
  pointer?: string
  /** Which query or path parameter, or header. */
  parameter?: string
  /** Which part of the request. */
  in: 'body' | 'query' | 'path' | 'header'
  /** The rule, as a sentence about the value. */
  detail: string
}

/** The error that {@link refusal} makes: thrown, it becomes the answer of its code. */
export type Refusal = FastifyError & RefusalContext & { code: RefusalCode; statusCode: number }
/** The error that {@link fault} makes: it stops a boot, or answers 500. */
export type Fault = FastifyError & { code: FaultCode }

type ErrorConstructor = ReturnType<typeof createError>
const refusalErrors = new Map<string, ErrorConstructor>()
for (const [code, { status, title }] of Object.entries(refusals)) {
  refusalErrors.set(code, createError(code, title, status))
}

function isMadeBy (constructors: ReadonlyMap<string, ErrorConstructor>, error: unknown): boolean {
  const Constructor = error instanceof Error && 'code' in error ? constructors.get(String(error.code)) : undefined
  return Constructor !== undefined && error instanceof Constructor
}

/** The error that becomes the answer named `code`; throw it from a handler, a service or a callback. */
export function refusal (code: RefusalCode, context: RefusalContext = {}): Refusal {
  const Constructor = refusalErrors.get(code) as ErrorConstructor
  return Object.assign(new Constructor(), context, { code }) as unknown as Refusal
}

/** Whether `error` came out of {@link refusal}: its code and status may be sent. */
export function isRefusal (error: unknown): error is Refusal {
  return isMadeBy(refusalErrors, error)
}

/** The error that {@link oauthError} makes. */
export type OauthError = FastifyError & { code: OauthErrorCode; statusCode: number }

const oauthErrorConstructors = new Map<string, ErrorConstructor>()
for (const [code, { status, description }] of Object.entries(oauthErrors)) {
  oauthErrorConstructors.set(code, createError(code, description, status))
}

/** The error that becomes the token endpoint's answer named `code`. */
export function oauthError (code: OauthErrorCode): OauthError {
  const Constructor = oauthErrorConstructors.get(code) as ErrorConstructor
  return Object.assign(new Constructor(), { code }) as unknown as OauthError
}

/** Whether `error` came out of {@link oauthError}. */
export function isOauthError (error: unknown): error is OauthError {
  return isMadeBy(oauthErrorConstructors, error)
}

/** Faults whose detail is a whole sentence, to which that of the table would add nothing. */
const saidInFull: readonly FaultCode[] = ['GATEHOUSE_OPTION_INVALID', 'GATEHOUSE_PEER_MISSING']

/** The error that stops a boot, or answers 500, with a code of its own. */
export function fault (code: FaultCode, detail: string): Fault {
  const Constructor = createError(code, '%s', 500)
  return Object.assign(new Constructor(saidInFull.includes(code) ? detail : `${detail}: ${faults[code]}`), { code })
}

/** A problem as it is sent (RFC 9457): nothing in it comes from the error's message or cause. */
export interface Problem {
  /** A URI for the sort of problem; absent means `about:blank`. */
  type?: string
  /** The sentence of the table; the same for every problem of its code. */
  title: string
  /** The HTTP status of the answer. */
  status: number
  /** A {@link RefusalCode}, for programs. */
  code: string
  /** One sentence on this very problem. */
  detail?: string
  /** `urn:request:` and the id that the log has. */
  instance?: string
  /** With `validation`: what is wrong, and where. */
  errors?: readonly ProblemError[]
  [member: string]: unknown
}

/** The body for an answer. */
export function problemOf (code: RefusalCode, requestId: string | null, context: RefusalContext = {}): Problem {
  const entry: { status: number; title: string; type?: string } = refusals[code]
  const problem: Problem = { title: entry.title, status: entry.status, code }
  if (entry.type !== undefined) problem.type = entry.type
  if (context.detail !== undefined) problem.detail = context.detail
  if (requestId !== null) problem.instance = `urn:request:${requestId}`
  if (context.errors !== undefined) problem.errors = context.errors
  for (const [name, value] of Object.entries(context.members ?? {})) problem[name] ??= value
  return problem
}

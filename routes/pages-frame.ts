// The frame of every page: who looks at it, where else they may go, what was done, and what a refusal looks like.
import { isRefusal, problemOf } from '../errors.ts'
import { refusedForm } from './pages-forms.ts'
import { choicesOf } from './pages-views.ts'
import type { Eta } from 'eta'
import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Problem } from '../errors.ts'
import type { RefusalFormat } from '../guards/answer.ts'
import type { Guard, LimitGuard } from '../guards/guard.ts'
import type { SessionPrincipal } from '../guards/principal.ts'
import type { PageForm, RefusedForm } from './pages-forms.ts'
import type { Choice } from './pages-views.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The form that is posted here. */
    form?: PageForm
    /** Who looks at the page. */
    reader?: Guard<SessionPrincipal | null>
  }
}

/** What the pages were registered with. */
export interface PagesSettings {
  /** What the pages call the service. */
  readonly service: string
  /** The scopes that keys and clients may have, with a text each. */
  readonly scopes: Readonly<Record<string, string>>
  /** The roles that accounts may have. */
  readonly roles: readonly string[]
  /** Where the documentation stands. */
  readonly docs: string | null
  /** Whether it is for administrators alone. */
  readonly docsForAdministrators: boolean
  /** What signing in counts against. */
  readonly signInLimits: readonly LimitGuard[]
  /** What a wrong current password counts against. */
  readonly passwordLimit: LimitGuard
}

/** What the routes of the pages work with. */
export interface Pages {
  /** Where the pages stand: what a link begins with. */
  readonly base: string
  /** What signing in counts against. */
  readonly signInLimits: readonly LimitGuard[]
  /** What a wrong current password counts against. */
  readonly passwordLimit: LimitGuard
  /** A box for each scope. */
  readonly scopes: readonly Choice[]
  /** A box for each role. */
  readonly roles: readonly Choice[]
  /** The pages that a sign-in may lead to. */
  readonly destinations: readonly string[]
  /** The options of a page that `reader` may see; of a route that takes a form, with the form. */
  route (reader: Guard<SessionPrincipal | null> | null, form?: PageForm): { config: FastifyContextConfig }
  /** Sends a page: a template with its model, in the frame. */
  show (request: FastifyRequest, reply: FastifyReply, view: string, model: PageModel): Promise<unknown>
  /** To a page, with a word on what was done. */
  redirect (reply: FastifyReply, path: string, done?: Done): FastifyReply
}

/** What a page is about; the rest is the frame. */
export type PageModel = Readonly<Record<string, unknown>> & { readonly title: string } & Partial<RefusedForm>

const notices = {
  'signed-in': 'You are signed in.',
  'signed-out': 'You are signed out.',
  'key-revoked': 'The key is revoked.',
  'session-ended': 'The session has ended.',
  'sessions-ended': 'All your other sessions have ended.',
  'password-changed': 'Your password is changed, and your other sessions have ended.',
  'roles-saved': 'The roles are saved.',
  'user-disabled': 'The account is disabled.',
  'user-enabled': 'The account is enabled.',
  'user-unlocked': 'The account is unlocked.',
  'client-ended': 'The client has ended.'
} as const

/** What was done before the page that tells of it. */
export type Done = keyof typeof notices

const sentences: ReadonlyMap<string, string> = new Map(Object.entries(notices))
const HTML = 'text/html; charset=utf-8'

/** What people read where a program would read a code. */
const explanations = new Map<number, { heading: string; lead: string }>([
  [400, { heading: 'That did not work', lead: 'The address or the form cannot be read.' }],
  [401, { heading: 'You are not signed in', lead: 'Your session has ended, and nothing was changed. Sign in and try again.' }],
  [403, { heading: 'This is not for you', lead: 'Your account may not see or do this.' }],
  [404, { heading: 'There is no such page', lead: 'It may have been there, or the address is mistyped.' }],
  [413, { heading: 'That is too much', lead: 'The form holds more than it may.' }],
  [415, { heading: 'That did not work', lead: 'The form was not sent as a form.' }],
  [429, { heading: 'Too many attempts', lead: 'Wait a little, then try again.' }],
  [503, { heading: 'Not now', lead: 'The service is busy or its store does not answer. Try again in a moment.' }]
])
const standard = { heading: 'Something went wrong', lead: 'It is not your fault. Whoever runs this service can find it by the number below.' }
const elsewhere = { heading: 'That did not come from here', lead: 'The form was sent from another site, or your browser does not say from where. Nothing was changed.' }

/** What renders the pages of this context. */
export function createPages (app: FastifyInstance, eta: Eta, { service, scopes, roles, docs, docsForAdministrators, ...limits }: PagesSettings): Pages {
  const base = app.prefix
  const administration = [
    { href: `${base}/administration/users`, text: 'Users' },
    { href: `${base}/administration/clients`, text: 'Clients' },
    { href: `${base}/administration/events`, text: 'Events' }
  ]

  function frame (request: FastifyRequest, person: SessionPrincipal | null): object {
    const isAdministrator = person?.scopes.includes('admin') === true
    const path = (request.routeOptions.url ?? '').replace(/^$/, '/')
    const links = person === null ? [] : [{ href: `${base}/`, text: 'Account' }, ...(isAdministrator ? administration : [])]
    const shownDocs = docsForAdministrators && !isAdministrator ? null : docs
    const { done } = request.query as { done?: unknown }
    return {
      base,
      service,
      person: person === null ? null : { username: person.attributes.username ?? '' },
      links: [...links.map((link) => ({ ...link, current: link.href === path })), ...(person === null || shownDocs === null ? [] : [{ href: shownDocs, text: 'Docs', current: false }])],
      docs: shownDocs,
      csrf: app.csrfToken(request) ?? '',
      notice: typeof done === 'string' ? sentences.get(done) : undefined,
      form: null,
      values: {},
      errors: []
    }
  }

  const refusal: RefusalFormat = {
    schema: { type: 'string' },
    contentType: HTML,
    write: (problem, request) => eta.render(problem.status === 401 ? './sign-in' : './problem', { ...frame(request, null), ...(problem.status === 401 ? signInModel(request, administration) : problemModel(problem)) })
  }

  return {
    ...limits,
    base,
    scopes: choicesOf('scope', scopes),
    roles: choicesOf('role', Object.fromEntries(roles.map((role) => [role, role]))),
    destinations: administration.map(({ href }) => href),
    route: (reader, form) => ({ config: { refusal, ...(reader === null ? {} : { reader }), ...(form === undefined ? {} : { form, csrf: 'form' }) } }),
    show (request, reply, view, model) {
      const person = request.routeOptions.config.reader?.principal(request) ?? null
      return reply.type(HTML).view(view, { ...frame(request, person), ...model }) as unknown as Promise<unknown>
    },
    redirect: (reply, path, done) => reply.redirect(`${base}${path}${done === undefined ? '' : `?done=${done}`}`, 303)
  }
}

/** A page that asks to sign in first leads back to itself, where it is one that can be looked at. */
function signInModel ({ method, routeOptions }: FastifyRequest, destinations: readonly { href: string }[]): PageModel & { heading: string; lead: string; next: string | null } {
  const isDestination = method === 'GET' && destinations.some(({ href }) => href === routeOptions.url)
  return {
    title: 'Sign in',
    heading: 'You are not signed in',
    lead: method === 'GET' ? 'Sign in to see this page.' : 'Your session has ended, and nothing was changed. Sign in and try again.',
    next: isDestination ? routeOptions.url ?? null : null
  }
}

function problemModel ({ status, code, instance }: Problem): PageModel {
  const words = code === 'cross_site_request' ? elsewhere : explanations.get(status) ?? standard
  return { title: words.heading, ...words, status, instance }
}

/** A form that was refused comes back; anything else is a page of its own. */
export async function answerError (pages: Pages, error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const { form } = request.routeOptions.config
  const refused = form === undefined ? null : refusedForm(error, form, request)
  const status = statusOf(error)
  const code = isRefusal(error) ? error.code : status < 500 ? 'invalid_request' : 'internal_error'
  if (status >= 500) request.log.error({ err: error, code, status }, 'the request failed')
  else request.log.info({ code, status, reason: isRefusal(error) ? error.reason : undefined }, 'the request was refused')
  if (isRefusal(error) && error.retryAfterSeconds !== undefined) void reply.header('retry-after', String(error.retryAfterSeconds))
  void reply.code(status).header('cache-control', 'no-store')
  if (form !== undefined && refused !== null) return await form.show(request, reply, refused)
  return await pages.show(request, reply, 'problem', problemModel({ ...problemOf(code, request.id), status }))
}

function statusOf (error: unknown): number {
  const { statusCode } = (typeof error === 'object' && error !== null ? error : {}) as { statusCode?: unknown }
  return Number.isInteger(statusCode) && Number(statusCode) >= 400 && Number(statusCode) <= 599 ? Number(statusCode) : 500
}

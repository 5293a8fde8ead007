// One's own page: signing in and out, API keys, sessions, the password.
import { refusal } from '../errors.ts'
import { ApiKeyParams } from '../schemas/api-keys.ts'
import { AccountQuery, EmptyForm, keyForm, LIFETIMES, PasswordForm, RotationForm, SessionParams, SessionsForm, signInForm } from '../schemas/pages.ts'
import { accountView, chosen, keysView, sessionsView, timeView } from './pages-views.ts'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IssuedApiKey } from '../plugins/accounts.ts'
import type { PageForm, RefusedForm } from './pages-forms.ts'
import type { Pages } from './pages-frame.ts'

const lifetimes: Readonly<Record<(typeof LIFETIMES)[number], string>> = { 7: 'a week', 30: 'a month', 90: 'three months', 365: 'a year' }
const MOST = 50

const keyFields = {
  name: { id: 'key-name', label: 'The name' },
  scopes: { id: 'key-scopes', label: 'What it may do' },
  expires_in_days: { id: 'key-expires', label: 'When it ends' }
}
const passwordFields = {
  current_password: { id: 'current-password', label: 'The current password' },
  new_password: { id: 'new-password', label: 'The new password' }
}
const signInFields = {
  username: { id: 'sign-in-username', label: 'The username' },
  password: { id: 'sign-in-password', label: 'The password' }
}

/** `/`, `/sign-in`, `/sign-out` and what stands below `/account`. */
export const accountPages: FastifyPluginAsyncTypebox<{ pages: Pages }> = async (app, { pages }) => {
  const { base, scopes } = pages
  const visitor = app.optional(app.session)
  const owner = app.session
  const hide = true

  const showSignIn = (request: FastifyRequest, reply: FastifyReply, refused?: RefusedForm): Promise<unknown> => pages.show(request, reply, 'sign-in', {
    title: 'Sign in',
    heading: 'Every gate has a keeper',
    lead: 'Sign in to look after your API keys, your sessions and your password.',
    next: refused?.values['next'] ?? null,
    ...refused
  })

  async function showAccount (request: FastifyRequest, reply: FastifyReply, refused?: RefusedForm): Promise<unknown> {
    const { subject, sessionId, scopes: rights } = app.session.principal(request)
    const { keys: keysFrom, sessions: sessionsFrom } = request.query as { keys?: string; sessions?: string }
    const [user, keys, sessions] = await Promise.all([
      app.stores.users.findById(subject),
      app.stores.apiKeys.listByOwner(subject, { limit: MOST, cursor: keysFrom }),
      app.stores.sessions.listBySubject(subject, { limit: MOST, cursor: sessionsFrom })
    ])
    if (user === null) throw refusal('not_found')
    const here = `${base}/`
    return await pages.show(request, reply, 'account', {
      title: 'Your account',
      account: accountView(user),
      keys: keysView(keys, { here, first: keysFrom === undefined }),
      sessions: sessionsView(sessions, { here, current: sessionId }),
      scopes: scopes.filter(({ name }) => rights.includes(name)),
      lifetimes: LIFETIMES.map((days) => ({ days, text: lifetimes[days] })),
      ...refused
    })
  }

  const showKey = (request: FastifyRequest, reply: FastifyReply, { key, apiKey }: IssuedApiKey): Promise<unknown> => {
    void reply.code(201).header('cache-control', 'no-store')
    return pages.show(request, reply, 'secret', {
      title: 'Your new key',
      heading: 'Your new key',
      secret: {
        eyebrow: 'Made',
        label: 'API key',
        value: key,
        facts: [{ name: 'For', value: apiKey.name }, { name: 'May', value: apiKey.scopes.join(', ') }, { name: 'Ends', value: timeView(apiKey.expires_at).text }],
        use: 'Programs send it in the header X-API-Key.',
        back: `${base}/`
      }
    })
  }

  const onPage = (name: string, fields: PageForm['fields'] = {}): PageForm => ({ name, fields, show: showAccount })

  app.get('/', { ...pages.route(visitor), onRequest: visitor, schema: { hide, querystring: AccountQuery } },
    (request, reply) => visitor.principal(request) === null ? showSignIn(request, reply) : showAccount(request, reply))

  app.post('/sign-in', {
    ...pages.route(null, { name: 'sign-in', fields: signInFields, show: showSignIn }),
    onRequest: [app.publicAccess('Nobody is signed in before this'), app.refuseCrossSite, ...pages.signInLimits],
    schema: { hide, body: signInForm(pages.destinations) }
  }, async (request, reply) => {
    const { username, password, next } = request.body
    const user = await app.session.open(request, reply, (open) => app.accounts.login({ username, password, origin: app.eventOrigin(request) }, ({ id }, stores) => open(id, stores)))
    if (user === null) throw refusal('validation', { errors: [{ pointer: '/password', in: 'body', detail: 'or the username is wrong' }] })
    return pages.redirect(reply, next === undefined ? '/' : next.slice(base.length))
  })

  app.post('/sign-out', { ...pages.route(app.session, onPage('sign-out')), onRequest: app.session, schema: { hide, body: EmptyForm } }, async (request, reply) => {
    await app.session.end(request, reply)
    return pages.redirect(reply, '/', 'signed-out')
  })

  app.post('/account/keys', {
    ...pages.route(app.session, onPage('key', keyFields)),
    onRequest: owner,
    schema: { hide, body: keyForm(scopes.map(({ field }) => field)) }
  }, async (request, reply) => {
    const { name, expires_in_days: days } = request.body
    const wanted = chosen(request.body, scopes)
    if (wanted.length === 0) throw refusal('validation', { errors: [{ pointer: '/scopes', in: 'body', detail: 'needs at least one choice' }] })
    return await showKey(request, reply, await app.accounts.createApiKey(app.session.principal(request), { name, scopes: wanted, expiresInDays: Number(days), origin: app.eventOrigin(request) }))
  })

  app.post('/account/keys/:id/rotate', {
    ...pages.route(app.session, onPage('rotate', { overlap: { id: 'keys', label: 'The time that the old key works on' } })),
    onRequest: owner,
    schema: { hide, params: ApiKeyParams, body: RotationForm }
  }, async (request, reply) => {
    const issued = await app.accounts.rotateApiKey(app.session.principal(request), { id: request.params.id, overlapSeconds: Number(request.body.overlap), origin: app.eventOrigin(request) })
    if (issued === null) throw refusal('not_found')
    return await showKey(request, reply, issued)
  })

  app.post('/account/keys/:id/revoke', {
    ...pages.route(app.session, onPage('revoke')),
    onRequest: owner,
    schema: { hide, params: ApiKeyParams, body: EmptyForm }
  }, async (request, reply) => {
    if (!await app.accounts.revokeApiKey(app.session.principal(request), { id: request.params.id, origin: app.eventOrigin(request) })) throw refusal('not_found')
    return pages.redirect(reply, '/', 'key-revoked')
  })

  app.post('/account/sessions/:id/end', {
    ...pages.route(app.session, onPage('session')),
    onRequest: owner,
    schema: { hide, params: SessionParams, body: EmptyForm }
  }, async (request, reply) => {
    const { subject, sessionId } = app.session.principal(request)
    const { id } = request.params
    if ((await app.session.revoke(request, { id, subject })).length === 0) throw refusal('not_found')
    if (id !== sessionId) return pages.redirect(reply, '/', 'session-ended')
    app.session.forget(reply)
    return pages.redirect(reply, '/', 'signed-out')
  })

  app.post('/account/sessions/end', {
    ...pages.route(app.session, onPage('sessions')),
    onRequest: owner,
    schema: { hide, body: SessionsForm }
  }, async (request, reply) => {
    const { subject, sessionId } = app.session.principal(request)
    const isAll = request.body.which === 'all'
    await app.session.revoke(request, { subject, ...(isAll ? {} : { except: sessionId }) })
    if (!isAll) return pages.redirect(reply, '/', 'sessions-ended')
    app.session.forget(reply)
    return pages.redirect(reply, '/', 'signed-out')
  })

  app.post('/account/password', {
    ...pages.route(app.session, onPage('password', passwordFields)),
    onRequest: [owner, pages.passwordLimit],
    schema: { hide, body: PasswordForm }
  }, async (request, reply) => {
    const { current_password: currentPassword, new_password: newPassword } = request.body
    const principal = app.session.principal(request)
    // Another id for the session that stays: whoever may have learned the old one is out.
    await app.session.open(request, reply, (open) => app.accounts.changePassword(principal, { currentPassword, newPassword, origin: app.eventOrigin(request) }, (stores) => open(principal.subject, stores)))
    return pages.redirect(reply, '/', 'password-changed')
  })
}

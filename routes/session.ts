// Logins by cookie: in, who it is, out; and one's own sessions, listed and ended.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import type { SessionRequest } from '../plugins/session-auth.ts'
import { refusal } from '../errors.ts'
import type { LimitGuard } from '../guards/guard.ts'
import { PageQuery } from '../schemas/common.ts'
import { CurrentSession, Login, Session, SessionPage, SessionParams } from '../schemas/sessions.ts'

type Who = Pick<CurrentSession, 'username' | 'roles' | 'scopes'>

/** What the session of a request is, for those to whom it belongs. */
function currentSession (app: FastifyInstance, request: SessionRequest, { username, roles, scopes }: Who): CurrentSession {
  const [session, token] = [app.session.current(request), app.csrfToken(request)]
  if (session === null || token === null) throw refusal('internal_error')
  return { ...session, username, roles: [...roles], scopes: [...scopes], csrf_token: token }
}

/** Options of {@link sessionRoutes}. */
export interface SessionRoutesOptions {
  /** What logging in counts against; they may be shared with other routes. */
  signInLimits: readonly LimitGuard[]
}

/** `/session` and `/users/me/sessions`. Needs `app.stores`, `app.accounts`, `app.session`, `app.bearer`, `csrf`, `scopes` and `rateLimit`. */
export const sessionRoutes: FastifyPluginAsyncTypebox<SessionRoutesOptions> = async (app, { signInLimits }) => {
  for (const schema of [CurrentSession, Session, SessionPage]) app.addSchema(schema)
  const tags = ['sessions']
  const owner = app.anyOf(app.allOf(app.bearer, app.requireScopes('me')), app.session)

  app.post('/session', {
    bodyLimit: 16_384,
    onRequest: [app.publicAccess('Nobody is logged in before this'), app.refuseCrossSite, ...signInLimits],
    schema: {
      operationId: 'logIn', tags, summary: 'Log in by cookie', body: Login,
      response: {
        201: { $ref: 'CurrentSession#', description: 'Logged in. The session that the request came with has ended.' },
        401: { description: 'No account has that name and password.' },
        503: { description: 'Too many passwords wait to be checked, or the stores do not answer.' }
      }
    }
  }, async (request, reply) => {
    const user = await app.session.open(request, reply, (open) => app.accounts.login({ ...request.body, origin: app.eventOrigin(request) }, ({ id }, stores) => open(id, stores)))
    if (user === null) {
      void reply.header('www-authenticate', app.session.challenge)
      throw refusal('invalid_credentials')
    }
    return reply.code(201).send(currentSession(app, request, { ...user, scopes: [...app.accounts.scopesOf(user)] }))
  })

  app.get('/session', {
    onRequest: app.session,
    schema: { operationId: 'getSession', tags, summary: 'Who is logged in, with the CSRF token of the session', response: { 200: { $ref: 'CurrentSession#', description: 'The session.' } } }
  }, (request, reply) => {
    const { attributes: { username = '' }, roles, scopes } = app.session.principal(request)
    void reply.header('cache-control', 'no-store')
    return currentSession(app, request, { username, roles: [...roles], scopes: [...scopes] })
  })

  app.delete('/session', {
    onRequest: app.session,
    schema: { operationId: 'logOut', tags, summary: 'Log out', response: { 204: { type: 'null', description: 'Logged out.' } } }
  }, async (request, reply) => {
    await app.session.end(request, reply)
    return reply.code(204).send()
  })

  app.get('/users/me/sessions', {
    onRequest: owner,
    schema: { operationId: 'listSessions', tags, summary: 'List your sessions, newest first', querystring: PageQuery, response: { 200: { $ref: 'SessionPage#', description: 'A page of sessions.' } } }
  }, async (request) => {
    const { items, ...rest } = await app.stores.sessions.listBySubject(owner.principal(request).subject, request.query)
    const current = app.session.current(request)?.id
    return { ...rest, items: items.map((session) => ({ ...session, current: session.id === current })) }
  })

  app.delete('/users/me/sessions', {
    onRequest: owner,
    schema: { operationId: 'endSessions', tags, summary: 'End all your sessions, this one too', response: { 204: { type: 'null', description: 'Ended.' } } }
  }, async (request, reply) => {
    const ended = await app.session.revoke(request, { subject: owner.principal(request).subject })
    if (ended.includes(app.session.current(request)?.id ?? '')) app.session.forget(reply)
    return reply.code(204).send()
  })

  app.delete('/users/me/sessions/:id', {
    onRequest: owner,
    schema: { operationId: 'endSession', tags, summary: 'End a session of yours', params: SessionParams, response: { 204: { type: 'null', description: 'Ended.' }, 404: { description: 'You have no such session.' } } }
  }, async (request, reply) => {
    const { id } = request.params
    if ((await app.session.revoke(request, { id, subject: owner.principal(request).subject })).length === 0) throw refusal('not_found')
    if (app.session.current(request)?.id === id) app.session.forget(reply)
    return reply.code(204).send()
  })
}

// Registration and one's own profile.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { refusal } from '../errors.ts'
import type { LimitGuard } from '../guards/guard.ts'
import type { StoreSet } from '../stores/ports.ts'
import { BasicIdentity, PasswordChange, ProfileChange, Registration, User } from '../schemas/users.ts'

/** Options of {@link userRoutes}. */
export interface UserRoutesOptions {
  /** What failures of Basic count against, before any hash; one limit may be shared with other routes. */
  basicLimit: LimitGuard
  /** What a wrong current password counts against; it may be shared with other routes. */
  passwordLimit: LimitGuard
}

/** `/register`, `/users/me` and `/basic/me`. Needs `app.stores`, `app.accounts`, `app.bearer`, `app.session`, `app.basic`, `csrf`, `scopes` and `rateLimit`. */
export const userRoutes: FastifyPluginAsyncTypebox<UserRoutesOptions> = async (app, { basicLimit, passwordLimit }) => {
  for (const schema of [User, BasicIdentity]) app.addSchema(schema)
  const tags = ['users']
  const me = app.anyOf(app.allOf(app.bearer, app.requireScopes('me')), app.session)

  app.post('/register', {
    bodyLimit: 16_384,
    onRequest: [app.publicAccess('Nobody has an account before this'), app.limit({ name: 'register', max: 10, timeWindow: '1 minute', by: 'address' })],
    schema: { operationId: 'register', tags, summary: 'Make an account', body: Registration, response: { 201: { $ref: 'User#', description: 'The new account.' }, 409: { description: 'The name is taken.' }, 503: { description: 'Too many passwords wait to be hashed, or the stores do not answer.' } } }
  }, async (request, reply) => reply.code(201).send(await app.accounts.register({ ...request.body, origin: app.eventOrigin(request) })))

  app.get('/users/me', {
    onRequest: me,
    schema: { operationId: 'getMe', tags, summary: 'Read your profile', response: { 200: { $ref: 'User#', description: 'Your account.' } } }
  }, async (request) => {
    const user = await app.stores.users.findById(me.principal(request).subject)
    if (user === null) throw refusal('not_found')
    return user
  })

  app.patch('/users/me', {
    onRequest: me,
    schema: { operationId: 'updateMe', tags, summary: 'Change your profile', body: ProfileChange, response: { 200: { $ref: 'User#', description: 'Your account as it is now.' } } }
  }, async (request) => {
    const user = await app.accounts.updateProfile(me.principal(request), request.body, { origin: app.eventOrigin(request) })
    if (user === null) throw refusal('not_found')
    return user
  })

  app.put('/users/me/password', {
    bodyLimit: 16_384,
    onRequest: [me, passwordLimit],
    schema: { operationId: 'changePassword', tags, summary: 'Change your password; all other logins end', body: PasswordChange, response: { 204: { type: 'null', description: 'Changed.' }, 409: { description: 'The password was changed meanwhile.' } } }
  }, async (request, reply) => {
    const { current_password: currentPassword, new_password: newPassword } = request.body
    const principal = me.principal(request)
    const change = (within?: (stores: StoreSet) => Promise<void>) => app.accounts.changePassword(principal, { currentPassword, newPassword, origin: app.eventOrigin(request) }, within)
    // Another id for the session that stays: whoever may have learned the old one is out.
    await (principal.kind === 'session' ? app.session.open(request, reply, (open) => change((stores) => open(principal.subject, stores))) : change())
    return reply.code(204).send()
  })

  app.get('/basic/me', {
    onRequest: [basicLimit, app.basic],
    schema: { operationId: 'getBasicMe', tags, summary: 'Who the Basic credentials belong to', response: { 200: { $ref: 'BasicIdentity#', description: 'Your name.' } } }
  }, (request) => ({ username: app.basic.principal(request).attributes.username ?? '' }))
}

// What administrators see: people, clients, and what happened.
import { refusal } from '../errors.ts'
import { ClientParams } from '../schemas/clients.ts'
import { clientForm, EmptyForm, ListQuery, rolesForm, UsersQuery, UserStateParams } from '../schemas/pages.ts'
import { UserParams } from '../schemas/users.ts'
import { choicesOf, chosen, clientView, eventView, pagerView, userView } from './pages-views.ts'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyContextConfig, FastifyReply, FastifyRequest } from 'fastify'
import type { AuditEvent } from '../stores/ports.ts'
import type { PageForm, RefusedForm } from './pages-forms.ts'
import type { Done, Pages } from './pages-frame.ts'

const MOST = 20
const UUID = /^[0-9a-f-]{36}$/

const grants = choicesOf('grant', {
  client_credentials: 'For itself, by its secret',
  refresh_token: 'Goes on where a person has signed in',
  password: 'With the name and password of a person, which is deprecated'
}).map((grant) => ({ ...grant, standard: grant.name === 'client_credentials' }))

const clientFields = {
  name: { id: 'client-name', label: 'The name' },
  grants: { id: 'client-grants', label: 'How it gets tokens' },
  scopes: { id: 'client-scopes', label: 'What it may do' }
}

/** What stands below `/administration`, for administrators. */
export const administrationPages: FastifyPluginAsyncTypebox<{ pages: Pages }> = async (app, { pages }) => {
  const { base, scopes, roles } = pages
  const hide = true
  app.protect(app.session, app.requireScopes('admin'))
  const route = (form?: PageForm): { config: FastifyContextConfig } => ({ config: { ...pages.route(app.session, form).config, audit: true } })

  async function showUsers (request: FastifyRequest, reply: FastifyReply, refused?: RefusedForm): Promise<unknown> {
    const { cursor, q: text } = request.query as UsersQuery
    const q = text === '' ? undefined : text
    const { subject } = app.session.principal(request)
    const { items, next } = await app.stores.users.list({ limit: MOST, cursor, q })
    const locked = await app.accounts.lockedAmong(items.map(({ id }) => id))
    const here = `${base}/administration/users`
    return await pages.show(request, reply, 'users', {
      title: 'Users', query: { q }, users: items.map((user) => userView(user, { self: user.id === subject, locked: locked.has(user.id) })), roles, ...pagerView(next, { here, cursor, q }), ...refused
    })
  }

  async function showClients (request: FastifyRequest, reply: FastifyReply, refused?: RefusedForm): Promise<unknown> {
    const { cursor } = request.query as { cursor?: string }
    const { items, next } = await app.stores.clients.list({ limit: MOST, cursor })
    return await pages.show(request, reply, 'clients', {
      title: 'Clients', clients: items.map(clientView), grants, scopes, ...pagerView(next, { here: `${base}/administration/clients`, cursor }), ...refused
    })
  }

  /** Who changes their own roles, or turns themselves off, is signed out by it. */
  async function backToUsers (request: FastifyRequest, reply: FastifyReply, done: Done): Promise<FastifyReply> {
    if (await app.stores.sessions.findActive(app.session.principal(request).sessionId) !== null) return pages.redirect(reply, '/administration/users', done)
    app.session.forget(reply)
    return pages.redirect(reply, '/', 'signed-out')
  }

  const usersForm: PageForm = { name: (request) => (request.params as { id?: string }).id ?? '', fields: { roles: { id: 'main', label: 'A role' } }, show: showUsers }
  const clientsForm: PageForm = { name: 'client', fields: clientFields, show: showClients }

  app.get('/administration/users', { ...route(), schema: { hide, querystring: UsersQuery } }, (request, reply) => showUsers(request, reply))

  app.post('/administration/users/:id/roles', {
    ...route(usersForm),
    schema: { hide, params: UserParams, body: rolesForm(roles.map(({ field }) => field)) }
  }, async (request, reply) => {
    if (await app.accounts.update(request.params.id, { roles: chosen(request.body, roles) }, { origin: app.eventOrigin(request) }) === null) throw refusal('not_found')
    return await backToUsers(request, reply, 'roles-saved')
  })

  app.post('/administration/users/:id/unlock', {
    ...route(usersForm),
    schema: { hide, params: UserParams, body: EmptyForm }
  }, async (request, reply) => {
    if (!await app.accounts.unlock(request.params.id, { origin: app.eventOrigin(request) })) throw refusal('not_found')
    return pages.redirect(reply, '/administration/users', 'user-unlocked')
  })

  app.post('/administration/users/:id/:state', {
    ...route(usersForm),
    schema: { hide, params: UserStateParams, body: EmptyForm }
  }, async (request, reply) => {
    const { id, state } = request.params
    const disabled = state === 'disable'
    if (await app.accounts.update(id, { disabled }, { origin: app.eventOrigin(request) }) === null) throw refusal('not_found')
    return await backToUsers(request, reply, disabled ? 'user-disabled' : 'user-enabled')
  })

  app.get('/administration/clients', { ...route(), schema: { hide, querystring: ListQuery } }, (request, reply) => showClients(request, reply))

  app.post('/administration/clients', {
    ...route(clientsForm),
    schema: { hide, body: clientForm([...grants, ...scopes].map(({ field }) => field)) }
  }, async (request, reply) => {
    const client = { name: request.body.name, grants: chosen(request.body, grants), scopes: chosen(request.body, scopes) }
    const missing = (['grants', 'scopes'] as const).filter((list) => client[list].length === 0)
    if (missing.length > 0) throw refusal('validation', { errors: missing.map((list) => ({ pointer: `/${list}`, in: 'body', detail: 'needs at least one choice' })) })
    const made = await app.tokens.createClient({ ...client, origin: app.eventOrigin(request) })
    void reply.code(201).header('cache-control', 'no-store')
    return await pages.show(request, reply, 'secret', {
      title: 'The new client',
      heading: 'The new client',
      secret: {
        eyebrow: 'Made',
        label: 'Client secret',
        value: made.secret,
        facts: [{ name: 'Name', value: made.client.name }, { name: 'Client id', value: made.client.client_id }],
        use: 'Id and secret go to /token together, by HTTP Basic.',
        back: `${base}/administration/clients`
      }
    })
  })

  app.post('/administration/clients/:id/end', {
    ...route(clientsForm),
    schema: { hide, params: ClientParams, body: EmptyForm }
  }, async (request, reply) => {
    if (!await app.tokens.revokeClient(request.params.id, { origin: app.eventOrigin(request) })) throw refusal('not_found')
    return pages.redirect(reply, '/administration/clients', 'client-ended')
  })

  app.get('/administration/events', { ...route(), schema: { hide, querystring: ListQuery } }, async (request, reply) => {
    const { cursor } = request.query
    const { items, next } = await app.stores.audit.list({ limit: MOST, cursor })
    const names = await namesOf(items)
    return await pages.show(request, reply, 'events', {
      title: 'Security events', events: items.map((event) => eventView(event, names)), ...pagerView(next, { here: `${base}/administration/events`, cursor })
    })
  })

  /** The names of the accounts behind the actors of some events. */
  async function namesOf (events: readonly AuditEvent[]): Promise<Map<string, string>> {
    const ids = new Set(events.flatMap(({ actor }) => actor !== null && UUID.test(actor) ? [actor] : []))
    const users = await Promise.all([...ids].map((id) => app.stores.users.findById(id)))
    return new Map(users.flatMap((user) => user === null ? [] : [[user.id, user.username]]))
  }
}

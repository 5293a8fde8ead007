// What the demo records, and how administrators read it.
import t from 'tap'
import { securityEvents } from '../../guards/events.ts'
import { assertRefused, buildDemo, cookieChallenge, form, password } from '../demo.ts'
import { hear } from '../fixtures/events.ts'
import { fail, lockOut } from '../fixtures/failed-logins.ts'
import { cookieOf, fromHere, signInAt } from '../fixtures/page-session.ts'
import type { InjectOptions } from 'fastify'
import type { Demo, Headers, Person } from '../demo.ts'
import type { AuditEvent } from '../../stores/ports.ts'

const json = (method: 'POST' | 'PATCH' | 'PUT', url: string, headers: Headers, payload: object): InjectOptions => ({ method, url, headers, payload })
const post = (url: string, fields: Record<string, string>): InjectOptions => ({ method: 'POST', url, ...form(fields) })
const login = (username: string, secret = password): InjectOptions => json('POST', '/session', { host: 'localhost', ...fromHere }, { username, password: secret })

/** The events of a request, without that it was a use of its route. */
async function eventsOf ({ app }: Demo, requestId: string): Promise<AuditEvent[]> {
  await app.audit.flush()
  const { items } = await app.stores.audit.list({ request_id: requestId })
  return items.filter(({ event }) => event !== 'gatehouse_endpoint_used').reverse()
}

t.test('R200 R201 what changes something is recorded with it: who, what, from where, by which request', async (t) => {
  const demo = await buildDemo(t)
  const { app } = demo
  const [root, alice] = [await demo.person('root', ['admin']), await demo.person('alice')]
  const [admin, headers] = [await demo.token(root), await demo.token(alice)]
  const session = async (person: Person): Promise<Headers> => {
    const answer = await demo.send(login(person.username))
    return { cookie: cookieOf(answer), host: 'localhost', ...fromHere, 'x-csrf-token': answer.json<{ csrf_token: string }>().csrf_token }
  }
  const key = await demo.key(headers, ['items:read'])
  const { client_id: clientId } = (await demo.send(json('POST', '/admin/clients', admin, { name: 'one', grants: ['client_credentials'], scopes: ['items:read'] }))).json<{ client_id: string }>()
  const tokens = (await demo.send(post('/token', { grant_type: 'password', username: 'alice', password }))).json<{ access_token: string; refresh_token: string }>()
  const first = await session(alice)
  const other = 'another lamp beside the harbour'
  const [sessionId, familyId] = [/^[\w-]{43}$/, /^[0-9a-f-]{36}$/]
  const [me, boss] = [{ actor: alice.id }, { actor: root.id, scheme: 'bearer' }]

  const rows: [title: string, request: InjectOptions | (() => InjectOptions | Promise<InjectOptions>), expected: object[]][] = [
    ['registration', json('POST', '/register', {}, { username: 'bob', email: 'bob@example.com', password }), [{ event: 'user_created', actor: null, target: String, details: { roles: ['editor'] } }]],
    ['login for tokens', post('/token', { grant_type: 'password', username: 'alice', password }), [{ event: 'authn_login_success', ...me, scheme: 'password' }, { event: 'authn_token_created', ...me, details: { kind: 'refresh_token', client_id: 'demo' } }]],
    ['login by cookie', login('alice'), [{ event: 'authn_login_success', ...me }, { event: 'session_created', ...me, scheme: 'session' }]],
    ['login over a session', () => ({ ...login('alice'), headers: { ...first } }), [{ event: 'authn_login_success', ...me }, { event: 'session_renewed', ...me }]],
    ['revocation of a token', post('/token/revoke', { token: tokens.access_token }), [{ event: 'authn_token_revoked', outcome: 'success', ...me }]],
    ['profile', json('PATCH', '/users/me', headers, { full_name: 'Alice' }), [{ event: 'user_updated', ...me, scheme: 'bearer', target: alice.id, details: { members: ['full_name'] } }]],
    ['a new key', json('POST', '/api-keys', headers, { name: 'ci', scopes: ['items:read'] }), [{ event: 'authn_token_created', ...me, target: String, details: { kind: 'api_key', scopes: ['items:read'] } }]],
    ['rotation of a key', json('POST', `/api-keys/${key.id}/rotate`, headers, {}), [{ event: 'authn_token_created', ...me, reason: 'rotation', details: { kind: 'api_key' } }]],
    ['the end of a key', { method: 'DELETE', url: `/api-keys/${key.id}`, headers }, [{ event: 'authn_token_revoked', ...me, target: key.id, details: { kind: 'api_key' } }]],
    ['roles, which end sessions', json('PATCH', `/admin/users/${alice.id}`, admin, { roles: ['viewer'] }), [...Array<object>(2).fill({ event: 'session_expired', ...boss, target: sessionId, reason: 'roles_changed' }), { event: 'authz_change', ...boss, target: alice.id, details: { from: ['editor'], to: ['viewer'] } }]],
    ['the same roles again', json('PATCH', `/admin/users/${alice.id}`, admin, { roles: ['viewer'] }), []],
    ['login before it is turned off', login('alice'), [{ event: 'authn_login_success', ...me }, { event: 'session_created', ...me }]],
    ['turned off, which ends all logins', json('PATCH', `/admin/users/${alice.id}`, admin, { disabled: true }), [...Array<object>(3).fill({ event: 'authn_token_revoked', ...boss, target: familyId, reason: 'account_disabled', details: { kind: 'refresh_token' } }), { event: 'session_expired', ...boss, target: sessionId, reason: 'account_disabled' }, { event: 'user_archived', ...boss, target: alice.id }]],
    ['turned on', json('PATCH', `/admin/users/${alice.id}`, admin, { disabled: false }), [{ event: 'gatehouse_user_restored', ...boss, target: alice.id }]],
    ['a new client', json('POST', '/admin/clients', admin, { name: 'two', grants: ['client_credentials'], scopes: ['items:read'] }), [{ event: 'gatehouse_client_created', ...boss, target: String }]],
    ['the end of a client', { method: 'DELETE', url: `/admin/clients/${clientId}`, headers: admin }, [{ event: 'gatehouse_client_revoked', ...boss, target: clientId }]],
    ['login before the change', login('alice'), [{ event: 'authn_login_success', ...me }, { event: 'session_created', ...me }]],
    ['change of password, which ends other logins', async () => {
      await demo.token(alice)
      return json('PUT', '/users/me/password', await demo.token(alice), { current_password: password, new_password: other })
    }, [{ event: 'authn_token_revoked', ...me, target: familyId, reason: 'password_changed' }, { event: 'session_expired', ...me, scheme: 'bearer', target: sessionId, reason: 'password_changed' }, { event: 'authn_password_change', ...me, target: alice.id, scheme: 'bearer' }]]
  ]

  for (const [title, request, expected] of rows) {
    await t.test(title, async (t) => {
      const { method, url, ...rest } = await (typeof request === 'function' ? request() : request)
      const heard = hear(t, app)
      const answer = await demo.send({ method, url, ...rest, remoteAddress: '203.0.113.7' } as InjectOptions)
      t.ok(answer.statusCode < 300, answer.body)
      const id = heard.take().at(-1)?.request_id ?? ''
      const events = await eventsOf(demo, id)
      t.equal(events.length, expected.length)
      t.match(events, expected.map((event) => ({ ip: '203.0.113.7', method, route: String, request_id: id, outcome: 'success', ...event })))
    })
  }
})

t.test('R200 what fails is recorded, and never the name that was tried', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const off = await demo.person('carol')
  await demo.app.accounts.update(off.id, { disabled: true })
  const [slow, closed] = [await demo.person('dora'), await demo.person('emil')]
  await fail(demo.app.stores, slow.id, { times: 5, waitSeconds: 86_400 })
  await lockOut(demo.app.stores, closed.id)
  const headers = await demo.token(alice)
  const { id: item } = (await demo.send(json('POST', '/items', await demo.token(await demo.person('bob')), { title: 'a lamp' }))).json<{ id: string }>()
  const hashed = { actor: /^name:[0-9a-f]{32}$/ }
  const rows: [title: string, request: InjectOptions, expected: object[]][] = [
    ['a wrong password', login('alice', 'wrong password'), [{ event: 'authn_login_fail', ...hashed, target: alice.id, scheme: 'password', reason: 'wrong_password' }]],
    ['the right one while the account waits', login('dora'), [{ event: 'authn_login_fail', ...hashed, target: slow.id, reason: 'account_waiting' }]],
    ['the right one while it is locked', login('emil'), [{ event: 'authn_login_fail', ...hashed, target: closed.id, reason: 'account_locked' }]],
    ['an unknown name', login('nobody'), [{ event: 'authn_login_fail', ...hashed, target: null, reason: 'unknown_account' }]],
    ['a disabled account', login('carol'), [{ event: 'authn_login_fail', ...hashed, target: off.id, reason: 'account_disabled' }]],
    ['the same for a token', post('/token', { grant_type: 'password', username: 'alice', password: 'wrong' }), [{ event: 'authn_login_fail', target: alice.id }]],
    ['the same on a page', { ...post('/sign-in', { username: 'alice', password: 'wrong' }), headers: { ...form({}).headers, host: 'localhost', ...fromHere } }, [{ event: 'authn_login_fail', target: alice.id }]],
    ['an unknown client', post('/token', { grant_type: 'client_credentials', client_id: 'client_0123456789012345678901', client_secret: 'x' }), [{ event: 'authn_login_fail', ...hashed, scheme: 'client', reason: 'invalid_client' }]],
    ['a refresh token that is none', post('/token', { grant_type: 'refresh_token', refresh_token: 'x' }), [{ event: 'authn_login_fail', scheme: 'refresh_token', details: { client_id: 'demo' } }]],
    ['a wrong current password', json('PUT', '/users/me/password', headers, { current_password: 'wrong', new_password: 'another lamp beside the harbour' }), [{ event: 'authn_password_change_fail', actor: alice.id, reason: 'wrong_password' }, { event: 'input_validation_fail', reason: 'validation' }]],
    ['somebody else\'s item', { method: 'DELETE', url: `/items/${item}`, headers }, [{ event: 'authz_fail', actor: alice.id, reason: 'access_denied', route: '/items/:id' }]],
    ['not an administrator', { url: '/admin', headers }, [{ event: 'authz_fail', actor: alice.id, reason: 'insufficient_scope' }]],
    ['a body that does not fit', json('POST', '/register', {}, { username: 'x' }), [{ event: 'input_validation_fail', actor: null, reason: 'validation', details: { in: ['body'] } }]],
    ['a body of no known type', { method: 'POST', url: '/register', headers: { 'content-type': 'text/plain' }, payload: 'x' }, [{ event: 'input_validation_fail', reason: 'unsupported_media_type' }]],
    ['a form that does not fit', post('/token', { scope: 'me' }), [{ event: 'input_validation_fail', reason: 'invalid_request' }]]
  ]
  for (const [title, request, expected] of rows) {
    await t.test(title, async (t) => {
      const heard = hear(t, demo.app)
      const answer = await demo.send({ remoteAddress: '203.0.113.8', ...request })
      t.ok(answer.statusCode >= 400)
      const events = heard.take().filter(({ event }) => event !== 'gatehouse_endpoint_used' && event !== 'gatehouse_authenticated')
      t.equal(events.length, expected.length, JSON.stringify(events))
      t.match(events, expected.map((event) => ({ outcome: 'failure', ip: '203.0.113.8', ...event })))
    })
  }
  t.test('a limit', async (t) => {
    for (let n = 0; n < 6; n++) await demo.send({ url: '/limited', remoteAddress: '203.0.113.9' })
    await demo.app.audit.flush()
    const { items } = await demo.app.stores.audit.list({ event: 'excess_rate_limit_exceeded' })
    t.match(items, [{ ip: '203.0.113.9', route: '/limited', reason: 'quota_exceeded' }])
  })
})

t.test('R200 every name in the store is one of the table, and uses of /admin and writes are there', async (t) => {
  const demo = await buildDemo(t)
  const root = await demo.person('root', ['admin'])
  const headers = await demo.token(root)
  await demo.send({ url: '/admin', headers })
  await demo.send({ url: '/admin/users', headers })
  await demo.send({ url: '/items', headers })
  await demo.send(json('POST', '/items', headers, { title: 'a lamp' }))
  await (await signInAt(demo, root)).get('/administration/events')
  await demo.app.audit.flush()
  const { items } = await demo.app.stores.audit.list({ limit: 100 })
  t.strictSame(items.filter(({ event }) => !Object.hasOwn(securityEvents, event)), [])
  const used = items.filter(({ event, actor }) => event === 'gatehouse_endpoint_used' && actor === root.id).map(({ method, route }) => `${String(method)} ${String(route)}`)
  t.strictSame(used.sort(), ['GET /admin', 'GET /admin/users', 'GET /administration/events', 'POST /items'])
  t.ok(items.some(({ event }) => event === 'sys_startup'))
})

t.test('GET /admin/audit filters and pages', async (t) => {
  const demo = await buildDemo(t)
  const root = await demo.person('root', ['admin'])
  const alice = await demo.person('alice')
  const headers = await demo.token(root)
  for (const roles of [['viewer'], ['editor'], ['viewer']]) await demo.send(json('PATCH', `/admin/users/${alice.id}`, headers, { roles }))
  await demo.app.audit.flush()
  const list = async (query: Record<string, string>): Promise<{ items: AuditEvent[]; next?: string }> => {
    const answer = await demo.send({ url: '/admin/audit', query, headers })
    t.equal(answer.statusCode, 200, answer.body)
    return answer.json()
  }
  const changes = (await list({ event: 'authz_change' })).items
  t.match(changes, [{ target: alice.id, actor: root.id, details: { to: ['viewer'] } }, { details: { to: ['editor'] } }, {}])
  t.equal(changes.length, 3)
  const page = await list({ event: 'authz_change', limit: '2' })
  t.equal(page.items.length, 2)
  const rest = await list({ event: 'authz_change', limit: '2', cursor: page.next ?? '' })
  t.strictSame([...page.items, ...rest.items], changes)
  t.equal(rest.next, undefined)
  t.strictSame((await list({ subject: alice.id, event: 'authz_change' })).items, changes, 'what was done to somebody')
  t.strictSame((await list({ subject: root.id, event: 'authz_change' })).items, changes, 'what somebody did')
  t.match((await list({ request_id: changes[0]?.request_id ?? '' })).items.map(({ event }) => event).sort(), ['authz_change', 'gatehouse_endpoint_used'])
  const middle = changes[1]?.time ?? ''
  t.ok((await list({ event: 'authz_change', from: middle })).items.every(({ time }) => time >= middle))
  t.ok((await list({ event: 'authz_change', to: middle })).items.every(({ time }) => time < middle))
  t.strictSame((await list({ event: 'authz_change', to: '2020-01-01T00:00:00Z' })).items, [])
  for (const query of [{ event: 'A B' }, { from: 'yesterday' }, { limit: '0' }, { limit: '101' }, { cursor: 'x' }, { nothing: 'x' }]) {
    t.match((await demo.send({ url: '/admin/audit', query, headers })).json(), { status: 400, code: 'validation' }, JSON.stringify(query))
  }
  await assertRefused(t, demo, { url: '/admin/audit' }, { status: 401, code: 'credentials_required', challenge: ['Bearer realm="api", scope="admin"', cookieChallenge] })
  await assertRefused(t, demo, { url: '/admin/audit', headers: await demo.token(alice) }, { status: 403, code: 'insufficient_scope', challenge: 'Bearer realm="api", error="insufficient_scope", scope="admin"' })
})

// R203: what a client sends in secret is found nowhere afterwards: in no line of the log, in no event, in no table.
import { join } from 'node:path'
import { sql } from 'kysely'
import t from 'tap'
import { openSqlite } from '../stores/sqlite.ts'
import { basicOf, buildDemo, form, password } from './demo.ts'
import { hear } from './fixtures/events.ts'
import { cookieOf, fromHere, signInAt } from './fixtures/page-session.ts'
import { tablesOf } from './stores/fixtures/tables.ts'
import type { InjectOptions } from 'fastify'
import type { Test } from 'tap'
import type { Demo, Headers } from './demo.ts'

let canaries = 0

/** A text that is found again, of a form that every place takes. */
function canary (word: string): string {
  canaries += 1
  return `${word}${String(canaries).padStart(4, '0')}zzz`
}

type Make = (word?: string) => string

const fieldNames = [
  'username', 'email', 'full_name', 'password', 'current_password', 'new_password', 'grant_type', 'client_id', 'client_secret', 'token', 'token_type_hint', 'refresh_token',
  'code', 'scope', 'csrf_token', 'name', 'title', 'description', 'next', 'key', 'event', 'subject', 'request_id', 'q', 'cursor', 'access_token', 'id'
]
const headerNames = ['cookie', 'x-api-key', 'x-csrf-token', 'proxy-authorization', 'user-agent', 'referer', 'origin', 'x-request-id', 'x-forwarded-for', 'accept', 'if-none-match', 'x-anything']

const fieldsOf = (make: () => string): Record<string, string> => Object.fromEntries(fieldNames.map((name) => [name, make()]))

/** The forms in which credentials may come. */
function authorizations (make: () => string): string[] {
  const part = (): string => Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: make(), sub: make(), exp: 9e9 })).toString('base64url')
  return [`Bearer ${make()}`, `Bearer ${part()}.${part()}.${make()}`, `Basic ${btoa(`${make()}:${make()}`)}`, `Basic ${make()}`, `${make()} ${make()}`]
}

/** Every route of the demo, with something to be found in every place that a client can write to. */
function requestsOf ({ app }: Demo, make: Make): InjectOptions[] {
  return app.guardedRoutes().flatMap(({ method, url }) => authorizations(make).flatMap((authorization): InjectOptions[] => {
    // The log has paths, which tell no secret.
    const path = `${url.replaceAll(/:[a-z]+|\*/g, () => make('Place'))}?${new URLSearchParams(fieldsOf(make)).toString()}`
    const headers = { ...Object.fromEntries(headerNames.map((name) => [name, make()])), cookie: `__Host-session=${make()}; ${make()}=${make()}`, authorization }
    const of = (sent: { headers: Headers; payload?: string } = { headers: {} }): InjectOptions => ({ method, url: path, ...sent, headers: { ...headers, ...sent.headers } })
    if (method === 'GET' || method === 'HEAD') return [of()]
    return [
      of({ headers: { 'content-type': 'application/json' }, payload: JSON.stringify({ ...fieldsOf(make), [make()]: make() }) }),
      of(form({ ...fieldsOf(make), [make()]: make() })),
      of({ headers: { 'content-type': 'application/json' }, payload: `{"${make()}": ${make()}` }),
      of({ headers: { 'content-type': make() }, payload: make() })
    ]
  }))
}

async function dump (t: Test): Promise<string> {
  const db = await openSqlite(join(t.testdirName, 'gatehouse.sqlite'))
  const rows = await Promise.all((await tablesOf(db)).map((table) => sql`select * from ${sql.table(table)}`.execute(db)))
  await db.destroy()
  return JSON.stringify(rows.map(({ rows }) => rows))
}

t.test('R203 whatever strangers send to whatever route is found nowhere', async (t) => {
  const demo = await buildDemo(t)
  await demo.app.ready()
  const heard = hear(t, demo.app)
  const sent: string[] = []
  const make: Make = (word = 'Canary') => {
    const made = canary(word)
    sent.push(made)
    return made
  }
  const requests = requestsOf(demo, make)
  t.ok(requests.length > 200)
  for (const request of requests) await demo.send(request)
  await demo.app.audit.flush()
  const places = { log: demo.log.join(''), events: JSON.stringify(heard.take()), tables: await dump(t) }
  for (const [name, text] of Object.entries(places)) {
    t.ok(text.length > 1000, `there is something in ${name}`)
    const found = name === 'log' ? /.{0,200}Canary\d{4,}zzz.{0,80}/i.exec(text) : /.{0,200}(Canary|Place)\d{4,}zzz.{0,80}/i.exec(text)
    t.equal(found?.[0], undefined, `nothing of it is in ${name}`)
  }
  t.ok(sent.length > 5000)
})

t.test('R203 secrets that are good are found nowhere either', async (t) => {
  const demo = await buildDemo(t)
  const heard = hear(t, demo.app)
  const { secrets, send } = demo
  const alice = await demo.person('alice', ['editor', 'admin'])
  const keep = (...found: (string | undefined)[]): void => { for (const secret of found) if (secret !== undefined && secret.length > 7) secrets.add(secret) }

  const tokens = (await send({ method: 'POST', url: '/token', ...form({ grant_type: 'password', username: 'alice', password }) })).json<{ access_token: string; refresh_token: string }>()
  const next = (await send({ method: 'POST', url: '/token', ...form({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token }) })).json<{ access_token: string; refresh_token: string }>()
  keep(tokens.access_token, tokens.refresh_token, next.access_token, next.refresh_token)
  const headers = { authorization: `Bearer ${tokens.access_token}` }
  const { key, headers: keyed } = await demo.key(headers, ['items:write', 'items:read'])
  const { client_id: clientId, client_secret: secret } = (await send({ method: 'POST', url: '/admin/clients', headers, payload: { name: 'app', grants: ['client_credentials'], scopes: ['items:read'] } })).json<{ client_id: string; client_secret: string }>()
  keep(key, secret)
  const own = await send({ method: 'POST', url: '/token', ...form({ grant_type: 'client_credentials', client_id: clientId, client_secret: secret }) })
  keep(own.json<{ access_token: string }>().access_token)
  for (const token of [next.access_token, next.refresh_token]) for (const url of ['/token/introspect', '/token/revoke']) await send({ method: 'POST', url, ...form({ token, client_id: clientId, client_secret: secret }) })
  await send({ url: '/basic/me', headers: alice.basic })
  await send({ url: '/basic/me', headers: basicOf('alice', `${password} wrong`) })
  await send({ url: `/items?access_token=${tokens.access_token}`, headers: keyed })
  await send({ method: 'POST', url: '/items', headers: { 'x-api-key': key.slice(0, -1) }, payload: {} })
  const login = await send({ method: 'POST', url: '/session', headers: { host: 'localhost', ...fromHere }, payload: { username: 'alice', password } })
  const { csrf_token: csrfToken } = login.json<{ csrf_token: string }>()
  const cookie = cookieOf(login)
  keep(csrfToken, cookie.split('=')[1])
  const pages = await signInAt(demo, alice)
  await pages.post('/account/password', { current_password: `${password} not`, new_password: 'a bench below the lighthouse', new_password_again: 'a bench below the lighthouse' })
  secrets.add('a bench below the lighthouse').add('a pier beyond the lighthouse')
  await send({ method: 'PUT', url: '/users/me/password', headers: { cookie, host: 'localhost', ...fromHere, 'x-csrf-token': csrfToken }, payload: { current_password: password, new_password: 'a pier beyond the lighthouse' } })
  await demo.app.audit.flush()

  t.ok(secrets.size >= 12)
  // Tokens of CSRF are salted, and what the key and the tokens are recognised by is told on purpose.
  const places = { log: demo.log.join(''), events: JSON.stringify(heard.take()), tables: await dump(t) }
  for (const [name, text] of Object.entries(places)) t.strictSame([...secrets].filter((secret) => text.includes(secret)), [], name)
})

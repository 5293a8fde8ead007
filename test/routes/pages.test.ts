// The pages as answers: who may see and do what, what every page is sent with, and what a form has to prove.
import { readFileSync, readdirSync } from 'node:fs'
import { Readable } from 'node:stream'
import t from 'tap'
import { refusal } from '../../errors.ts'
import { refusedForm } from '../../routes/pages-forms.ts'
import { anAddress, assertNoSecret, buildDemo, form, password } from '../demo.ts'
import { lockOut } from '../fixtures/failed-logins.ts'
import { cookieOf, fromHere, postForm, signInAt, tokenIn } from '../fixtures/page-session.ts'
import type { FastifyRequest, InjectOptions } from 'fastify'
import type { PageForm } from '../../routes/pages-forms.ts'
import type { Headers } from '../demo.ts'

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
const CHALLENGE = 'Cookie realm="api", cookie-name="__Host-session"'
const page = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': POLICY, 'cache-control': 'no-store', 'referrer-policy': 'same-origin', 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' }
const somewhere = '0192f0c1-2345-7abc-8def-0123456789ab'

const administration = ['/administration/users', '/administration/clients', '/administration/events']
/** Every form, with fields that would do. */
const forms: [string, Record<string, string>][] = [
  ['/sign-out', {}],
  ['/account/keys', { name: 'a key', expires_in_days: '90', 'scope-items:read': 'on' }],
  ['/account/keys/4fZk2mQp9XaB/rotate', { overlap: '0' }],
  ['/account/keys/4fZk2mQp9XaB/revoke', {}],
  [`/account/sessions/${'a'.repeat(43)}/end`, {}],
  ['/account/sessions/end', { which: 'all' }],
  ['/account/password', { current_password: password, new_password: 'a boat under the bridge' }],
  [`/administration/users/${somewhere}/roles`, { 'role-viewer': 'on' }],
  [`/administration/users/${somewhere}/disable`, {}],
  [`/administration/users/${somewhere}/unlock`, {}],
  ['/administration/clients', { name: 'a client', 'grant-client_credentials': 'on', 'scope-items:read': 'on' }],
  ['/administration/clients/client_4fZk2mQp9XaB4fZk2mQp9X/end', {}]
]

t.test('R010 the pages are guarded as every other route, and are no part of the API', async (t) => {
  const { app } = await buildDemo(t)
  const rows = app.guardedRoutes().filter(({ method, url }) => method !== 'HEAD' && /^\/(?:$|assets|sign-|account|administration)/.test(url))
    .map(({ method, url, access, requirement, scopes, csrf, limits }) => [`${method} ${url}`, access, (requirement ?? []).map((alternative) => Object.keys(alternative).join()).join('|'), scopes.join(), csrf, limits.map(({ name }) => name).join()])
  const own = (url: string, ...limits: string[]): unknown[] => [`POST ${url}`, 'guarded', 'session', '', 'form', limits.join()]
  const admin = (line: string): unknown[] => [line, 'guarded', 'session', 'admin', line.startsWith('GET') ? null : 'form', '']
  const expected = [
    ['GET /', 'optional', 'session|', '', null, ''],
    ...['gatehouse.css', 'gatehouse.js', 'logo.svg'].map((name) => [`GET /assets/${name}`, 'public', '', '', null, '']),
    ['POST /sign-in', 'public', '', '', 'not-cross-site', 'session,session-failures'],
    own('/sign-out'), own('/account/keys'), own('/account/keys/:id/rotate'), own('/account/keys/:id/revoke'),
    own('/account/sessions/:id/end'), own('/account/sessions/end'), own('/account/password', 'password-failures'),
    ...['GET /administration/users', 'POST /administration/users/:id/roles', 'POST /administration/users/:id/unlock', 'POST /administration/users/:id/:state', 'GET /administration/clients', 'POST /administration/clients', 'POST /administration/clients/:id/end', 'GET /administration/events'].map(admin)
  ]
  const sorted = (lines: unknown[][]): string[] => lines.map((line) => JSON.stringify(line)).sort()
  t.strictSame(sorted(rows), sorted(expected))
  const { paths } = (await app.inject('/openapi.json')).json<{ paths: object }>()
  t.strictSame(Object.keys(paths).filter((url) => /^\/(?:$|assets|sign-|account|administration)/.test(url)), [])
})

t.test('R170 every page has its policy, and no page has anything inline', async (t) => {
  const demo = await buildDemo(t)
  const boss = await signInAt(demo, await demo.person('boss', ['admin']))
  const pages = [await demo.send({ url: '/' }), await demo.send({ url: '/administration/users' }), ...await Promise.all(['/', ...administration].map((url) => boss.get(url)))]
  t.strictSame(pages.map(({ statusCode }) => statusCode), [200, 401, 200, 200, 200, 200])
  for (const { headers, body } of pages) {
    t.match(headers, page)
    t.notMatch(body, /<style|style=|<script(?![^>]* src="\/assets\/)|\son\w+=|javascript:/i)
    t.match(body, /^<!doctype html>\n<html lang="en">/)
  }
  t.equal(pages[1]?.headers['www-authenticate'], CHALLENGE, 'R001')
})

t.test('templates escape: what they write as it is is a template of ours', async (t) => {
  const folder = new URL('../../pages/', import.meta.url)
  for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.eta'))) {
    const raw = readFileSync(new URL(name, folder), 'utf8').match(/<%[-_]?\s*~[^%]*%>/g) ?? []
    t.strictSame(raw.filter((tag) => !/^<%~ (?:include\('\.\/[\w-]+', [^\n]*\)|it\.body) %>$/.test(tag)), [], name)
  }
})

t.test('the files of the pages', async (t) => {
  const demo = await buildDemo(t)
  for (const [name, type] of [['gatehouse.css', /^text\/css/], ['gatehouse.js', /^(?:text|application)\/javascript/], ['logo.svg', /^image\/svg\+xml/]] as const) {
    const file = await demo.send({ url: `/assets/${name}` })
    t.equal(file.statusCode, 200)
    t.match(file.headers, { 'content-type': type, 'cache-control': 'no-cache', etag: String })
    t.equal((await demo.send({ url: `/assets/${name}`, headers: { 'if-none-match': String(file.headers.etag) } })).statusCode, 304)
  }
  for (const url of ['/assets/', '/assets', '/assets/%2e%2e/layout.eta', '/assets/..%2flayout.eta', '/layout.eta', '/pages/layout.eta']) {
    t.equal((await demo.send({ url })).statusCode, 404, url)
  }
})

t.test('R110 R112 R114 R116 what a form has to prove', async (t) => {
  const demo = await buildDemo(t)
  const boss = await demo.person('boss', ['admin'])
  const session = await signInAt(demo, boss)
  const other = await signInAt(demo, await demo.person('other', ['admin']))
  const token = tokenIn((await session.get('/')).body)
  const refusals: [string, Headers, Record<string, string>, number, string][] = [
    ['no token', fromHere, {}, 403, ''],
    ['an empty token', fromHere, { csrf_token: '' }, 403, ''],
    ['a token of another session', fromHere, { csrf_token: tokenIn((await other.get('/')).body) }, 403, ''],
    ['a changed token', fromHere, { csrf_token: `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}` }, 403, ''],
    ['another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, { csrf_token: token }, 403, ''],
    ['a sibling', { 'sec-fetch-site': 'same-site', origin: 'https://evil.demo.example' }, { csrf_token: token }, 403, ''],
    ['the origin null', { origin: 'null' }, { csrf_token: token }, 403, ''],
    ['another origin', { origin: 'https://demo.example.evil' }, { csrf_token: token }, 403, ''],
    ['nothing that tells where it comes from', {}, { csrf_token: token }, 403, '']
  ]
  const before = await demo.state()
  for (const [url, fields] of forms) {
    for (const [title, headers, extra, status] of refusals) {
      await t.test(`${url}: ${title}`, async (t) => {
        const sent = form({ ...fields, ...extra })
        const refused = await demo.send({ method: 'POST', url, headers: { ...session.headers, ...headers, ...sent.headers }, payload: sent.payload })
        t.equal(refused.statusCode, status)
        t.match(refused.headers, page)
        t.match(refused.headers.vary, /Sec-Fetch-Site/)
        assertNoSecret(t, demo, refused)
      })
    }
    await t.test(`${url}: a token in the query or the header alone`, async (t) => {
      const sent = form(fields)
      const refused = await demo.send({ method: 'POST', url: `${url}?csrf_token=${encodeURIComponent(token)}`, headers: { ...session.headers, ...fromHere, ...sent.headers, 'x-csrf-token': token }, payload: sent.payload })
      t.ok([400, 403].includes(refused.statusCode), String(refused.statusCode))
    })
    await t.test(`${url}: nobody`, async (t) => {
      const refused = await postForm(demo, url, { ...fields, csrf_token: token })
      t.strictSame([refused.statusCode, refused.headers['www-authenticate']], [401, CHALLENGE])
    })
    await t.test(`R117 ${url}: JSON`, async (t) => {
      const refused = await demo.send({ method: 'POST', url, headers: { ...session.headers, ...fromHere }, payload: { ...fields, csrf_token: token } })
      t.equal(refused.statusCode, 415)
    })
  }
  t.equal(await demo.state(), before, 'nothing changed')
  t.equal((await session.get('/')).statusCode, 200, 'and the session goes on')
  t.equal((await demo.app.stores.sessions.listBySubject(boss.id)).items.length, 1)
})

t.test('an editor may not administer', async (t) => {
  const demo = await buildDemo(t)
  const session = await signInAt(demo, await demo.person('editor'))
  const before = await demo.state()
  for (const url of administration) t.equal((await session.get(url)).statusCode, 403, url)
  for (const [url, fields] of forms.filter(([path]) => path.startsWith('/administration/'))) t.equal((await session.post(url, fields)).statusCode, 403, url)
  t.equal(await demo.state(), before)
})

t.test('R114 signing in', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const off = await demo.person('off')
  await demo.app.accounts.update(off.id, { disabled: true })
  const good = { username: 'alice', password }
  await t.test('leads to the first page, or to the one that was asked for', async (t) => {
    const to = async (next?: string): Promise<unknown> => (await postForm(demo, '/sign-in', { ...good, ...(next === undefined ? {} : { next }) })).headers.location
    t.equal(await to(), '/')
    t.equal(await to('/administration/events'), '/administration/events')
    for (const next of ['https://evil.example', '//evil.example', '/\\evil.example', '/administration/users?done=x', '/docs', '']) t.equal(await to(next), undefined, `R174 never to ${next}`)
  })
  const refusals: [string, Record<string, string>, Headers, number][] = [
    ['a wrong password', { ...good, password: 'wrong' }, fromHere, 400],
    ['an unknown name', { ...good, username: 'nobody' }, fromHere, 400],
    ['a disabled account', { ...good, username: 'off' }, fromHere, 400],
    ['no password', { username: 'alice' }, fromHere, 400],
    ['a field too many', { ...good, admin: 'on' }, fromHere, 400],
    ['another site', good, { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, 403],
    ['another origin', good, { origin: 'https://evil.example' }, 403]
  ]
  for (const [title, fields, headers, status] of refusals) {
    await t.test(title, async (t) => {
      const sent = form(fields)
      const refused = await demo.send({ method: 'POST', url: '/sign-in', headers: { host: 'localhost', ...headers, ...sent.headers }, payload: sent.payload })
      t.equal(refused.statusCode, status)
      t.match(refused.headers, page)
      t.notOk('set-cookie' in refused.headers)
      assertNoSecret(t, demo, refused)
    })
  }
  await t.test('unknown, wrong and disabled are one page', async (t) => {
    const bodies = await Promise.all(['nobody', 'alice', 'off'].map(async (username) => (await postForm(demo, '/sign-in', { username, password: 'wrong' })).body.replace(`value="${username}"`, '')))
    t.equal(new Set(bodies).size, 1)
  })
  await t.test('R100 always begins a new session, and ends the one before', async (t) => {
    const first = await signInAt(demo, alice)
    const sent = form(good)
    const again = await demo.send({ method: 'POST', url: '/sign-in', headers: { ...first.headers, ...fromHere, ...sent.headers }, payload: sent.payload })
    t.not(cookieOf(again), first.headers['cookie'])
    t.match((await first.get('/')).body, /Every gate has a keeper/)
  })
  await t.test('counts with POST /session, whatever the way', async (t) => {
    const remoteAddress = anAddress()
    const ways: InjectOptions[] = [
      { method: 'POST', url: '/session', payload: { username: 'nobody', password: 'wrong' } },
      { method: 'POST', url: '/sign-in', ...form({ username: 'nobody', password: 'wrong' }) }
    ]
    const statuses: number[] = []
    for (const way of Array<InjectOptions[]>(11).fill(ways).flat()) statuses.push((await demo.app.inject({ ...way, remoteAddress, headers: { host: 'localhost', ...way.headers } })).statusCode)
    t.strictSame(statuses, [...Array<number[]>(10).fill([401, 400]).flat(), 429, 429])
    const last = await demo.app.inject({ ...ways[1], remoteAddress })
    t.match(last.body, /Too many attempts/)
    t.match(last.headers, { ...page, 'retry-after': /^\d+$/ })
  })
})

t.test('R105 who was signed out while their form was on its way is told so, and stays out', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const session = await signInAt(demo, alice)
  const { body: page } = await session.get('/')
  const sent = form({ csrf_token: tokenIn(page), current_password: password, new_password: 'another lamp beside the harbour' })
  const body = Readable.from((async function * () {
    await demo.app.stores.sessions.removeBySubject(alice.id)
    yield sent.payload
  })())
  const answer = await demo.send({ method: 'POST', url: '/account/password', headers: { ...fromHere, ...session.headers, ...sent.headers }, payload: body })
  t.equal(answer.statusCode, 401)
  t.match(answer.body, 'Your session has ended, and nothing was changed.')
  t.equal(answer.headers['set-cookie'], undefined)
  t.equal((await demo.send({ url: '/basic/me', headers: alice.basic })).statusCode, 200, 'the password is what it was')
})

t.test('R189 a refused form keeps what was typed, but for passwords', async (t) => {
  const body: unknown = { username: 'alice', password, current_password: password, new_password: password, csrf_token: 'x' }
  const shown: PageForm = { name: 'a form', fields: {}, show: async () => '' }
  const { values } = refusedForm(refusal('conflict'), shown, { body } as FastifyRequest) ?? {}
  t.strictSame(values, { username: 'alice', csrf_token: 'x' })
})

t.test('nobody reaches what belongs to somebody else', async (t) => {
  const demo = await buildDemo(t)
  const [alice, mallory] = [await demo.person('alice'), await demo.person('mallory')]
  const { id } = await demo.key(await demo.token(alice), ['items:read'])
  await signInAt(demo, alice)
  const [theirs] = (await demo.app.stores.sessions.listBySubject(alice.id)).items
  const session = await signInAt(demo, mallory)
  const before = await demo.state()
  const rows: [string, Record<string, string>, number][] = [
    [`/account/keys/${id}/revoke`, {}, 404],
    [`/account/keys/${id}/rotate`, { overlap: '0' }, 404],
    [`/account/sessions/${theirs?.id ?? ''}/end`, {}, 404],
    ['/account/keys', { name: 'more than mine', expires_in_days: '90', 'scope-admin': 'on' }, 403],
    ['/account/keys', { name: 'for ever', expires_in_days: '99999', 'scope-items:read': 'on' }, 400],
    ['/account/password', { current_password: 'wrong', new_password: 'a boat under the bridge' }, 400]
  ]
  for (const [url, fields, status] of rows) {
    const refused = await session.post(url, fields)
    t.equal(refused.statusCode, status, `${url} ${Object.keys(fields).join(' ')}`)
    t.match(refused.body, /role="alert"/, 'the page comes back and says so')
  }
  t.equal(await demo.state(), before)
  t.equal((await demo.app.stores.sessions.listBySubject(alice.id)).items.length, 1)
})

t.test('who is locked is told, and unlocked by a button', async (t) => {
  const demo = await buildDemo(t)
  const boss = await signInAt(demo, await demo.person('boss', ['admin']))
  const { id } = await demo.person('closed')
  await lockOut(demo.app.stores, id)
  const unlock = /action="\/administration\/users\/[^"]+\/unlock"/g
  const before = (await boss.get('/administration/users')).body
  t.strictSame(before.match(unlock), [`action="/administration/users/${id}/unlock"`])
  t.equal(before.match(/>Locked</g)?.length, 1)
  t.match((await boss.post(`/administration/users/${id}/unlock`)).headers, { location: '/administration/users?done=user-unlocked' })
  const after = (await boss.get('/administration/users?done=user-unlocked')).body
  t.strictSame([after.match(unlock), after.match(/>Locked</g)], [null, null])
  t.match(after, /The account is unlocked\./)
  t.equal((await boss.post(`/administration/users/${somewhere}/unlock`)).statusCode, 404)
})

t.test('R189 a secret is shown by the answer that makes it, and by no other', async (t) => {
  const demo = await buildDemo(t)
  const session = await signInAt(demo, await demo.person('boss', ['admin']))
  const made = await session.post('/account/keys', { name: 'a key', expires_in_days: '7', 'scope-items:read': 'on' })
  const key = /value="(gate_[^"]+)"/.exec(made.body)?.[1] ?? ''
  t.strictSame([made.statusCode, (await demo.send({ url: '/items', headers: { 'x-api-key': key } })).statusCode], [201, 200])
  const client = await session.post('/administration/clients', { name: 'a client', 'grant-client_credentials': 'on', 'scope-items:read': 'on' })
  const secret = /id="secret"[^>]* value="([^"]+)"/.exec(client.body)?.[1] ?? ''
  t.equal(client.statusCode, 201)
  t.ok(secret.length > 20)
  demo.secrets.add(key).add(secret)
  for (const url of ['/', ...administration]) assertNoSecret(t, demo, await session.get(url))
  for (const answer of [made, client]) t.match(answer.headers, { 'cache-control': 'no-store' })
})

t.test('R209 where the docs are not, nothing leads there', async (t) => {
  await buildDemo(t)
  const production = { NODE_ENV: 'production', ADMIN_USERNAME: 'root', ADMIN_PASSWORD: 'harbour lamps at night', TOKEN_KEY_FILE: `${t.testdirName}/token-key` }
  for (const [docs, forAdministrators] of [['', false], ['admin', true]] as const) {
    await t.test(docs === '' ? 'none' : docs, async (t) => {
      const demo = await buildDemo(t, { ...production, DOCS: docs })
      const [root, editor] = [await signInAt(demo, { id: '', username: 'root', password: 'harbour lamps at night', basic: {} }), await signInAt(demo, await demo.person('editor'))]
      t.notMatch((await demo.send({ url: '/' })).body, /\/docs/)
      t.notMatch((await editor.get('/')).body, /\/docs/)
      t.equal((await root.get('/')).body.includes('href="/docs"'), forAdministrators)
    })
  }
})

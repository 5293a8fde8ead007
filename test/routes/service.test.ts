import t from 'tap'
import { ensureAdministrator } from '../../administrator.ts'
import { ConfigurationError, readConfiguration } from '../../config.ts'
import { anAddress, assertProblem, assertRefused, buildDemo, cookieChallenge, form, password } from '../demo.ts'
import type { InjectOptions } from 'fastify'
import type { User } from '../../stores/ports.ts'
import type { Refused } from '../demo.ts'

const adminChallenge = ['Bearer realm="api", scope="admin"', cookieChallenge]

t.test('what everybody may read', async (t) => {
  const demo = await buildDemo(t)
  t.equal((await demo.send({ url: '/' })).statusCode, 200)
  for (const url of ['/health/live', '/health/ready']) t.strictSame((await demo.send({ url })).json(), { status: 'ok' })
  t.equal((await demo.send({ url: '/.well-known/jwks.json' })).statusCode, 200)
})

t.test('R158 GET /health/ready is ready without Redis, and says so; with SQLite the start says what is not shared', async (t) => {
  const demo = await buildDemo(t, { REDIS_URL: 'redis://127.0.0.1:1', DATABASE_URL: '' })
  const ready = await demo.send({ url: '/health/ready' })
  t.equal(ready.statusCode, 200)
  t.strictSame(ready.json(), { status: 'degraded' })
  t.equal(demo.log.filter((line) => line.includes('REDIS_URL without DATABASE_URL')).length, 1)
  t.equal((await demo.send({ url: '/limited' })).statusCode, 200)
  t.equal((await demo.send({ method: 'POST', url: '/token', ...form({ grant_type: 'password', username: 'nobody', password }) })).statusCode, 503)
})

t.test('GET /health/ready fails when the stores do not answer, GET /health/live does not', async (t) => {
  const demo = await buildDemo(t)
  await demo.app.stores.close()
  const ready = await demo.send({ url: '/health/ready' })
  t.ok(ready.statusCode >= 500)
  t.notMatch(ready.body, /sqlite|driver|destroyed|\.ts/i)
  t.equal((await demo.send({ url: '/health/live' })).statusCode, 200)
})

t.test('R007 GET /health/ready is 503 as long as no token can be judged, within its bound, and 200 as soon as one can', async (t) => {
  const demo = await buildDemo(t)
  const headers = await demo.token(await demo.person('alice'))
  const statusOf = async (url: string): Promise<number> => (await demo.send({ url, headers })).statusCode
  t.equal(await statusOf('/health/ready'), 200)
  const { since } = demo.app.stores.revocations
  let answer = (): void => undefined
  let polls = 0
  const hangs = new Promise<void>((resolve) => { answer = resolve })
  // Nothing else would keep the process while the answer stays out.
  const alive = setInterval(() => undefined, 1000)
  t.teardown(() => {
    clearInterval(alive)
    answer()
  })
  Object.assign(demo.app.stores.revocations, {
    async since (...asked: Parameters<typeof since>) {
      polls += 1
      await hangs
      return await since(...asked)
    }
  })
  while (await statusOf('/users/me') !== 503) await new Promise((resolve) => setTimeout(resolve, 100))
  const begun = performance.now()
  const before = polls
  const [ready = await demo.send({ url: '/health/ready' })] = await Promise.all(Array.from({ length: 50 }, () => demo.send({ url: '/health/ready' })))
  t.ok(polls - before <= 3, 'all who probe at the same time are one question')
  t.ok(performance.now() - begun < 4000, 'a poll that hangs is not waited for')
  assertProblem(t, demo, ready, { status: 503, code: 'unavailable' })
  t.match(ready.headers['retry-after'], /^[1-9]/)
  Object.assign(demo.app.stores.revocations, { since })
  t.equal(await statusOf('/users/me'), 503, 'nobody has asked again')
  t.equal(await statusOf('/health/ready'), 200)
  t.equal(await statusOf('/users/me'), 200)
})

t.test('R150 R151 GET /limited answers five times a minute', async (t) => {
  const demo = await buildDemo(t)
  const remoteAddress = anAddress()
  for (let left = 4; left >= 0; left -= 1) {
    const answer = await demo.send({ url: '/limited', remoteAddress })
    t.equal(answer.statusCode, 200)
    t.match(answer.headers.ratelimit, new RegExp(`^"limited";r=${String(left)};t=\\d+$`))
  }
  const refused = await assertRefused(t, demo, { url: '/limited', remoteAddress }, { status: 429, code: 'quota_exceeded' })
  t.match(refused.json(), { type: 'https://iana.org/assignments/http-problem-types#quota-exceeded', 'violated-policies': ['limited'] })
  t.match(refused.headers, { 'retry-after': /^[1-9]\d*$/, 'cache-control': 'no-store' })
  t.equal((await demo.send({ method: 'HEAD', url: '/limited', remoteAddress })).statusCode, 429, 'R157 HEAD shares the limit')
  t.equal((await demo.send({ url: '/limited', remoteAddress, headers: { 'x-forwarded-for': '192.0.2.1' } })).statusCode, 429, 'R154')
  t.equal((await demo.send({ url: '/limited' })).statusCode, 200)
})

t.test('R154 behind a trusted proxy clients are told apart', async (t) => {
  const demo = await buildDemo(t, { TRUSTED_PROXIES: '192.0.2.0/24' })
  const status = async (client: string): Promise<number> => (await demo.send({ url: '/limited', remoteAddress: '192.0.2.9', headers: { 'x-forwarded-for': client } })).statusCode
  for (let sent = 0; sent < 5; sent += 1) t.equal(await status('198.51.100.1'), 200)
  t.equal(await status('198.51.100.1'), 429)
  t.equal(await status('198.51.100.2'), 200)
})

t.test('GET /admin and /admin/users are for administrators', async (t) => {
  const demo = await buildDemo(t)
  const boss = await demo.token(await demo.person('boss', ['admin']))
  for (const name of ['anna', 'bert', 'carl']) await demo.person(name)
  t.match((await demo.send({ url: '/admin', headers: boss })).json(), { message: String })
  const page = async (query: Record<string, string>): Promise<{ items: User[]; next?: string }> => (await demo.send({ url: '/admin/users', query, headers: boss })).json()
  const first = await page({ limit: '3' })
  t.strictSame(first.items.map(({ username }) => username), ['carl', 'bert', 'anna'])
  t.strictSame((await page({ limit: '3', cursor: first.next ?? '' })).items.map(({ username }) => username), ['boss'])
  t.strictSame((await page({ q: 'ER' })).items.map(({ username }) => username), ['bert'])
  t.strictSame(Object.keys(first.items[0] ?? {}).sort(), ['created_at', 'disabled', 'email', 'full_name', 'id', 'roles', 'username'], 'R189 no hash')

  const editor = await demo.person('editor')
  const token = await demo.token(editor)
  const { headers: key } = await demo.key(boss, ['admin'])
  const rows: [string, InjectOptions, Refused][] = [
    ['no credentials', {}, { status: 401, code: 'credentials_required', challenge: adminChallenge }],
    ['an editor', { headers: token }, { status: 403, code: 'insufficient_scope', challenge: 'Bearer realm="api", error="insufficient_scope", scope="admin"' }],
    ['an administrator whose token is narrower', { headers: await demo.token({ ...editor, username: 'boss' }, 'me') }, { status: 403, code: 'insufficient_scope', challenge: 'Bearer realm="api", error="insufficient_scope", scope="admin"' }],
    ['an API key with the scope', { headers: key }, { status: 401, code: 'credentials_required', challenge: adminChallenge }],
    ['R037 Basic of an administrator', { headers: { ...editor.basic } }, { status: 401, code: 'credentials_required', challenge: adminChallenge }]
  ]
  for (const url of ['/admin', '/admin/posture', '/admin/users', '/admin/users?limit=x']) {
    for (const [title, request, refused] of rows) await t.test(`${url} by ${title}`, (t) => assertRefused(t, demo, { url, ...request }, refused))
  }
})

t.test('R005 R012 R171 what is not there, and what every answer has', async (t) => {
  const demo = await buildDemo(t)
  const headers = await demo.token(await demo.person('alice'))
  const missing: [string, InjectOptions & { url: string }][] = [
    ['an unknown URL', { url: '/nothing' }],
    ['R009 another case', { url: '/ADMIN' }],
    ['R009 two slashes', { url: '//admin' }],
    ['R009 a slash at the end', { url: '/admin/' }],
    ['a method that is not declared', { method: 'PUT', url: '/items' }],
    ['TRACE', { method: 'TRACE', url: '/items' }],
    ['R012 X-HTTP-Method-Override', { method: 'PUT', url: '/items', headers: { 'x-http-method-override': 'POST' }, payload: { title: 'x' } }],
    ['R207 the key file', { url: '/.data/token-key' }],
    ['R210 a file of the package', { url: '/docs/static/package.json' }]
  ]
  for (const [title, request] of missing) {
    await t.test(title, async (t) => {
      const refused = await assertRefused(t, demo, { ...request, headers: { ...headers, ...request.headers } }, { status: 404, code: 'not_found' })
      t.notOk(refused.body.includes(request.url), 'R011 the path is not sent back')
    })
  }
  await t.test('R012 a method in a header or in the query is nothing', async (t) => {
    const made = await demo.send({ method: 'POST', url: '/items?_method=DELETE', headers: { ...headers, 'x-http-method-override': 'DELETE' }, payload: { title: 'x' } })
    t.equal(made.statusCode, 201)
  })
  const all: (InjectOptions & { url: string })[] = [{ url: '/' }, { url: '/items' }, { url: '/nothing' }, { url: '/%zz' }, { url: '/items', headers }, { url: '/docs' }, { url: '/openapi.json' }, { url: '/token' }, { method: 'POST', url: '/token' }]
  for (const request of all) {
    const { headers: sent } = await demo.send(request)
    t.match(sent, { 'x-content-type-options': 'nosniff', 'referrer-policy': request.url === '/' ? 'same-origin' : 'no-referrer', 'x-frame-options': 'DENY' }, `R170 ${request.url}`)
    for (const name of ['x-powered-by', 'server', 'access-control-allow-origin', 'strict-transport-security']) t.notOk(name in sent, `${request.url} has no ${name}`)
  }
})

t.test('R160 R162 R164 CORS is for the configured origins', async (t) => {
  const demo = await buildDemo(t, { CORS_ORIGINS: 'https://app.example.com, https://other.example' })
  const from = (origin: string): Promise<string | undefined> => demo.send({ url: '/items', headers: { origin } }).then(({ headers }) => headers['access-control-allow-origin'])
  t.equal(await from('https://app.example.com'), 'https://app.example.com')
  t.equal(await from('https://other.example'), 'https://other.example')
  t.equal(await from('https://app.example.com.evil.example'), undefined)
  const preflight = await demo.send({ method: 'OPTIONS', url: '/token', headers: { origin: 'https://app.example.com', 'access-control-request-method': 'POST' } })
  t.equal(preflight.statusCode, 204)
  t.equal(preflight.headers['access-control-allow-origin'], 'https://app.example.com')
})

t.test('R209 the documentation in production', async (t) => {
  const production = { NODE_ENV: 'production', ADMIN_USERNAME: 'root', ADMIN_PASSWORD: 'harbour lamps at night' }
  await buildDemo(t)
  const keyFile = `${t.testdirName}/token-key`
  await t.test('is not there', async (t) => {
    const demo = await buildDemo(t, { ...production, TOKEN_KEY_FILE: keyFile })
    for (const url of ['/docs', '/docs/', '/openapi.json', '/openapi.yaml', '/docs/static/index.html']) {
      await assertRefused(t, demo, { url }, { status: 404, code: 'not_found' })
    }
  })
  await t.test('is for administrators by Basic or session with DOCS=admin', async (t) => {
    const demo = await buildDemo(t, { ...production, TOKEN_KEY_FILE: keyFile, DOCS: 'admin' })
    const editor = await demo.person('editor')
    const basic = `Basic ${Buffer.from('root:harbour lamps at night').toString('base64')}`
    for (const url of ['/docs', '/docs/', '/openapi.json', '/openapi.yaml', '/docs/static/swagger-initializer.js']) {
      await assertRefused(t, demo, { url }, { status: 401, code: 'credentials_required', challenge: ['Basic realm="api", charset="UTF-8"', cookieChallenge] })
      await assertRefused(t, demo, { url, headers: editor.basic }, { status: 403, code: 'insufficient_scope' })
      t.equal((await demo.send({ url, headers: { authorization: basic } })).statusCode, 200, url)
    }
    const headers = { authorization: `Basic ${Buffer.from('root:wrong').toString('base64')}` }
    const statuses: number[] = []
    for (const url of Array<string[]>(11).fill(['/docs', '/basic/me']).flat()) statuses.push((await demo.app.inject({ url, headers, remoteAddress: '203.0.113.9' })).statusCode)
    t.same(statuses, [...Array<number>(20).fill(401), 429, 429], 'wrong credentials meet one limit, wherever Basic is accepted')
    for (const url of ['/docs/%2e%2e/package.json', '/docs/static/nothing.js']) {
      assertProblem(t, demo, await demo.send({ url, headers: { authorization: basic } }), { status: 404, code: 'not_found' })
    }
  })
})

t.test('the first administrator', async (t) => {
  const configure = (environment: Record<string, string> = {}, production = false) => ({ ...readConfiguration({ NODE_ENV: 'test', ...environment }), development: !production })
  const configured = { ADMIN_USERNAME: 'root', ADMIN_PASSWORD: 'harbour lamps at night' }
  await t.test('is made once, with a password that is shown once', async (t) => {
    const { app } = await buildDemo(t)
    const made = await ensureAdministrator(app, configure())
    t.match(made, { username: 'admin', password: /^[\w-]{24}$/ })
    t.match(await app.accounts.login(made ?? { username: '', password: '' }), { roles: ['admin'] })
    t.equal(await ensureAdministrator(app, configure()), null)
    t.equal(await ensureAdministrator(app, configure({}, true)), null, 'in production too, there is one')
  })
  await t.test('is the configured one', async (t) => {
    const { app } = await buildDemo(t)
    t.equal(await ensureAdministrator(app, configure(configured, true)), null)
    t.match(await app.accounts.login({ username: 'root', password: 'harbour lamps at night' }), { roles: ['admin'] })
    t.equal(await ensureAdministrator(app, configure({ ...configured, ADMIN_PASSWORD: 'another good password' })), null, 'a restart changes no password')
    t.ok(await app.accounts.login({ username: 'root', password: 'harbour lamps at night' }))
    t.equal(await ensureAdministrator(app, configure({}, true)), null, 'whatever the name, there is one')
  })
  const refused: [string, Record<string, string>, boolean, (demo: Awaited<ReturnType<typeof buildDemo>>) => Promise<unknown>, RegExp][] = [
    ['production without one', {}, true, async () => undefined, /^ADMIN_USERNAME and ADMIN_PASSWORD are required in production/],
    ['R093 production where somebody took the name admin', {}, true, (demo) => demo.person('admin'), /^ADMIN_USERNAME and ADMIN_PASSWORD are required/],
    ['R093 development where somebody took the name admin', {}, false, (demo) => demo.person('admin'), /^ADMIN_USERNAME: .*taken/],
    ['R093 the configured name belongs to somebody else', configured, true, (demo) => demo.person('root'), /^ADMIN_USERNAME: .*taken/],
    ['the configured one is off, and there is no other', configured, true, async (demo) => demo.app.stores.users.update((await demo.person('root', ['admin'])).id, { disabled: true }), /^ADMIN_USERNAME: .*taken.* disabled/],
    ['production where the only one is off', {}, true, async (demo) => demo.app.stores.users.update((await demo.person('boss', ['admin'])).id, { disabled: true }), /^ADMIN_USERNAME and ADMIN_PASSWORD are required/],
    ['a weak password', { ...configured, ADMIN_PASSWORD: 'short' }, true, async () => undefined, /^ADMIN_PASSWORD: must have at least 15 characters/]
  ]
  for (const [title, environment, production, before, message] of refused) {
    await t.test(title, async (t) => {
      const demo = await buildDemo(t)
      await before(demo)
      const state = await demo.state()
      const error = await ensureAdministrator(demo.app, configure(environment, production)).then(() => null, (reason: unknown) => reason)
      t.ok(error instanceof ConfigurationError)
      t.match(error, { message })
      t.equal(await demo.state(), state, 'nobody was made')
      t.notOk(String(error).includes(password))
    })
  }
})

t.test('GET /admin/posture is what the service declares', async (t) => {
  const demo = await buildDemo(t)
  const answer = await demo.send({ url: '/admin/posture', headers: await demo.token(await demo.person('boss', ['admin'])) })
  t.equal(answer.statusCode, 200)
  t.strictSame(answer.json(), JSON.parse(JSON.stringify(demo.app.posture())), 'nothing is lost on the way')
  t.match(answer.json<{ routes: object[] }>().routes.find((route) => 'url' in route && route.url === '/admin/posture'), { access: 'guarded', scopes: ['admin'], requirement: [{ bearer: ['admin'] }, { session: [] }] })
})

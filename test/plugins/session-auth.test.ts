import Fastify from 'fastify'
import t from 'tap'
import { Cookie } from 'tough-cookie'
import { csrf } from '../../plugins/csrf.ts'
import { openapi } from '../../plugins/openapi.ts'
import { problems } from '../../plugins/problems.ts'
import { sessionAuth } from '../../plugins/session-auth.ts'
import { stores } from '../../plugins/stores.ts'
import { openBrowser, sendTo, setCookiesOf } from '../fixtures/browser.ts'
import { testClock } from '../fixtures/clock.ts'
import { assertOptionRefused } from '../fixtures/guarded-service.ts'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import type { PrincipalGrant } from '../../guards/principal.ts'
import type { SessionAuthOptions, SessionGuard } from '../../plugins/session-auth.ts'
import type { Browser } from '../fixtures/browser.ts'

const NAME = '__Host-session'
const challenge = `Cookie realm="api", cookie-name="${NAME}"`

interface Service {
  app: FastifyInstance
  browser: Browser
  log: string[]
  handled (): number
  logIn (browser?: Browser): Promise<string>
  /** The status of `GET /me` with that cookie header, or with what the browser has. */
  me (cookie?: string): Promise<number>
}

async function service (t: Test, options: Partial<SessionAuthOptions> = {}, server: FastifyServerOptions = {}): Promise<Service> {
  const log: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { log.push(line) } } }, ...server } as FastifyServerOptions) as FastifyInstance
  t.teardown(() => app.close())
  let handled = 0
  await app.register(problems)
  await app.register(stores, { file: ':memory:' })
  await app.register(sessionAuth, { loadPrincipal: ({ subject }) => ({ subject, scopes: ['me'], roles: ['editor'], attributes: { username: 'Alice' } }), ...options })
  await app.register(csrf, { origins: ['https://app.example'] })
  app.post('/login', { onRequest: app.refuseCrossSite }, async (request, reply) => {
    await app.session.open(request, reply, 'alice')
    return { token: app.csrfToken(request), id: app.session.current(request)?.id }
  })
  app.post('/logout', { onRequest: app.session }, async (request, reply) => {
    await app.session.end(request, reply)
    return null
  })
  app.get('/me', { onRequest: app.session }, (request) => {
    handled += 1
    return app.session.principal(request)
  })
  const maybe = app.optional(app.session)
  app.get('/maybe', { onRequest: maybe }, (request) => ({ who: maybe.principal(request)?.subject ?? null, token: app.csrfToken(request) }))
  await app.ready()
  const browser = openBrowser(sendTo(app))
  return {
    app,
    browser,
    log,
    handled: () => handled,
    async logIn (who = browser) {
      const answer = await who.send({ method: 'POST', url: '/login' })
      t.equal(answer.statusCode, 200)
      return answer.json<{ token: string }>().token
    },
    async me (cookie) {
      return (await (cookie === undefined ? browser.send({ url: '/me' }) : app.inject({ url: '/me', headers: { cookie } }))).statusCode
    }
  }
}

async function count (app: FastifyInstance): Promise<number> {
  return (await app.stores.sessions.listBySubject('alice', { limit: 100 })).items.length
}

t.test('R102 the cookie is exactly __Host-…; Path=/; HttpOnly; Secure; SameSite=Lax, and a browser takes it', async (t) => {
  const { app, browser } = await service(t)
  const answer = await browser.send({ method: 'POST', url: '/login' })
  const [header = '', ...more] = setCookiesOf(answer)
  t.strictSame(more, [])
  t.match(header, /^__Host-session=[\w-]{43}; /)
  t.strictSame(header.split('; ').slice(1).sort(), ['HttpOnly', 'Path=/', 'SameSite=Lax', 'Secure'])
  t.ok(header.length <= 4096)
  t.match(Cookie.parse(header), { secure: true, httpOnly: true, path: '/', sameSite: 'lax', domain: null, expires: 'Infinity', maxAge: null })
  t.equal((await browser.jar.getCookies('http://localhost/')).length, 1, 'browsers take it from loopback hosts without https')
  t.equal(answer.headers['cache-control'], 'no-store')
  await app.close()
})

t.test('R100 the id is random, only its digest is at rest, and neither answers nor the log have it', async (t) => {
  const { app, browser, log } = await service(t)
  const ids = new Set<string>()
  for (let n = 0; n < 20; n++) {
    const other = openBrowser(sendTo(app))
    const answer = await other.send({ method: 'POST', url: '/login' })
    const id = (await other.cookies()).slice(NAME.length + 1)
    ids.add(id)
    t.equal(Buffer.from(id, 'base64url').length, 32)
    t.notOk(answer.body.includes(id))
    t.notOk((await other.send({ url: '/me' })).body.includes(id))
  }
  t.equal(ids.size, 20)
  const kept = JSON.stringify((await app.stores.sessions.listBySubject('alice', { limit: 100 })).items)
  t.notOk([...ids].some((id) => kept.includes(id) || log.join('').includes(id)))
  t.equal((await browser.send({ url: '/me' })).statusCode, 401)
})

t.test('the principal says who, since when, and which session, without its id', async (t) => {
  const { app, browser, logIn } = await service(t)
  await logIn()
  const [session] = (await app.stores.sessions.listBySubject('alice')).items
  t.strictSame((await browser.send({ url: '/me' })).json(), {
    kind: 'session', scheme: 'session', subject: 'alice', scopes: ['me'], roles: ['editor'], attributes: { username: 'Alice' },
    sessionId: session?.id, authenticatedAt: Math.floor(Date.parse(session?.authenticated_at ?? '') / 1000)
  })
})

const id = 'A'.repeat(43)
/** What is no session, made from the cookie of one. */
const noSession: readonly (readonly [string, (good: string) => string | undefined])[] = [
  ['no cookie', () => undefined],
  ['an empty header', () => ''],
  ['R101 an id that somebody made up', () => `${NAME}=${id}`],
  ['an empty one', () => `${NAME}=`],
  ['a shorter one', (good) => good.slice(0, -1)],
  ['a longer one', (good) => `${good}A`],
  ['one in quotes', (good) => good.replace('=', '="').concat('"')],
  ['one that is encoded', (good) => good.replace(/.$/, (last) => `%${last.charCodeAt(0).toString(16)}`)],
  ['the digest instead of the id', () => `${NAME}=n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg`],
  ['R107 the same cookie twice', (good) => `${good}; ${good}`],
  ['R107 two of them, the good one first', (good) => `${good}; ${NAME}=${id}`],
  ['R107 two of them, the good one last', (good) => `${NAME}=${id}; ${good}`],
  ['R107 an empty one beside it', (good) => `${NAME}=; ${good}`],
  ['another name', (good) => good.replace('__Host-', '')],
  ['another case of the name', (good) => good.replace('__Host-session', '__host-session')],
  ['a longer name', (good) => `x${good}`],
  ['a name with a space that browsers do not know', (good) => `\u00a0${good}`],
  ['a nameless cookie whose value looks like it', (good) => `=${good}`],
  ['a value that holds another pair', (good) => `other="${good}"`],
  ['a comma between two', (good) => `other=1, ${good}`],
  ['U+0000 behind it', (good) => `${good}\u0000`]
]

t.test('R107 R101 what is no session is 401, a stranger where the guard is optional, and makes no row', async (t) => {
  const { app, browser, logIn, handled, log } = await service(t)
  await logIn()
  const good = await browser.cookies()
  for (const [title, spoil] of noSession) {
    await t.test(title, async (t) => {
      const cookie = spoil(good)
      const headers = cookie === undefined ? {} : { cookie }
      const before = handled()
      const refused = await app.inject({ url: '/me', headers })
      t.equal(refused.statusCode, 401)
      t.match(refused.json(), { code: 'credentials_required', status: 401 })
      t.equal(refused.headers['www-authenticate'], challenge)
      t.strictSame(setCookiesOf(refused), [])
      t.equal(handled(), before)
      const stranger = await app.inject({ url: '/maybe', headers })
      t.equal(stranger.statusCode, 200)
      t.strictSame(stranger.json(), { who: null, token: null })
      t.equal(await count(app), 1)
    })
  }
  for (const around of [`a=b; ${good}`, `${good};`, `a=b;${good};c=d`, `a=b;\t${good} ; c=d`]) t.equal((await app.inject({ url: '/me', headers: { cookie: around } })).statusCode, 200, 'among others it is found')
  t.notOk(log.join('').includes(good.slice(NAME.length + 1)))
})

t.test('R114 anonymous visits make no row and get no cookie', async (t) => {
  const { app, browser } = await service(t)
  for (const url of ['/maybe', '/me', '/nowhere']) t.strictSame(setCookiesOf(await browser.send({ url })), [])
  t.equal(await count(app), 0)
})

t.test('CVE-2022-25896 CVE-2023-29019 R101 a login gets another id, and the one it came with is dead', async (t) => {
  const { app, browser, logIn, me } = await service(t)
  await browser.jar.setCookie(`${NAME}=${id}; Path=/; Secure`, 'http://localhost/')
  const first = await logIn()
  const planted = await browser.cookies()
  t.not(planted, `${NAME}=${id}`, 'an id from outside is never adopted')
  t.equal(await me(`${NAME}=${id}`), 401)
  const second = await logIn()
  t.not(await browser.cookies(), planted)
  t.equal(await me(planted), 401, 'whoever planted the first is not in the second')
  t.equal(await me(), 200)
  t.equal(await count(app), 1)
  await t.test('CVE-2023-29020 nor does its CSRF token go on', async (t) => {
    t.not(first, second)
    t.equal((await browser.send({ method: 'POST', url: '/logout', headers: { 'x-csrf-token': first } })).statusCode, 403)
    t.equal((await browser.send({ method: 'POST', url: '/logout', headers: { 'x-csrf-token': second } })).statusCode, 200)
  })
})

t.test('R105 CVE-2024-31999 a logout removes the row, and the cookie with the attributes it had', async (t) => {
  const { app, browser, logIn, me } = await service(t)
  const token = await logIn()
  const stolen = await browser.cookies()
  const out = await browser.send({ method: 'POST', url: '/logout', headers: { 'x-csrf-token': token } })
  const [header = ''] = setCookiesOf(out)
  t.strictSame(header.split('; ').sort(), ['Expires=Thu, 01 Jan 1970 00:00:00 GMT', 'HttpOnly', 'Max-Age=0', 'Path=/', 'SameSite=Lax', 'Secure', `${NAME}=`])
  t.equal(await browser.cookies(), '', 'the browser has dropped it')
  t.equal(await me(stolen), 401, 'what was stolen is dead too')
  t.equal(await count(app), 0)
})

t.test('R104 CVE-2024-35220 idle and absolute end by the clock of the server', async (t) => {
  const clock = testClock(t)
  const { app, browser, logIn, me } = await service(t, { idleSeconds: 600, absoluteSeconds: 1500, touchSeconds: 60 })
  await logIn()
  for (const [seconds, status] of [[599, 200], [599, 200], [301, 200], [1, 401], [0, 401]] as const) {
    clock.advance(seconds)
    t.equal(await me(), status, `${String(seconds)} s later`)
  }
  await logIn()
  const idle = await browser.cookies()
  clock.advance(600)
  t.equal(await me(idle), 401, 'not used for as long')
  t.equal(await me(idle), 401, 'and the attempt did not revive it')
  clock.advance(-300)
  t.equal(await count(app), 1, 'it is the clock that ends it')
})

t.test('when a session was used is written now and then, never with each request', async (t) => {
  const clock = testClock(t)
  const { app, logIn, me } = await service(t)
  await logIn()
  const seen = async (): Promise<[string | undefined, string | undefined]> => {
    const [session] = (await app.stores.sessions.listBySubject('alice')).items
    return [session?.last_seen_at, session?.idle_expires_at]
  }
  const first = await seen()
  for (let n = 0; n < 5; n++) {
    clock.advance(11)
    t.equal(await me(), 200)
  }
  t.strictSame(await seen(), first, 'within a minute nothing')
  clock.advance(5)
  await Promise.all(Array.from({ length: 20 }, () => me()))
  await new Promise((resolve) => { setTimeout(resolve, 50) })
  const [lastSeen = '', idleEnd = ''] = await seen()
  t.ok(Date.parse(lastSeen) - Date.parse(first[0] ?? '') >= 60_000)
  t.equal(Date.parse(idleEnd) - Date.parse(lastSeen), 1_800_000)
})

t.test('R103 ADV @fastify/session over plain http there is no session, but from loopback hosts; never one without Secure', async (t) => {
  const open = async (host: string, headers: Record<string, string> = {}, trustProxy: FastifyServerOptions['trustProxy'] = false) => {
    const { app } = await service(t, {}, { trustProxy })
    const answer = await app.inject({ method: 'POST', url: '/login', headers: { host, ...headers } })
    return { answer, rows: await count(app) }
  }
  for (const host of ['app.example', '10.0.0.1:3000', 'localhost.evil.example', 'notlocalhost', '127.0.0.1.evil.example', '[::2]:3000', '1127.0.0.1']) {
    const { answer, rows } = await open(host)
    t.equal(answer.statusCode, 403, host)
    t.match(answer.json(), { code: 'https_required' })
    t.strictSame([setCookiesOf(answer), rows], [[], 0])
  }
  for (const host of ['localhost', 'localhost:3000', 'app.localhost', '127.0.0.1:3000', '[::1]:3000']) t.equal((await open(host)).answer.statusCode, 200, host)
  const spoofed = await open('app.example', { 'x-forwarded-proto': 'https' })
  t.equal(spoofed.answer.statusCode, 403, 'CVE-2026-3635 nobody is believed who is not trusted')
  for (const proto of ['https', 'http']) {
    const { answer } = await open('app.example', { 'x-forwarded-proto': proto }, '127.0.0.1')
    t.equal(answer.statusCode, proto === 'https' ? 200 : 403)
    t.ok(setCookiesOf(answer).every((header) => header.includes('; Secure')))
  }
  const { answer } = await open('localhost', { 'x-forwarded-proto': 'http' }, '127.0.0.1')
  t.match(setCookiesOf(answer), [/; Secure/])
})

t.test('R007 a store or a callback that fails is 503, never a pass', async (t) => {
  const answers: readonly (readonly [string, (() => PrincipalGrant | null | Promise<PrincipalGrant | null>), number, string])[] = [
    ['gone', () => null, 401, 'credentials_required'],
    ['disabled', () => ({ subject: 'alice', disabled: true }), 403, 'account_disabled'],
    ['somebody else', () => ({ subject: 'bob' }), 503, 'unavailable'],
    ['nonsense', () => ({}) as PrincipalGrant, 503, 'unavailable'],
    ['scopes as text', () => ({ subject: 'alice', scopes: 'me' as never }), 503, 'unavailable'],
    ['a throw', () => { throw new Error('secret-dsn') }, 503, 'unavailable'],
    ['a rejection', () => Promise.reject(new Error('secret-dsn')), 503, 'unavailable']
  ]
  for (const [title, grant, status, code] of answers) {
    await t.test(`loadPrincipal: ${title}`, async (t) => {
      const { app, browser, logIn, handled } = await service(t, { loadPrincipal: grant })
      await logIn()
      const answer = await browser.send({ url: '/me' })
      t.equal(answer.statusCode, status)
      t.match(answer.json(), { code })
      t.equal(answer.headers['www-authenticate'], status === 401 ? challenge : undefined)
      t.notOk(answer.body.includes('secret-dsn'))
      t.equal(handled(), 0)
      t.equal(await count(app), 1)
    })
  }
  await t.test('the store is down', async (t) => {
    const { app, browser, logIn, handled } = await service(t)
    const token = await logIn()
    await app.stores.close()
    for (const request of [{ url: '/me' }, { url: '/maybe' }, { method: 'POST', url: '/logout', headers: { 'x-csrf-token': token } }] as const) {
      const answer = await browser.send(request)
      t.equal(answer.statusCode, 503, request.url)
      t.strictSame(setCookiesOf(answer), [])
    }
    const login = await browser.send({ method: 'POST', url: '/login' })
    t.equal(login.statusCode, 500, 'a store that was closed under a handler is a fault of the service')
    t.strictSame(setCookiesOf(login), [], 'no cookie for a session that was not written')
    t.equal(handled(), 0)
    t.equal((await app.inject({ url: '/maybe' })).statusCode, 200, 'without a cookie nothing is asked')
  })
})

t.test('of a login and what it is part of, both are kept or neither, and the cookie goes with them', async (t) => {
  const { app, browser } = await service(t)
  const late = Fastify()
  t.teardown(() => late.close())
  await late.register(stores, { file: ':memory:' })
  await late.register(problems)
  await late.register(sessionAuth, { loadPrincipal: ({ subject }) => ({ subject }) })
  late.post('/:what', (request, reply) => late.session.open(request, reply, (open) => late.stores.transaction(async (inside) => {
    const { what } = request.params as { what: string }
    if (what === 'not') return null
    await open('alice', inside)
    if (what === 'fail') throw new Error('afterwards')
    return what
  })))
  const outcomes = []
  for (const what of ['not', 'fail', 'done']) {
    const answer = await late.inject({ method: 'POST', url: `/${what}` })
    outcomes.push([answer.statusCode, setCookiesOf(answer).length, await count(late)])
  }
  t.strictSame(outcomes, [[200, 0, 0], [500, 0, 0], [200, 1, 1]])
  t.equal((await browser.send({ url: '/me' })).statusCode, 401)
  await app.close()
})

t.test('parallel logout and use: whoever comes after the logout is out, nothing brings the session back', async (t) => {
  const clock = testClock(t)
  const { app, browser, logIn } = await service(t, { touchSeconds: 0 })
  const token = await logIn()
  const cookie = await browser.cookies()
  clock.advance(1)
  const headers = { cookie, 'sec-fetch-site': 'same-origin', 'x-csrf-token': token }
  const uses = Array.from({ length: 20 }, (_, n) => n === 10 ? app.inject({ method: 'POST', url: '/logout', headers }) : app.inject({ url: '/me', headers }))
  for (const { statusCode } of await Promise.all(uses)) t.ok([200, 401].includes(statusCode))
  t.equal((await app.inject({ url: '/me', headers })).statusCode, 401)
  await new Promise((resolve) => { setTimeout(resolve, 50) })
  t.equal(await count(app), 0)
})

t.test('two registrations are two schemes with a cookie each', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(stores, { file: ':memory:' })
  await app.register(openapi, { info: { title: 'Two', version: '1' } })
  const loadPrincipal: SessionAuthOptions['loadPrincipal'] = ({ subject }) => ({ subject })
  await app.register(sessionAuth, { loadPrincipal, description: 'For customers.' })
  await app.register(sessionAuth, { loadPrincipal, as: 'staff', cookieName: '__Host-staff', realm: 'staff "room"' })
  const staff = app.getDecorator<SessionGuard>('staff')
  app.get('/staff', { onRequest: staff }, () => 'in')
  app.get('/both', { onRequest: app.anyOf(app.session, staff) }, () => 'in')
  app.post('/login', async (request, reply) => { await staff.open(request, reply, 'bob') })
  const login = await app.inject({ method: 'POST', url: '/login' })
  t.match(setCookiesOf(login), [/^__Host-staff=/])
  const [cookie = ''] = setCookiesOf(login).map((header) => header.split(';', 1).join())
  t.equal((await app.inject({ url: '/staff', headers: { cookie } })).statusCode, 200)
  t.equal((await app.inject({ url: '/staff', headers: { cookie: cookie.replace('staff', 'session') } })).statusCode, 401)
  t.strictSame((await app.inject('/both')).headers['www-authenticate'], [challenge, 'Cookie realm="staff \\"room\\"", cookie-name="__Host-staff"'])
  const { components, paths } = (await app.inject('/openapi.json')).json<{ components: { securitySchemes: object }; paths: object }>()
  t.strictSame(components.securitySchemes, {
    staff: { type: 'apiKey', in: 'cookie', name: '__Host-staff' },
    session: { type: 'apiKey', in: 'cookie', name: NAME, description: 'For customers.' }
  })
  t.match(paths, { '/both': { get: { security: [{ session: [] }, { staff: [] }] } } })
})

const loadPrincipal = (): null => null
const badOptions: readonly (readonly [string, object, string])[] = [
  ['no loadPrincipal', {}, 'loadPrincipal'],
  ['a loadPrincipal that is no function', { loadPrincipal: {} }, 'loadPrincipal'],
  ['R102 a name without the prefix', { loadPrincipal, cookieName: 'session' }, 'cookieName'],
  ['R102 another prefix', { loadPrincipal, cookieName: '__Secure-session' }, 'cookieName'],
  ['R102 the prefix in another case', { loadPrincipal, cookieName: '__host-session' }, 'cookieName'],
  ['R102 the prefix alone', { loadPrincipal, cookieName: '__Host-' }, 'cookieName'],
  ['a name that is no token', { loadPrincipal, cookieName: '__Host-a;b' }, 'cookieName'],
  ['R102 a domain', { loadPrincipal, domain: 'example.com' }, 'domain'],
  ['R102 secure', { loadPrincipal, secure: 'auto' }, 'secure'],
  ['R102 a path', { loadPrincipal, path: '/app' }, 'path'],
  ['no idle time', { loadPrincipal, idleSeconds: 0 }, 'idleSeconds'],
  ['an idle time that is no number', { loadPrincipal, idleSeconds: '1800' }, 'idleSeconds'],
  ['NaN', { loadPrincipal, absoluteSeconds: NaN }, 'absoluteSeconds'],
  ['an idle time beyond the absolute one', { loadPrincipal, idleSeconds: 100, absoluteSeconds: 99 }, 'idleSeconds'],
  ['touches that come too late', { loadPrincipal, idleSeconds: 100, touchSeconds: 51 }, 'touchSeconds'],
  ['a misspelt option', { loadPrincipal, idle: 1 }, 'idle'],
  ['a name that is none', { loadPrincipal, as: '1 session' }, 'as']
]

t.test('options are checked at boot', async (t) => {
  for (const [title, options, option] of badOptions) {
    await t.test(title, (t) => assertOptionRefused(t, async (app) => {
      await app.register(stores, { file: ':memory:' })
      await app.register(sessionAuth, options as SessionAuthOptions)
    }, `sessionAuth.${option}`))
  }
})

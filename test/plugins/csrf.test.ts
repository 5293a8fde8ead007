import { once } from 'node:events'
import fastifyWebsocket from '@fastify/websocket'
import Fastify from 'fastify'
import t from 'tap'
import { WebSocket } from 'ws'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { basicAuth } from '../../plugins/basic-auth.ts'
import { csrf } from '../../plugins/csrf.ts'
import { openapi } from '../../plugins/openapi.ts'
import { rateLimit } from '../../plugins/rate-limit.ts'
import { scopes } from '../../plugins/scopes.ts'
import { sessionAuth } from '../../plugins/session-auth.ts'
import { stores } from '../../plugins/stores.ts'
import { openBrowser, sendTo } from '../fixtures/browser.ts'
import { hear } from '../fixtures/events.ts'
import { assertOptionRefused } from '../fixtures/guarded-service.ts'
import { headerScheme } from '../fixtures/header-scheme.ts'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, HTTPMethods, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { CustomPrincipal } from '../../guards/principal.ts'
import type { CsrfOptions } from '../../plugins/csrf.ts'

const own = 'https://app.example'
const sibling = 'https://www.app.example'
const basic = { authorization: `Basic ${btoa('alice:wonderland')}` }
const apiKey = { 'x-api-key': 'k' }

type Headers = Record<string, string>

interface Service {
  app: FastifyInstance
  log: string[]
  handled (): number
  /** A session: its cookie, and a token for it. */
  session (subject?: string): Promise<{ cookie: string; token: string }>
}

async function service (t: Test): Promise<Service> {
  const log: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { log.push(line) } } } }) as FastifyInstance
  t.teardown(() => app.close())
  let handled = 0
  await app.register(openapi, { info: { title: 'CSRF', version: '1' } })
  await app.register(rateLimit)
  await app.register(stores, { file: ':memory:' })
  await app.register(sessionAuth, { loadPrincipal: ({ subject }) => ({ subject }) })
  await app.register(basicAuth, { users: { alice: 'wonderland' } })
  await app.register(apiKeyAuth, { verify: ({ key }) => key === 'k' ? { subject: 'alice' } : null })
  await app.register(apiKeyAuth, { as: 'cookieKey', in: 'cookie', name: 'key', verify: ({ key }) => key === 'k' ? { subject: 'alice' } : null })
  await app.register(csrf, { origins: [own, sibling] })
  await app.register(scopes)
  const handler = (): string => {
    handled += 1
    return 'ok'
  }
  const cookieKey = app.getDecorator<typeof app.apiKey>('cookieKey')
  const counted = app.limit({ name: 'counted', max: 2, timeWindow: '1 minute', by: 'principal' })
  const guards = { session: app.session, basic: app.basic, key: cookieKey, either: app.anyOf(app.apiKey, app.session), any: app.anyOf(app.session, app.apiKey), both: app.allOf(app.apiKey, app.session) }
  for (const [name, guard] of Object.entries(guards)) app.route({ method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'], url: `/${name}`, onRequest: guard, handler })
  app.post('/lacking', { onRequest: [app.session, app.requireScopes('much')] }, handler)
  app.post('/counted', { onRequest: [app.session, counted] }, handler)
  app.post('/maybe', { onRequest: app.optional(app.session) }, handler)
  app.post('/header-key', { onRequest: app.apiKey }, handler)
  app.post('/login', { onRequest: [app.publicAccess('nobody is logged in'), app.refuseCrossSite] }, async (request, reply) => {
    await app.session.open(request, reply, (request.headers['x-subject'] as string | undefined) ?? 'alice')
    return app.csrfToken(request)
  })
  app.get('/token', { onRequest: app.anyOf(app.apiKey, app.session) }, (request) => ({ token: app.csrfToken(request) }))
  await app.ready()
  return {
    app,
    log,
    handled: () => handled,
    async session (subject = 'alice') {
      const browser = openBrowser(sendTo(app))
      const token = (await browser.send({ method: 'POST', url: '/login', headers: { 'x-subject': subject } })).body
      return { cookie: await browser.cookies(), token }
    }
  }
}

function assertRefused (t: Test, answer: LightMyRequestResponse, code: string): void {
  t.equal(answer.statusCode, 403)
  t.match(answer.json(), { code, status: 403 })
  t.equal(answer.headers['www-authenticate'], undefined, 'nobody is asked for other credentials')
  t.equal(answer.headers['cache-control'], 'no-store')
  t.match(answer.headers.vary, /\bOrigin, Sec-Fetch-Site$/)
}

/** Evidence, and whether it tells of the service's own pages. */
const evidence: readonly (readonly [string, Headers, boolean])[] = [
  ['R112 Sec-Fetch-Site: same-origin', { 'sec-fetch-site': 'same-origin' }, true],
  ['R112 none: typed, or from a bookmark', { 'sec-fetch-site': 'none' }, true],
  ['R112 cross-site', { 'sec-fetch-site': 'cross-site' }, false],
  ['R112 cross-site, whatever Origin says', { 'sec-fetch-site': 'cross-site', origin: own }, false],
  ['R112 same-site', { 'sec-fetch-site': 'same-site' }, false],
  ['R112 same-site, of a sibling that is listed', { 'sec-fetch-site': 'same-site', origin: sibling }, true],
  ['R112 same-site, of one that is not', { 'sec-fetch-site': 'same-site', origin: 'https://evil.app.example' }, false],
  ['a word that nobody knows', { 'sec-fetch-site': 'same-planet' }, false],
  ['another case', { 'sec-fetch-site': 'Same-Origin' }, false],
  ['two values', { 'sec-fetch-site': 'same-origin, cross-site' }, false],
  ['an empty one', { 'sec-fetch-site': '', origin: own }, false],
  ['same-origin where a referrer policy makes Origin null', { 'sec-fetch-site': 'same-origin', origin: 'null' }, true],
  ['Origin', { origin: own }, true],
  ['R113 null', { origin: 'null' }, false],
  ['R113 null, with a Referer of ours', { origin: 'null', referer: `${own}/page` }, false],
  ['R113 another scheme', { origin: 'http://app.example' }, false],
  ['R113 another port', { origin: `${own}:8443` }, false],
  ['R113 the standard port, as no browser writes it', { origin: `${own}:443` }, false],
  ['R113 ours as a prefix', { origin: `${own}.evil.example` }, false],
  ['R113 ours as a suffix', { origin: 'https://evilapp.example' }, false],
  ['R113 ours as user name', { origin: `${own}@evil.example` }, false],
  ['R113 ours with a slash', { origin: `${own}/` }, false],
  ['R113 a list', { origin: `${own}, https://evil.example` }, false],
  ['R113 that of Host', { origin: 'http://localhost', host: 'localhost' }, false],
  ['an empty one', { origin: '' }, false],
  ['R112 Referer', { referer: `${own}/a/page?of=ours` }, true],
  ['R112 Referer of elsewhere', { referer: 'https://evil.example/https://app.example/' }, false],
  ['R112 Referer with our origin as user name', { referer: 'https://app.example@evil.example/' }, false],
  ['R112 a Referer that is no URL', { referer: 'app.example' }, false],
  ['R112 nothing', {}, false]
]

const unsafe = ['POST', 'PUT', 'PATCH', 'DELETE'] as const
const safe = ['GET', 'HEAD', 'OPTIONS'] as const

t.test('R110 R112 R113 unsafe methods × evidence × ambient schemes', async (t) => {
  const { app, handled, session, log } = await service(t)
  const { cookie, token } = await session()
  const ambient: readonly (readonly [string, Headers])[] = [['session', { cookie, 'x-csrf-token': token }], ['basic', basic], ['key', { cookie: 'key=k' }]]
  for (const [title, headers, isOwn] of evidence) {
    await t.test(title, async (t) => {
      for (const [scheme, credentials] of ambient) {
        for (const method of unsafe) {
          const before = handled()
          const answer = await app.inject({ method, url: `/${scheme}`, headers: { ...credentials, ...headers } })
          if (isOwn) t.equal(answer.statusCode, 200, `${method} by ${scheme}`)
          else assertRefused(t, answer, 'cross_site_request')
          t.equal(handled(), before + (isOwn ? 1 : 0))
        }
        for (const method of safe) t.equal((await app.inject({ method, url: `/${scheme}`, headers: { ...credentials, ...headers } })).statusCode, 200, `${method} by ${scheme}`)
      }
    })
  }
  t.notOk(log.join('').includes(token), 'the log does not tell the token')
})

t.test('R112 R113 a WebSocket begins with a GET, and is asked where it comes from all the same', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyWebsocket)
  await app.register(stores, { file: ':memory:' })
  await app.register(sessionAuth, { loadPrincipal: ({ subject }) => ({ subject }) })
  await app.register(basicAuth, { users: { alice: 'wonderland' } })
  await app.register(apiKeyAuth, { verify: ({ key }) => key === 'k' ? { subject: 'alice' } : null })
  await app.register(csrf, { origins: [own] })
  let handled = 0
  const wsHandler = (socket: WebSocket): void => {
    handled += 1
    socket.send('hello')
  }
  for (const [url, guard] of Object.entries({ '/session': app.session, '/basic': app.basic, '/either': app.anyOf(app.apiKey, app.session) })) app.get(url, { websocket: true, onRequest: guard }, wsHandler)
  app.route({ method: 'GET', url: '/both', onRequest: app.basic, handler: () => 'http', wsHandler })
  app.post('/login', { onRequest: app.refuseCrossSite }, async (request, reply) => { await app.session.open(request, reply, 'alice') })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const browser = openBrowser(sendTo(app))
  await browser.send({ method: 'POST', url: '/login' })
  const cookie = { cookie: await browser.cookies() }

  /** 101, or the status of the refusal. */
  async function shake (url: string, headers: Headers): Promise<number> {
    const socket = new WebSocket(`ws://127.0.0.1:${String(port)}${url}`, { headers })
    const [, response] = await Promise.race([once(socket, 'message').then(() => [null, { statusCode: 101 }]), once(socket, 'unexpected-response')]) as [unknown, { statusCode: number }]
    socket.on('error', () => { /* it never opened */ })
    socket.terminate()
    return response.statusCode
  }

  for (const [url, credentials] of [['/session', cookie], ['/basic', basic], ['/either', cookie], ['/both', basic]] as const) {
    for (const [title, headers, isOwn] of evidence.filter(([, headers]) => headers['origin'] !== sibling)) {
      handled = 0
      t.equal(await shake(url, { ...credentials, ...headers }), isOwn ? 101 : 403, `${url}: ${title}`)
      t.equal(handled, isOwn ? 1 : 0)
    }
  }
  t.equal(await shake('/either', apiKey), 101, 'what no browser sends unasked')
  t.equal(await shake('/basic', { origin: 'https://evil.example' }), 401, 'a stranger')
  t.equal((await app.inject({ url: '/both', headers: basic })).body, 'http', 'any other GET is not asked')
  t.strictSame(app.guardedRoutes().filter(({ method }) => method === 'GET').map(({ url, csrf }) => [url, csrf]), [['/basic', 'origin'], ['/both', 'origin'], ['/either', 'origin'], ['/session', 'origin']])
})

t.test('R111 R116 the token of the session, in X-CSRF-Token alone', async (t) => {
  const { app, handled, session, log } = await service(t)
  const { cookie, token } = await session()
  const [foreign, bobs] = [await session(), await session('bob')]
  const fresh = (await app.inject({ url: '/token', headers: { cookie } })).json<{ token: string }>().token
  t.not(fresh, token, 'each is salted')
  const rows: readonly (readonly [string, Headers, string, boolean])[] = [
    ['the token of the login', { 'x-csrf-token': token }, '/session', true],
    ['another of the same session', { 'x-csrf-token': fresh }, '/session', true],
    ['none', {}, '/session', false],
    ['an empty one', { 'x-csrf-token': '' }, '/session', false],
    ['CVE-2023-27495 one of another session of the same account', { 'x-csrf-token': foreign.token }, '/session', false],
    ['GHSA-qrgf-9gpc-vrxw one of somebody else', { 'x-csrf-token': bobs.token }, '/session', false],
    ['one with a character more', { 'x-csrf-token': `${token}A` }, '/session', false],
    ['one with another character', { 'x-csrf-token': token.replace(/.$/, (last) => last === 'A' ? 'B' : 'A') }, '/session', false],
    ['one with another salt', { 'x-csrf-token': token.replace(/^./, (first) => first === 'A' ? 'B' : 'A') }, '/session', false],
    ['the salt alone', { 'x-csrf-token': token.split('-', 1).join() }, '/session', false],
    ['two in one', { 'x-csrf-token': `${token}, ${token}` }, '/session', false],
    ['a very long one', { 'x-csrf-token': `${'A'.repeat(5000)}-${token}` }, '/session', false],
    ['R116 in the query', {}, `/session?_csrf=${token}&csrf_token=${token}&X-CSRF-Token=${token}`, false],
    ['R116 in a cookie', { cookie: `${cookie}; _csrf=${token}; XSRF-TOKEN=${token}; X-CSRF-Token=${token}` }, '/session', false],
    ['R116 in a header of another name', { 'csrf-token': token, 'xsrf-token': token, 'x-xsrf-token': token }, '/session', false]
  ]
  for (const [title, headers, url, isGood] of rows) {
    await t.test(title, async (t) => {
      for (const method of unsafe) {
        const before = handled()
        const answer = await app.inject({ method, url, headers: { cookie, 'sec-fetch-site': 'same-origin', ...headers } })
        if (isGood) t.equal(answer.statusCode, 200)
        else assertRefused(t, answer, 'csrf_token_invalid')
        t.equal(handled(), before + (isGood ? 1 : 0))
      }
    })
  }
  await t.test('R116 in the body', async (t) => {
    for (const payload of [{ _csrf: token }, { csrf_token: token }]) {
      assertRefused(t, await app.inject({ method: 'POST', url: '/session', headers: { cookie, 'sec-fetch-site': 'same-origin' }, payload }), 'csrf_token_invalid')
    }
  })
  await t.test('CVE-2023-27495 a cookie that somebody planted makes no token good', async (t) => {
    for (const planted of ['_csrf=planted', `_csrf=${token}`]) {
      assertRefused(t, await app.inject({ method: 'POST', url: '/session', headers: { cookie: `${planted}; ${cookie}`, 'sec-fetch-site': 'same-origin', 'x-csrf-token': bobs.token } }), 'csrf_token_invalid')
    }
  })
  t.notOk(log.some((line) => !line.includes('_csrf=') && line.includes(token)), 'the log has it of nobody but who put it into the URL')
})

t.test('R115 the scheme that lets a request in decides, whatever else was sent', async (t) => {
  const { app, session } = await service(t)
  const { cookie, token } = await session()
  const elsewhere = { 'sec-fetch-site': 'cross-site' }
  const rows: readonly (readonly [string, string, Headers, string | null])[] = [
    ['a key in a header, by itself', '/header-key', apiKey, null],
    ['a key in a header, beside a cookie that the route does not take', '/header-key', { ...apiKey, cookie, ...elsewhere }, null],
    ['both, where the key comes first', '/either', { ...apiKey, cookie, ...elsewhere }, null],
    ['the session, where the key is bad', '/either', { 'x-api-key': 'bad', cookie, ...elsewhere }, 'cross_site_request'],
    ['both, where the session comes first', '/any', { ...apiKey, cookie, ...elsewhere }, 'cross_site_request'],
    ['both, where the session comes first, without a token', '/any', { ...apiKey, cookie, origin: own }, 'csrf_token_invalid'],
    ['the key, where there is no session', '/any', { ...apiKey, ...elsewhere }, null],
    ['both at once', '/both', { ...apiKey, cookie, ...elsewhere }, 'cross_site_request'],
    ['both at once, proven', '/both', { ...apiKey, cookie, origin: own, 'x-csrf-token': token }, null],
    ['a stranger on an optional route', '/maybe', elsewhere, null],
    ['somebody known on an optional route', '/maybe', { cookie, ...elsewhere }, 'cross_site_request']
  ]
  for (const [title, url, headers, code] of rows) {
    await t.test(title, async (t) => {
      const answer = await app.inject({ method: 'POST', url, headers })
      if (code === null) t.equal(answer.statusCode, 200)
      else assertRefused(t, answer, code)
    })
  }
})

t.test('who is nobody, or lacks a right, gets that answer; and forgeries use up nobody\'s limit', async (t) => {
  const { app, session } = await service(t)
  const { cookie, token } = await session()
  t.equal((await app.inject({ method: 'POST', url: '/session' })).statusCode, 401)
  t.match((await app.inject({ method: 'POST', url: '/lacking', headers: { cookie, origin: own, 'x-csrf-token': token } })).json(), { code: 'insufficient_scope' })
  const forged = { method: 'POST', url: '/counted', headers: { cookie, origin: 'https://evil.example' } } as const
  for (let n = 0; n < 5; n++) assertRefused(t, await app.inject(forged), 'cross_site_request')
  const good = { ...forged, headers: { cookie, origin: own, 'x-csrf-token': token } }
  t.strictSame([(await app.inject(good)).statusCode, (await app.inject(good)).statusCode, (await app.inject(good)).statusCode], [200, 200, 429])
})

t.test('R116 R200 what is refused in somebody\'s name is told with it, and what strangers send without', async (t) => {
  const { app, session } = await service(t)
  const heard = hear(t, app)
  const { cookie } = await session()
  for (const headers of [{ cookie, origin: 'https://evil.example' }, { cookie, origin: own }, {}, { cookie: 'key=bad', origin: 'null' }]) {
    await app.inject({ method: 'POST', url: '/session?token=secret', headers, remoteAddress: '203.0.113.7' })
  }
  await app.inject({ method: 'POST', url: '/login', headers: { origin: 'https://evil.example' } })
  const events = heard.take().filter(({ event }) => event === 'malicious_csrf')
  const expected = { outcome: 'failure', actor: 'alice', scheme: 'session', ip: '203.0.113.7', method: 'POST', route: '/session', request_id: String }
  t.match(events, [{ ...expected, reason: 'cross_site_request' }, { ...expected, reason: 'csrf_token_invalid' }, { actor: null, route: '/login', reason: 'cross_site_request' }])
  t.equal(events.length, 3)
  t.notOk(JSON.stringify(events).includes('secret'))
})

t.test('R114 refuseCrossSite lets through what says nothing, and refuses what comes from elsewhere', async (t) => {
  const { app } = await service(t)
  for (const [title, headers, isOwn] of evidence) {
    await t.test(title, async (t) => {
      const isAllowed = isOwn || Object.keys(headers).length === 0
      const answer = await app.inject({ method: 'POST', url: '/login', headers })
      if (isAllowed) t.equal(answer.statusCode, 200)
      else {
        assertRefused(t, answer, 'cross_site_request')
        t.equal(answer.headers['set-cookie'], undefined)
      }
    })
  }
  t.equal((await app.stores.sessions.listBySubject('alice', { limit: 100 })).items.length, evidence.filter(([, headers, isOwn]) => isOwn || Object.keys(headers).length === 0).length)
})

t.test('csrfToken is of the session that a request was let in by, and null without one', async (t) => {
  const { app, session } = await service(t)
  const { cookie } = await session()
  const tokenFor = async (headers: Headers): Promise<unknown> => (await app.inject({ url: '/token', headers })).json<{ token: string | null }>().token
  t.match(await tokenFor({ cookie }), /^[\w-]+$/)
  t.equal(await tokenFor({ ...apiKey, cookie }), null, 'the key came first, nobody looked at the cookie')
  t.equal(await tokenFor(apiKey), null)
})

async function bare (t: Test): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(basicAuth, { users: { alice: 'wonderland' } })
  await app.register(apiKeyAuth, { verify: () => null })
  return app
}

t.test('R110 a service with a state-changing route that takes ambient credentials does not start without csrf', async (t) => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'] as HTTPMethods[]) {
    const app = await bare(t)
    if (method === 'PROPFIND' as string) app.addHttpMethod('PROPFIND')
    app.route({ method, url: '/notes', onRequest: app.anyOf(app.apiKey, app.basic), handler: () => '' })
    await t.rejects(async () => { await app.ready() }, { code: 'GATEHOUSE_CSRF_MISSING', message: new RegExp(`${method} /notes: basic`) })
  }
  const others: readonly (readonly [string, (app: FastifyInstance) => unknown])[] = [
    ['app.all', (app) => app.all('/notes', { onRequest: app.basic }, () => '')],
    ['protect', (app) => app.register(async (child) => {
      child.protect(child.basic)
      child.post('/notes', () => '')
    })],
    ['optional', (app) => app.post('/notes', { onRequest: app.optional(app.basic) }, () => '')],
    ['a scheme of one\'s own', (app) => app.post('/notes', { onRequest: app.defineScheme<CustomPrincipal>({ ...headerScheme('a'), ambient: true }) }, () => '')],
    ['a WebSocket', async (app) => {
      await app.register(fastifyWebsocket)
      app.get('/talk', { websocket: true, onRequest: app.basic }, () => undefined)
    }],
    ['a WebSocket beside a page', async (app) => {
      await app.register(fastifyWebsocket)
      app.route({ method: 'GET', url: '/talk', onRequest: app.basic, handler: () => '', wsHandler: () => undefined })
    }],
    ['schema.security that is adopted', async (app) => {
      await app.register(basicAuth, { as: 'second', users: { a: 'b' }, guards: { adoptSchemaSecurity: true } })
      app.post('/notes', { schema: { security: [{ second: [] }] } }, () => '')
    }]
  ]
  for (const [title, declare] of others) {
    await t.test(title, async (t) => {
      const app = await bare(t)
      await declare(app)
      await t.rejects(async () => { await app.ready() }, { code: 'GATEHOUSE_CSRF_MISSING' })
    })
  }
  await t.test('what is safe, or not ambient, or public, starts', async (t) => {
    const app = await bare(t)
    app.get('/notes', { onRequest: app.basic }, () => '')
    app.options('/notes', { onRequest: app.basic }, () => '')
    app.post('/notes', { onRequest: app.apiKey }, () => '')
    app.post('/public', { onRequest: app.publicAccess('a test') }, () => '')
    app.post('/undeclared', () => '')
    await app.ready()
  })
  await t.test('with csrf it starts, wherever that is registered', async (t) => {
    const app = await bare(t)
    app.post('/notes', { onRequest: app.basic }, () => '')
    await app.register(async (child) => { await child.register(csrf, { origins: [own] }) })
    await app.ready()
    t.equal((await app.inject({ method: 'POST', url: '/notes', headers: { ...basic, origin: own } })).statusCode, 200)
    t.equal((await app.inject({ method: 'POST', url: '/notes', headers: basic })).statusCode, 403)
  })
  await t.test('one protection a server', async (t) => {
    const app = await bare(t)
    await app.register(async (child) => { await child.register(csrf, { origins: [own] }) })
    await t.rejects(async () => { await app.register(csrf, { origins: [own] }) }, { code: 'GATEHOUSE_NAME_TAKEN' })
  })
})

t.test('what is required stands in guardedRoutes() and in OpenAPI', async (t) => {
  const { app } = await service(t)
  const routes = app.guardedRoutes()
  const csrfOf = (method: string, url: string): unknown => routes.find((route) => route.method === method && route.url === url)?.csrf
  for (const [url, proof] of [['/session', 'token'], ['/either', 'token'], ['/maybe', 'token'], ['/basic', 'origin'], ['/key', 'origin'], ['/login', 'not-cross-site'], ['/header-key', null]] as const) {
    t.equal(csrfOf('POST', url), proof, url)
    if (!['/login', '/maybe', '/header-key'].includes(url)) for (const method of safe) t.equal(csrfOf(method, url), null, `${method} ${url}`)
  }
  t.match(routes.find(({ url }) => url === '/login'), { access: 'public', guards: [{ name: 'publicAccess' }, { name: 'refuseCrossSite', level: 'route' }] })

  interface Operation { parameters?: { name: string; in: string; required?: boolean }[]; responses: Record<string, { description: string; content: Record<string, { examples: object }> }>; description: string; 'x-csrf'?: string }
  const { paths } = (await app.inject('/openapi.json')).json<{ paths: Record<string, Record<string, Operation>> }>()
  const post = (url: string): Operation | undefined => paths[url]?.['post']
  const codes = (url: string): string[] => Object.keys(post(url)?.responses['403']?.content['application/problem+json']?.examples ?? {})
  t.match(post('/counted')?.parameters, [{ name: 'X-CSRF-Token', in: 'header', required: true }])
  t.strictSame(post('/maybe')?.parameters?.map(({ name, required = false }) => [name, required]), [['X-CSRF-Token', false]])
  t.equal(post('/login')?.parameters, undefined)
  t.equal(post('/header-key')?.parameters, undefined)
  t.strictSame(codes('/counted'), ['account_disabled', 'cross_site_request', 'csrf_token_invalid'])
  t.strictSame(codes('/basic'), ['account_disabled', 'cross_site_request'])
  t.strictSame(codes('/login'), ['cross_site_request'])
  t.strictSame(codes('/header-key'), ['account_disabled'])
  t.strictSame([post('/counted')?.['x-csrf'], post('/basic')?.['x-csrf'], post('/login')?.['x-csrf'], post('/header-key')?.['x-csrf']], ['token', 'origin', 'not-cross-site', undefined])
  t.match(post('/counted')?.description, /- \*\*CSRF:\*\* .*X-CSRF-Token/)
  t.equal(post('/counted')?.responses['403']?.description, 'The account is disabled, the request is not known to come from this site, or its CSRF token is not that of the session.')
  t.equal(post('/lacking')?.responses['403']?.description, 'The credentials lack a right, the account is disabled, the request is not known to come from this site, or its CSRF token is not that of the session. Required: scope much.')
})

const badOptions: readonly (readonly [string, object, string])[] = [
  ['none', {}, 'origins'],
  ['an empty list', { origins: [] }, 'origins'],
  ['a text', { origins: own }, 'origins'],
  ['R113 null', { origins: ['null'] }, 'origins'],
  ['R113 any', { origins: ['*'] }, 'origins'],
  ['R113 a path', { origins: [`${own}/app`] }, 'origins'],
  ['R113 a slash', { origins: [`${own}/`] }, 'origins'],
  ['R113 a standard port', { origins: [`${own}:443`] }, 'origins'],
  ['R113 another case', { origins: ['https://APP.example'] }, 'origins'],
  ['a pattern', { origins: [/example/] }, 'origins'],
  ['R111 a cookie for the token', { origins: [own], cookieKey: '_csrf' }, 'cookieKey'],
  ['R116 another place for the token', { origins: [own], getToken: () => '' }, 'getToken']
]

t.test('options are checked at boot', async (t) => {
  for (const [title, options, option] of badOptions) {
    await t.test(title, (t) => assertOptionRefused(t, (app) => app.register(csrf, options as CsrfOptions), `csrf.${option}`))
  }
})

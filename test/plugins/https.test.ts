import t from 'tap'
import Fastify from 'fastify'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { basicAuth } from '../../plugins/basic-auth.ts'
import { cors } from '../../plugins/cors.ts'
import { https } from '../../plugins/https.ts'
import { problems } from '../../plugins/problems.ts'
import { securityHeaders } from '../../plugins/security-headers.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import type { HttpsOptions } from '../../plugins/https.ts'

const ORIGIN = 'https://api.example.com'
const PROXY = '10.0.0.1'
const SECRET = 'hunter2-hunter2'
const page = { accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8' }

interface Service { app: FastifyInstance; handled: string[]; log: string[] }

async function build (t: { teardown (close: () => Promise<void>): void }, options: Partial<HttpsOptions> = {}): Promise<Service> {
  const handled: string[] = []
  const log: string[] = []
  const app = Fastify({ ...serverOptions({ trustedProxies: [PROXY], logger: { level: 'info', stream: { write: (line: string) => { log.push(line) } } } }), forceCloseConnections: true })
  t.teardown(async () => { await app.close() })
  await app.register(securityHeaders)
  await app.register(cors, { origin: ['https://app.example.com'] })
  await app.register(https, { origin: ORIGIN, ...options })
  await app.register(problems)
  await app.register(basicAuth, { users: { alice: 'wonderland' } })
  app.get('/basic', { onRequest: app.basic }, () => 'basic')
  app.get('/health', { config: { plainHttp: 'Probes do not speak TLS' } }, () => 'ok')
  app.all('/*', (request) => {
    handled.push(`${request.method} ${request.url}`)
    return 'handled'
  })
  await app.ready()
  return { app, handled, log }
}

t.test('R173 R174 somebody who opens a page is sent to the configured host', (t) => {
  const rows: [string, InjectOptions, string][] = [
    ['GET', { url: '/docs' }, '/docs'],
    ['HEAD', { method: 'HEAD', url: '/docs' }, '/docs'],
    ['an unknown page', { url: '/nowhere' }, '/nowhere'],
    ['a query', { url: '/docs?a=1&b=%2F' }, '/docs?a=1&b=%2F'],
    ['another Host', { url: '/docs', headers: { host: 'evil.example' } }, '/docs'],
    ['a Host behind a proxy that nobody trusts', { url: '/docs', headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' } }, '/docs'],
    ['two slashes', { url: '//evil.example/x' }, '//evil.example/x'],
    ['an encoded line break', { url: '/a%0d%0aset-cookie:x=1' }, '/a%0d%0aset-cookie:x=1'],
    ['text/html alone', { url: '/', headers: { accept: 'text/html' } }, '/'],
    ['text/html with a weight', { url: '/', headers: { accept: 'application/json;q=0.1, TEXT/HTML ; q=0.5' } }, '/'],
    ['an empty body', { url: '/', headers: { 'content-length': '0' } }, '/']
  ]
  for (const [title, request, path] of rows) {
    t.test(title, async (t) => {
      const { app, handled } = await build(t)
      const answer = await app.inject({ ...request, headers: { ...page, ...request.headers } })
      t.equal(answer.statusCode, 308)
      t.equal(answer.headers.location, ORIGIN + path)
      t.equal(new URL(String(answer.headers.location)).origin, ORIGIN)
      t.equal(answer.headers['cache-control'], 'no-store')
      t.equal(answer.headers['strict-transport-security'], undefined, 'R172')
      t.equal(answer.body, '')
      t.same(handled, [])
    })
  }
  t.end()
})

t.test('R173 R024 over plain HTTP everything else is 403 https_required, without a redirect', (t) => {
  const leaks: [string, InjectOptions, string][] = [
    ['R024 Basic', { url: '/basic', headers: { authorization: `Basic ${btoa(`alice:${SECRET}`)}` } }, 'authorization'],
    ['a token', { url: '/docs', headers: { authorization: `Bearer ${SECRET}` } }, 'authorization'],
    ['a token for a proxy', { url: '/docs', headers: { 'proxy-authorization': `Basic ${SECRET}` } }, 'proxy-authorization'],
    ['a cookie', { url: '/docs', headers: { cookie: `a=${SECRET}` } }, 'cookie'],
    ['an API key', { url: '/docs', headers: { 'x-api-key': SECRET } }, 'x-api-key'],
    ['a CSRF token', { url: '/docs', headers: { 'x-csrf-token': SECRET } }, 'x-csrf-token'],
    ['an empty Authorization', { url: '/docs', headers: { authorization: '' } }, 'authorization'],
    ['a token in the query', { url: `/docs?x=1&access_token=${SECRET}` }, '?access_token'],
    ['a key in the query, in another case', { url: `/docs?API_KEY=${SECRET}` }, '?api_key'],
    ['an encoded name in the query', { url: `/docs?acc%65ss_token=${SECRET}` }, '?access_token'],
    ['credentials for a route that answers over plain HTTP', { url: '/health', headers: { 'x-api-key': SECRET } }, 'x-api-key'],
    ['a login', { method: 'POST', url: '/token', headers: { authorization: `Basic ${SECRET}` }, payload: { password: SECRET } }, 'authorization']
  ]
  const others: [string, InjectOptions][] = [
    ['a program', { url: '/docs', headers: { accept: '*/*' } }],
    ['a program that wants JSON', { url: '/docs', headers: { accept: 'application/json' } }],
    ['no Accept', { url: '/docs', headers: { accept: '' } }],
    ['text/html refused', { url: '/docs', headers: { accept: 'text/html;q=0, */*' } }],
    ['text/* only', { url: '/docs', headers: { accept: 'text/*' } }],
    ['POST', { method: 'POST', url: '/docs', payload: { password: SECRET } }],
    ['PUT', { method: 'PUT', url: '/docs' }],
    ['DELETE', { method: 'DELETE', url: '/docs' }],
    ['OPTIONS', { method: 'OPTIONS', url: '/docs' }],
    ['GET with a body', { url: '/docs', headers: { 'content-length': '2' } }],
    ['GET with a body in chunks', { url: '/docs', headers: { 'transfer-encoding': 'chunked' } }],
    ['an unknown URL', { url: '/basic/nowhere', headers: { accept: '*/*' } }],
    ['a guarded route without credentials', { url: '/basic', headers: { accept: '*/*' } }],
    ['a proxy that says http', { url: '/docs', remoteAddress: PROXY, headers: { accept: '*/*', 'x-forwarded-proto': 'http' } }],
    ['a proxy that says nothing', { url: '/docs', remoteAddress: PROXY, headers: { accept: '*/*' } }],
    ['a stranger who says https', { url: '/docs', headers: { accept: '*/*', 'x-forwarded-proto': 'https' } }]
  ]
  for (const [title, request, carrier] of [...leaks, ...others.map((row) => [...row, null] as const)]) {
    t.test(title, async (t) => {
      const { app, handled, log } = await build(t)
      const answer = await app.inject({ ...request, headers: { ...page, ...request.headers, origin: 'https://app.example.com' } })
      t.equal(answer.statusCode, 403)
      t.match(answer.json(), { code: 'https_required', status: 403, title: 'HTTPS is required', instance: /^urn:request:/ })
      t.equal(answer.headers.location, undefined)
      t.equal(answer.headers['www-authenticate'], undefined, 'nobody is asked to send them again')
      t.match(answer.headers, { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'access-control-allow-origin': 'https://app.example.com', 'content-type': 'application/problem+json; charset=utf-8' })
      t.same(handled, [])
      const recorded = log.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ msg }) => msg === 'credentials came over plain HTTP')
      t.strictSame(recorded.map(({ level, carrier, code }) => ({ level, carrier, code })), carrier === null ? [] : [{ level: 40, carrier, code: 'https_required' }])
      t.notMatch(log.join('') + answer.body, /hunter2/)
    })
  }
  t.end()
})

t.test('R172 R173 HTTPS, as a trusted proxy tells it, is served', async (t) => {
  const { app, handled } = await build(t)
  const over = { remoteAddress: PROXY, headers: { 'x-forwarded-proto': 'https', authorization: `Basic ${btoa('alice:wonderland')}`, accept: '*/*' } }
  t.equal((await app.inject({ ...over, url: '/basic' })).body, 'basic')
  const answer = await app.inject({ ...over, method: 'POST', url: '/items', payload: {} })
  t.equal(answer.body, 'handled')
  t.equal(answer.headers['strict-transport-security'], 'max-age=31536000; includeSubDomains')
  t.same(handled, ['POST /items'])
  t.equal((await app.inject({ ...over, url: '/basic', headers: { 'x-forwarded-proto': 'http, https' } })).statusCode, 401, 'what the proxy next to us says')
})

t.test('R173 a route that says why is served over plain HTTP, to nobody in particular', async (t) => {
  const { app } = await build(t)
  t.equal((await app.inject('/health')).body, 'ok')
  const bad = Fastify()
  await bad.register(https, { origin: ORIGIN })
  for (const plainHttp of ['', true as never]) t.throws(() => bad.get('/x', { config: { plainHttp } }, () => 'x'), { code: 'GATEHOUSE_OPTION_INVALID' })
})

t.test('R174 what no inject can send: bytes on the wire', async (t) => {
  const { app } = await build(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const ask = async (line: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.on('data', (chunk) => { answer += chunk.toString('latin1') })
    socket.write(Buffer.from(`${line} HTTP/1.1\r\nHost: evil.example\r\nAccept: text/html\r\nConnection: close\r\n\r\n`, 'latin1'))
    await new Promise((resolve) => socket.on('close', resolve))
    return answer
  }
  t.match(await ask('GET //evil.example/%2e%2e/x'), /\r\nlocation: https:\/\/api\.example\.com\/\/evil\.example\/%2e%2e\/x\r\n/)
  t.match(await ask('GET http://evil.example/x'), /\r\nlocation: https:\/\/api\.example\.com\/x\r\n/)
  t.match(await ask('GET /\\evil.example'), /\r\nlocation: https:\/\/api\.example\.com\/%5Cevil\.example\r\n/)
  t.match(await ask('GET /caf\xc3\xa9"<x>'), /^HTTP\/1\.1 (?:400|308) /)
  t.notMatch(await ask('GET /caf\xc3\xa9"<x>'), /\r\nlocation: https:\/\/api\.example\.com\/[^\r]*[^\x21-\x7e\r][^\r]*\r\n/)
  t.match(await ask('GET http://other.example/x'), /^HTTP\/1\.1 400 /)
  t.match(await ask('OPTIONS *'), /^HTTP\/1\.1 403 /)
  t.match(await ask('GET @evil.example'), /^HTTP\/1\.1 400 /)
})

t.test('R174 without serverOptions, which judge the form of a URL, nothing but a path becomes a Location', async (t) => {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(https, { origin: ORIGIN })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  for (const target of ['http://evil.example/x', '*', 'http://api.example.com@evil.example/']) {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.on('data', (chunk) => { answer += chunk.toString('latin1') })
    socket.write(`GET ${target} HTTP/1.1\r\nHost: evil.example\r\nAccept: text/html\r\nConnection: close\r\n\r\n`)
    await new Promise((resolve) => socket.on('close', resolve))
    t.match(answer, /^HTTP\/1\.1 4\d\d /, target)
    t.notMatch(answer, /\r\nlocation:/i, target)
  }
})

t.test('its own names of what carries credentials', async (t) => {
  const { app } = await build(t, { credentialHeaders: ['X-Partner'], credentialParameters: ['sig'] })
  for (const request of [{ url: '/a', headers: { 'x-partner': 'k' } }, { url: '/a?SIG=1' }]) t.equal((await app.inject({ ...request, headers: { ...page, ...request.headers } })).statusCode, 403)
  t.equal((await app.inject({ url: '/a', headers: { ...page, cookie: 'a=1' } })).statusCode, 308)
})

t.test('refused at boot', (t) => {
  const rows: [string, unknown][] = [
    ['no origin', {}], ['http', { origin: 'http://api.example.com' }], ['a path', { origin: `${ORIGIN}/` }], ['upper case', { origin: 'https://API.example.com' }],
    ['a default port', { origin: `${ORIGIN}:443` }], ['no URL', { origin: 'api.example.com' }], ['user info', { origin: 'https://a@api.example.com' }], ['a list', { origin: [ORIGIN] }],
    ['a header that is no name', { origin: ORIGIN, credentialHeaders: ['a b'] }], ['headers as a text', { origin: ORIGIN, credentialHeaders: 'Cookie' }],
    ['parameters that are null', { origin: ORIGIN, credentialParameters: null }], ['an unknown option', { origin: ORIGIN, hsts: true }],
    ['an own __proto__', JSON.parse(`{"origin":"${ORIGIN}","__proto__":{}}`)]
  ]
  for (const [title, options] of rows) {
    t.test(title, async (t) => {
      await t.rejects(async () => Fastify().register(https, options as HttpsOptions), { code: 'GATEHOUSE_OPTION_INVALID' })
    })
  }
  t.end()
})

import t from 'tap'
import Fastify from 'fastify'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { problems } from '../../plugins/problems.ts'
import { securityHeaders } from '../../plugins/security-headers.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import { answerHeaders } from '../../plugins/server-answers.ts'
import type { ServerOptionsOptions } from '../../plugins/server-options.ts'

interface Stoppable { teardown (close: () => Promise<void>): void }

async function listen (t: Stoppable, options: ServerOptionsOptions = {}): Promise<{ app: FastifyInstance; port: number; handled: string[] }> {
  const handled: string[] = []
  const app = Fastify({ ...serverOptions(options), forceCloseConnections: true })
  t.teardown(async () => { await app.close() })
  app.all('/*', async (request) => {
    handled.push(`${request.method} ${request.url}`)
    return { url: request.url, host: request.host }
  })
  app.get('/admin', { onRequest: async (_request, reply) => reply.code(401).send({}) }, async () => 'admin')
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, port: (app.server.address() as AddressInfo).port, handled }
}

/** Sends raw bytes and reads until the server closes, or `forMs` have passed. */
async function exchange (port: number, text: string, forMs = 300): Promise<{ answer: string; closedAfterMs: number | null }> {
  const begun = Date.now()
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => { answer += chunk.toString() })
  socket.on('error', () => undefined)
  socket.write(text)
  const closed = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => { resolve(false) }, forMs)
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(true)
    })
  })
  socket.destroy()
  return { answer, closedAfterMs: closed ? Date.now() - begun : null }
}

const lines = (...rows: string[]): string => rows.join('\r\n')
const get = (...headers: string[]): string => lines('GET / HTTP/1.1', ...headers, '', '')
const bodyOf = (answer: string): Record<string, unknown> => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))

t.test('the type is what Fastify() takes, with its default generics', async (t) => {
  const app: FastifyInstance<Server, IncomingMessage, ServerResponse> = Fastify(serverOptions())
  t.teardown(() => app.close())
  const options = serverOptions()
  const secure = Fastify({ ...options, https: { ...options.http } })
  t.teardown(() => secure.close())
  t.equal(typeof secure.server.setSecureContext, 'function')
  t.equal(secure.server.headersTimeout, 10_000)
})

t.test('R188 what the server was made with', async (t) => {
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  t.match(app.server, { requestTimeout: 30_000, headersTimeout: 10_000, keepAliveTimeout: 72_000, timeout: 60_000, maxRequestsPerSocket: 1000 })
  t.match(app.initialConfig, { bodyLimit: 1_048_576, requestTimeout: 30_000, onProtoPoisoning: 'error', onConstructorPoisoning: 'error', requestIdHeader: false })
  const tuned = Fastify(serverOptions({ requestTimeoutSeconds: 5, keepAliveTimeoutSeconds: 6, silenceTimeoutSeconds: 8, maxRequestsPerSocket: 7, bodyLimit: 100 }))
  t.teardown(() => tuned.close())
  t.match(tuned.server, { requestTimeout: 5000, headersTimeout: 5000, keepAliveTimeout: 6000, timeout: 8000, maxRequestsPerSocket: 7 })
  t.equal(tuned.initialConfig.bodyLimit, 100)
})

t.test('R188 F6 a request that does not arrive ends with 408', (t) => {
  const head = lines('POST / HTTP/1.1', 'Host: a', 'Content-Type: application/json', 'Content-Length: 100', '', '')
  const rows: [string, string, number][] = [
    ['stalled headers', 'GET / HTTP/1.1\r\nHost: a\r\n', 0],
    ['a stalled body', head, 0],
    ['a dripping body', head, 200]
  ]
  for (const [title, text, dripMs] of rows) {
    t.test(title, async (t) => {
      const { port, handled } = await listen(t, { requestTimeoutSeconds: 1 })
      const socket = connect(port, '127.0.0.1')
      const begun = Date.now()
      let answer = ''
      socket.on('data', (chunk) => { answer += chunk.toString() })
      socket.on('error', () => undefined)
      socket.write(text)
      const drip = dripMs === 0 ? null : setInterval(() => socket.write('a'), dripMs)
      await new Promise((resolve) => socket.on('close', resolve))
      if (drip !== null) clearInterval(drip)
      t.ok(Date.now() - begun < 5000)
      t.match(answer, /^HTTP\/1\.1 408 Request Timeout\r\n/)
      t.match(bodyOf(answer), { code: 'request_timeout', status: 408 })
      t.same(handled, [])
    })
  }
  t.end()
})

t.test('R188 an answer that its client does not read is given up', async (t) => {
  const app = Fastify({ ...serverOptions({ silenceTimeoutSeconds: 1 }), forceCloseConnections: true })
  t.teardown(async () => { await app.close() })
  const closed = new Promise((resolve) => {
    app.get('/', ({ raw }, reply) => {
      raw.socket.once('close', resolve)
      // More than the system keeps for a socket
      return reply.send(Buffer.alloc(64_000_000))
    })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  socket.on('error', () => undefined)
  socket.pause().write(get('Host: a'))
  await closed
  t.pass('closed by the server')
})

t.test('R187 CVE-2024-27982 CVE-2025-23167 F8 a request that can be read two ways is refused', (t) => {
  const post = (...headers: string[]): string => lines('POST / HTTP/1.1', 'Host: a', 'Content-Type: application/json', ...headers, '', '0', '', 'GET /smuggled HTTP/1.1', 'Host: a', '', '')
  const rows: [string, string][] = [
    ['Transfer-Encoding beside Content-Length', post('Content-Length: 5', 'Transfer-Encoding: chunked')],
    ['an obfuscated Transfer-Encoding', post('Transfer-Encoding: xchunked')],
    ['Transfer-Encoding twice', post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity')],
    ['a space before the colon', post('Transfer-Encoding : chunked')],
    ['Content-Length twice', post('Content-Length: 1', 'Content-Length: 2')],
    ['Content-Length with a sign', post('Content-Length: +5')],
    ['a bare line feed in a header', 'GET / HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n'],
    ['a folded header', get('Host: a', 'X-A: b', ' folded')],
    ['a header that ends with a bare carriage return', 'GET / HTTP/1.1\r\nHost: a\rX-A: b\r\n\r\n'],
    ['headers that end with \\r\\n\\rX', 'GET / HTTP/1.1\r\nHost: a\r\n\rX GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a coding that nobody takes off', post('Transfer-Encoding: gzip, chunked')],
    ['Transfer-Encoding in HTTP/1.0', post('Transfer-Encoding: chunked', 'Connection: keep-alive').replace('HTTP/1.1', 'HTTP/1.0')],
    ['frames of HTTP/2.0', get('Host: a').replace('HTTP/1.1', 'HTTP/2.0')],
    ['HTTP/0.9', 'GET /\r\n\r\n'],
    ['a space before a header name', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n'],
    ['no Host', get('X-A: b')]
  ]
  for (const [title, text] of rows) {
    t.test(title, async (t) => {
      const { port, handled } = await listen(t)
      const { answer, closedAfterMs } = await exchange(port, text, 5000)
      t.match(answer, /^HTTP\/1\.1 400 /)
      t.equal(answer.split('HTTP/1.1 ').length, 2, 'one answer')
      t.not(closedAfterMs, null, 'and the connection is closed')
      t.same(handled, [])
    })
  }
  t.end()
})

t.test('R171 R005 what the socket refuses is a problem with the headers too', async (t) => {
  const { port } = await listen(t)
  const { answer, closedAfterMs } = await exchange(port, 'NONSENSE\r\n\r\n')
  t.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
  t.match(answer.toLowerCase(), 'content-type: application/problem+json; charset=utf-8\r\n')
  for (const [name, value] of Object.entries(answerHeaders)) t.ok(answer.includes(`${name}: ${value}\r\n`), name)
  t.same(bodyOf(answer), { title: 'The request is malformed', status: 400, code: 'invalid_request' })
  t.not(closedAfterMs, null, 'the connection is closed')
  const large = await exchange(port, get('Host: a', `X-A: ${'a'.repeat(17_000)}`))
  t.match(large.answer, /^HTTP\/1\.1 431 /)
  t.match(bodyOf(large.answer), { code: 'headers_too_large' })
})

t.test('R171 a parser error inside a begun answer adds no second one', async (t) => {
  const slow = Fastify({ ...serverOptions(), forceCloseConnections: true })
  t.teardown(async () => { await slow.close() })
  slow.get('/', (_request, reply) => {
    reply.hijack().raw.writeHead(200, { 'content-length': '100' }).write('part')
  })
  await slow.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((slow.server.address() as AddressInfo).port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => {
    if (answer === '') socket.write('NONSENSE\r\n\r\n')
    answer += chunk.toString()
  })
  socket.on('error', () => undefined)
  socket.write(get('Host: a'))
  await new Promise((resolve) => socket.on('close', resolve))
  t.equal(answer.split('HTTP/1.1 ').length, 2)
  t.match(answer, 'part')
})

t.test('R171 R005 while the server closes, what still arrives is served and the connection closed', async (t) => {
  const app = Fastify(serverOptions())
  app.addHook('preClose', (done) => { setTimeout(done, 300) })
  app.get('/*', async ({ url }) => url)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  let answer = ''
  const closing: Promise<void>[] = []
  socket.on('data', (chunk) => {
    answer += chunk.toString()
    if (closing.length > 0) return
    closing.push(app.close().then(() => undefined))
    socket.write(lines('GET /late HTTP/1.1', 'Host: a', '', ''))
  })
  socket.write(lines('GET /early HTTP/1.1', 'Host: a', '', ''))
  await new Promise((resolve) => socket.on('close', resolve))
  await Promise.all(closing)
  t.match(answer, /\/early[^]*HTTP\/1\.1 200 OK[^]*connection: close[^]*\/late$/i)
})

t.test('R171 answerHeaders are what securityHeaders sends: the two cannot drift', async (t) => {
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  await app.register(securityHeaders)
  app.get('/', async () => '')
  const { headers } = await app.inject('/')
  const own = new Set(['content-type', 'content-length', 'date', 'connection'])
  t.same(Object.fromEntries(Object.entries(headers).filter(([name]) => !own.has(name))), answerHeaders)
})

t.test('R186 F5 one Host, one Content-Type, one form of target', (t) => {
  const rows: [string, string, number, ServerOptionsOptions?][] = [
    ['one Host', get('Host: a', 'Connection: close'), 200],
    ['two Hosts', get('Host: a', 'Host: b', 'Connection: close'), 400],
    ['two equal Hosts in another case', get('Host: a', 'hOST: a', 'Connection: close'), 400],
    ['a Host that is an address', get('Host: [::1]:80', 'Connection: close'), 200],
    ['a Host that is empty', get('Host:', 'Connection: close'), 400],
    ['a list of Hosts', get('Host: a, b', 'Connection: close'), 400],
    ['a Host with a path', get('Host: a/b', 'Connection: close'), 400],
    ['a Host with a name before it', get('Host: x@a', 'Connection: close'), 400],
    ['a Host with a space', get('Host: a b', 'Connection: close'), 400],
    ['a Host with a port that is none', get('Host: a:b', 'Connection: close'), 400],
    ['a fragment (RFC 9112 §3.2.1)', lines('GET /x#y HTTP/1.1', 'Host: a', 'Connection: close', '', ''), 400],
    ['an absolute URL with a fragment', lines('GET http://a/x#y HTTP/1.1', 'Host: a', 'Connection: close', '', ''), 400],
    ['an absolute URL of another scheme', lines('GET ftp://a/x HTTP/1.1', 'Host: a', 'Connection: close', '', ''), 400],
    ['an absolute URL that names the Host', lines('GET http://a/x HTTP/1.1', 'Host: a', 'Connection: close', '', ''), 200],
    ['an absolute URL that names the Host with its default port', lines('GET http://a/x HTTP/1.1', 'Host: A:80', 'Connection: close', '', ''), 200],
    ['an absolute URL that only seems to name the Host', lines('GET http://a@evil/x HTTP/1.1', 'Host: a', 'Connection: close', '', ''), 400],
    ['an absolute URL that names another', lines('GET http://evil/x HTTP/1.1', 'Host: a', 'Connection: close', '', ''), 400],
    ['an absolute URL with another port', lines('GET http://a:81/x HTTP/1.1', 'Host: a', 'Connection: close', '', ''), 400],
    ['one Content-Type', get('Host: a', 'Content-Type: application/json', 'Connection: close'), 200],
    ['two Content-Types', get('Host: a', 'Content-Type: application/json', 'content-TYPE: text/plain', 'Connection: close'), 400],
    ['two equal Content-Types', get('Host: a', 'Content-Type: application/json', 'Content-Type: application/json', 'Connection: close'), 400],
    ['an asterisk for OPTIONS', lines('OPTIONS * HTTP/1.1', 'Host: a', 'Connection: close', '', ''), 200],
    ['an asterisk for anything but OPTIONS (RFC 9112 §3.2.4)', lines('GET * HTTP/1.1', 'Host: a', 'Connection: close', '', ''), 400],
    ['a Host in the list', get('Host: API.example.com', 'Connection: close'), 200, { allowedHosts: ['api.example.com'] }],
    ['a Host that is not', get('Host: evil.example.com', 'Connection: close'), 400, { allowedHosts: ['api.example.com'] }],
    ['a Host with a port that is not', get('Host: api.example.com:81', 'Connection: close'), 400, { allowedHosts: ['api.example.com'] }],
    ['no Host in HTTP/1.0', lines('GET / HTTP/1.0', '', ''), 400, { allowedHosts: ['api.example.com'] }]
  ]
  for (const [title, text, status, options] of rows) {
    t.test(title, async (t) => {
      const { port, handled } = await listen(t, options)
      const { answer } = await exchange(port, text)
      t.match(answer, new RegExp(`^HTTP/1\\.[01] ${status} `))
      t.same(handled, status === 200 ? [text.startsWith('OPTIONS') ? 'OPTIONS *' : text.includes('/x ') ? 'GET /x' : 'GET /'] : [])
      if (status === 400) t.match(bodyOf(answer), { code: 'invalid_request', instance: /^urn:request:/ })
    })
  }
  t.end()
})

t.test('R188 R185 too many headers or query parameters are refused, not dropped', async (t) => {
  const { app, handled } = await listen(t)
  const headers = (count: number): Record<string, string> => Object.fromEntries(Array.from({ length: count }, (_, at) => [`x-${at}`, '1']))
  t.equal((await app.inject({ url: '/', headers: headers(90) })).statusCode, 200)
  const many = await app.inject({ url: '/', headers: headers(101) })
  t.equal(many.statusCode, 431)
  t.match(many.json(), { code: 'headers_too_large' })
  t.equal((await app.inject(`/?${'a=1&'.repeat(999)}a=1`)).statusCode, 200)
  t.equal((await app.inject(`/?${'a=1&'.repeat(1000)}a=1`)).statusCode, 400)
  t.equal(handled.length, 2)
})

t.test('R171 F9 URLs that no router takes are problems with the headers, and echo nothing', async (t) => {
  const { app } = await listen(t)
  for (const [url, status, code] of [['/%', 400, 'invalid_request'], ['/hunter2%zz?hunter2', 400, 'invalid_request'], ['/%c0%80', 400, 'invalid_request']] as const) {
    const response = await app.inject(url)
    t.equal(response.statusCode, status, url)
    t.match(response.headers, answerHeaders)
    t.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8')
    t.match(response.json(), { code, status, instance: /^urn:request:[0-9a-f-]{36}$/ })
    t.notMatch(response.body, /hunter2|FST_/)
  }
})

t.test('F9 an over-long path parameter is 414', async (t) => {
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  app.get('/item/:id', async () => 'x')
  const response = await app.inject(`/item/${'a'.repeat(200)}`)
  t.equal(response.statusCode, 414)
  t.match(response.json(), { code: 'uri_too_long' })
  t.notMatch(response.body, 'aaaa')
})

t.test('R012 F8 one spelling of a path, guards included', async (t) => {
  const { app } = await listen(t)
  t.equal((await app.inject('/%61dmin')).statusCode, 401)
  t.equal((await app.inject({ method: 'HEAD', url: '/admin' })).statusCode, 401)
  const plain = Fastify({ ...serverOptions(), forceCloseConnections: true })
  t.teardown(async () => { await plain.close() })
  plain.get('/admin', async () => 'admin')
  await plain.listen({ port: 0, host: '127.0.0.1' })
  const { port } = plain.server.address() as AddressInfo
  // inject would resolve the dots
  const statusOf = async (line: string): Promise<string> => (await exchange(port, lines(`${line} HTTP/1.1`, 'Host: a', 'Connection: close', '', ''))).answer.slice(9, 12)
  t.equal(await statusOf('GET /admin'), '200')
  for (const url of ['//admin', '/x/../admin', '/ADMIN', '/admin/', '/admin;a=b', '/./admin', '/admin%00', '/%2e/admin']) t.equal(await statusOf(`GET ${url}`), '404', url)
  t.equal(await statusOf('TRACE /admin'), '404')
})

t.test('R012 TRACE, TRACK and CONNECT are never 200', async (t) => {
  const { port, handled } = await listen(t)
  for (const request of ['TRACK / HTTP/1.1', 'CONNECT a:80 HTTP/1.1']) {
    const { answer } = await exchange(port, lines(request, 'Host: a', 'Connection: close', '', ''))
    t.notMatch(answer, /^HTTP\/1\.1 2/, request)
  }
  t.same(handled, [])
})

t.test('CVE-2024-45813 ADV find-my-way: two parameters in one segment take linear time, unsafe patterns do not boot', async (t) => {
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  app.get('/:a-:b', async () => 'x')
  const begun = process.hrtime.bigint()
  await app.inject(`/${'-'.repeat(8000)}!`)
  t.ok(process.hrtime.bigint() - begun < 500_000_000n)
  t.throws(() => Fastify(serverOptions()).get('/:id(^(a+)+$)', async () => 'x'), /safe/)
})

t.test('R183 GHSA-w2qp-rph6-63g4 F3 schemas mean what they say', (t) => {
  const integers = { type: 'array', items: { type: 'integer' } }
  const rows: [string, object, string, unknown, object, number][] = [
    ['a body is not coerced', {}, '', { n: '1' }, {}, 400],
    ['a list is not made a value', {}, '', { n: [1] }, {}, 400],
    ['a value is not made a list', {}, '', { list: 1 }, {}, 400],
    ['null is not made zero', {}, '', { n: null }, {}, 400],
    ['an additional member is an error', {}, '', { n: 1, more: 1 }, {}, 400],
    ['a default is filled in', {}, '', {}, {}, 200],
    ['a query becomes a number', { querystring: { type: 'object', properties: { q: { type: 'integer' } } } }, '?q=5', {}, {}, 200],
    ['a query becomes a list', { querystring: { type: 'object', properties: { q: integers } } }, '?q=5', {}, {}, 200],
    ['a repeated query is a list', { querystring: { type: 'object', properties: { q: integers } } }, '?q=5&q=6', {}, {}, 200],
    ['a repeated query is not a value', { querystring: { type: 'object', properties: { q: { type: 'integer' } } } }, '?q=5&q=6', {}, {}, 400],
    ['a repeated query is not a text', { querystring: { type: 'object', properties: { q: { type: 'string' } } } }, '?q=5&q=6', {}, {}, 400],
    ['a query that is no number', { querystring: { type: 'object', properties: { q: { type: 'integer' } } } }, '?q=5x', {}, {}, 400],
    ['an additional query parameter is an error', { querystring: { type: 'object', additionalProperties: false, properties: {} } }, '?q=5', {}, {}, 400],
    ['a header becomes a number, whatever its case', { headers: { type: 'object', required: ['X-Count'], properties: { 'X-Count': { type: 'integer', maximum: 5 } } } }, '', {}, { 'x-count': '5' }, 200],
    ['a header is judged, whatever its case', { headers: { type: 'object', properties: { 'X-Count': { type: 'integer', maximum: 5 } } } }, '', {}, { 'x-count': '6' }, 400],
    ['a required header is required', { headers: { type: 'object', allOf: [{ required: ['X-Count'] }] } }, '', {}, {}, 400],
    ['a dependent header is required', { headers: { type: 'object', dependencies: { 'X-A': ['X-B'] } } }, '', {}, { 'x-a': '1' }, 400],
    ['the values of a header keep their case', { headers: { type: 'object', properties: { 'X-A': { enum: ['Ab'] } } } }, '', {}, { 'x-a': 'Ab' }, 200]
  ]
  const body = { type: 'object', additionalProperties: false, properties: { n: { type: 'integer', default: 7 }, list: { type: 'array' } } }
  for (const [title, schema, query, payload, headers, status] of rows) {
    t.test(title, async (t) => {
      const app = Fastify(serverOptions())
      t.teardown(() => app.close())
      await app.register(problems)
      app.post('/', { schema: { body, ...schema } }, async (request) => request.body)
      const response = await app.inject({ method: 'POST', url: `/${query}`, payload: payload as object, headers: headers as Record<string, string> })
      t.equal(response.statusCode, status)
      if (status === 200) t.equal(response.json().n, 7)
    })
  }
  t.end()
})

t.test('R183 GHSA-w2qp-rph6-63g4 a root value is not coerced; an ajv option cannot loosen it, plugins still work', async (t) => {
  const app = Fastify({ ...serverOptions(), ajv: { customOptions: { coerceTypes: true, removeAdditional: 'all', allErrors: true }, onCreate: (ajv) => { ajv.addKeyword({ keyword: 'even', validate: (_: unknown, value: number) => value % 2 === 0 }) } } })
  t.teardown(() => app.close())
  app.post('/', { schema: { body: { type: 'number', even: true } } }, async (request) => ({ type: typeof request.body }))
  app.addSchema({ $id: 'Shared', type: 'object', additionalProperties: false, properties: { a: { type: 'integer' } } })
  app.post('/shared', { schema: { body: { $ref: 'Shared#' } } }, async () => 'x')
  const post = async (url: string, payload: string): Promise<number> => (await app.inject({ method: 'POST', url, payload, headers: { 'content-type': 'application/json' } })).statusCode
  t.equal(await post('/', '"4"'), 400)
  t.equal(await post('/', '3'), 400)
  t.equal(await post('/', '4'), 200)
  t.equal(await post('/shared', '{"a":1,"b":1}'), 400)
  t.equal(await post('/shared', '{"a":1}'), 200)
})

t.test('R184 one failing rule ends the validation', async (t) => {
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  await app.register(problems)
  app.post('/', { schema: { body: { type: 'object', properties: { a: { type: 'integer' }, b: { type: 'integer' } } } } }, async () => 'x')
  t.equal((await app.inject({ method: 'POST', url: '/', payload: { a: 'x', b: 'x' } })).json().errors.length, 1)
})

t.test('R185 a query is flat and has no prototype', async (t) => {
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  app.get('/', async ({ query }) => ({ inherits: 'toString' in (query as object), keys: Object.keys(query as object), polluted: 'x' in {} }))
  t.same((await app.inject('/?__proto__[x]=1&a[b]=2&__proto__=3')).json(), { inherits: false, keys: ['__proto__[x]', 'a[b]', '__proto__'], polluted: false })
})

t.test('R154 CVE-2026-3635 CVE-2026-16732 F7 forwarded headers are believed of trusted proxies only', async (t) => {
  const app = Fastify(serverOptions({ trustedProxies: ['10.0.0.0/8'] }))
  t.teardown(() => app.close())
  await app.register(securityHeaders)
  app.get('/', async ({ ip, protocol, host }) => ({ ip, protocol, host }))
  const headers = { host: 'api', 'x-forwarded-for': '6.6.6.6, 9.9.9.9', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil' }
  t.same((await app.inject({ url: '/', headers, remoteAddress: '1.2.3.4' })).json(), { ip: '1.2.3.4', protocol: 'http', host: 'api' })
  t.match((await app.inject({ url: '/', headers, remoteAddress: '10.1.1.1' })).json(), { ip: '9.9.9.9', protocol: 'https' })
  const stock = Fastify(serverOptions())
  t.teardown(() => stock.close())
  stock.get('/', async ({ ip, protocol, host }) => ({ ip, protocol, host }))
  t.same((await stock.inject({ url: '/', headers, remoteAddress: '10.1.1.1' })).json(), { ip: '10.1.1.1', protocol: 'http', host: 'api' })
})

t.test('R204 a request id is ours, unless a header is enabled and well-formed', async (t) => {
  const idFor = async (options: ServerOptionsOptions, given: string): Promise<string> => {
    const app = Fastify(serverOptions(options))
    t.teardown(() => app.close())
    app.get('/', async ({ id }) => id)
    return (await app.inject({ url: '/', headers: { 'x-request-id': given, 'request-id': given } })).body
  }
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
  t.match(await idFor({}, 'abc'), uuid)
  t.equal(await idFor({ requestIdHeader: 'X-Request-Id' }, 'abc-1.2_3'), 'abc-1.2_3')
  for (const bad of ['', 'a b', 'a\tb', 'é', 'a'.repeat(65), '{"a":1}', '<b>']) t.match(await idFor({ requestIdHeader: 'X-Request-Id' }, bad), uuid, bad)
})

t.test('logs redact credentials and drop queries', async (t) => {
  const written: string[] = []
  const stream = { write: (line: string) => { written.push(line) } }
  const app = Fastify(serverOptions({ logger: { level: 'debug', stream, redact: ['mine'] } }))
  t.teardown(() => app.close())
  app.get('/', async (request) => {
    request.log.info({ headers: request.headers, deep: { headers: request.headers }, mine: 'hunter2' }, 'logged')
    return 'x'
  })
  const headers = { authorization: 'Bearer hunter2', cookie: 'a=hunter2', 'x-api-key': 'hunter2', 'proxy-authorization': 'hunter2', 'x-csrf-token': 'hunter2', 'user-agent': 'seen' }
  for (const url of ['/?token=hunter2', '/unknown?token=hunter2', '/%?token=hunter2']) await app.inject({ url, headers })
  const log = written.join('')
  t.match(log, 'logged')
  t.match(log, 'seen')
  t.match(log, '"url":"/unknown"')
  t.notMatch(log, 'hunter2')
  t.equal(serverOptions().logger, false)
  t.match(serverOptions({ logger: true }).logger, { redact: { paths: Array } })
})

const secret = 'hunter2'
const named: [title: string, logged: object][] = [
  ['a header in any case', { headers: { Authorization: secret, COOKIE: secret, 'Set-Cookie': [secret] } }],
  ['a header, however deep', { a: { b: [{ response: { headers: { 'X-Api-Key': secret } } }] } }],
  ['a field of a form', { body: { password: secret, client_secret: secret, refresh_token: secret }, token: secret }],
  ['a request that hangs on an error', { err: Object.assign(new Error('failed'), { config: { headers: { Authorization: secret } }, response: { data: { access_token: secret } } }) }],
  ['an error behind an error', { err: new Error('failed', { cause: Object.assign(new Error('deeper'), { request: { auth: secret } }) }) }],
  ['an error in a list', { failures: [Object.assign(new Error('failed'), { headers: { cookie: secret } })] }]
]

t.test('R203 credentials are redacted under any case, and however deep', async (t) => {
  const written: string[] = []
  const stream = { write: (line: string) => { written.push(line) } }
  const app = Fastify(serverOptions({ logger: { level: 'debug', stream, formatters: { log: (logged) => ({ ...logged, mine: 'kept' }) } } }))
  t.teardown(() => app.close())
  for (const [title, logged] of named) {
    await t.test(title, async (t) => {
      app.log.error({ seen: 'seen', ...logged }, 'logged')
      const line = written.at(-1) ?? ''
      t.match(JSON.parse(line), { msg: 'logged', seen: 'seen', mine: 'kept' })
      t.notMatch(line, secret)
    })
  }
  app.log.error({ err: Object.assign(new Error('failed', { cause: new TypeError('deeper') }), { code: 'E_FAILED', statusCode: 503 }) })
  t.match(JSON.parse(written.at(-1) ?? ''), { err: { type: 'Error', message: 'failed', stack: String, code: 'E_FAILED', statusCode: 503, cause: { type: 'TypeError', message: 'deeper' } } })
  app.log.error(new Error('alone'))
  t.match(JSON.parse(written.at(-1) ?? ''), { err: { message: 'alone' } })
  const endless: { self?: unknown } = {}
  endless.self = endless
  app.log.info({ endless, list: [1, null, 'x', new Date(0)] })
  t.match(JSON.parse(written.at(-1) ?? ''), { list: [1, null, 'x', '1970-01-01T00:00:00.000Z'] })
})

t.test('R187 R190 R154 F7 options are refused', (t) => {
  const rows: [string, unknown][] = [
    ['insecureHTTPParser', { insecureHTTPParser: true }], ['http', { http: { insecureHTTPParser: true } }], ['an unknown option', { trustProxy: true }],
    ['a hop count', { trustedProxies: 1 }], ['trust in everyone', { trustedProxies: true }], ['trust in a text', { trustedProxies: '10.0.0.0/8' }],
    ['trust in every address', { trustedProxies: ['0.0.0.0/0'] }], ['a body limit as a text', { bodyLimit: '1mb' }], ['no body limit', { bodyLimit: 0 }],
    ['no request time-out', { requestTimeoutSeconds: 0 }], ['NaN', { requestTimeoutSeconds: NaN }], ['headers slower than the request', { requestTimeoutSeconds: 5, headersTimeoutSeconds: 6 }],
    ['keep-alive too short', { keepAliveTimeoutSeconds: 4 }], ['keep-alive too long', { keepAliveTimeoutSeconds: 73 }], ['a silence without end', { silenceTimeoutSeconds: 0 }], ['no limit of requests', { maxRequestsPerSocket: 0 }],
    ['hosts as a text', { allowedHosts: 'a' }], ['no hosts', { allowedHosts: [] }], ['a host in upper case', { allowedHosts: ['API.example.com'] }], ['a host with a path', { allowedHosts: ['a/b'] }],
    ['a bigint', { requestTimeoutSeconds: 1n }], ['a bigint for headers', { headersTimeoutSeconds: 1n }], ['hosts that are null', { allowedHosts: null }],
    ['a blank header name', { requestIdHeader: ' ' }], ['a header name with a colon', { requestIdHeader: 'X-A:' }], ['a header name that is null', { requestIdHeader: null }],
    ['an empty header name', { requestIdHeader: '' }], ['a header flag', { requestIdHeader: true }], ['a logger as a text', { logger: 'info' }],
    ['an own __proto__', JSON.parse('{"__proto__":{"bodyLimit":9}}')], ['a list', []], ['null', null]
  ]
  for (const [title, options] of rows) {
    t.test(title, async (t) => {
      t.throws(() => serverOptions(options as ServerOptionsOptions), { code: 'GATEHOUSE_OPTION_INVALID' })
    })
  }
  t.end()
})

t.test('R187 the parser stays strict under node --insecure-http-parser', async (t) => {
  t.equal(serverOptions().http.insecureHTTPParser, false)
})

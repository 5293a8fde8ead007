// Clients that stall, drip, say nothing or speak no HTTP, by raw sockets against the demo as it listens: each of them is
// answered and closed, none reaches a handler, and others are served meanwhile.
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { buildDemo } from '../demo.ts'
import { buildServer, startServer } from '../fixtures/process.ts'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'
import type { Running } from '../fixtures/process.ts'

const directory = t.testdir({ data: {} })
const server = await buildServer(join(directory, 'service'))

const lines = (...rows: string[]): string => rows.join('\r\n')
/** What a smuggled request would be: it counts, five a minute. */
const hidden = lines('GET /limited HTTP/1.1', 'Host: a', '', '')
const FORM = 'Content-Type: application/x-www-form-urlencoded'

interface Wire { readonly socket: Socket; answer (): string; readonly closed: Promise<unknown> }

function open (port: number, text: string | Buffer): Wire {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => { answer += chunk.toString('latin1') }).on('error', () => undefined)
  socket.write(text)
  return { socket, answer: () => answer, closed: new Promise((resolve) => { socket.once('close', resolve) }) }
}

/** Sends a byte now and then until the server has enough of it. */
function drip ({ socket }: Wire, text: string): void {
  let at = 0
  const timer = setInterval(() => { if (socket.writable) socket.write(text.charAt(at++ % text.length)) }, 100)
  socket.once('close', () => { clearInterval(timer) })
}

async function start (t: Test, name: string): Promise<Running & { readonly port: number }> {
  const running = await startServer(server, { DATA_DIR: join(directory, 'data', name) })
  t.teardown(() => running.child.kill('SIGKILL'))
  return { ...running, port: Number(new URL(running.url).port) }
}

/** A second client: what it was answered until `done`. */
async function servedUntil (done: Promise<unknown>, url: string): Promise<Set<number>> {
  const statuses = new Set<number>()
  let over = false
  void done.then(() => { over = true })
  do {
    statuses.add((await fetch(`${url}/health/ready`)).status)
    statuses.add((await fetch(`${url}/users/me`)).status)
    await new Promise((resolve) => { setTimeout(resolve, 100) })
  } while (!over)
  return statuses
}

t.jobs = 4

void t.test('R186 R187 R188 F5 F8 bytes that can be read in two ways are refused, and what they hide reaches no handler', { buffered: true }, async (t) => {
  const { port, url } = await start(t, 'refused')
  const post = (headers: string[], body = lines('0', '', hidden), version = 'HTTP/1.1'): string => lines(`POST /token ${version}`, 'Host: a', FORM, ...headers, '', body)
  const chunked = (body: string): string => post(['Transfer-Encoding: chunked'], body)
  const get = (...headers: string[]): string => lines('GET /limited HTTP/1.1', ...headers, '', '')
  const rows: [string, string | Buffer, number?][] = [
    ['Transfer-Encoding beside Content-Length', post(['Content-Length: 5', 'Transfer-Encoding: chunked'])],
    ['Content-Length beside Transfer-Encoding', post(['Transfer-Encoding: chunked', 'Content-Length: 5'])],
    ['a vertical tab before the coding', post(['Transfer-Encoding: \x0bchunked'])],
    ['NUL after the coding', post(['Transfer-Encoding: chunked\0'])],
    ['the coding in quotes', post(['Transfer-Encoding: "chunked"'])],
    ['the coding with a parameter', post(['Transfer-Encoding: chunked;a=b'])],
    ['the coding twice in a list', post(['Transfer-Encoding: chunked, chunked'])],
    ['chunked, and then identity', post(['Transfer-Encoding: chunked, identity'])],
    ['gzip, and then chunked', post(['Transfer-Encoding: gzip, chunked'])],
    ['an empty coding', post(['Transfer-Encoding: '])],
    ['the coding on a folded line', post(['Transfer-Encoding:', ' chunked'])],
    ['the coding in HTTP/1.0', post(['Transfer-Encoding: chunked', 'Connection: keep-alive'], lines('0', '', hidden), 'HTTP/1.0')],
    ['two equal Content-Lengths', post(['Content-Length: 5', 'Content-Length: 5'])],
    ['a list of Content-Lengths', post(['Content-Length: 5, 5'])],
    ['a negative Content-Length', post(['Content-Length: -5'])],
    ['a Content-Length with a sign', post(['Content-Length: +5'])],
    ['a hexadecimal Content-Length', post(['Content-Length: 0x5'])],
    ['a Content-Length beyond 64 bits', post(['Content-Length: 18446744073709551621'])],
    ['an empty Content-Length', post(['Content-Length: '])],
    ['a chunk size with 0x', chunked(lines('0x5', 'a=bcd', '0', '', hidden))],
    ['a chunk size with a sign', chunked(lines('+5', 'a=bcd', '0', '', hidden))],
    ['a chunk size with a space', chunked(lines('5 ', 'a=bcd', '0', '', hidden))],
    ['a chunk size beyond 64 bits', chunked(lines('10000000000000005', 'a=bcd', '0', '', hidden))],
    ['a bare line feed after a chunk size', chunked(`5\na=bcd\r\n0\r\n\r\n${hidden}`)],
    ['a bare line feed in a chunk extension', chunked(`5;a\nb\r\na=bcd\r\n0\r\n\r\n${hidden}`)],
    ['chunk extensions of 20 kB', chunked(`5;a=${'b'.repeat(20_000)}\r\na=bcd\r\n0\r\n\r\n${hidden}`), 413],
    ['a chunk that is longer than it says', chunked(`5\r\na=bcdXX0\r\n\r\n${hidden}`)],
    ['a bare line feed after a chunk', chunked(`5\r\na=bcd\n0\r\n\r\n${hidden}`)],
    ['a bare line feed at the end of the chunks', chunked(`5\r\na=bcd\r\n0\n\n${hidden}`)],
    ['a Content-Length among the trailers', chunked(`5\r\na=bcd\r\n0\r\nContent-Length: 10\r\n\r\n${hidden}`)],
    ['bare line feeds', 'GET /limited HTTP/1.1\nHost: a\n\n'],
    ['a bare line feed at the end of the headers', `GET /limited HTTP/1.1\r\nHost: a\r\n\n${hidden}`],
    ['a tab before the colon', get('Host\t: a')],
    ['a folded line', get('Host: a', 'X: b', '\tc')],
    ['a field without a name', get('Host: a', ': b')],
    ['a field without a colon', get('Host: a', 'X')],
    ['NUL in a name', get('Host: a', 'X\0: b')],
    ['NUL in a value', get('Host: a', 'X: b\0c')],
    ['NUL in the target', lines('GET /lim\0ited HTTP/1.1', 'Host: a', '', '')],
    ['a byte above ASCII in a name', Buffer.from(get('Host: a', 'X\x80: b'), 'latin1')],
    ['a space in the target', lines('GET /limited x HTTP/1.1', 'Host: a', '', '')],
    ['two Hosts', get('Host: a', 'Host: b')],
    ['an absolute target elsewhere', lines('GET http://b/limited HTTP/1.1', 'Host: a', '', '')],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['the beginning of TLS', Buffer.from('16030100f1010000ed0303', 'hex')],
    ['a header of 17 kB', get('Host: a', `X: ${'a'.repeat(17_000)}`), 431],
    ['a target of 17 kB', lines(`GET /limited?${'a'.repeat(17_000)} HTTP/1.1`, 'Host: a', '', ''), 431],
    ['3,000 headers', get('Host: a', ...Array.from({ length: 3000 }, () => 'a:1')), 431]
  ]
  for (const [title, text, status = 400] of rows) {
    await t.test(title, async (t) => {
      const { answer, closed } = open(port, text)
      await closed
      t.match(answer(), new RegExp(`^HTTP/1\\.1 ${String(status)} `))
      t.equal(answer().match(/HTTP\/1\.1 \d/g)?.length, 1, 'one answer')
      t.match(answer(), /\r\ncontent-type: application\/problem\+json/i)
      t.notMatch(answer(), /ratelimit/i)
    })
  }
  const first = await fetch(`${url}/limited`)
  t.match(first.headers.get('ratelimit'), /;r=4;/, 'nobody has asked before')
})

void t.test('R188 F6 who sends nothing, or stalls in the headers, is closed; 1,000 such connections stop nobody', { buffered: true }, async (t) => {
  const { port, url } = await start(t, 'idle')
  const begun = Date.now()
  const silent = Array.from({ length: 498 }, () => open(port, ''))
  const kept = Array.from({ length: 500 }, () => open(port, lines('GET /health/live HTTP/1.1', 'Host: a', '', '')))
  const stalled = open(port, 'GET /limited HTTP/1.1\r\nHost: a\r\n')
  const dripping = open(port, 'GET /limited HTTP/1.1\r\nHost: a\r\n')
  drip(dripping, 'x')
  await Promise.all(kept.map(async ({ socket }) => { await once(socket, 'data') }))
  t.strictSame([...await servedUntil(Promise.all([...silent, stalled, dripping].map(({ closed }) => closed)), url)].sort(), [200, 401], 'a second client is served')
  t.ok(Date.now() - begun < 50_000, 'within the ten seconds of the headers, and not the minute of Node')
  for (const { answer } of [stalled, dripping]) t.match(answer(), /^HTTP\/1\.1 408 [^]*"code":"request_timeout"/)
  t.strictSame(silent.filter(({ answer }) => !answer().startsWith('HTTP/1.1 408 ')), [])
  t.strictSame(kept.filter(({ socket }) => !socket.writable), [], 'who has asked may ask again')
  for (const { socket } of kept) socket.destroy()
})

void t.test('R188 F6 who stalls in a body, drips it, or does not read the answer, is closed in time', { buffered: true }, async (t) => {
  const { app, state } = await buildDemo(t)
  Object.assign(app.server, { headersTimeout: 1000, requestTimeout: 2000, timeout: 6000 })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const before = await state()
  const person = JSON.stringify({ username: 'mallory', email: 'mallory@example.com', password: 'a lamp beside the harbour' })
  const head = (path: string, type: string): string => lines(`POST ${path} HTTP/1.1`, 'Host: a', `Content-Type: ${type}`, 'Content-Length: 5000', '', '')
  const wires = {
    'a stalled body': open(port, head('/token', 'application/x-www-form-urlencoded')),
    'a stalled body after its beginning': open(port, head('/register', 'application/json') + person),
    'a body byte by byte': open(port, head('/register', 'application/json')),
    'chunks byte by byte': open(port, lines('POST /register HTTP/1.1', 'Host: a', 'Content-Type: application/json', 'Transfer-Encoding: chunked', '', ''))
  }
  drip(wires['a body byte by byte'], person)
  drip(wires['chunks byte by byte'], '1\r\n \r\n')
  const unguarded = open(port, head('/items', 'application/json'))
  const deaf = open(port, '')
  deaf.socket.pause()
  for (let at = 0; at < 20; at += 1) deaf.socket.write(lines('GET /docs/static/swagger-ui-bundle.js HTTP/1.1', 'Host: a', '', ''))
  t.strictSame([...await servedUntil(Promise.all([...Object.values(wires), unguarded].map(({ closed }) => closed)), url)].sort(), [200, 401], 'a second client is served')
  for (const [title, { answer }] of Object.entries(wires)) {
    t.match(answer(), /^HTTP\/1\.1 408 /, title)
    t.equal(answer().match(/HTTP\/1\.1 \d/g)?.length, 1, 'one answer')
  }
  t.match(unguarded.answer(), /^HTTP\/1\.1 401 /, 'who has no credentials hears so before the body')
  t.equal(await state(), before, 'no handler was reached')
  // What its client does not read is closed without its help: one end after the other.
  while (await new Promise((resolve) => { app.server.getConnections((_error, count) => { resolve(count) }) }) !== 0) {
    app.server.closeIdleConnections()
    await new Promise((resolve) => { setTimeout(resolve, 100) })
  }
  deaf.socket.destroy()
})

void t.test('R188 a client that stalls does not keep the service from closing cleanly', { buffered: true }, async (t) => {
  const { port, child, ended, stderr } = await start(t, 'closing')
  const stalled = open(port, lines('POST /token HTTP/1.1', 'Host: a', FORM, 'Content-Length: 5000', '', 'a'))
  const answered = open(port, lines('GET /health/live HTTP/1.1', 'Host: a', '', ''))
  await once(answered.socket, 'data')
  child.kill('SIGTERM')
  await stalled.closed
  t.strictSame(await ended, { code: 0, signal: null })
  t.equal(stderr(), '')
})

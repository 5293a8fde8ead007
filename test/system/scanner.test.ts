// A scanner that knows nothing of us against the demo as it is deployed: as a stranger, and as its administrator, whom
// every operation lets in. What it finds is what docs/scans.md has a verdict on; the same run finds what is planted.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { readDocument } from '../fixtures/documents.ts'
import { buildServer, startServer } from '../fixtures/process.ts'
import { startGateway } from '../fixtures/scan-gateway.ts'
import { noWapiti, scan } from '../fixtures/wapiti.ts'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { Gateway, OpenApi } from '../fixtures/scan-gateway.ts'
import type { ScanFinding } from '../fixtures/wapiti.ts'

const directory = t.testdir({ build: {}, data: {} })
const host = 'demo.example'
const administrator = { username: 'root', password: 'a lamp beside the harbour' }
const json = { 'content-type': 'application/json' }
/** What the proxy in front says, and a browser of its own pages. */
const headers = { host, 'x-forwarded-proto': 'https', origin: `https://${host}`, 'sec-fetch-site': 'same-origin' }
/** What ends the credentials of the scan itself. */
const except = ['logOut', 'endSessions']
const exceptPages = ['/sign-out', '/account/sessions']
/** What costs a hash of 64 MiB each time. */
const skip = ['nothing', 'body.password', 'body.current_password', 'body.new_password', 'body.client_secret', 'password', 'current_password', 'new_password']
t.setTimeout(400_000)

interface Demo { url: string; document: OpenApi; authorization: string; basic: string; cookie: string; values: Record<string, string> }

async function startDemo (t: Test): Promise<Demo> {
  const keyFile = join(directory, 'token-key')
  writeFileSync(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 })
  const { url, child } = await startServer(await buildServer(join(directory, 'build')), {
    NODE_ENV: 'production', PUBLIC_URL: `https://${host}`, TRUSTED_PROXIES: '127.0.0.1', DOCS: 'admin', TOKEN_KEY_FILE: keyFile,
    DATA_DIR: join(directory, 'data'), ADMIN_USERNAME: administrator.username, ADMIN_PASSWORD: administrator.password
  })
  t.teardown(() => child.kill('SIGKILL'))
  const ask = (path: string, { headers: more, ...init }: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {}): Promise<Response> => fetch(`${url}${path}`, { redirect: 'manual', ...init, headers: { ...headers, ...more } })
  const token = await ask('/token', { method: 'POST', body: new URLSearchParams({ grant_type: 'password', ...administrator }) })
  const authorization = `Bearer ${((await token.json()) as { access_token: string }).access_token}`
  const signedIn = await ask('/sign-in', { method: 'POST', body: new URLSearchParams(administrator) })
  const cookie = signedIn.headers.getSetCookie().map((line) => line.split(';', 1).join()).join('; ')
  const basic = `Basic ${btoa(`${administrator.username}:${administrator.password}`)}`
  const document = (await (await ask('/openapi.json', { headers: { authorization: basic } })).json()) as OpenApi
  const made = await ask('/items', { method: 'POST', headers: { ...json, authorization }, body: JSON.stringify({ title: 'A lamp' }) })
  const { id } = (await made.json()) as { id: string }
  t.match({ cookie, document, id }, { cookie: /^__Host-session=/, document: { paths: { '/items': {} } }, id: String })
  return { url, document, authorization, basic, cookie, values: { 'getItem.path.id': id, 'query.q': 'lamp' } }
}

/** A finding as one line, the same in every run: the forms of a page have ids of what is there, and all operations lack what only pages need. */
function lineOf ({ category, info, method, path, parameter }: ScanFinding): string {
  const operation = category === 'Cross Site Request Forgery' ? '/as/*' : '$&'
  const where = path.replace(/^\/as\/\w+$/, operation).replaceAll(/[\w-]{20,}/g, '*')
  return `${category}: ${info.replaceAll('\n', ' ')}; ${method} ${where}${parameter === null || parameter === '' ? '' : ` ${parameter}`}`
}

/** The first two cells of the rows under a heading of docs/scans.md. */
function triaged (): Map<string, string> {
  const [, section = ''] = readDocument('docs/scans.md').split('<!-- table: findings -->')
  const rows = section.split('\n').filter((line) => line.startsWith('| `')).map((line) => line.split(' | '))
  return new Map(rows.map(([finding = '', who = '']) => [finding.replace(/^\| `|`$/g, ''), who]))
}

function assertTriaged (t: Test, findings: readonly ScanFinding[], who: string): void {
  const found = [...new Set(findings.map(lineOf))].sort()
  t.strictSame(found, [...triaged()].filter(([, scans]) => scans.includes(who)).map(([finding]) => finding).sort())
}

function comment (t: Test, { answers }: Gateway): void {
  t.comment(`${String([...answers.values()].reduce((sum, count) => sum + count, 0))} requests: ${[...answers].sort().map(([status, count]) => `${String(count)} × ${String(status)}`).join(', ')}`)
  t.strictSame([...answers.keys()].filter((status) => status >= 500), [], 'no request fails in the service')
}

function folder (name: string): string {
  const path = join(directory, name)
  mkdirSync(path)
  return path
}

t.test('wapiti against the demo', { skip: noWapiti }, async (t) => {
  const { url: target, document, authorization, basic, cookie, values } = await startDemo(t)
  // What these two take, and no token.
  const special = new Map<string, Record<string, string>>([['getBasicMe', { authorization: basic }], ['getSession', { cookie }]])

  await t.test('as a stranger', async (t) => {
    const gateway = await startGateway(t, { target, document, headers })
    const findings = await scan(t, gateway.url, folder('stranger'), { start: `${gateway.url}/operations`, skip })
    comment(t, gateway)
    assertTriaged(t, findings, 'stranger')
  })

  await t.test('as the administrator', async (t) => {
    const gateway = await startGateway(t, { target, document, headers, operationHeaders: (id) => special.get(id) ?? { authorization }, pageHeaders: { cookie }, values, except, exceptPages })
    const findings = await scan(t, gateway.url, folder('administrator'), { start: `${gateway.url}/operations`, skip })
    comment(t, gateway)
    assertTriaged(t, findings, 'administrator')
    t.strictSame([...gateway.reached].filter(([, statuses]) => statuses.size === 0).map(([id]) => id), [], 'every operation was asked')
    t.strictSame([...gateway.reached].filter(([, statuses]) => [...statuses].every((status) => status === 401)).map(([id]) => id), [], 'and let it in')
  })
})

const passwd = 'root:x:0:0:root:/root:/bin/bash\n'
const found = (names: Record<string, string>): string => Object.entries(names).map(([name, value]) => `<a href="/${name}">${value}</a>`).join('')
type Hole = (value: string) => { status?: number; headers?: Record<string, string>; body: string } | Promise<{ body: string }>

/** One hole each, by the path that has it. */
const holes: Record<string, [parameter: string, category: string, hole: Hole]> = {
  search: ['q', 'Cross Site Scripting', (q) => ({ body: `<html><body>No results for ${q}</body></html>` })],
  order: ['by', 'SQL Injection', (by) => ({ status: /['"]/.test(by) ? 500 : 200, body: /['"]/.test(by) ? "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for the right syntax to use near ''' at line 1" : 'a, b' })],
  read: ['file', 'Path Traversal', (file) => ({ body: file.includes('etc/passwd') ? passwd : 'no such file' })],
  go: ['to', 'Open Redirect', (to) => ({ status: 302, headers: { location: encodeURI(to) }, body: '' })],
  fetch: ['url', 'Server Side Request Forgery', async (url) => ({ body: URL.canParse(url) && new URL(url).hostname === '127.0.0.1' ? await fetch(url).then(() => 'fetched', () => 'failed') : 'refused' })],
  run: ['command', 'Command execution', (command) => ({ body: /;\s*env|\|env/.test(command) ? 'PATH=/usr/bin\nPWD=/srv\n' : '' })]
}

t.test('wapiti finds what is planted', { skip: noWapiti }, async (t) => {
  const links = found(Object.fromEntries(Object.entries(holes).map(([path, [parameter]]) => [`${path}?${parameter}=a`, path])))
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(`http://planted${request.url ?? '/'}`)
    const [parameter, , hole] = holes[pathname.slice(1)] ?? []
    const index = { headers: { 'set-cookie': 'sid=1' }, body: `<html><body>${links}<form method="post" action="/transfer"><input name="to" value="a"></form></body></html>` }
    void Promise.resolve(hole === undefined ? index : hole(searchParams.get(parameter ?? '') ?? '')).then((answer: { status?: number; headers?: Record<string, string>; body: string }) => {
      response.writeHead(answer.status ?? 200, { 'content-type': 'text/html', ...answer.headers }).end(answer.body)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => new Promise((resolve) => { server.close(resolve); server.closeAllConnections() }))
  const gateway = await startGateway(t, { target: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, document: { paths: {} }, headers: {} })
  const findings = await scan(t, gateway.url, folder('planted'), { start: `${gateway.url}/operations`, skip })
  for (const [path, [parameter, category]] of Object.entries(holes)) {
    t.ok(findings.some((finding) => finding.category === category && finding.path.startsWith(`/${path}`) && finding.parameter === parameter), `${category} in ${parameter} of /${path}`)
  }
  const categories = new Set(findings.map(({ category }) => category))
  for (const category of ['Content Security Policy Configuration', 'HttpOnly Flag cookie', 'Secure Flag cookie', 'Cross Site Request Forgery', 'HTTP Secure Headers']) t.ok(categories.has(category), category)
})

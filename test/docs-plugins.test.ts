// The page and the example of each plugin: options and defaults are those of the interfaces, codes are those of the
// tables, the example on the page is the file, and the file does what the page says.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import t from 'tap'
import { faults, refusals } from '../errors.ts'
import { securityEvents } from '../guards/events.ts'
import { stores } from '../plugins/stores.ts'
import { storeContract } from '../testing/store-contract.ts'
import { codeIn, fencesOf, loadSnippet, readDocument, root, snippetsOf, tableOf, writeSnippets } from './fixtures/documents.ts'
import { exportsOf } from './fixtures/public-api.ts'
import { guideContexts } from './fixtures/snippet-contexts.ts'
import type { FastifyInstance, InjectOptions } from 'fastify'
import type { Test } from 'tap'
import type { Documented } from './fixtures/public-api.ts'

const api = exportsOf(join(root, 'index.ts'))
const routeFiles = readdirSync(join(root, 'routes')).filter((name) => name !== 'oauth-errors.ts')
const pages = readdirSync(join(root, 'docs', 'plugins')).map((name) => name.replace('.md', ''))
const { exports: paths } = JSON.parse(readDocument('package.json')) as { exports: object }

/** What is decorated, by page, with the interface that says how. */
const services: Readonly<Record<string, string>> = { stores: 'stores/ports.ts Stores', passwords: 'credentials/passwords.ts Passwords', tokens: 'plugins/tokens.ts Tokens', accounts: 'plugins/accounts.ts Accounts', audit: 'plugins/audit.ts Audit', redis: 'plugins/redis.ts SharedRedis' }

function pascal (page: string): string {
  return page.replace(/(?:^|-)(\w)/g, (_dash, letter: string) => letter.toUpperCase())
}

function membersOf (name: string): Documented[] {
  return api.find((entry) => entry.name === name)?.members ?? []
}

/** A default as it is compared: without marks, and without what a sentence says of it. */
function plain (text: string): string {
  return text.replaceAll('`', '').replace(/\.$/, '')
}

function assertOptions (t: Test, document: string, { table, type }: { table: string; type: string }): void {
  const rows = tableOf(document, table)
  const members = membersOf(type)
  t.strictSame(rows.map(([name]) => codeIn(name)[0]).sort(), members.map(({ name }) => name).sort(), `${table}: the members of ${type}`)
  for (const { name, optional, standard } of members) {
    const told = plain(rows.find(([first]) => codeIn(first)[0] === name)?.[1] ?? '')
    const expected = standard === undefined ? [optional ? '–' : 'required'] : [plain(standard), plain(standard.split(': ')[0] ?? '')]
    t.ok(expected.includes(told), `${name}: ${told} is ${expected.join(' or ')}`)
  }
}

t.test('every plugin of the package has a page and an example', async (t) => {
  const alone = Object.keys(paths).filter((path) => /^\.\/[^/]+$/.test(path)).map((path) => path.slice(2))
  t.strictSame(pages.sort(), alone.filter((name) => !['openapi-transform', 'testing'].includes(name)).sort())
  t.strictSame(readdirSync(join(root, 'examples', 'plugins')).map((name) => name.replace('.ts', '')).sort(), pages)
})

for (const page of pages) {
  const document = `docs/plugins/${page}.md`
  t.test(document, async (t) => {
    const text = readDocument(document)
    t.match(text, new RegExp(`^# \`${pascal(page).charAt(0).toLowerCase()}${pascal(page).slice(1)}\`\n`))
    t.ok(text.includes(`'fastify-gatehouse'\`, or alone from \`fastify-gatehouse/${page}\``), 'how to import it')
    assertOptions(t, document, { table: 'options', type: `${pascal(page)}Options` })
    if (tableOf(document, 'limit').length > 0) assertOptions(t, document, { table: 'limit', type: 'LimitOptions' })

    const [file = '', service = ''] = (services[page] ?? '').split(' ')
    const members = file === '' ? [] : exportsOf(join(root, file)).find(({ name }) => name === service)?.members ?? []
    t.strictSame(tableOf(document, 'members').map(([first]) => codeIn(first)[0]?.replace(/\(.*/, '')).sort(), members.map(({ name }) => name).sort(), 'what is decorated')

    for (const [when = '', status = '', code] of tableOf(document, 'answers')) {
      const [name] = codeIn(code)
      if (name !== undefined) t.equal(Number(status), Object.entries(refusals).find(([entry]) => entry === name)?.[1].status, when)
    }
    const errors = tableOf(document, 'errors').map(([code]) => codeIn(code)[0] ?? '')
    t.ok(errors.length > 0 && errors.every((code) => Object.hasOwn(faults, code)), 'every code is in the table of faults')

    const example = readFileSync(join(root, 'examples', 'plugins', `${page}.ts`), 'utf8').replaceAll("'../../index.ts'", "'fastify-gatehouse'")
    const [shown] = fencesOf(text, 'ts').filter(({ mark }) => mark === `example: ${page}`)
    t.equal(shown?.code, example.slice(example.indexOf('import '), example.indexOf('\nexport {')), 'the example is the file')
  })
}

t.test('the reference is made of every module that is exported', async (t) => {
  const { entryPoints } = JSON.parse(readDocument('typedoc.json')) as { entryPoints: string[] }
  const routes = Object.keys(paths).filter((path) => path.startsWith('./routes/')).map((path) => `${path.slice(2)}.ts`)
  t.strictSame(entryPoints, ['index.ts', ...routes.sort(), 'stores/ports.ts', 'testing/index.ts'])
})

t.test('every fault stands on the page of a plugin', async (t) => {
  const told = new Set(pages.flatMap((page) => tableOf(`docs/plugins/${page}.md`, 'errors').flatMap(([code]) => codeIn(code))))
  // The one of the test kit, which is no plugin.
  told.add('GATEHOUSE_TESTING_IN_PRODUCTION')
  t.strictSame(Object.keys(faults).filter((code) => !told.has(code)), [])
})

t.test('what is exported is documented', async (t) => {
  const all = [...api, ...routeFiles.flatMap((name) => exportsOf(join(root, 'routes', name)))]
  t.strictSame(all.filter(({ documented }) => !documented).map(({ name }) => name), [], 'every export')
  const members = all.flatMap(({ name, members }) => members.map((member) => ({ ...member, name: `${name}.${member.name}` })))
  const missing = members.filter(({ documented }) => !documented).map(({ name }) => name)
  t.ok(members.length > 200 && missing.length < members.length * 0.05, `95 % of their members; without: ${missing.join(', ')}`)
})

interface Tried {
  app: FastifyInstance
  [name: string]: unknown
}

type Try = (t: Test, tried: Tried) => Promise<void>

async function statuses (app: FastifyInstance, requests: readonly (InjectOptions | string)[]): Promise<number[]> {
  const found: number[] = []
  for (const request of requests) found.push((await app.inject(request)).statusCode)
  return found
}

const basicOf = (username: string, password: unknown): InjectOptions['headers'] & object =>
  ({ authorization: `Basic ${Buffer.from(`${username}:${String(password)}`).toString('base64')}` })
const json = { 'content-type': 'application/json' }

const tries: Readonly<Record<string, Try>> = {
  async 'accounts' (t, { app }) {
    const password = 'a lamp beside the harbour'
    t.strictSame(await statuses(app, [
      { method: 'POST', url: '/register', payload: { username: 'alice', email: 'alice@example.com', password } },
      { method: 'POST', url: '/register', payload: { username: 'Alice', email: 'other@example.com', password } },
      { method: 'POST', url: '/keys', headers: basicOf('alice', 'wrong') },
      { method: 'POST', url: '/keys', headers: { ...basicOf('alice', password), origin: 'https://evil.example' } }
    ]), [200, 409, 401, 403])
    const { key } = (await app.inject({ method: 'POST', url: '/keys', headers: { ...basicOf('alice', password), origin: 'https://app.example.com' } })).json<{ key: string }>()
    t.match(key, /^gate_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/)
    t.equal(key.length, 67)
    t.strictSame(await statuses(app, [{ url: '/items', headers: { 'x-api-key': key } }, { url: '/items', headers: { 'x-api-key': `${key.slice(0, -1)}!` } }]), [200, 401])
  },
  async 'api-key-auth' (t, { app, key }) {
    t.strictSame((await app.inject({ url: '/me', headers: { 'x-api-key': String(key) } })).json(), { subject: 'alice', keyId: 'laptop' })
    t.match(await app.inject('/me'), { statusCode: 401, headers: { 'www-authenticate': 'ApiKey realm="api", in="header", name="X-API-Key"' } })
    t.strictSame(await statuses(app, [{ url: '/me', headers: { 'x-api-key': 'wrong' } }, `/me?X-API-Key=${String(key)}`]), [401, 401])
  },
  async 'audit' (t, { app }) {
    t.strictSame(tableOf('docs/plugins/audit.md', 'events').map(([name, level, recorded, text]) => [codeIn(name)[0], { level, recorded: recorded === 'yes', text }]), Object.entries(securityEvents))
    const key = { 'x-api-key': 'k' }
    t.strictSame(await statuses(app, [{ url: '/report', headers: key }, '/report', { method: 'POST', url: '/mail', headers: key }, { url: '/report', headers: { 'x-api-key': 'x' } }]), [200, 401, 200, 401])
    await app.audit.flush()
    t.strictSame((await app.stores.audit.list()).items.map(({ event }) => event), ['authn_login_fail', 'gatehouse_endpoint_used', 'acme_mail_sent', 'gatehouse_endpoint_used', 'sys_startup'])
    t.match((await app.inject({ url: '/chain', headers: key })).json(), { fault: null })
  },
  async 'detections' (t, { app, alarms }) {
    const names = tableOf('docs/plugins/detections.md', 'detections').map(([name]) => codeIn(name)[0] ?? '')
    t.equal(names.length, 4)
    for (const name of names) t.ok(Object.hasOwn(securityEvents, name), name)
    for (let n = 0; n < 12; n++) await app.inject({ url: '/me', headers: basicOf(`user-${String(n)}`, 'guess') })
    t.strictSame(alarms, ['from 127.0.0.1'])
  },
  async 'metrics' (t, { app, key }) {
    t.strictSame(await statuses(app, ['/metrics', { url: '/report', headers: { 'x-api-key': 'wrong' } }]), [401, 401])
    const { body } = await app.inject({ url: '/metrics', headers: { 'x-api-key': String(key) } })
    t.match(body, /^gatehouse_authentication_attempts_total\{scheme="apiKey",result="failure"\} 1$/m)
    const helps = [...body.matchAll(/^# HELP (\S+) (.+)$/gm)].map(([, name, text]) => [name, text])
    t.strictSame(tableOf('docs/plugins/metrics.md', 'metrics').map(([name, , text]) => [codeIn(name)[0], text]), helps)
  },
  async 'basic-auth' (t, { app, password }) {
    t.strictSame((await app.inject({ url: '/me', headers: basicOf('alice', password) })).json(), { username: 'alice' })
    t.match(await app.inject({ url: '/me', headers: basicOf('alice', 'wrong') }), { statusCode: 401, headers: { 'www-authenticate': 'Basic realm="api", charset="UTF-8"' } })
  },
  async 'bearer-auth' (t, { app, issue }) {
    const issueFor = issue as (subject: string, audience?: string) => Promise<string>
    const get = async (token: string) => app.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })
    t.match((await get(await issueFor('alice'))).json(), { subject: 'alice', clientId: null })
    t.match(await get(await issueFor('alice', 'https://other.example')), { statusCode: 401, headers: { 'www-authenticate': 'Bearer realm="api", error="invalid_token", error_description="The access token is invalid"' } })
    t.equal((await get('')).statusCode, 400)
  },
  async 'csrf' (t, { app, password }) {
    const post = (headers: object = {}): InjectOptions => ({ method: 'POST', url: '/notes', headers: { ...basicOf('alice', password), ...headers } })
    t.strictSame(await statuses(app, [
      post(), post({ 'sec-fetch-site': 'same-origin' }), post({ 'sec-fetch-site': 'cross-site' }), post({ origin: 'https://app.example.com' }), post({ origin: 'null' })
    ]), [403, 200, 403, 200, 403])
    t.equal((await app.inject({ url: '/notes', headers: basicOf('alice', password) })).statusCode, 200)
  },
  async 'session-auth' (t, { app }) {
    const password = 'a lamp beside the harbour'
    await app.inject({ method: 'POST', url: '/register', payload: { username: 'alice', email: 'alice@example.com', password } })
    const login = await app.inject({ method: 'POST', url: '/session', payload: { username: 'alice', password } })
    const cookie = String(login.headers['set-cookie']).split(';', 1).join()
    const { csrfToken } = login.json<{ csrfToken: string }>()
    for (const url of ['/register', '/session']) t.equal((await app.inject({ method: 'POST', url, payload: {} })).statusCode, 400, `${url} without a name`)
    const out = (headers: object): InjectOptions => ({ method: 'DELETE', url: '/session', headers: { cookie, 'sec-fetch-site': 'same-origin', ...headers } })
    t.strictSame(await statuses(app, [
      { method: 'POST', url: '/session', payload: { username: 'alice', password: 'wrong' } }, '/session', { url: '/session', headers: { cookie } },
      out({}), out({ 'x-csrf-token': csrfToken }), { url: '/session', headers: { cookie } }
    ]), [401, 401, 200, 403, 204, 401])
  },
  async 'cors' (t, { app }) {
    const preflight = (origin: string): InjectOptions => ({ method: 'OPTIONS', url: '/items', headers: { origin, 'access-control-request-method': 'GET' } })
    t.match(await app.inject(preflight('https://app.example.com')), { statusCode: 204, headers: { 'access-control-allow-origin': 'https://app.example.com', 'access-control-allow-credentials': 'true', vary: 'Origin' } })
    const other = await app.inject(preflight('https://evil.example'))
    t.equal(other.statusCode, 204)
    t.equal(other.headers['access-control-allow-origin'], undefined)
  },
  async 'guards' (t, { app, token }) {
    t.match(await app.inject('/posture'), { statusCode: 401, headers: { 'www-authenticate': 'Deploy realm="api"' } })
    t.strictSame(await statuses(app, ['/health', { url: '/posture', headers: { 'x-deploy-token': 'wrong' } }]), [200, 401])
    const posture = (await app.inject({ url: '/posture', headers: { 'x-deploy-token': String(token) } })).json<object[]>()
    t.match(posture.find((route) => 'url' in route && route.url === '/health'), { access: 'public', reason: 'Probes have no credentials' })
  },
  async 'https' (t, { app }) {
    const from = (proto: string, url: string, headers = {}): InjectOptions => ({ url, headers: { 'x-forwarded-proto': proto, ...headers } })
    t.match(await app.inject(from('http', '/', { accept: 'text/html' })), { statusCode: 308, headers: { location: 'https://api.example.com/' } })
    t.match((await app.inject(from('http', '/items', { authorization: 'Bearer x' }))).json(), { code: 'https_required' })
    t.strictSame(await statuses(app, [from('http', '/items'), from('http', '/health'), from('https', '/items', { authorization: 'Bearer x' })]), [403, 200, 200])
    t.match((await app.inject(from('https', '/items'))).headers, { 'strict-transport-security': /^max-age=/ })
  },
  async 'load-shedding' (t, { app }) {
    t.strictSame(await statuses(app, ['/items', '/health/live', '/health/ready']), [200, 200, 200])
  },
  async 'openapi' (t, { app }) {
    t.strictSame(await statuses(app, ['/docs', '/openapi.json', '/openapi.yaml']), [200, 200, 404])
    t.match((await app.inject('/openapi.json')).json(), { openapi: '3.1.0', paths: { '/items': { get: { security: [{ apiKey: [] }] } } } })
  },
  async 'passwords' (t, { app }) {
    const send = async (url: string, password: string, username = 'alice') => app.inject({ method: 'POST', url, payload: { username, password } })
    t.match((await send('/sign-up', 'alice')).json(), { code: 'validation', errors: [{ detail: 'must have at least 15 characters' }, {}] })
    t.equal((await send('/sign-up', 'a lamp beside the harbour')).statusCode, 200)
    t.strictSame([(await send('/login', 'a lamp beside the harbour')).statusCode, (await send('/login', 'wrong')).statusCode, (await send('/login', 'wrong', 'nobody')).statusCode], [200, 403, 403])
  },
  async 'problems' (t, { app }) {
    t.match((await app.inject('/items/7')).json(), { status: 404, code: 'not_found', detail: 'There is no such item.', instance: /^urn:request:/ })
    const failed = await app.inject('/report')
    t.match(failed, { statusCode: 500, headers: { 'cache-control': 'no-store', 'content-type': /^application\/problem\+json/ } })
    t.notMatch(failed.body, /db\.internal|ECONN/)
    t.match((await app.inject({ method: 'POST', url: '/items', payload: {} })).json(), { code: 'validation', errors: [{ pointer: '/title', in: 'body', detail: 'is required' }] })
  },
  async 'rate-limit' (t, { app }) {
    t.match((await app.inject('/search')).headers, { 'ratelimit-policy': /"search";q=5;w=60/, ratelimit: /"search";r=4;t=\d+/ })
    t.strictSame(await statuses(app, ['/suggest', '/search', '/suggest', '/search', '/suggest']), [200, 200, 200, 200, 429])
    const guess = (pin: string): InjectOptions => ({ method: 'POST', url: '/unlock', payload: { pin } })
    t.strictSame(await statuses(app, [guess('4711'), guess('1'), guess('2'), guess('3'), guess('4711')]), [200, 403, 403, 403, 429])
  },
  async 'redis' (t, { app }) {
    // With a Redis or without: the limit is the same, and the answer says which.
    const { status } = (await app.inject('/ready')).json<{ status: string }>()
    t.equal(status, app.gatehouseRedis.state() === 'up' ? 'ok' : 'degraded')
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => app.inject('/search')))
    t.ok(answers.some(({ statusCode }) => statusCode === 429), 'six of one minute are too many')
  },
  async 'scopes' (t, { app }) {
    const as = (who: string, url: string, method: 'GET' | 'POST' = 'GET'): InjectOptions => ({ method, url, headers: { 'x-api-key': `key-of-${who}` } })
    t.strictSame(await statuses(app, [as('alice', '/notes'), as('bob', '/notes', 'POST'), as('alice', '/notes', 'POST'), as('alice', '/notes/1'), as('bob', '/notes/1'), as('alice', '/audit'), as('bob', '/audit')]), [200, 403, 200, 200, 404, 403, 200])
  },
  async 'security-headers' (t, { app }) {
    const { headers } = await app.inject('/items')
    const told = tableOf('docs/plugins/security-headers.md', 'headers').map(([name, value]) => [codeIn(name)[0], codeIn(value)[0]] as const)
    const fastifys = ['content-type', 'content-length', 'date', 'connection']
    t.strictSame(Object.fromEntries(told), Object.fromEntries(Object.entries(headers).filter(([name]) => !fastifys.includes(name))))
    const page = await app.inject('/')
    const [, nonce = ''] = /nonce="([^"]+)"/.exec(page.body) ?? []
    t.match(page.headers, { 'content-security-policy': `script-src 'self' 'nonce-${nonce}'; style-src 'self' 'nonce-${nonce}'`, 'cache-control': 'no-store' })
    t.match((await app.inject('/about')).headers, { 'content-security-policy': "default-src 'self'", 'cache-control': 'public, max-age=300' })
  },
  async 'server-options' (t, { app }) {
    const post = (payload: string, host = 'localhost:3000'): InjectOptions => ({ method: 'POST', url: '/items', headers: { ...json, host }, payload })
    t.strictSame(await statuses(app, [post('{"count":1}'), post('{"count":"1"}'), post('{"count":1}', 'evil.example')]), [200, 400, 400])
  },
  async 'stores' (t, { app }) {
    t.match((await app.inject({ method: 'POST', url: '/items' })).json(), { owner: 'alice', title: 'A lamp' })
    t.match((await app.inject('/items')).json(), { items: [{ title: 'A lamp' }] })
    t.match(await app.stores.audit.list(), { items: [{ event: 'item_created', actor: 'alice' }] })
    for (const [name = '', methods] of tableOf('docs/plugins/stores.md', 'members')) {
      const store: unknown = app.stores[codeIn(name)[0] as 'users']
      if (typeof store === 'object' && store !== null) t.strictSame(Object.keys(store).sort(), codeIn(methods).sort(), name)
    }
  },
  async 'strict-bodies' (t, { app }) {
    const post = (payload: string, type = 'application/json'): InjectOptions => ({ method: 'POST', url: '/items', headers: { 'content-type': type }, payload })
    t.strictSame(await statuses(app, [post('{"title":"A lamp"}'), post('{"title":"A","title":"B"}'), post('[[[[[]]]]]'), post('A lamp', 'text/plain'), post(`"${'x'.repeat(10_000)}"`)]), [200, 400, 400, 415, 413])
  },
  async 'tokens' (t, { app, directory }) {
    t.teardown(() => { rmSync(String(directory), { recursive: true }) })
    const issued = (await app.inject({ method: 'POST', url: '/token' })).json<{ accessToken: string; expiresInSeconds: number }>()
    t.equal(issued.expiresInSeconds, 300)
    t.equal((await app.inject({ url: '/me', headers: { authorization: `Bearer ${issued.accessToken}` } })).body, 'alice')
  }
}

for (const page of pages) {
  t.test(`examples/plugins/${page}.ts`, async (t) => {
    const tried = await import(`../examples/plugins/${page}.ts`) as Tried
    t.teardown(() => tried.app.close())
    await tries[page]?.(t, tried)
    t.ok(tries[page] !== undefined, 'is tried')
  })
}

t.test('the contract of the stores, in node:test', async (t) => {
  const folder = mkdtempSync(join(root, '.tap', 'snippets-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  writeSnippets(folder, snippetsOf('docs/plugins/stores.md', guideContexts).filter(({ runs }) => runs))
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, join(folder, 'store-contract.ts')], { env: { ...process.env, NODE_ENV: 'test' } })
  t.match(stdout, new RegExp(`^# pass ${String(storeContract.length)}$`, 'm'))
  t.match(stdout, /^# fail 0$/m)
})

t.test('outages of what the stores need, heard', async (t) => {
  const folder = mkdtempSync(join(root, '.tap', 'snippets-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  writeSnippets(folder, snippetsOf('docs/plugins/stores.md', guideContexts).filter(({ runs }) => runs))
  const { outages } = await loadSnippet<{ outages: Map<string, string> }>(folder, 'dependency')
  await t.rejects(Promise.resolve(Fastify().register(stores, { url: 'postgres://127.0.0.1:1/none' })))
  t.strictSame([...outages], [['postgresql', 'down']])
})

t.test('openapiTransform, beside a @fastify/swagger of your own', async (t) => {
  const folder = mkdtempSync(join(root, '.tap', 'snippets-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  writeSnippets(folder, snippetsOf('docs/plugins/openapi.md', guideContexts).filter(({ runs }) => runs))
  const { app } = await loadSnippet(folder, 'openapi-transform')
  t.teardown(() => app.close())
  await app.ready()
  t.match(app.swagger(), { paths: { '/items': { get: { security: [{ apiKey: [] }] } } } })
  t.equal((await app.inject({ url: '/items', headers: { 'x-api-key': 'k' } })).statusCode, 200)
})

// The guides: what they show is run, what they list is compared with the code in both directions.
import { execFile } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import { CompactSign } from 'jose'
import t from 'tap'
import { rules as doctorRules } from '../cli/doctor-rules.ts'
import { rules as postureRules } from '../cli/posture-change.ts'
import { createProgram } from '../cli/program.ts'
import { faults, oauthErrors, refusals } from '../errors.ts'
import { apiKeyAuth, guards } from '../index.ts'
import { selfSigned } from './fixtures/certificate.ts'
import { attackKinds } from '../testing/attack/types.ts'
import { codeIn, documents, loadSnippet, readDocument, root, snippetsOf, statusOf, tableOf, tokenFor, writeSnippets } from './fixtures/documents.ts'
import { guideContexts } from './fixtures/snippet-contexts.ts'
import type { KeyPairKeyObjectResult } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { Command } from 'commander'
import type { Test } from 'tap'
import type { CustomPrincipal } from '../index.ts'

const folder = join(root, '.tap', 'guides')
const snippets = documents.filter((name) => name !== 'README.md').flatMap((name) => snippetsOf(name, guideContexts)).filter(({ runs }) => runs)
writeSnippets(folder, snippets)
const lists = tableOf('docs/concepts.md', 'requirements').map(([list]) => codeIn(list).join())
writeFileSync(join(folder, 'requirements.ts'), `${(guideContexts.get('requirements') ?? '').replaceAll("'fastify-gatehouse'", "'../../index.ts'")}\nconst lists = [${lists.map((list) => `[${list}]`).join(', ')}]\nexport { app, lists }\n`)

async function load<T = object> (t: Test, name: string): Promise<T & { app: FastifyInstance }> {
  const loaded = await loadSnippet<T>(folder, name)
  t.teardown(() => loaded.app.close())
  return loaded
}

const basic = { authorization: `Basic ${Buffer.from('alice:wonderland').toString('base64')}` }

t.test('every marked snippet of the guides is run here', async (t) => {
  const source = readFileSync(fileURLToPath(import.meta.url), 'utf8')
  const run = [...source.matchAll(/await load(?:<.+>)?\(t, '([\w-]+)'\)/g)].map(([, name]) => name).filter((name) => name !== 'requirements')
  const elsewhere = ['dependency', 'openapi-transform', 'session-rotation', 'store-contract', 'testing-attack']
  t.strictSame(snippets.map(({ name }) => name).sort(), [...run, ...elsewhere].sort())
})

t.test('errors.md: every refusal and every fault, as the table has them', async (t) => {
  const rows = (name: string): (string | undefined)[][] => tableOf('docs/errors.md', name).map(([code, ...cells]) => [codeIn(code)[0], ...cells.slice(0, -1)])
  t.strictSame(rows('refusals'), Object.entries(refusals).map(([code, { status, title }]) => [code, String(status), title]))
  t.strictSame(rows('oauthErrors'), Object.entries(oauthErrors).map(([code, { status, description }]) => [code, String(status), description]))
  t.strictSame(rows('faults'), Object.entries(faults))
  for (const cells of ['refusals', 'oauthErrors', 'faults'].flatMap((name) => tableOf('docs/errors.md', name))) t.ok((cells.at(-1)?.length ?? 0) > 10, `${String(cells[0])}: what to do`)
})

t.test('errors.md: each code can be linked to', async (t) => {
  const anchors = [...readDocument('docs/errors.md').matchAll(/^\| <a id="([^"]+)"><\/a>`([^`]+)`/gm)].map(([, anchor, code]) => [anchor, code])
  t.strictSame(anchors, [
    ...Object.keys(refusals).map((code) => [code, code]),
    ...Object.keys(oauthErrors).map((code) => [`oauth-${code}`, code]),
    ...Object.keys(faults).map((code) => [code, code])
  ])
})

t.test('command.md: every command, rule and finding that there is, and nothing else', async (t) => {
  const leaves = (command: Command, path: string): string[] => command.commands.length === 0 ? [path + command.name()] : command.commands.flatMap((inner) => leaves(inner, `${path}${command.name()} `))
  const document = 'docs/command.md'
  t.strictSame(tableOf(document, 'commands').map(([name]) => codeIn(name)[0]).sort(), leaves(createProgram(), '').sort())
  t.strictSame(tableOf(document, 'rules').flatMap(([names]) => codeIn(names)).sort(), [...postureRules].sort())
  t.strictSame(tableOf(document, 'doctor').map(([code, severity]) => [codeIn(code)[0], severity]), Object.entries(doctorRules))
  for (const code of Object.keys(doctorRules)) t.ok(readDocument(document).includes(`<a id="${code}"></a>\`${code}\``), code)
})

t.test('errors.md: the snippet', async (t) => {
  const { app } = await load(t, 'errors')
  const answer = await app.inject('/items/7')
  t.match(answer, { statusCode: 409, headers: { 'retry-after': '5' } })
  t.match(answer.json(), { code: 'conflict', detail: 'The item is being changed.' })
  t.notMatch(answer.body, /job 17/)
  t.equal((await app.inject('/safe')).body, 'not_found')
})

t.test('concepts.md: the snippet, and what its routes answer', async (t) => {
  const { app, secret } = await load<{ secret: Buffer }>(t, 'concepts')
  const get = async (url: string, headers = {}): Promise<LightMyRequestResponse> => app.inject({ url, headers })
  const token = await tokenFor(secret)
  const expired = await signedAt(secret, 1)
  const key = { 'x-api-key': 'k' }
  t.match(await get('/either'), { statusCode: 401, headers: { 'www-authenticate': [/^Bearer realm="api"/, /^ApiKey/] } })
  t.match(await get('/either', expired), { statusCode: 401, headers: { 'www-authenticate': [/error="invalid_token"/, /^ApiKey/] } })
  t.match(await get('/either', await tokenFor(secret, { scope: 'other' })), { statusCode: 403, headers: { 'www-authenticate': /error="insufficient_scope", scope="items:read"/ } })
  t.match(await get('/either', { ...expired, ...key }), { statusCode: 200, body: 'laptop' })
  t.match(await get('/either', { ...await tokenFor(secret, { scope: 'other' }), ...key }), { statusCode: 200, body: 'laptop' })
  t.match(await get('/either', { ...token, 'x-api-key': 'down' }), { statusCode: 200, body: 'alice' })
  t.strictSame([(await get('/both', token)).statusCode, (await get('/both', key)).statusCode, (await get('/both', { ...basic, ...key })).statusCode], [200, 401, 200])
  t.strictSame([(await get('/optional')).body, (await get('/optional', token)).body, (await get('/optional', expired)).statusCode], ['a stranger', 'alice', 401])
})

async function signedAt (secret: Uint8Array, exp: number): Promise<Record<string, string>> {
  const claims = { iss: 'https://id.example', aud: 'https://items.example', sub: 'alice', exp }
  return { authorization: `Bearer ${await new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' }).sign(secret)}` }
}

t.test('concepts.md: the requirements are those of the lists', async (t) => {
  const { app, lists: guardLists } = await load<{ lists: never[] }>(t, 'requirements')
  guardLists.forEach((onRequest, index) => app.get(`/${String(index)}`, { onRequest }, () => 'ok'))
  await app.ready()
  const routes = app.guardedRoutes().filter(({ method }) => method === 'GET')
  for (const [index, [list = '', requirement]] of tableOf('docs/concepts.md', 'requirements').entries()) {
    t.equal(JSON.stringify(routes.find(({ url }) => url === `/${String(index)}`)?.requirement), codeIn(requirement)[0], list)
  }
})

t.test('from-fastapi.md: every class of fastapi.security has a counterpart', async (t) => {
  t.strictSame(tableOf('docs/from-fastapi.md', 'classes').map(([name]) => codeIn(name)[0]).sort(), [
    'APIKeyCookie', 'APIKeyHeader', 'APIKeyQuery', 'HTTPAuthorizationCredentials', 'HTTPBasic', 'HTTPBasicCredentials', 'HTTPBearer', 'HTTPDigest',
    'OAuth2', 'OAuth2AuthorizationCodeBearer', 'OAuth2PasswordBearer', 'OAuth2PasswordRequestForm', 'OAuth2PasswordRequestFormStrict', 'OpenIdConnect', 'SecurityScopes'
  ])
})

t.test('from-fastapi.md: basic auth, API keys, a rate limit, CORS, a test override', async (t) => {
  const { app: withBasic } = await load(t, 'fastapi-basic')
  t.strictSame((await withBasic.inject({ url: '/users/me', headers: basic })).json(), { username: 'alice' })
  const { app: withKeys } = await load(t, 'fastapi-api-key')
  t.strictSame([await statusOf(withKeys, '/items'), await statusOf(withKeys, '/items', { 'x-api-key': 'k' }), await statusOf(withKeys, '/items?api_key=k'), await statusOf(withKeys, '/items', { cookie: 'api_key=k' })], [401, 200, 200, 200])
  const { app: limited } = await load(t, 'fastapi-rate-limit')
  for (const status of [200, 200, 200, 200, 200, 429]) t.equal(await statusOf(limited, '/search'), status)
  const { app: shared } = await load(t, 'fastapi-cors')
  t.match((await shared.inject({ url: '/items', headers: { origin: 'https://app.example.com' } })).headers, { 'access-control-allow-origin': 'https://app.example.com' })
  t.intercept(process, 'env', { value: { ...process.env, NODE_ENV: 'test' } })
  const { app, answer } = await load<{ answer: LightMyRequestResponse }>(t, 'fastapi-override')
  t.strictSame(answer.json(), { username: 'alice' })
  t.equal(await statusOf(app, '/users/me', { 'x-api-key': 'test' }), 401, 'outside of the test')
})

t.test('testing.md: acting as somebody, and the attack in node:test', async (t) => {
  t.intercept(process, 'env', { value: { ...process.env, NODE_ENV: 'test' } })
  const { answer, denied } = await load<{ answer: LightMyRequestResponse, denied: LightMyRequestResponse }>(t, 'testing-as')
  t.strictSame([answer.json(), denied.statusCode], [['alice'], 403])
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, join(folder, 'testing-attack.ts')], { env: { ...process.env, NODE_ENV: 'test' } })
  t.match(stdout, /^# pass \d{2,3}$/m)
  t.match(stdout, /^# fail 0$/m)
})

t.test('testing.md: every kind of attempt', async (t) => {
  t.strictSame(tableOf('docs/testing.md', 'attackKinds').map(([kind]) => codeIn(kind)[0]), attackKinds)
})

t.test('passwords.md and from-fastapi.md: hashes by passlib and pwdlib, as the tutorial of FastAPI has had them', async (t) => {
  const apps = [(await load(t, 'verify-legacy')).app, (await load(t, 'fastapi-password-hashes')).app]
  const hashes = ['$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW', '$argon2id$v=19$m=65536,t=3,p=4$wagCPXjifgvUFBzq4hqe3w$CYaIb8sB+wtD+Vu/P4uod1+Qof8h+1g7bbDlBID48Rc']
  for (const { passwords } of apps) {
    for (const hash of hashes) {
      t.strictSame([await passwords.verify(hash, 'secret'), await passwords.verify(hash, 'Secret'), passwords.needsRehash(hash)], [true, false, true])
    }
  }
})

t.test('from-fastapi.md: a scheme of the same name takes the place of another', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(guards)
  app.defineScheme<CustomPrincipal>({
    name: 'bearer',
    definition: { type: 'http', scheme: 'bearer' },
    carrier: { in: 'header', name: 'Authorization' },
    ambient: false,
    authenticate: () => ({ kind: 'custom', scheme: 'bearer', subject: 'alice', scopes: [], roles: [], attributes: {} }),
    challenge: () => null
  })
  app.get('/', { onRequest: app.bearer }, (request) => request.principal.subject)
  t.equal((await app.inject('/')).body, 'alice')
  await t.rejects(async () => { await app.register(apiKeyAuth, { verify: () => null, as: 'bearer' }) })
})

t.test('from-fastapi.md: JWT, users, scopes, roles', async (t) => {
  const audience = 'https://items.example'
  const { app: jwt, pair } = await load<{ pair: KeyPairKeyObjectResult }>(t, 'fastapi-jwt')
  const claims = { iss: 'https://id.example', aud: audience, sub: 'alice', exp: Math.floor(Date.now() / 1000) + 60 }
  const token = await new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ alg: 'RS256', typ: 'at+jwt' }).sign(pair.privateKey)
  t.strictSame((await jwt.inject({ url: '/claims', headers: { authorization: `Bearer ${token}` } })).json(), claims)

  const { app: current, secret } = await load<{ secret: Buffer }>(t, 'fastapi-current-user')
  t.strictSame((await current.inject({ url: '/users/me', headers: await tokenFor(secret, { sub: '1' }) })).json(), { id: '1', username: 'alice' })
  t.equal(await statusOf(current, '/users/me', await tokenFor(secret, { sub: '3' })), 401)

  const { app: active, secret: second } = await load<{ secret: Buffer }>(t, 'fastapi-active-user')
  t.strictSame([await statusOf(active, '/users/me', await tokenFor(second, { sub: '1' })), await statusOf(active, '/users/me', await tokenFor(second, { sub: '2' }))], [200, 403])

  const { app: scoped, secret: third } = await load<{ secret: Buffer }>(t, 'fastapi-scopes')
  t.strictSame([await statusOf(scoped, '/users/me/items', await tokenFor(third, { scope: 'items' })), await statusOf(scoped, '/users/me/items', await tokenFor(third))], [200, 403])

  const { app: roles, secret: fourth } = await load<{ secret: Buffer }>(t, 'fastapi-roles')
  t.strictSame([await statusOf(roles, '/admin/users', await tokenFor(fourth, { roles: ['admin'] })), await statusOf(roles, '/admin/users', await tokenFor(fourth))], [200, 403])
})

t.test('from-fastapi.md: the password flow', async (t) => {
  const { app, directory } = await load<{ directory: string }>(t, 'fastapi-password-flow')
  t.teardown(() => { rmSync(directory, { recursive: true }) })
  const password = 'a lamp beside the harbour'
  await app.accounts.register({ username: 'alice', email: 'alice@example.com', password })
  app.get('/me', { onRequest: app.bearer }, (request) => request.principal.scopes)
  const form = (given: string) => app.inject({ method: 'POST', url: '/token', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: new URLSearchParams({ grant_type: 'password', username: 'alice', password: given }).toString() })
  t.match((await form('wrong')).json(), { error: 'invalid_grant' })
  const { access_token: token } = (await form(password)).json<{ access_token: string }>()
  t.strictSame((await app.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })).json(), ['items:read', 'items:write'])
})

t.test('bearer-auth.md: two issuers', async (t) => {
  const { app } = await load(t, 'issuers')
  t.match(await app.inject('/orders'), { statusCode: 401, headers: { 'www-authenticate': 'Bearer realm="api"' } })
  t.match((await app.inject('/openapi.json')).json(), {
    paths: { '/orders': { get: { security: [{ bearer: [] }, { partner: [] }] } } },
    components: { securitySchemes: { bearer: { type: 'openIdConnect' }, partner: { type: 'oauth2', flows: { authorizationCode: {} } } } }
  })
})

t.test('examples/digest.ts', async (t) => {
  const { answerTo, buildApp, digestOf } = await import('../examples/digest.ts')
  const app = await buildApp(new Map([['alice', digestOf('alice', 'wonderland')]]))
  t.teardown(() => app.close())
  const get = async (authorization?: string): Promise<LightMyRequestResponse> => app.inject({ url: '/me', headers: authorization === undefined ? {} : { authorization } })
  const challenge = String((await get()).headers['www-authenticate'])
  t.match(challenge, /^Digest realm="api", qop="auth", nonce="[\w.-]+", algorithm=SHA-256$/)
  const [, nonce = ''] = /nonce="([^"]+)"/.exec(challenge) ?? []
  const credentials = ({ username = 'alice', password = 'wonderland', uri = '/me', nc = '00000001', nonce: used = nonce, method = 'GET' } = {}): string => {
    const response = answerTo(digestOf(username, password), { method, uri, nonce: used, nc, cnonce: 'c' })
    return `Digest username="${username}", realm="api", uri="${uri}", nonce="${used}", nc=${nc}, cnonce="c", qop=auth, algorithm=SHA-256, response="${response}"`
  }
  t.equal(answerTo(createHash('sha256').update('Mufasa:http-auth@example.org:Circle of Life').digest('hex'), {
    method: 'GET', uri: '/dir/index.html', nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v', nc: '00000001', cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ'
  }), '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1', 'the example of RFC 7616 §3.9.1')
  for (const [why, given] of Object.entries({
    'a wrong password': credentials({ password: 'wrong' }),
    'an unknown name': credentials({ username: 'mallory' }),
    'another URL': credentials({ uri: '/other' }),
    'another method': credentials({ method: 'POST' }),
    'a nonce that we did not make': credentials({ nonce: 'x' }),
    'nothing in it': 'Digest x'
  })) t.match(await get(given), { statusCode: 401, headers: { 'www-authenticate': /algorithm=SHA-256$/ } }, why)
  t.strictSame((await get(credentials())).json(), { username: 'alice' })
  t.match(await get(credentials()), { statusCode: 401, headers: { 'www-authenticate': /, stale=true$/ } }, 'sent again')
  t.equal((await get(credentials({ nc: '00000002' }))).statusCode, 200)
  t.equal((await get(`${credentials({ nc: '00000003' })}, username="alice"`)).statusCode, 400)
})

t.test('examples/mutual-tls.ts', async (t) => {
  const { buildApp } = await import('../examples/mutual-tls.ts')
  const [server, alice, mallory] = [selfSigned('localhost'), selfSigned('alice'), selfSigned('alice')]
  const app = await buildApp({ ...server, ca: alice.cert, clients: new Map([[new X509Certificate(alice.cert).fingerprint256, 'alice']]) })
  t.teardown(() => app.close())
  await app.listen({ port: 0 })
  const { port } = app.server.address() as AddressInfo
  const get = async (client: object): Promise<{ status: number | undefined; body: string }> => new Promise((resolve, reject) => {
    request({ port, path: '/me', host: '127.0.0.1', agent: false, rejectUnauthorized: false, ...client }, (answer) => {
      let body = ''
      answer.on('data', (part) => { body += String(part) }).on('end', () => { resolve({ status: answer.statusCode, body }) })
    }).on('error', reject).end()
  })
  t.match(await get(alice), { status: 200, body: '{"client":"alice"}' })
  t.match(await get({}), { status: 401 })
  t.match(await get(mallory), { status: 401 }, 'a certificate of the same name that nobody signed')
})

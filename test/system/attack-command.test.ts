// `gatehouse attack` as it is run: a process of its own against services that listen. It finds nothing in the demo, finds
// holes that somebody made, asks no faster than it may, and tells nobody the credentials that it was given.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import Ajv from 'ajv-draft-04'
import t from 'tap'
import { buildAttackedService } from '../fixtures/attacked-service.ts'
import { buildServer, freePort, startServer } from '../fixtures/process.ts'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { AttackResult } from '../../testing/index.ts'
import type { Hole } from '../fixtures/attacked-service.ts'

interface Ended { code: number | null; stdout: string; stderr: string }
interface Report { totals: { held: number; found: number; skipped: number }; results: AttackResult[] }
interface Sarif { runs: { results: { ruleId: string; message: { text: string } }[] }[] }

const password = 'a lamp beside the harbour'
const ESCAPE = '\u001b'
const directory = t.testdir({ build: {} })
let server = ''
let command = ''
t.setTimeout(600_000)
t.before(async () => {
  server = await buildServer(join(directory, 'build'))
  command = join(directory, 'build', 'cli', 'gatehouse.js')
})

async function run (words: readonly string[], { environment = {}, input = '' }: { environment?: Record<string, string>; input?: string } = {}): Promise<Ended> {
  const child = spawn(process.execPath, [command, ...words], { cwd: directory, env: { PATH: process.env['PATH'] ?? '', ...environment }, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => undefined).end(input)
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await ended, stdout, stderr }
}

const found = ({ results }: Report): string[] => results.filter(({ outcome }) => outcome === 'found').map(({ title, problems }) => `${title}: ${problems.join('; ')}`)
const reasons = ({ results }: Report): string[] => [...new Set(results.filter(({ outcome }) => outcome === 'skipped').flatMap(({ problems }) => problems))].sort()

/** That of a package, as the schema store has it. */
async function validSarif (t: Test, file: string): Promise<Sarif> {
  const schema = createRequire(import.meta.url)('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json') as object
  const sarif = JSON.parse(await readFile(file, 'utf8')) as Sarif
  const ajv = new Ajv.default({ strict: false, validateFormats: false, unicodeRegExp: false })
  t.ok(ajv.validate(schema, sarif), ajv.errorsText())
  return sarif
}

async function listen (t: Test, answer: RequestListener): Promise<string> {
  const service = createServer(answer)
  await new Promise<void>((resolve) => { service.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { service.close().closeAllConnections() })
  return `http://127.0.0.1:${String((service.address() as AddressInfo).port)}`
}

async function privateFile (name: string, content: unknown): Promise<string> {
  const file = join(directory, name)
  await writeFile(file, JSON.stringify(content), { mode: 0o600 })
  return file
}

t.test('the demo', async (t) => {
  const environment = { NODE_ENV: 'development', DATA_DIR: join(directory, 'data') }
  const { url, child } = await startServer(server, environment)
  t.teardown(() => child.kill())
  const line = async (words: string, input = ''): Promise<string> => {
    // The address is the issuer of its tokens.
    const { code, stdout, stderr } = await run(words.split(' '), { environment: { ...environment, PORT: new URL(url).port }, input })
    t.equal(code, 0, stderr)
    return stdout.trim()
  }
  async function session (username: string): Promise<{ cookie: string; csrf: string }> {
    const answer = await fetch(`${url}/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username, password }) })
    const [cookie = ''] = answer.headers.getSetCookie()
    return { cookie: cookie.split(';', 1).join().replace('__Host-session=', ''), csrf: (await answer.json() as { csrf_token: string }).csrf_token }
  }

  await t.test('without credentials', async (t) => {
    const { code, stdout, stderr } = await run(['attack', url, '--rate', '1000', '--json'])
    const report = JSON.parse(stdout) as Report
    t.strictSame([code, stderr, found(report)], [0, '', []])
    t.ok(report.totals.held > 500, `${String(report.totals.held)} attempts`)
    t.ok(reasons(report).includes('no credentials are given for any of its schemes'))
  })

  await t.test('R127 with credentials of every scheme, of which nothing is told', async (t) => {
    for (const [name, role] of [['boss', 'admin'], ['chief', 'admin'], ['alice', 'editor']] as const) await line(`users create ${name} --email ${name}@example.com --role ${role}`, password)
    const editor = ['me', 'items:read', 'items:write']
    const all = [...editor, 'admin']
    const token = async (...scopes: string[]): Promise<object> => ({ token: await line(`token mint --user boss --scope ${scopes.join(' ')}`), scopes })
    const key = async (...scopes: string[]): Promise<object> => ({ key: (JSON.parse(await line(`api-keys create --user boss --name attack --scope ${scopes.join(' ')} --json`)) as { key: string }).key, scopes })
    const given = {
      bearer: [await token(...all), ...await Promise.all(all.map((lacking) => token(...all.filter((name) => name !== lacking))))],
      apiKey: [await key(...editor), await key('items:read'), await key('items:write')],
      session: [{ ...await session('boss'), scopes: all }, { ...await session('chief'), scopes: all }, { ...await session('alice'), scopes: editor }],
      basic: [{ username: 'boss', password, scopes: all }, { username: 'alice', password, scopes: editor }]
    }
    const file = await privateFile('credentials.json', given)
    const sarif = join(directory, 'demo.sarif')
    const { code, stdout, stderr } = await run(['attack', url, '--rate', '1000', '--credentials', file, '--json', '--sarif', sarif])
    const report = JSON.parse(stdout) as Report
    t.strictSame([code, stderr, found(report)], [0, '', []])
    for (const kind of ['control', 'credentials', 'rights', 'wire', 'csrf', 'cors', 'headers', 'parameters', 'body']) t.ok(report.results.some((result) => result.kind === kind && result.outcome === 'held'), kind)
    t.comment(`${String(report.results.length)} attempts, ${String(report.totals.skipped)} skipped`, reasons(report))
    t.strictSame((await validSarif(t, sarif)).runs[0]?.results, [])
    const secrets = Object.values(given).flat().flatMap((entry) => Object.entries(entry).flatMap(([name, value]) => typeof value === 'string' && name !== 'username' ? [value] : []))
    t.ok(secrets.length >= 15)
    const written = `${stdout}${stderr}${await readFile(sarif, 'utf8')}`
    t.notOk(secrets.some((secret) => written.includes(secret)), 'no credential is told')
    for (const scheme of ['bearer', 'apiKey', 'session', 'basic']) t.ok(report.results.some(({ title, outcome }) => outcome === 'held' && title.includes(`${scheme} are let in`)), `${scheme} is let in at the start`)
    t.equal((await fetch(`${url}/users/me`, { headers: { authorization: `Bearer ${(given.bearer[0] as { token: string }).token}` } })).status, 200, 'and at the end')
  })
})

/** Holes that can be found from outside, with credentials that stay the same. */
const visible: readonly (readonly [hole: Hole, kinds: readonly string[], route: string, title: RegExp])[] = [
  ['a scope typo', ['rights'], 'POST /items', /bearer without scope items:write/],
  ['a reflected origin', ['cors'], 'GET /items', /pages of other origins/],
  ['mass assignment', ['body'], 'POST /items', /additionalProperties of the body/],
  ['a key compared by its beginning', ['credentials'], 'GET /items', /apiKey half of it/],
  ['a token that is decoded and not verified', ['credentials'], 'GET /items', /bearer alg "none" and no signature/],
  ['a CSRF secret that all sessions share', ['csrf'], 'POST /profile', /the CSRF token of another session/],
  ['a user that a proxy names', ['wire'], 'GET /basic', /the word of a proxy for who it is/],
  ['a password that may be empty', ['credentials'], 'GET /basic', /basic an empty password/]
]

t.test('a service with holes', async (t) => {
  const document = join(directory, 'sound.json')
  async function start (t: Test, hole: Hole | null): Promise<{ url: string; given: object }> {
    const { app, options } = await buildAttackedService(t, hole)
    const mint = async (scheme: string, ...scopes: string[]): Promise<Record<string, string>> => {
      const minted = await options.credentials?.[scheme]?.mint({ scopes, roles: [], lacking: [] })
      return { ...minted?.headers, ...minted?.csrf }
    }
    const all = ['items:read', 'items:write']
    const entries = async <T>(make: (scopes: string[]) => Promise<T>): Promise<(T & { scopes: string[] })[]> => await Promise.all([all, ['items:read'], ['items:write']].map(async (scopes) => ({ ...await make(scopes), scopes })))
    const session = async (): Promise<object> => {
      const { cookie, 'x-csrf-token': csrf } = await mint('pass')
      return { cookie: cookie?.replace('pass=', ''), csrf }
    }
    const given = {
      bearer: await entries(async (scopes) => ({ token: (await mint('bearer', ...scopes))['authorization']?.replace('Bearer ', '') })),
      apiKey: await entries(async (scopes) => ({ key: (await mint('apiKey', ...scopes))['x-api-key'] })),
      basic: [{ username: 'alice', password: 'wonderland' }],
      pass: [await session(), await session()]
    }
    await app.listen({ port: 0, host: '127.0.0.1' })
    if (hole === null) await writeFile(document, JSON.stringify(app.swagger()))
    return { url: `http://127.0.0.1:${String((app.server.address() as AddressInfo).port)}`, given }
  }

  await t.test('none of them: nothing is found, writing neither', async (t) => {
    const { url, given } = await start(t, null)
    const { code, stdout, stderr } = await run(['attack', url, '--rate', '1000', '--credentials', '-', '--writes', '--json'], { input: JSON.stringify(given) })
    const report = JSON.parse(stdout) as Report
    t.strictSame([code, stderr, found(report)], [0, '', []])
    t.strictSame(report.results.slice(-6).map(({ kind, route }) => [kind, route]).filter(([kind]) => kind === 'control').map(([, route]) => route), ['POST /items', 'POST /items', 'POST /profile'], 'what writes is the last')
  })
  for (const [hole, kinds, route, title] of visible) {
    await t.test(`${hole}: is found by what a release declared, exit code 1`, async (t) => {
      const { url, given } = await start(t, hole)
      const sarif = join(directory, 'holes.sarif')
      const { code, stdout, stderr } = await run(['attack', url, '--rate', '1000', '--document', document, '--credentials', 'env:GIVEN', '--sarif', sarif, '--kinds', ...kinds], { environment: { GIVEN: JSON.stringify(given) } })
      t.strictSame([code, stderr], [1, ''])
      t.match(stdout, new RegExp(`^FOUND {2}${route}: .*${title.source}`, 'm'))
      t.match(stdout, /^\d+ attempts, [1-9]\d* found, \d+ skipped$/m)
      t.notOk(stdout.includes(ESCAPE))
      const [{ results } = { results: [] }] = (await validSarif(t, sarif)).runs
      t.ok(results.some(({ ruleId, message }) => kinds.includes(ruleId) && title.test(message.text)))
    })
  }
})

const guarded = { openapi: '3.1.0', paths: { '/x': { get: { security: [{ key: [] }] } } }, components: { securitySchemes: { key: { type: 'apiKey', in: 'header', name: 'X-Key' } } } }

t.test('no faster than it may', async (t) => {
  const document = await privateFile('guarded.json', guarded)
  const at: number[] = []
  const url = await listen(t, (_request, response) => {
    at.push(performance.now())
    response.writeHead(401, { 'www-authenticate': 'Key' }).end()
  })
  const { code } = await run(['attack', url, '--document', document, '--rate', '20', '--kinds', 'credentials', 'wire'])
  t.equal(code, 0)
  t.ok(at.length > 20, `${String(at.length)} requests`)
  // A timer may end a little early, and the network bunches what was sent apart.
  for (const start of at) t.ok(at.filter((time) => time >= start && time < start + 1000).length <= 23)
})

t.test('what a service echoes, and where it leads, is not followed and not told', async (t) => {
  const document = await privateFile('echo.json', { ...guarded, paths: { '/x': { post: { security: [{ key: [] }], requestBody: { content: { 'application/json': { schema: { type: 'object', properties: { name: { type: 'string', maxLength: 3 } } } } } } } } } })
  const elsewhere: unknown[] = []
  const other = await listen(t, ({ headers }, response) => {
    elsewhere.push(headers)
    response.end('{}')
  })
  const url = await listen(t, ({ headers: { 'x-key': key = '' } }, response) => {
    if (key === 'a-key-canary') response.writeHead(400).end(JSON.stringify({ errors: [{ pointer: `/${key}` }] }))
    else response.writeHead(302, { location: `${other}/${String(key)}` }).end()
  })
  const file = await privateFile('key.json', { key: [{ key: 'a-key-canary' }] })
  const sarif = join(directory, 'echo.sarif')
  const { code, stdout, stderr } = await run(['attack', url, '--rate', '1000', '--document', document, '--credentials', file, '--sarif', sarif, '--json'])
  t.equal(code, 1)
  t.match(stdout, 'it was refused for /***, not for /name')
  t.notMatch(`${stdout}${stderr}${await readFile(sarif, 'utf8')}`, 'canary')
  t.strictSame(elsewhere, [])
})

t.test('nothing to attack, or not any more: exit code 2', async (t) => {
  const document = await privateFile('guarded.json', guarded)
  const url = `http://127.0.0.1:${String(await freePort())}`
  t.match(await run(['attack', url]), { code: 2, stdout: '', stderr: /^gatehouse: http:\/\/127\.0\.0\.1:\d+\/openapi\.json does not answer: .*ECONNREFUSED[^\n]*\n$/ })
  const rows: [words: string[], told: RegExp][] = [
    [['attack'], /missing required argument 'url'/], [['attack', url, '--rate', '0'], /must be a whole number, 1 or more/], [['attack', url, '--kinds', 'magic'], /Allowed choices are control, credentials/],
    [['attack', 'http://staging.example'], /^gatehouse: staging\.example is not this machine/], [['attack', url, '--document', await privateFile('empty.json', { openapi: '3.1.0', paths: {} })], /^gatehouse: the document has no operations\n$/],
    [['attack', url, '--document', await privateFile('odd.json', { openapi: '3.1.0', paths: { '/x': { get: { security: 7 } } } })], /^gatehouse: the document is not what OpenAPI says\n$/],
    [['attack', url, '--document', document], /^gatehouse: the service does not answer any more, at "GET \/x: in upper case": ECONNREFUSED/],
    [['attack', url, '--document', document, '--credentials', 'env:NOTHING'], /^gatehouse: env:NOTHING: the variable is not set\n$/]
  ]
  for (const [words, told] of rows) {
    const { code, stderr } = await run(words)
    t.match(stderr, told)
    t.equal(code, 2)
    t.notMatch(stderr, / {4}at /)
  }
  let count = 0
  const dying = await listen(t, ({ socket }, response) => {
    count += 1
    if (count > 3) socket.destroy()
    else response.writeHead(401, { 'www-authenticate': 'Key' }).end()
  })
  const died = await run(['attack', dying, '--document', document, '--rate', '1000', '--kinds', 'wire'])
  t.match(died, { code: 2, stdout: /^3 attempts, 0 found, 4 skipped$/m, stderr: /^gatehouse: the service does not answer any more, at "GET \/x: .*ECONNRESET/ }, 'what was found until then is told')
  t.match(await run(['attack', dying, '--document', document, '--sarif', join(directory, 'nowhere', 'x.sarif')]), { code: 2, stderr: /x\.sarif cannot be written|does not answer/ })
})

t.test('credentials that a request ended are no finding, and credentials that are turned away while they are good are one', async (t) => {
  const cookie = 'k3J9aaaaaaaaaaaa'
  let isAlive = true
  const url = await listen(t, ({ method = '', url = '', headers }, response) => {
    const isIn = isAlive && url !== '/closed' && headers.cookie === `id=${cookie}`
    if (isIn && `${method} ${url}` === 'DELETE /session') isAlive = false
    response.writeHead(isIn ? 200 : 401, isIn ? {} : { 'www-authenticate': 'Cookie' }).end()
  })
  const security = [{ session: [] }]
  const document = join(directory, 'ends.json')
  const paths = { '/session': { delete: { security } }, '/things': { get: { security }, delete: { security } }, '/closed': { post: { security } } }
  await writeFile(document, JSON.stringify({ openapi: '3.1.0', paths, components: { securitySchemes: { session: { type: 'apiKey', in: 'cookie', name: 'id' } } } }))
  const { code, stdout } = await run(['attack', url, '--document', document, '--credentials', '-', '--writes', '--kinds', 'control', '--json'], { input: JSON.stringify({ session: [{ cookie }] }) })
  const report = JSON.parse(stdout) as Report
  t.equal(code, 1)
  t.strictSame(report.results.map(({ route, outcome }) => [route, outcome]), [['GET /things', 'held'], ['POST /closed', 'found'], ['DELETE /session', 'held'], ['DELETE /things', 'skipped']])
  t.strictSame(reasons(report), ['its credentials have ended, as a request that writes may end them'])
})

t.test('on a terminal a bar shows how far it is, and goes', { skip: existsSync('/usr/bin/script') ? false : 'script is not installed' }, async (t) => {
  const document = await privateFile('guarded.json', guarded)
  const url = await listen(t, (_request, response) => { response.writeHead(401, { 'www-authenticate': 'Key' }).end() })
  const child = spawn('script', ['-qec', `${process.execPath} ${command} attack ${url} --document ${document} --rate 100 --kinds wire`, '/dev/null'], { cwd: directory, env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm' }, stdio: ['ignore', 'pipe', 'ignore'] })
  const shown = await text(child.stdout)
  t.match(shown, /Attacking http:\/\/127\.0\.0\.1:\d+\/: 2\d attempts on 1 operations, 100 requests a second at most …/)
  t.match(shown, /\r#+-+ \d+\/2\d, 0 found/)
  t.match(shown.replaceAll(ESCAPE, 'ESC'), /\r#{30} (\d+)\/\1, 0 found\rESC\[K/)
})

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { buildServer, spawnServer, startServer } from '../fixtures/process.ts'
import type { AddressInfo } from 'node:net'

const json = { 'content-type': 'application/json' }
const password = 'a lamp beside the harbour'
const directory = t.testdir({ build: {}, data: {}, 'a-file': '', damaged: { 'gatehouse.sqlite': 'this is text and not a database, at some length'.repeat(99) } })
let server = ''
t.setTimeout(300_000)
t.before(async () => { server = await buildServer(join(directory, 'build')) })

function register (url: string, username: string): Promise<Response> {
  return fetch(`${url}/register`, { method: 'POST', headers: json, body: JSON.stringify({ username, email: 'a@example.com', password }) })
}

async function tokenOf (url: string, username: string): Promise<string> {
  const answer = await fetch(`${url}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'password', username, password }) })
  return ((await answer.json()) as { access_token: string }).access_token
}

t.test('R207 a wrong configuration is one clear line and exit code 1', async (t) => {
  const key = join(directory, 'good.pem')
  await writeFile(key, randomBytes(32).toString('base64'), { mode: 0o600 })
  await writeFile(join(directory, 'short.pem'), randomBytes(16).toString('base64'), { mode: 0o600 })
  await writeFile(join(directory, 'open.pem'), await readFile(key), { mode: 0o644 })
  await writeFile(join(directory, 'text.pem'), 'hunter2', { mode: 0o600 })
  const busy = createServer().listen(0, '127.0.0.1')
  await once(busy, 'listening')
  t.teardown(() => { busy.close() })
  const production = { NODE_ENV: 'production', PUBLIC_URL: 'https://demo.example', TOKEN_KEY_FILE: key, ADMIN_USERNAME: 'root', ADMIN_PASSWORD: password }
  const rows: [Record<string, string>, RegExp][] = [
    [{ PORT: 'abc' }, /PORT must be a number from 0 to 65535/],
    [{ PORT: String((busy.address() as AddressInfo).port) }, /HOST and PORT: .*address already in use/],
    [{ HOST: '192.0.2.77' }, /HOST: .*address not available/],
    [{ HOST: 'nowhere.invalid' }, /HOST: .*nowhere\.invalid/],
    [{ NODE_ENV: '' }, /PUBLIC_URL is required in production/],
    [{ ...production, TOKEN_KEY_FILE: join(directory, 'nowhere.pem') }, /TOKEN_KEY_FILE: .*nowhere\.pem does not exist/],
    [{ ...production, TOKEN_KEY_FILE: join(directory, 'short.pem') }, /TOKEN_KEY_FILE: .*short\.pem is not 32 random bytes/],
    [{ ...production, TOKEN_KEY_FILE: join(directory, 'open.pem') }, /TOKEN_KEY_FILE: .*open\.pem is open to everybody/],
    [{ ...production, TOKEN_KEY_FILE: join(directory, 'text.pem') }, /TOKEN_KEY_FILE: .*text\.pem is not 32 random bytes/],
    [{ ...production, ADMIN_USERNAME: '', ADMIN_PASSWORD: '' }, /ADMIN_USERNAME and ADMIN_PASSWORD are required in production/],
    [{ ADMIN_USERNAME: 'root', ADMIN_PASSWORD: 'hunter2' }, /ADMIN_PASSWORD: must have at least 15 characters/],
    [{ TRUSTED_PROXIES: '10.0.0.0/33' }, /TRUSTED_PROXIES must be addresses or CIDRs/],
    [{ TRUSTED_PROXIES: '::ffff:10.0.0.0/90' }, /trustedProxies has a CIDR that trusts every address/],
    [{ DATABASE_URL: 'mysql://user:hunter2@db/x' }, /DATABASE_URL must be a URL such as postgres:/],
    [{ DATABASE_URL: 'postgres://user:hunter2@127.0.0.1:9/x' }, /DATABASE_URL: .*ECONNREFUSED/],
    [{ DATABASE_URL: 'postgres://user:hunter2@nowhere.invalid/x' }, /DATABASE_URL: .*nowhere\.invalid/],
    [{ DATA_DIR: join(directory, 'a-file') }, /DATA_DIR: .*a-file/],
    [{ DATA_DIR: join(directory, 'damaged') }, /not a database/]
  ]
  t.jobs = 2
  await Promise.all(rows.map(([environment, line]) => t.test(JSON.stringify(environment).replaceAll(directory, ''), { buffered: true }, async (t) => {
    const process = spawnServer(server, { NODE_ENV: 'development', LOG_LEVEL: 'silent', PORT: '0', DATA_DIR: join(directory, 'data', randomBytes(4).toString('hex')), ...environment })
    t.teardown(() => process.child.kill('SIGKILL'))
    t.same(await process.ended, { code: 1, signal: null })
    t.match(process.stderr(), line)
    t.match(process.stderr(), /^gatehouse: [^\n]+\n$/, 'one line')
    t.notMatch(process.stderr(), / at .*\.js|hunter2/, 'no stack, no secret')
    t.equal(process.stdout(), '')
  })))
})

t.test('npm start prints three lines that work when pasted; a second start keeps accounts, keys and the signing key', async (t) => {
  const data = join(directory, 'data/kept')
  const first = await startServer(server, { NODE_ENV: 'development', DATA_DIR: data })
  t.teardown(() => first.child.kill('SIGKILL'))
  await waitFor(() => first.stdout().includes('/users/me'))
  const printed = first.stdout()
  t.match(printed, /^Docs: http:\/\/127\.0\.0\.1:\d+\/docs$/m)
  const [, admin = '', secret = ''] = /^First administrator: (\S+) \/ (\S+) {2}\(shown once\)$/m.exec(printed) ?? []
  const authorization = `Basic ${btoa(`${admin}:${secret}`)}`
  t.same(await (await fetch(`${first.url}/basic/me`, { headers: { authorization } })).json(), { username: 'admin' })
  const lines = printed.split('\n').filter((line) => line.includes('curl'))
  t.equal(lines.length, 3)
  const { stdout } = await promisify(execFile)('bash', ['-c', lines.join('\n')])
  const username = /alice-[0-9a-f]{6}/.exec(lines[0] ?? '')?.[0]
  t.match(JSON.parse(stdout.slice(stdout.lastIndexOf('{'))), { username, roles: ['editor'] }, 'the third line shows the account')

  t.equal((await register(first.url, 'keeper')).status, 201)
  const token = await tokenOf(first.url, 'keeper')
  for (const file of ['token-key', 'gatehouse.sqlite']) t.equal((await stat(join(data, file))).mode & 0o077, 0, `${file} is for its owner alone`)
  first.child.kill('SIGTERM')
  t.same(await first.ended, { code: 0, signal: null })
  t.equal(first.stderr(), '')

  const second = await startServer(server, { NODE_ENV: 'development', DATA_DIR: data, PUBLIC_URL: first.url })
  t.teardown(() => second.child.kill('SIGKILL'))
  t.match(await (await fetch(`${second.url}/users/me`, { headers: { authorization: `Bearer ${token}` } })).json(), { username: 'keeper' })
  t.ok(await tokenOf(second.url, 'keeper'))
  await waitFor(() => second.stdout().includes('/users/me'))
  t.notMatch(second.stdout(), /administrator/i, 'it is shown once')
  t.notMatch(second.stdout(), secret)
  second.child.kill('SIGINT')
  t.same(await second.ended, { code: 0, signal: null })
})

t.test('SIGTERM lets what is on its way finish, and is exit code 0', async (t) => {
  const { child, url, ended, stderr } = await startServer(server, { DATA_DIR: join(directory, 'data/drained') })
  t.teardown(() => child.kill('SIGKILL'))
  const answers = Array.from({ length: 6 }, (_, at) => register(url, `late-${String(at)}`))
  // The first answer says that the others have arrived: one password is hashed at a time.
  const first = await Promise.race(answers)
  child.kill('SIGTERM')
  t.equal(first.status, 201)
  for (const answer of await Promise.all(answers)) t.equal(answer.status, 201)
  t.same(await ended, { code: 0, signal: null })
  t.equal(stderr(), '')
  await t.rejects(fetch(`${url}/health/live`), 'nothing listens any more')
  const again = await startServer(server, { DATA_DIR: join(directory, 'data/drained') })
  t.teardown(() => again.child.kill('SIGKILL'))
  for (let at = 0; at < 6; at += 1) t.ok(await tokenOf(again.url, `late-${String(at)}`), 'and what was answered is there')
})

t.test('R061 in production nothing is generated or shown', async (t) => {
  const key = join(directory, 'production.pem')
  await writeFile(key, randomBytes(32).toString('base64'), { mode: 0o600 })
  const { child, url, stdout } = await startServer(server, { NODE_ENV: 'production', PUBLIC_URL: 'https://demo.example', TOKEN_KEY_FILE: key, ADMIN_USERNAME: 'root', ADMIN_PASSWORD: password, DATA_DIR: join(directory, 'data/production') })
  t.teardown(() => child.kill('SIGKILL'))
  const refused = await fetch(`${url}/users/me`)
  t.equal(refused.status, 401)
  t.notOk('explanation' in (await refused.json() as object))
  t.equal((await fetch(`${url}/docs`)).status, 404)
  t.equal(stdout(), '')
  t.ok(await tokenOf(url, 'root'))
  await t.rejects(stat(join(directory, 'data/production/token-key')))
})

async function waitFor (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10))
}

// The scripts of examples/deploy: a copy is taken while the service writes, put in another place, and served from there.
import { execFile, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import t from 'tap'
import { root } from '../fixtures/documents.ts'
import { buildServer, spawnServer, startServer } from '../fixtures/process.ts'
import { createDatabase, noServer } from '../stores/fixtures/postgres.ts'
import type { Test } from 'tap'
import type { Running } from '../fixtures/process.ts'

const directory = t.testdir({ build: {}, data: {}, copies: {}, drill: {} })
const password = 'a lamp beside the harbour'
const json = { 'content-type': 'application/json' }
const keyFile = join(directory, 'token-key')
writeFileSync(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 })
// Both services are one, before and after: the issuer of their tokens is the same.
const environment = { PUBLIC_URL: 'https://demo.example', TOKEN_KEY_FILE: keyFile }
const copies = join(directory, 'copies')
let server = ''
t.setTimeout(300_000)
t.before(async () => { server = await buildServer(join(directory, 'build')) })

function missing (...programs: string[]): string | false {
  const absent = programs.filter((program) => spawnSync(program, ['--version']).error !== undefined)
  return absent.length === 0 ? false : `${absent.join(', ')} not installed`
}

async function script (name: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(join(root, 'examples/deploy', name), args, { env: { PATH: process.env['PATH'], ...env } })
  return stdout.trim()
}

/** What was acknowledged, and what it was acknowledged with. */
interface Written { token: Record<string, string>; refresh: string; key: string; revoked: string; items: string[] }

async function begin ({ url }: Running): Promise<Written> {
  const post = async (path: string, body: object, headers: Record<string, string> = {}): Promise<Record<string, string>> =>
    await (await fetch(`${url}${path}`, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) })).json() as Record<string, string>
  await post('/register', { username: 'keeper', email: 'keeper@example.com', password })
  const granted = await (await fetch(`${url}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'password', username: 'keeper', password }) })).json() as Record<string, string>
  const token = { authorization: `Bearer ${String(granted['access_token'])}` }
  const [kept, revoked] = [await post('/api-keys', { name: 'kept', scopes: ['items:read'] }, token), await post('/api-keys', { name: 'revoked', scopes: ['items:read'] }, token)]
  await fetch(`${url}/api-keys/${String(revoked['id'])}`, { method: 'DELETE', headers: token })
  return { token, refresh: String(granted['refresh_token']), key: String(kept['key']), revoked: String(revoked['key']), items: [] }
}

/** Writes items without a pause, three at a time, until `work` is done; how many were acknowledged before it began. */
async function whileWriting<T> ({ url }: Running, written: Written, work: () => Promise<T>): Promise<{ result: T; before: number }> {
  let goesOn = true
  const writers = Array.from({ length: 3 }, async () => {
    for (let number = 0; goesOn; number += 1) {
      const made = await fetch(`${url}/items`, { method: 'POST', headers: { ...json, ...written.token }, body: JSON.stringify({ title: `item ${String(number)}` }) })
      if (made.status !== 201) throw new Error(`an item: ${String(made.status)} ${await made.text()}`)
      written.items.push(((await made.json()) as { id: string }).id)
    }
  })
  while (written.items.length < 50) await Promise.race([new Promise((resolve) => setTimeout(resolve, 5)), ...writers])
  const before = written.items.length
  try {
    const result = await work()
    const after = written.items.length
    while (written.items.length < after + 20) await Promise.race([new Promise((resolve) => setTimeout(resolve, 5)), ...writers])
    return { result, before }
  } finally {
    goesOn = false
    await Promise.all(writers)
  }
}

/** The service over the copy knows what was acknowledged before it was taken, and nothing that never was. */
async function assertServed (t: Test, { url }: Running, written: Written, before: number): Promise<void> {
  const status = async (path: string, headers: Record<string, string>): Promise<number> => (await fetch(`${url}${path}`, { headers })).status
  const found = await Promise.all(written.items.map(async (id) => await status(`/items/${id}`, written.token)))
  t.strictSame(found.slice(0, before).filter((code) => code !== 200), [], `${String(before)} items were acknowledged before the copy`)
  t.ok(found.includes(404), 'the copy is older than the last item')
  t.equal(await status('/users/me', written.token), 200, 'a token of before verifies: the signing keys came along, and their wrapping key opens them')
  t.equal(await status('/items', { 'x-api-key': written.key }), 200)
  t.equal(await status('/items', { 'x-api-key': written.revoked }), 401, 'what was revoked stays so')
  const refreshed = await fetch(`${url}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: written.refresh }) })
  t.equal(refreshed.status, 200)
  const made = await fetch(`${url}/items`, { method: 'POST', headers: { ...json, ...written.token }, body: JSON.stringify({ title: 'after' }) })
  t.equal(made.status, 201, 'and it goes on')
}

async function start (t: Test, more: Record<string, string>): Promise<Running> {
  const running = await startServer(server, { ...environment, ...more })
  t.teardown(() => running.child.kill('SIGKILL'))
  return running
}

async function stop ({ child, ended }: Running): Promise<void> {
  child.kill('SIGTERM')
  await ended
}

t.test('SQLite: copied while the service writes, put back, served', { skip: missing('sqlite3') }, async (t) => {
  const data = join(directory, 'data')
  const database = join(data, 'gatehouse.sqlite')
  const first = await start(t, { DATA_DIR: data })
  const written = await begin(first)
  const { result: copy, before } = await whileWriting(first, written, async () => await script('backup-sqlite.sh', [database, copies]))
  t.equal(statSync(copy).mode & 0o077, 0, 'the copy is for its owner alone')
  if (missing('fuser') === false) await t.rejects(script('restore-sqlite.sh', [copy, database]), /open: stop the service first/)
  await stop(first)

  await script('restore-sqlite.sh', [copy, database])
  t.strictSame(readdirSync(data).filter((name) => /-(?:wal|shm)$/.test(name) && !name.includes('before')), [], 'no journal of the old file is beside the new one')
  t.equal(statSync(database).mode & 0o077, 0)
  await assertServed(t, await start(t, { DATA_DIR: data }), written, before)

  await t.test('a damaged copy is not put anywhere', async (t) => {
    const damaged = join(copies, 'damaged')
    writeFileSync(damaged, 'not a database, at some length. '.repeat(500))
    const place = join(directory, 'drill/gatehouse.sqlite')
    await t.rejects(script('restore-sqlite.sh', [damaged, place]))
    t.strictSame(readdirSync(join(directory, 'drill')), [])
    await t.rejects(script('backup-sqlite.sh', [join(directory, 'drill/absent.sqlite'), copies]), 'and what is not there is not made')
  })

  await t.test('without the key that wraps them the signing keys are lost, and the service says so', async (t) => {
    const other = join(directory, 'other-key')
    writeFileSync(other, randomBytes(32).toString('base64'), { mode: 0o600 })
    mkdirSync(join(directory, 'drill/data'))
    await script('restore-sqlite.sh', [copy, join(directory, 'drill/data/gatehouse.sqlite')])
    const lost = { DATA_DIR: join(directory, 'drill/data'), TOKEN_KEY_FILE: other }
    const running = spawnServer(server, { NODE_ENV: 'test', LOG_LEVEL: 'silent', PORT: '0', ...environment, ...lost })
    t.teardown(() => running.child.kill('SIGKILL'))
    t.same(await running.ended, { code: 1, signal: null })
    t.match(running.stderr(), /^gatehouse: TOKEN_KEY_FILE: .*\n$/)
    spawnSync('sqlite3', [join(directory, 'drill/data/gatehouse.sqlite'), 'DELETE FROM signing_keys'])
    const { url } = await start(t, lost)
    t.equal((await fetch(`${url}/users/me`, { headers: written.token })).status, 401, 'without them it makes a new one: access tokens of before are over')
    t.equal((await fetch(`${url}/items`, { headers: { 'x-api-key': written.key } })).status, 200, 'API keys are not')
    t.equal((await fetch(`${url}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: written.refresh }) })).status, 200, 'and logins are refreshed')
  })
})

function variablesOf (url: string): Record<string, string> {
  const { hostname, port, username, password: secret, pathname } = new URL(url)
  return { PGHOST: hostname, PGPORT: port === '' ? '5432' : port, PGUSER: decodeURIComponent(username), PGPASSWORD: decodeURIComponent(secret), PGDATABASE: pathname.slice(1) }
}

/** pg_dump refuses a server that is newer than it. */
async function olderThanServer (): Promise<string | false> {
  const absent = noServer === false ? missing('pg_dump', 'pg_restore') : noServer
  if (absent !== false) return absent
  const { url, drop } = await createDatabase()
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows: [row] } = await client.query<{ server_version: string }>('show server_version')
  await client.end()
  await drop()
  const { stdout } = spawnSync('pg_dump', ['--version'], { encoding: 'utf8' })
  const [ours, theirs] = [/(\d+)\.\d/.exec(stdout)?.[1], row?.server_version]
  return Number(ours) >= Number.parseInt(String(theirs), 10) ? false : `pg_dump ${String(ours)} is older than the server, ${String(theirs)}`
}

t.test('PostgreSQL: dumped while the service writes, restored into a new database, served', { skip: await olderThanServer() }, async (t) => {
  const [one, other] = [await createDatabase(), await createDatabase()]
  t.teardown(one.drop)
  t.teardown(other.drop)
  const first = await start(t, { DATABASE_URL: one.url })
  const written = await begin(first)
  const { result: archive, before } = await whileWriting(first, written, async () => await script('backup-postgres.sh', [copies], variablesOf(one.url)))
  t.equal(statSync(archive).mode & 0o077, 0)
  await script('restore-postgres.sh', [archive], variablesOf(other.url))
  await stop(first)
  await assertServed(t, await start(t, { DATABASE_URL: other.url }), written, before)
  await t.rejects(script('restore-postgres.sh', [archive], variablesOf(other.url)), 'a database that is not empty is left as it is')

  await t.test('a version from before does not start on a schema that it does not know', async (t) => {
    const client = new pg.Client({ connectionString: other.url })
    await client.connect()
    await client.query("insert into kysely_migration (name, timestamp) values ('9999_of_tomorrow', '2026-01-01T00:00:00Z')")
    await client.end()
    const running = spawnServer(server, { NODE_ENV: 'test', LOG_LEVEL: 'silent', PORT: '0', ...environment, DATABASE_URL: other.url, DATA_DIR: join(directory, 'drill/unused') })
    t.teardown(() => running.child.kill('SIGKILL'))
    t.same(await running.ended, { code: 1, signal: null })
    t.match(running.stderr(), /^gatehouse: the database could not be migrated[^\n]*\n$/)
  })
})

// SIGKILL while several clients write: what was acknowledged is there when the service starts again. The service is a
// process of its own; this one keeps the list of what it acknowledged.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import { openSqlite } from '../../stores/sqlite.ts'
import { buildServer, spawnServer, startServer } from '../fixtures/process.ts'
import type { Test } from 'tap'
import type { Running } from '../fixtures/process.ts'

const SEED = 20_261_122
const ROUNDS = Number(process.env['DURABILITY_ROUNDS'] ?? 20)
const password = 'a lamp beside the harbour'
const directory = t.testdir({ build: {}, data: {} })
const data = join(directory, 'data')
const environment = { DATA_DIR: data, PUBLIC_URL: 'https://demo.example', ADMIN_USERNAME: 'root', ADMIN_PASSWORD: password }

/** Numbers from 0 to 1, the same in every run (mulberry32). */
function randomFrom (seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const random = randomFrom(SEED)

/** What was acknowledged: the state of each thing, or `unsure` where its last change has no answer. */
type Ledger<State> = Map<string, State | 'unsure'>
const items: Ledger<'there' | 'gone'> = new Map()
const keys: Ledger<'active' | 'revoked'> = new Map()
const people = new Set<string>()
/** The key itself, of some. */
const secrets = new Map<string, string>()
const profile = { acknowledged: 0, sent: 0 }

let token = ''

async function call (url: string, method: string, body?: object): Promise<Response> {
  return await fetch(url, { method, headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
}

function pick<State> (ledger: Ledger<State>, state: State): string | undefined {
  const candidates = [...ledger].filter(([, known]) => known === state).map(([id]) => id)
  return candidates[Math.floor(random() * candidates.length)]
}

async function remove<State> (ledger: Ledger<State>, url: string, { from, to }: { from: State; to: State }): Promise<void> {
  const id = pick(ledger, from)
  if (id === undefined) return
  ledger.set(id, 'unsure')
  if ((await call(`${url}/${id}`, 'DELETE')).status === 204) ledger.set(id, to)
}

let count = 0
const writers: ((url: string) => Promise<void>)[] = [
  ...Array<(url: string) => Promise<void>>(3).fill(async (url) => {
    if (random() < 0.25) {
      await remove(items, `${url}/items`, { from: 'there', to: 'gone' })
      return
    }
    const made = await call(`${url}/items`, 'POST', { title: `item ${String(count += 1)}` })
    const { id } = await made.json() as { id: string }
    if (made.status === 201) items.set(id, 'there')
  }),
  async (url) => {
    if (random() < 0.3) {
      await remove(keys, `${url}/api-keys`, { from: 'active', to: 'revoked' })
      return
    }
    const made = await call(`${url}/api-keys`, 'POST', { name: `key ${String(count += 1)}`, scopes: ['items:read'] })
    const { id, key } = await made.json() as { id: string; key: string }
    if (made.status !== 201) return
    keys.set(id, 'active')
    if (random() < 0.2) secrets.set(id, key)
  },
  async (url) => {
    const sent = profile.sent += 1
    if ((await call(`${url}/users/me`, 'PATCH', { full_name: `version ${String(sent)}` })).status === 200) profile.acknowledged = sent
  },
  async (url) => {
    const username = `person-${String(count += 1)}`
    if ((await call(`${url}/register`, 'POST', { username, email: 'a@example.com', password })).status === 201) people.add(username)
    await sleep(50)
  }
]

/** Writes until the service is gone. */
async function write (url: string, writer: (url: string) => Promise<void>): Promise<void> {
  try {
    for (;;) await writer(url)
  } catch {
    // The connection broke: whatever was on its way has no answer.
  }
}

async function listAll<T> (url: string): Promise<T[]> {
  const found: T[] = []
  for (let cursor: string | undefined = ''; cursor !== undefined;) {
    const answer = await call(`${url}?limit=100${cursor === '' ? '' : `&cursor=${cursor}`}`, 'GET')
    const page = await answer.json() as { items: T[]; next?: string }
    found.push(...page.items)
    cursor = page.next
  }
  return found
}

async function verify (t: Test, { url }: Running): Promise<void> {
  const there = new Set((await listAll<{ id: string }>(`${url}/items`)).map(({ id }) => id))
  t.strictSame([...items].filter(([id, state]) => state !== 'unsure' && there.has(id) !== (state === 'there')), [], 'every item is as acknowledged')
  const listed = new Map((await listAll<{ id: string; revoked_at: string | null }>(`${url}/api-keys`)).map(({ id, revoked_at: revoked }) => [id, revoked === null ? 'active' : 'revoked']))
  t.strictSame([...keys].filter(([id, state]) => state === 'unsure' ? !listed.has(id) : listed.get(id) !== state), [], 'every key is as acknowledged')
  const names = new Set((await listAll<{ username: string }>(`${url}/admin/users`)).map(({ username }) => username))
  t.strictSame([...people].filter((username) => !names.has(username)), [], 'every account is there')
  const me = await (await call(`${url}/users/me`, 'GET')).json() as { full_name: string | null }
  const version = Number(me.full_name?.split(' ')[1] ?? 0)
  t.ok(version >= profile.acknowledged && version <= profile.sent, `the profile is version ${String(profile.acknowledged)} or a later one that was sent`)
}

t.setTimeout(300_000)
t.before(async () => { await buildServer(join(directory, 'build')) })
const server = join(directory, 'build/server.js')

t.test('SIGKILL while it starts for the first time leaves something that starts', async (t) => {
  for (let round = 0; round < 3; round += 1) {
    const starting = spawnServer(server, { NODE_ENV: 'test', LOG_LEVEL: 'silent', PORT: '0', ...environment })
    await sleep(200 + random() * 1000)
    starting.child.kill('SIGKILL')
    await starting.ended
    t.equal(starting.stderr(), '')
  }
  const running = await startServer(server, environment)
  t.teardown(() => running.child.kill('SIGKILL'))
  const answer = await fetch(`${running.url}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'password', username: 'root', password }) })
  token = ((await answer.json()) as { access_token: string }).access_token
  t.ok(token)
  running.child.kill('SIGKILL')
  await running.ended
})

t.test(`SIGKILL ${String(ROUNDS)} times while ${String(writers.length)} clients write loses nothing that was acknowledged`, async (t) => {
  t.comment(`seed ${String(SEED)}`)
  for (let round = 1; round <= ROUNDS; round += 1) {
    const running = await startServer(server, environment)
    t.teardown(() => running.child.kill('SIGKILL'))
    await verify(t, running)
    const writing = writers.map((writer) => write(running.url, writer))
    const milliseconds = Math.round(50 + random() * 650)
    await sleep(milliseconds)
    running.child.kill('SIGKILL')
    t.same(await running.ended, { code: null, signal: 'SIGKILL' }, `killed after ${String(milliseconds)} ms`)
    await Promise.all(writing)
  }
  const last = await startServer(server, environment)
  t.teardown(() => last.child.kill('SIGKILL'))
  await verify(t, last)
  for (const [id, key] of secrets) {
    const state = keys.get(id)
    const { status } = await fetch(`${last.url}/items?limit=1`, { headers: { 'x-api-key': key } })
    if (state !== 'unsure') t.equal(status, state === 'active' ? 200 : 401, `a key that is ${String(state)}`)
  }
  const [name] = [...people].slice(-1)
  t.equal((await fetch(`${last.url}/basic/me`, { headers: { authorization: `Basic ${btoa(`${String(name)}:${password}`)}` } })).status, 200)
  last.child.kill('SIGTERM')
  t.same(await last.ended, { code: 0, signal: null })

  const acknowledged = [items, keys].map((ledger) => [...ledger.values()].filter((state) => state !== 'unsure').length)
  t.comment(`${String(acknowledged)} items and keys, ${String(people.size)} accounts, ${String(profile.acknowledged)} changes of a profile were acknowledged`)
  for (const ledger of [items, keys]) t.ok(new Set(ledger.values()).size > 1, 'there were both kinds')
  t.ok(people.size > 0 && profile.acknowledged > 0, 'every kind of write took place')
  const db = await openSqlite(join(data, 'gatehouse.sqlite'))
  const { rows } = await sql<object>`pragma integrity_check`.execute(db)
  t.strictSame(rows.map((row) => ({ ...row })), [{ integrity_check: 'ok' }])
  await db.destroy()
})

// Three processes of the demo over one PostgreSQL database and one Redis, behind a real nginx that hands each request to
// the next of them: what one of them did, the others know.
import { randomBytes, randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeProtectedHeader } from 'jose'
import t from 'tap'
import { buildApp } from '../../app.ts'
import { readConfiguration } from '../../config.ts'
import { buildServer, freePort, startServer } from '../fixtures/process.ts'
import { keysOf, lookAt, noRedis, redisUrl } from '../fixtures/redis.ts'
import { ask, noRoundRobin, startRoundRobin } from '../fixtures/round-robin.ts'
import { tcpProxy } from '../fixtures/tcp-proxy.ts'
import { createDatabase, noServer } from '../stores/fixtures/postgres.ts'
import type { Test } from 'tap'
import type { Answer, Asked } from '../fixtures/round-robin.ts'

const skip = noRoundRobin || noServer || noRedis
const PREFIX = 'gatehouse:'
const password = 'a lamp beside the harbour'
/** What the service promises, and what a process may take that hears nothing: its poll, and a query on a busy machine. */
const TOLD_MS = 1000
const POLLED_MS = 2500

interface Fleet {
  /** Through nginx, to the next process. */
  url: string
  /** Each process itself. */
  processes: string[]
  /** One that hears no news, beside the others. */
  deaf: string
  /** Through nginx, to a process that trusts no proxy. */
  unnamed: string
  environment: Record<string, string>
}

interface Person { id: string; username: string; bearer: Record<string, string>; refresh: string }

let addresses = 0
/** A client that nobody else is: nginx sees the address that it comes from. */
function aClient (): string {
  addresses += 1
  return `127.${String(randomInt(1, 255))}.${String(randomInt(256))}.${String(1 + addresses % 254)}`
}

const form = (fields: Record<string, string>): Asked => ({ method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(fields).toString() })
const json = (method: string, body: object, headers: Record<string, string> = {}): Asked => ({ method, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })

/** A database number that nobody uses; what the processes leave there is removed. */
async function anEmptyDatabase (t: Test): Promise<string> {
  for (const number of Array.from({ length: 15 }, (_, index) => index + 1).sort(() => randomInt(3) - 1)) {
    const url = new URL(redisUrl)
    url.pathname = `/${String(number)}`
    const client = await lookAt(t, url.href)
    if (await client.dbsize() > 0) continue
    t.teardown(async () => {
      const keys = await keysOf(client, PREFIX)
      if (keys.length > 0) await client.del(...keys)
    })
    return url.href
  }
  throw new Error('every database of this Redis is used')
}

async function startFleet (t: Test): Promise<Fleet> {
  const directory = t.testdir({ build: {}, nginx: {}, data: {} })
  const { url: DATABASE_URL, drop } = await createDatabase()
  t.teardown(drop)
  const REDIS_URL = await anEmptyDatabase(t)
  const TOKEN_KEY_FILE = join(directory, 'token-key')
  writeFileSync(TOKEN_KEY_FILE, randomBytes(32).toString('base64'), { mode: 0o600 })
  const [port, unnamedPort] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${String(port)}`
  const environment = {
    DATABASE_URL, REDIS_URL, TOKEN_KEY_FILE, PUBLIC_URL: url, DATA_DIR: join(directory, 'data'), ADMIN_USERNAME: 'root', ADMIN_PASSWORD: password, TRUSTED_PROXIES: '127.0.0.1/32'
  }
  const file = await buildServer(join(directory, 'build'))
  const start = async (more: Record<string, string> = {}): Promise<string> => {
    const running = await startServer(file, { ...environment, ...more })
    t.teardown(async () => { running.child.kill('SIGTERM'); await running.ended })
    return running.url
  }
  const processes = await Promise.all([start(), start(), start()])
  const proxy = await tcpProxy(t, REDIS_URL)
  const [deaf, untrusting] = await Promise.all([start({ REDIS_URL: proxy.before(REDIS_URL) }), start({ TRUSTED_PROXIES: '' })])
  await proxy.become('refuse')
  const portOf = (address: string): number => Number(new URL(address).port)
  await startRoundRobin(t, join(directory, 'nginx'), [
    { port, processes: processes.map(portOf) }, { port: unnamedPort, processes: [portOf(untrusting)] }
  ])
  return { url, processes, deaf, unnamed: `http://127.0.0.1:${String(unnamedPort)}`, environment }
}

async function logIn ({ url }: Fleet, username: string): Promise<Answer> {
  return await ask(`${url}/token`, { ...form({ grant_type: 'password', username, password }), from: aClient() })
}

async function person (fleet: Fleet): Promise<Person> {
  const username = `user-${randomBytes(6).toString('hex')}`
  const made = await ask(`${fleet.url}/register`, { ...json('POST', { username, email: 'a@example.com', password }), from: aClient() })
  const tokens = (await logIn(fleet, username)).json()
  return { id: made.json().id, username, bearer: { authorization: `Bearer ${tokens.access_token}` }, refresh: tokens.refresh_token }
}

async function administrator (fleet: Fleet): Promise<Record<string, string>> {
  return { authorization: `Bearer ${(await logIn(fleet, 'root')).json().access_token}` }
}

async function keyOf ({ url }: Fleet, bearer: Record<string, string>): Promise<{ id: string; headers: Record<string, string> }> {
  const { id, key } = (await ask(`${url}/api-keys`, json('POST', { name: 'a key', scopes: ['items:read', 'items:write'] }, bearer))).json()
  return { id, headers: { 'x-api-key': key } }
}

/**
 * Asserts that every process accepts the request, makes the change, and asserts that no process accepted a request
 * that was sent to it later than the bound after the change.
 */
async function assertEnds (t: Test, fleet: Fleet, request: { path: string; asked: Asked; refused: readonly number[] }, change: () => Promise<Answer>): Promise<void> {
  const { path, asked, refused } = request
  const places = [...fleet.processes.map((url) => ({ url, bound: TOLD_MS })), { url: fleet.deaf, bound: POLLED_MS }]
  for (const { url } of places) t.ok((await ask(url + path, asked)).status < 300, `${path} is accepted`)
  const { status: changed, body } = await change()
  t.ok(changed < 300, `the change is made: ${String(changed)} ${changed < 300 ? '' : body}`)
  const changedAt = performance.now()
  await Promise.all(places.map(async ({ url, bound }, index) => {
    let acceptedAt = changedAt
    for (;;) {
      const sentAt = performance.now()
      const answer = await ask(url + path, asked)
      if (answer.status > 299) {
        t.ok(refused.includes(answer.status), `process ${String(index)} answers ${String(answer.status)}`)
        break
      }
      acceptedAt = sentAt
      if (sentAt - changedAt > 10_000) break
      await sleep(20)
    }
    t.ok(acceptedAt - changedAt < bound, `process ${String(index)} accepted ${path} for ${String(Math.round(acceptedAt - changedAt))} ms`)
  }))
}

t.test('three processes behind nginx are one service', { skip, timeout: 240_000 }, async (t) => {
  const fleet = await startFleet(t)
  const { url, processes, unnamed } = fleet
  const root = await administrator(fleet)

  await t.test('R158 a limit is exact over all of them, and nginx asked each', async (t) => {
    const from = aClient()
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask(`${url}/limited`, { from })))
    t.equal(answers.filter(({ status }) => status === 200).length, 5)
    t.equal(answers.filter(({ status }) => status === 429).length, 55)
    t.equal(new Set(answers.map(({ headers }) => headers['x-process'])).size, 3)
  })

  await t.test('R154 behind a proxy that is named clients count apart, and by no header of their own', async (t) => {
    const statuses = async (place: string, asked: readonly Asked[]): Promise<number> => {
      const answers = []
      for (const each of asked) answers.push(await ask(`${place}/limited`, each))
      return answers.filter(({ status }) => status === 200).length
    }
    const six = (from: string, headers: (index: number) => Record<string, string> = () => ({})): Asked[] => Array.from({ length: 6 }, (_, index) => ({ from, headers: headers(index) }))
    t.equal(await statuses(url, [...six(aClient()), ...six(aClient())]), 10, 'five each')
    t.equal(await statuses(url, six(aClient(), (index) => ({ 'x-forwarded-for': `192.0.2.${String(index)}` }))), 5, 'what a client writes there is no address')
    t.equal(await statuses(unnamed, [...six(aClient()), ...six(aClient())]), 5, 'without a name for the proxy all of them are the proxy')
  })

  await t.test('R156 failed logins count over all of them', async (t) => {
    const from = aClient()
    const guess = { ...form({ grant_type: 'refresh_token', refresh_token: randomBytes(32).toString('base64url') }), from }
    const answers = []
    for (let times = 0; times < 22; times += 1) answers.push((await ask(`${url}/token`, guess)).status)
    t.strictSame(answers, [...Array.from({ length: 20 }, () => 400), 429, 429])
    t.equal((await ask(`${url}/token`, { ...guess, from: aClient() })).status, 400, 'another client may still try')
  })

  await t.test('a session that one opened is one of all, and ended by one is ended for all', async (t) => {
    const { username } = await person(fleet)
    const opened = await ask(`${processes[0] ?? ''}/session`, json('POST', { username, password }, { 'sec-fetch-site': 'same-origin' }))
    t.equal(opened.status, 201)
    const cookie = String(opened.headers['set-cookie']).split(';', 1).join()
    const headers = { cookie, 'x-csrf-token': opened.json().csrf_token, 'sec-fetch-site': 'same-origin' }
    await assertEnds(t, fleet, { path: '/session', asked: { headers: { cookie } }, refused: [401] }, () => ask(`${processes[1] ?? ''}/session`, { method: 'DELETE', headers }))
  })

  await t.test('R140 thirty uses of one refresh token over three processes mint once', async (t) => {
    const { refresh } = await person(fleet)
    const from = aClient()
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(`${url}/token`, { ...form({ grant_type: 'refresh_token', refresh_token: refresh }), from })))
    const minted = answers.filter(({ status }) => status === 200).map((answer) => answer.json().refresh_token)
    t.ok(minted.length > 0)
    t.equal(new Set(minted).size, 1)
    t.equal(new Set(answers.map(({ headers }) => headers['x-process'])).size, 3)
    t.equal((await ask(`${url}/token`, { ...form({ grant_type: 'refresh_token', refresh_token: minted[0] ?? '' }), from })).status, 200, 'the family goes on')
  })

  await t.test('a revoked token', async (t) => {
    const { bearer } = await person(fleet)
    const token = String(bearer['authorization']).slice('Bearer '.length)
    await assertEnds(t, fleet, { path: '/users/me', asked: { headers: bearer }, refused: [401] }, () => ask(`${url}/token/revoke`, form({ token })))
  })

  await t.test('an API key: made, used, revoked', async (t) => {
    const { bearer } = await person(fleet)
    const { id, headers } = await keyOf(fleet, bearer)
    await assertEnds(t, fleet, { path: '/items', asked: { headers }, refused: [401] }, () => ask(`${processes[2] ?? ''}/api-keys/${id}`, { method: 'DELETE', headers: bearer }))
  })

  await t.test('an account that is disabled: its tokens and its keys', async (t) => {
    const [one, other] = [await person(fleet), await person(fleet)]
    const { headers } = await keyOf(fleet, other.bearer)
    // An account is read with every token; that its token is revoked as well, the deaf one learns later.
    const disabled = [401, 403]
    const disable = (id: string) => (): Promise<Answer> => ask(`${url}/admin/users/${id}`, json('PATCH', { disabled: true }, root))
    await assertEnds(t, fleet, { path: '/users/me', asked: { headers: one.bearer }, refused: disabled }, disable(one.id))
    await assertEnds(t, fleet, { path: '/items', asked: { headers }, refused: disabled }, disable(other.id))
  })

  await t.test('a role that is taken away', async (t) => {
    const { id, bearer } = await person(fleet)
    const { headers } = await keyOf(fleet, bearer)
    const asked = json('POST', { title: 'A lamp' }, headers)
    await assertEnds(t, fleet, { path: '/items', asked, refused: [403] }, () => ask(`${url}/admin/users/${id}`, json('PATCH', { roles: ['viewer'] }, root)))
  })

  await t.test('a signing key that is rotated at once: its tokens are those of all, and the old ones of nobody', async (t) => {
    const { username, bearer } = await person(fleet)
    const member = await buildApp(readConfiguration({ NODE_ENV: 'test', ...fleet.environment }))
    t.teardown(() => member.close())
    const before = await keyOf(fleet, bearer)
    t.ok(before.id)
    let kid = ''
    await assertEnds(t, fleet, { path: '/users/me', asked: { headers: bearer }, refused: [401] }, async () => {
      kid = await member.tokens.rotateKeys({ overlap: false })
      return await ask(`${url}/health/live`)
    })
    for (const process of [...processes, fleet.deaf]) {
      const { keys } = (await ask(`${process}/.well-known/jwks.json`)).json()
      t.strictSame(keys.map((key) => key.kid), [kid])
    }
    const token = (await logIn(fleet, username)).json().access_token
    t.equal(decodeProtectedHeader(token).kid, kid)
    for (const process of [...processes, fleet.deaf]) t.equal((await ask(`${process}/users/me`, { headers: { authorization: `Bearer ${token}` } })).status, 200)
  })

  await t.test('R158 the one that Redis does not reach is ready, says degraded, and lets nobody guess', async (t) => {
    const ready = await ask(`${fleet.deaf}/health/ready`)
    t.equal(ready.status, 200)
    t.strictSame(ready.json(), { status: 'degraded' })
    t.equal((await ask(`${fleet.deaf}/token`, { ...form({ grant_type: 'password', username: 'root', password }), from: aClient() })).status, 503)
    t.strictSame((await ask(`${url}/health/ready`)).json(), { status: 'ok' })
  })
})

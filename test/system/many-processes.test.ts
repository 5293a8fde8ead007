// Three processes of the demo over one PostgreSQL database and one Redis, behind a real nginx that hands each request to
// the next of them: what one of them did, the others know.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeProtectedHeader } from 'jose'
import t from 'tap'
import { buildApp } from '../../app.ts'
import { readConfiguration } from '../../config.ts'
import { fail } from '../fixtures/failed-logins.ts'
import { aClient, administrator, askThrough, form, json, keyOf, logIn, loginsAtEach, loginStores, noFleet, password, person, startFleet } from '../fixtures/fleet.ts'
import { ask } from '../fixtures/round-robin.ts'
import type { Test } from 'tap'
import type { Fleet } from '../fixtures/fleet.ts'
import type { Answer, Asked } from '../fixtures/round-robin.ts'

/** What the service promises, and what a process may take that hears nothing: its poll, and a query on a busy machine. */
const TOLD_MS = 1000
const POLLED_MS = 2500

/**
 * Asserts that every process accepts the request, makes the change, and asserts that no process accepted a request
 * that was sent to it later than the bound after the change.
 */
async function assertEnds (t: Test, fleet: Fleet, request: { path: string; asked: Asked; refused: readonly number[] }, change: () => Promise<Answer>): Promise<void> {
  const { path, asked, refused } = request
  const places = [...fleet.processes.map((url) => ({ url, bound: TOLD_MS })), { url: fleet.deaf, bound: POLLED_MS }]
  for (const { url } of places) t.ok((await ask(url + path, asked)).status < 300, `${path} is accepted`)
  for (const status of await askThrough(t, fleet, path, asked)) t.ok(status < 300, `through nginx ${path} is ${String(status)}`)
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
  for (const status of await askThrough(t, fleet, path, asked)) t.ok(refused.includes(status), `through nginx ${path} is ${String(status)}`)
}

t.test('three processes behind nginx are one service', { skip: noFleet, timeout: 240_000 }, async (t) => {
  const fleet = await startFleet(t)
  const { url, processes, unnamed } = fleet
  const root = await administrator(fleet)

  await t.test('R158 of 500 parallel requests against a limit of 5 exactly 5 pass over all of them, and nginx asked each', async (t) => {
    const from = aClient()
    const answers = await Promise.all(Array.from({ length: 500 }, () => ask(`${url}/limited`, { from })))
    t.equal(answers.filter(({ status }) => status === 200).length, 5)
    t.equal(answers.filter(({ status }) => status === 429).length, 495)
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

  await t.test('R089 an account whose logins failed, one at each, waits at all of them', async (t) => {
    const { id, username } = await person(fleet)
    const { attemptsOf } = await loginStores(t, fleet)
    const wait = async (): Promise<void> => { await sleep(Math.max(0, Date.parse((await attemptsOf(id))?.retry_at ?? '') - Date.now()) + 50) }
    for (const process of processes) t.equal((await logIn({ url: process }, username, 'not the lamp')).status, 400)
    t.match(await attemptsOf(id), { failures: 3, retry_at: String })
    for (const process of processes.slice(0, 2)) {
      await wait()
      t.equal((await logIn({ url: process }, username, 'not the lamp')).status, 400)
    }
    t.strictSame(await loginsAtEach(fleet, username), [400, 400, 400], 'the right password as well, for four seconds')
    t.match(await attemptsOf(id), { failures: 5, attempts: 8, retry_at: String }, 'and what is tried meanwhile makes it wait no longer')
    await wait()
    t.strictSame(await loginsAtEach(fleet, username), [200, 200, 200])
    t.equal(await attemptsOf(id), undefined, 'success forgets them')
  })

  await t.test('R089 R090 an account that one locked is locked at all, with what it has open; one unlocks it for all', async (t) => {
    const { id, username, bearer } = await person(fleet)
    const { stores, attemptsOf } = await loginStores(t, fleet)
    await fail(stores, id, { times: 99 })
    t.strictSame(await Promise.all(processes.map(async (process) => (await logIn({ url: process }, username, 'not the lamp')).status)), [400, 400, 400])
    t.match(await attemptsOf(id), { locked: true, failures: 100 }, 'of three at once one is the hundredth')
    t.strictSame(await loginsAtEach(fleet, username), [400, 400, 400])
    t.strictSame(await askThrough(t, fleet, '/users/me', { headers: bearer }), [200, 200, 200], 'its token goes on')
    t.equal((await ask(`${processes[2] ?? ''}/admin/users/${id}/unlock`, { method: 'POST', headers: root })).status, 204)
    t.strictSame(await loginsAtEach(fleet, username), [200, 200, 200])
    const events = (await stores.audit.list({ subject: id })).items.map(({ event }) => event)
    t.strictSame(['authn_login_lock', 'authn_login_unlock'].map((name) => events.filter((event) => event === name).length), [1, 1])
  })

  await t.test('a session that one opened is one of all, and ended by one is ended for all', async (t) => {
    const { username } = await person(fleet)
    const opened = await ask(`${url}/session`, json('POST', { username, password }, { 'sec-fetch-site': 'same-origin' }))
    t.equal(opened.status, 201)
    const cookie = String(opened.headers['set-cookie']).split(';', 1).join()
    const headers = { cookie, 'x-csrf-token': opened.json().csrf_token, 'sec-fetch-site': 'same-origin' }
    await assertEnds(t, fleet, { path: '/session', asked: { headers: { cookie } }, refused: [401] }, () => ask(`${url}/session`, { method: 'DELETE', headers }))
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
    t.strictSame(await askThrough(t, fleet, '/users/me', { headers: { authorization: `Bearer ${token}` } }), [200, 200, 200])
  })

  await t.test('R158 the one that Redis does not reach is ready, says degraded, and lets nobody guess', async (t) => {
    const ready = await ask(`${fleet.deaf}/health/ready`)
    t.equal(ready.status, 200)
    t.strictSame(ready.json(), { status: 'degraded' })
    t.equal((await ask(`${fleet.deaf}/token`, { ...form({ grant_type: 'password', username: 'root', password }), from: aClient() })).status, 503)
    t.strictSame((await ask(`${url}/health/ready`)).json(), { status: 'ok' })
  })
})

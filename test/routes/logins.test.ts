// What wrong passwords do to an account: it waits, is locked, and is unlocked; what lives goes on.
import t from 'tap'
import { assertRefused, buildDemo, cookieChallenge, form, password } from '../demo.ts'
import { testClock } from '../fixtures/clock.ts'
import { fail, lockOut } from '../fixtures/failed-logins.ts'
import { cookieOf } from '../fixtures/page-session.ts'
import type { InjectOptions } from 'fastify'
import type { Demo, Headers, Refused } from '../demo.ts'

const wrong = 'not the password of anyone'
const nobody = '0192f0c1-2345-7abc-8def-0123456789ab'
const DAY_SECONDS = 86_400

const byToken = (username: string, secret: string): InjectOptions => ({ method: 'POST', url: '/token', ...form({ grant_type: 'password', username, password: secret }) })
const bySession = (username: string, secret: string): InjectOptions => ({ method: 'POST', url: '/session', payload: { username, password: secret } })
const byBasic = (username: string, secret: string): InjectOptions => ({ url: '/basic/me', headers: { authorization: `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}` } })

async function isLetIn (demo: Demo, request: InjectOptions): Promise<boolean> {
  const { statusCode } = await demo.send(request)
  return statusCode < 300
}

const unlock = (headers: Headers, id: string): InjectOptions => ({ method: 'POST', url: `/admin/users/${id}/unlock`, headers })

t.test('R089 three failures are free, from any address and by any way; then an account waits, twice as long each time, at most 15 minutes', async (t) => {
  const clock = testClock(t, { stopped: true })
  const demo = await buildDemo(t)
  await demo.person('alice')
  await demo.person('bob')
  for (const request of [byToken('alice', wrong), bySession('ALICE', wrong), byBasic('alice', wrong)]) t.equal(await isLetIn(demo, request), false)
  for (const seconds of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]) {
    clock.advance(seconds - 0.001)
    t.equal(await isLetIn(demo, byToken('alice', password)), false, `${String(seconds)} s`)
    clock.advance(0.001)
    t.equal(await isLetIn(demo, byToken('alice', wrong)), false)
  }
  t.equal(await isLetIn(demo, byToken('bob', password)), true, 'others do not wait')
  clock.advance(900)
  t.equal(await isLetIn(demo, bySession('alice', password)), true)
  for (let failures = 0; failures < 2; failures += 1) await demo.send(byToken('alice', wrong))
  t.equal(await isLetIn(demo, byToken('alice', password)), true, 'success forgets what was before')
})

t.test('R089 the hundredth failure in a row locks, which is told; time does not open it, an administrator does', async (t) => {
  const clock = testClock(t, { stopped: true })
  const demo = await buildDemo(t)
  const [alice, boss] = [await demo.person('alice'), await demo.person('boss', ['admin'])]
  await fail(demo.app.stores, alice.id, { times: 98 })
  demo.secrets.add(wrong)
  await demo.send(byToken('alice', wrong))
  t.equal((await demo.app.accounts.lockedAmong([alice.id])).size, 0)
  clock.advance(900)
  await demo.send(byToken('alice', wrong))
  t.strictSame([...await demo.app.accounts.lockedAmong([alice.id, boss.id])], [alice.id])
  clock.advance(DAY_SECONDS)
  const headers = await demo.token(boss)
  for (const way of [byToken, bySession, byBasic]) t.equal(await isLetIn(demo, way('alice', password)), false)
  await demo.app.audit.flush()
  t.match((await demo.app.stores.audit.list({ event: 'authn_login_fail', subject: alice.id, limit: 1 })).items, [{ reason: 'account_locked' }])

  const refusals: [string, InjectOptions, Refused][] = [
    ['nobody in particular', unlock({}, alice.id), { status: 401, code: 'credentials_required', challenge: ['Bearer realm="api", scope="admin"', cookieChallenge] }],
    ['no administrator', unlock(await demo.token(await demo.person('bob')), alice.id), { status: 403, code: 'insufficient_scope', challenge: 'Bearer realm="api", error="insufficient_scope", scope="admin"' }],
    ['an unknown account', unlock(headers, nobody), { status: 404, code: 'not_found' }],
    ['no id', unlock(headers, 'alice'), { status: 400, code: 'validation' }]
  ]
  for (const [title, request, refused] of refusals) await t.test(`${title} unlocks nothing`, async (t) => { await assertRefused(t, demo, request, refused) })
  t.equal(await isLetIn(demo, byToken('alice', password)), false)

  for (const time of ['once', 'again']) t.equal((await demo.send(unlock(headers, alice.id))).statusCode, 204, time)
  t.equal(await isLetIn(demo, byToken('alice', password)), true)
  const told = async (event: string) => (await demo.app.stores.audit.list({ event })).items
  const [unlocked, locked] = [await told('authn_login_unlock'), await told('authn_login_lock')]
  t.match(unlocked, [{ outcome: 'success', actor: boss.id, target: alice.id, method: 'POST', route: '/admin/users/:id/unlock', ip: /^10\./, request_id: String }])
  t.match(locked, [{ outcome: 'failure', target: alice.id, reason: 'max_failures', details: { failures: 100 }, method: 'POST', route: '/token', ip: /^10\./, request_id: String }])
  t.strictSame([unlocked.length, locked.length], [1, 1], 'each is told once')
  t.equal(demo.log.filter((line) => line.includes('an account is locked')).length, 1)
})

t.test('R090 what lives goes on while the account is locked: session, access and refresh token, key, a password known a moment ago', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const cookie = cookieOf(await demo.send(bySession('alice', password)))
  const opened = (await demo.send(byToken('alice', password))).json<{ access_token: string; refresh_token: string }>()
  const bearer = { authorization: `Bearer ${opened.access_token}` }
  const key = await demo.key(bearer, ['items:read'])
  const living: [string, InjectOptions][] = [
    ['a password known a moment ago', { url: '/basic/me', headers: alice.basic }],
    ['a session', { url: '/session', headers: { cookie } }],
    ['an access token', { url: '/users/me', headers: bearer }],
    ['an API key', { url: '/items', headers: key.headers }],
    ['a refresh token', { method: 'POST', url: '/token', ...form({ grant_type: 'refresh_token', refresh_token: opened.refresh_token }) }]
  ]
  for (const [title, request] of living.slice(0, -1)) t.equal(await isLetIn(demo, request), true, title)
  await lockOut(demo.app.stores, alice.id)
  for (const way of [byToken, bySession]) t.equal(await isLetIn(demo, way('alice', password)), false)
  for (const [title, request] of living) t.equal(await isLetIn(demo, request), true, title)
  const change = { method: 'PUT', url: '/users/me/password', headers: bearer, payload: { current_password: password, new_password: 'a boat under the bridge' } } as const
  t.equal((await demo.send(change)).statusCode, 204, 'and whoever is logged in may change the password')
})

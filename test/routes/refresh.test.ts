// Refresh tokens through POST /token: one use mints, a repetition within moments gets that answer again, and a used token
// that comes back later ends its family (RFC 9700 §4.14.2).
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { decodeJwt } from 'jose'
import t from 'tap'
import { digestOfRefreshToken, openReplay, sealReplay } from '../../credentials/refresh-tokens.ts'
import { stores } from '../../plugins/stores.ts'
import { tokens } from '../../plugins/tokens.ts'
import { createSqliteStores } from '../../stores/sqlite.ts'
import { assertNoSecret, buildDemo, form, issuer, password } from '../demo.ts'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { TokensOptions } from '../../plugins/tokens.ts'
import type { Stores, StoreSet } from '../../stores/ports.ts'
import type { Demo } from '../demo.ts'

interface Issued { access_token: string; refresh_token: string; scope: string }

function post (fields: Record<string, string>, url = '/token'): InjectOptions {
  return { method: 'POST', url, ...form(fields) }
}

async function logIn (demo: Demo, username: string, scope?: string): Promise<Issued> {
  const answer = (await demo.send(post({ grant_type: 'password', username, password, ...(scope === undefined ? {} : { scope }) }))).json<Issued>()
  demo.secrets.add(answer.access_token).add(answer.refresh_token)
  return answer
}

async function refresh (demo: Demo, token: string, fields: Record<string, string> = {}): Promise<LightMyRequestResponse> {
  return await demo.send(post({ grant_type: 'refresh_token', refresh_token: token, ...fields }))
}

function assertRefused (t: Test, demo: Demo, answer: LightMyRequestResponse, error = 'invalid_grant'): void {
  t.equal(answer.statusCode, 400)
  t.strictSame(Object.keys(answer.json<object>()), ['error', 'error_description'])
  t.match(answer.json(), { error })
  t.match(answer.headers, { 'cache-control': 'no-store', pragma: 'no-cache' }, 'R131')
  assertNoSecret(t, demo, answer)
}

async function isAccepted (demo: Demo, { access_token: token }: Issued): Promise<boolean> {
  return (await demo.send({ url: '/users/me', headers: { authorization: `Bearer ${token}` } })).statusCode === 200
}

async function eventsOf (demo: Demo, event: string) {
  return (await demo.app.stores.audit.list({ event })).items
}

t.test('R139 R132 a refresh token is used once and gives way to the next', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const first = await logIn(demo, 'alice')
  const answer = await refresh(demo, first.refresh_token)
  t.equal(answer.statusCode, 200)
  const second = answer.json<Issued>()
  t.strictSame(Object.keys(second), ['access_token', 'token_type', 'expires_in', 'scope', 'refresh_token'])
  t.not(second.refresh_token, first.refresh_token, 'R139')
  t.match(answer.headers, { 'cache-control': 'no-store', pragma: 'no-cache', 'x-content-type-options': 'nosniff' }, 'R131')
  const [before, after] = [decodeJwt(first.access_token), decodeJwt(second.access_token)]
  t.match(after, { sub: alice.id, client_id: 'demo', scope: first.scope, sid: before['sid'] })
  t.not(after.jti, before.jti)
  t.ok(await isAccepted(demo, second))
  t.ok(await isAccepted(demo, first), 'the access token before it lives on')
  t.equal((await refresh(demo, second.refresh_token)).statusCode, 200)
  const kept = await demo.app.stores.refreshTokens.findByDigest(digestOfRefreshToken(first.refresh_token))
  t.match(kept, { active: false, family: { subject: alice.id, client_id: 'demo' } })
})

t.test('R140 of 100 parallel uses one row is minted and every answer is the very same', async (t) => {
  const demo = await buildDemo(t)
  await demo.person('alice')
  const { refresh_token: token } = await logIn(demo, 'alice')
  const answers = await Promise.all(Array.from({ length: 100 }, () => refresh(demo, token)))
  t.strictSame(new Set(answers.map(({ statusCode }) => statusCode)), new Set([200]))
  t.equal(new Set(answers.map(({ body }) => body)).size, 1)
  const [{ refresh_token: next } = { refresh_token: '' }] = answers.map((answer) => answer.json<Issued>())
  t.equal((await refresh(demo, next)).statusCode, 200, 'and what it gave is good')
})

t.test('R140 the window closes when the successor is used: then the whole family ends, access tokens too', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const first = await logIn(demo, 'alice')
  const other = await logIn(demo, 'alice')
  const second = (await refresh(demo, first.refresh_token)).json<Issued>()
  const third = (await refresh(demo, second.refresh_token)).json<Issued>()
  for (const issued of [second, third]) demo.secrets.add(issued.access_token).add(issued.refresh_token)

  const thieves = await Promise.all(Array.from({ length: 10 }, () => refresh(demo, first.refresh_token)))
  for (const answer of thieves) assertRefused(t, demo, answer)
  for (const issued of [first, second, third]) t.notOk(await isAccepted(demo, issued), 'no access token of the family is good any more')
  assertRefused(t, demo, await refresh(demo, third.refresh_token))
  const events = await eventsOf(demo, 'authn_token_reuse')
  t.equal(events.length, 1, 'it is recorded once')
  t.match(events, [{ outcome: 'failure', actor: alice.id, target: decodeJwt(first.access_token)['sid'], method: 'POST', route: '/token', details: { client_id: 'demo' } }])
  t.ok(await isAccepted(demo, other), 'another login goes on')
  t.equal((await refresh(demo, other.refresh_token)).statusCode, 200)
})

t.test('R140 what refuses a refresh, each with the same answer, and changes nothing', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const { refresh_token: token } = await logIn(demo, 'alice', 'me items:read')
  const made = await demo.app.tokens.createClient({ name: 'other', grants: ['refresh_token'], scopes: ['me'] })
  const other = { client_id: made.client.client_id, client_secret: made.secret }
  const rows: [string, string, Record<string, string>, string?][] = [
    ['unknown', 'A'.repeat(43), {}],
    ['of no form that we know', 'abc', {}],
    ['an access token', (await logIn(demo, 'alice')).access_token, {}],
    ['with a NUL behind it', `${token}\0`, {}],
    ['R141 of another client', token, other],
    ['R141 with a scope that was not granted', token, { scope: 'items:write' }, 'invalid_scope'],
    ['R120 with a scope that is none', token, { scope: 'me "' }, 'invalid_scope'],
    ['R130 absent', '', {}, 'invalid_request']
  ]
  for (const [title, presented, fields, error] of rows) {
    await t.test(title, async (t) => { assertRefused(t, demo, await refresh(demo, presented, fields), error) })
  }
  t.equal((await refresh(demo, token)).statusCode, 200, 'R141 it was not used up')

  await t.test('the owner is disabled', async (t) => {
    const { refresh_token: token } = await logIn(demo, 'alice')
    await demo.app.stores.users.update(alice.id, { disabled: true })
    assertRefused(t, demo, await refresh(demo, token))
    await demo.app.stores.users.update(alice.id, { disabled: false })
    t.equal((await refresh(demo, token)).statusCode, 200, 'it was not used up')
  })
})

t.test('R141 R126 a refresh narrows for one access token, and never below or above what is allowed now', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice', ['editor'])
  const { refresh_token: token } = await logIn(demo, 'alice')
  const narrow = (await refresh(demo, token, { scope: 'items:read admin' })).json<Issued>()
  t.equal(narrow.scope, 'items:read')
  t.equal(decodeJwt(narrow.access_token)['scope'], 'items:read')
  const wide = (await refresh(demo, narrow.refresh_token)).json<Issued>()
  t.equal(wide.scope, 'me items:read items:write', 'R141 the grant is as it was')
  await demo.app.stores.users.update(alice.id, { roles: ['viewer'] })
  const viewer = (await refresh(demo, wide.refresh_token)).json<Issued>()
  t.equal(viewer.scope, 'me items:read', 'R126 what the owner has now')
  await demo.app.stores.users.update(alice.id, { roles: ['admin'] })
  t.equal((await refresh(demo, viewer.refresh_token)).json<Issued>().scope, 'me items:read items:write', 'R141 and never more than was granted')
})

async function service (t: Test, options: Partial<TokensOptions> = {}) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(stores, { file: ':memory:' })
  await app.register(tokens, { issuer, keyFile: `${t.testdir({})}/token-key`, createKey: true, ...options })
  return app
}

const grant = { subject: 'alice', clientId: 'web', scopes: ['me'] }
const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

t.test('R140 with replaySeconds 0 a repetition ends the family', async (t) => {
  const app = await service(t, { replaySeconds: 0 })
  const { refreshToken } = await app.tokens.open(grant)
  const answers = await Promise.allSettled(Array.from({ length: 20 }, () => app.tokens.refresh({ refreshToken, clientId: 'web' })))
  t.equal(answers.filter(({ status }) => status === 'fulfilled').length, 1)
  t.equal((await app.stores.audit.list({ event: 'authn_token_reuse' })).items.length, 1)
})

t.test('R140 a family that was reused, its access tokens and the event end together or not at all', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const inner = await createSqliteStores(':memory:')
  let fails = false
  const failing = (set: StoreSet): StoreSet => ({ ...set, audit: { ...set.audit, append: async (event) => { if (fails) throw new Error('no'); return await set.audit.append(event) } } })
  await app.register(fp(async (app: FastifyInstance) => {
    app.decorate('stores', { ...failing(inner), transaction: (work) => inner.transaction((set) => work(failing(set))), ping: () => inner.ping(), close: () => inner.close() } satisfies Stores)
    app.addHook('onClose', () => inner.close())
  }, { name: 'gatehouse-stores' }))
  await app.register(tokens, { issuer, keyFile: `${t.testdir({})}/token-key`, createKey: true, replaySeconds: 0 })
  const { refreshToken } = await app.tokens.open(grant)
  fails = true
  const answers = await Promise.allSettled([1, 2].map(() => app.tokens.refresh({ refreshToken, clientId: 'web' })))
  t.strictSame(answers.map(({ status }) => status), ['fulfilled', 'rejected'])
  t.equal((await app.stores.refreshTokens.findByDigest(digestOfRefreshToken(refreshToken)))?.family.revoked_at, null)
  fails = false
  await t.rejects(app.tokens.refresh({ refreshToken, clientId: 'web' }), { code: 'invalid_grant' })
  t.equal((await app.stores.audit.list({ event: 'authn_token_reuse' })).items.length, 1)
})

t.test('R140 after replaySeconds a repetition ends the family', async (t) => {
  const app = await service(t, { replaySeconds: 1 })
  const { refreshToken } = await app.tokens.open(grant)
  const next = await app.tokens.refresh({ refreshToken, clientId: 'web' })
  t.strictSame(await app.tokens.refresh({ refreshToken, clientId: 'web' }), next)
  await wait(1100)
  await t.rejects(app.tokens.refresh({ refreshToken, clientId: 'web' }), { code: 'invalid_grant' })
  await t.rejects(app.tokens.refresh({ refreshToken: next.refreshToken, clientId: 'web' }), { code: 'invalid_grant' })
})

t.test('R142 a token ends when it is idle, and a family however it is used', async (t) => {
  const idle = await service(t, { refreshIdleSeconds: 1 })
  const { refreshToken } = await idle.tokens.open(grant)
  const absolute = await service(t, { refreshAbsoluteSeconds: 2 })
  const family = await absolute.tokens.open(grant)
  await wait(1100)
  await t.rejects(idle.tokens.refresh({ refreshToken, clientId: 'web' }), { code: 'invalid_grant' })
  const next = await absolute.tokens.refresh({ refreshToken: family.refreshToken, clientId: 'web' })
  await wait(1000)
  await t.rejects(absolute.tokens.refresh({ refreshToken: next.refreshToken, clientId: 'web' }), { code: 'invalid_grant' })
})

t.test('R140 the answer that is kept opens with its own token alone', async (t) => {
  const [token, other] = ['A'.repeat(43), 'B'.repeat(43)]
  const sealed = sealReplay(token, 'the answer')
  t.notOk(Buffer.from(sealed, 'base64url').includes('answer'))
  t.equal(openReplay(token, sealed), 'the answer')
  t.equal(openReplay(other, sealed), null)
  t.equal(openReplay(digestOfRefreshToken(token), sealed), null, 'what the store has does not open it')
  t.not(sealReplay(token, 'the answer'), sealed)
})

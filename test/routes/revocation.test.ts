// Revocation (RFC 7009) and introspection (RFC 7662), and that what is revoked is refused at once.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { decodeJwt } from 'jose'
import t from 'tap'
import { assertNoSecret, assertProblem, basicOf, buildDemo, cookieChallenge, form, issuer, password } from '../demo.ts'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { Demo, Headers } from '../demo.ts'

interface Issued { access_token: string; refresh_token: string }

const badToken = ['Bearer realm="api", error="invalid_token", error_description="The access token is invalid"', cookieChallenge]
const basicChallenge = 'Basic realm="api", charset="UTF-8"'

function post (demo: Demo, url: string, fields: Record<string, string>, headers: Headers = {}): Promise<LightMyRequestResponse> {
  const { headers: type, payload } = form(fields)
  return demo.send({ method: 'POST', url, headers: { ...type, ...headers }, payload })
}

async function logIn (demo: Demo, username: string, headers: Headers = {}): Promise<Issued> {
  const issued = (await post(demo, '/token', { grant_type: 'password', username, password }, headers)).json<Issued>()
  demo.secrets.add(issued.access_token).add(issued.refresh_token)
  return issued
}

async function clientOf (demo: Demo, grants: string[] = ['client_credentials']): Promise<{ id: string; basic: Headers }> {
  const { client, secret } = await demo.app.tokens.createClient({ name: 'a client', grants, scopes: ['me', 'items:read'] })
  demo.secrets.add(secret)
  return { id: client.client_id, basic: basicOf(client.client_id, secret) }
}

function me (demo: Demo, { access_token: token }: Issued): Promise<LightMyRequestResponse> {
  return demo.send({ url: '/users/me', headers: { authorization: `Bearer ${token}` } })
}

async function assertLives (t: Test, demo: Demo, issued: Issued, lives: boolean): Promise<void> {
  const answer = await me(demo, issued)
  if (lives) t.equal(answer.statusCode, 200)
  else assertProblem(t, demo, answer, { status: 401, code: 'invalid_token', challenge: badToken })
}

function assertRevoked (t: Test, answer: LightMyRequestResponse): void {
  t.equal(answer.statusCode, 200)
  t.equal(answer.body, '')
  t.match(answer.headers, { 'cache-control': 'no-store', pragma: 'no-cache' }, 'R131')
}

t.test('R144 R066 an access token that is revoked is refused at once, and nothing else is', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const [one, other] = [await logIn(demo, 'alice'), await logIn(demo, 'alice')]
  await assertLives(t, demo, one, true)
  assertRevoked(t, await post(demo, '/token/revoke', { token: one.access_token }))
  await assertLives(t, demo, one, false)
  await assertLives(t, demo, other, true)
  assertRevoked(t, await post(demo, '/token/revoke', { token: one.access_token }))
  const again = await post(demo, '/token', { grant_type: 'refresh_token', refresh_token: one.refresh_token })
  t.equal(again.statusCode, 200, 'its refresh token goes on')
  t.match((await demo.app.stores.audit.list({ event: 'authn_token_revoked' })).items, [{ outcome: 'success', actor: alice.id, target: decodeJwt(one.access_token).jti, route: '/token/revoke', method: 'POST', ip: /^10\.\d+\.\d+\.\d+$/, request_id: String }], 'it is recorded once')
})

t.test('R144 a refresh token that is revoked takes its family and access tokens with it', async (t) => {
  const demo = await buildDemo(t)
  await demo.person('alice')
  const [one, other] = [await logIn(demo, 'alice'), await logIn(demo, 'alice')]
  const next = (await post(demo, '/token', { grant_type: 'refresh_token', refresh_token: one.refresh_token })).json<Issued>()
  assertRevoked(t, await post(demo, '/token/revoke', { token: next.refresh_token, token_type_hint: 'access_token' }))
  await assertLives(t, demo, one, false)
  await assertLives(t, demo, next, false)
  t.match((await post(demo, '/token', { grant_type: 'refresh_token', refresh_token: next.refresh_token })).json(), { error: 'invalid_grant' })
  await assertLives(t, demo, other, true)

  await t.test('an older token of it does the same', async (t) => {
    const newest = (await post(demo, '/token', { grant_type: 'refresh_token', refresh_token: other.refresh_token })).json<Issued>()
    assertRevoked(t, await post(demo, '/token/revoke', { token: other.refresh_token }))
    await assertLives(t, demo, newest, false)
  })
})

t.test('R144 what is no token of the client is answered alike and changes nothing', async (t) => {
  const demo = await buildDemo(t)
  await demo.person('alice')
  const mine = await logIn(demo, 'alice')
  const { basic } = await clientOf(demo, ['refresh_token'])
  const rows: [string, string, Headers][] = [
    ['unknown', 'A'.repeat(43), {}],
    ['of another form', 'abc.def', {}],
    ['with a NUL', `${mine.refresh_token}\0`, {}],
    ['forged', mine.access_token.replace(/\.[^.]+$/, `.${'A'.repeat(86)}`), {}],
    ['the access token of another client', mine.access_token, basic],
    ['the refresh token of another client', mine.refresh_token, basic]
  ]
  for (const [title, token, headers] of rows) {
    await t.test(title, async (t) => {
      const answer = await post(demo, '/token/revoke', { token }, headers)
      assertRevoked(t, answer)
      assertNoSecret(t, demo, answer)
      await assertLives(t, demo, mine, true)
    })
  }
  const events = (await demo.app.stores.audit.list({ event: 'authn_token_revoked' })).items
  t.strictSame(events.map(({ outcome, reason }) => [outcome, reason]), [['failure', 'wrong_client'], ['failure', 'wrong_client']], 'the attempts of another client are recorded')
  t.equal((await post(demo, '/token', { grant_type: 'refresh_token', refresh_token: mine.refresh_token })).statusCode, 200)
})

t.test('R006 R130 R133 R145 what /token/revoke and /token/introspect refuse', async (t) => {
  const demo = await buildDemo(t)
  await demo.person('alice')
  const { access_token: token } = await logIn(demo, 'alice')
  const { id, basic } = await clientOf(demo)
  const wrong = basicOf(id, 'A'.repeat(43))
  const refusals: [string, Record<string, string>, Headers, number, string, string?][] = [
    ['no token', {}, basic, 400, 'invalid_request'],
    ['an empty token', { token: '' }, basic, 400, 'invalid_request'],
    ['a wrong secret', { token }, wrong, 401, 'invalid_client', basicChallenge],
    ['an unknown client', { token, client_id: 'other' }, {}, 401, 'invalid_client', basicChallenge]
  ]
  for (const url of ['/token/revoke', '/token/introspect']) {
    for (const [title, fields, headers, status, error, challenge] of [...refusals, ...(url === '/token/introspect' ? [['R145 the public client', { token }, {}, 401, 'invalid_client', basicChallenge] as const] : [])]) {
      await t.test(`${url}: ${title}`, async (t) => {
        const answer = await post(demo, url, fields, headers)
        t.equal(answer.statusCode, status)
        t.match(answer.json(), { error })
        t.equal(answer.headers['www-authenticate'], challenge)
        t.match(answer.headers, { 'cache-control': 'no-store', pragma: 'no-cache' }, 'R131')
        assertNoSecret(t, demo, answer)
      })
    }
    await t.test(`R144 ${url}: any other method is 405 with Allow`, async (t) => {
      for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const) {
        const refused = await demo.send({ method, url })
        t.equal(refused.statusCode, 405, method)
        t.equal(refused.headers.allow, 'POST', method)
        t.equal(refused.headers['cache-control'], 'no-store')
      }
    })
    const others: [string, InjectOptions, number][] = [
      ['JSON', { payload: { token } }, 415],
      ['a parameter twice', { headers: form({}).headers, payload: `token=${token}&token=x` }, 400],
      ['the token in the query', { url: `${url}?token=${token}`, headers: form({}).headers, payload: '' }, 400]
    ]
    for (const [title, request, status] of others) {
      await t.test(`R130 ${url}: ${title}`, async (t) => {
        const answer = await demo.send({ method: 'POST', url, ...request })
        t.equal(answer.statusCode, status)
        t.match(answer.json(), { error: 'invalid_request' })
      })
    }
  }
  t.equal((await demo.send({ url: '/users/me', headers: { authorization: `Bearer ${token}` } })).statusCode, 200)
})

t.test('R145 introspection tells what a live token is, and of any other one thing', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice', ['viewer'])
  const { basic } = await clientOf(demo)
  const introspect = async (token: string, headers = basic) => {
    const answer = await post(demo, '/token/introspect', { token }, headers)
    t.equal(answer.statusCode, 200)
    t.match(answer.headers, { 'cache-control': 'no-store', 'content-type': /^application\/json/ })
    return answer.json<Record<string, unknown>>()
  }
  const issued = await logIn(demo, 'alice')
  const { exp, iat, jti } = decodeJwt(issued.access_token)
  t.strictSame(await introspect(issued.access_token), {
    active: true, scope: 'me items:read', client_id: 'demo', sub: alice.id, exp, iat, iss: issuer, aud: issuer, jti, token_type: 'Bearer'
  })

  const inactive: [string, () => Promise<string>][] = [
    ['nonsense', async () => 'abc'],
    ['a forged token', async () => issued.access_token.replace(/\.[^.]+$/, `.${'A'.repeat(86)}`)],
    ['a token of another issuer', async () => `${issued.access_token.split('.')[0] ?? ''}.${Buffer.from(JSON.stringify({ iss: 'https://evil.example' })).toString('base64url')}.${'A'.repeat(86)}`],
    ['an unknown refresh token', async () => 'A'.repeat(43)],
    ['a refresh token of another client', async () => issued.refresh_token],
    ['a revoked token', async () => { const one = await logIn(demo, 'alice'); await post(demo, '/token/revoke', { token: one.access_token }); return one.access_token }],
    ['a token of a revoked family', async () => { const one = await logIn(demo, 'alice'); await post(demo, '/token/revoke', { token: one.refresh_token }); return one.access_token }],
    ['a token of somebody who is gone', async () => demo.app.tokens.issue({ subject: 'nobody', clientId: 'demo', scopes: ['me'] }).accessToken]
  ]
  for (const [title, make] of inactive) {
    await t.test(title, async (t) => { t.strictSame(await introspect(await make()), { active: false }) })
  }

  await t.test('a refresh token, told to its own client', async (t) => {
    const own = await clientOf(demo, ['password', 'refresh_token'])
    const mine = await logIn(demo, 'alice', own.basic)
    const found = await introspect(mine.refresh_token, own.basic)
    t.match(found, { active: true, scope: 'me items:read', client_id: own.id, sub: alice.id, iss: issuer })
    t.ok(Number(found['exp']) > Number(found['iat']) + 86_400)
    await post(demo, '/token', { grant_type: 'refresh_token', refresh_token: mine.refresh_token }, own.basic)
    t.strictSame(await introspect(mine.refresh_token, own.basic), { active: false }, 'a used one is none')
  })
  await t.test('R126 what the owner lost is not told as granted, and a disabled owner has none', async (t) => {
    await demo.app.stores.users.update(alice.id, { roles: [] })
    t.match(await introspect(issued.access_token), { active: true, scope: '' })
    await demo.app.stores.users.update(alice.id, { disabled: true })
    t.strictSame(await introspect(issued.access_token), { active: false })
  })
})

t.test('R143 R066 a subject is logged out everywhere, but for the family that stays', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  await demo.person('bob')
  const [one, two, kept, bobs] = [await logIn(demo, 'alice'), await logIn(demo, 'alice'), await logIn(demo, 'alice'), await logIn(demo, 'bob')]
  const loose: Issued = { access_token: demo.app.tokens.issue({ subject: alice.id, clientId: 'demo', scopes: ['me'] }).accessToken, refresh_token: '' }
  await demo.app.tokens.revokeSubject(alice.id, { exceptFamily: String(decodeJwt(kept.access_token)['sid']) })
  for (const ended of [one, two, loose]) await assertLives(t, demo, ended, false)
  for (const ended of [one, two]) t.match((await post(demo, '/token', { grant_type: 'refresh_token', refresh_token: ended.refresh_token })).json(), { error: 'invalid_grant' })
  for (const living of [kept, bobs]) await assertLives(t, demo, living, true)
  t.equal((await post(demo, '/token', { grant_type: 'refresh_token', refresh_token: kept.refresh_token })).statusCode, 200)
  await assertLives(t, demo, await logIn(demo, 'alice'), true)

  await t.test('inside a transaction, at once', async (t) => {
    const issued = await logIn(demo, 'alice')
    await demo.app.stores.transaction(async (stores) => {
      await stores.users.update(alice.id, { roles: ['viewer'] })
      await demo.app.tokens.revokeSubject(alice.id, { stores })
    })
    await assertLives(t, demo, issued, false)
    await assertLives(t, demo, kept, false)
  })
  await t.test('a transaction that is taken back ends no family', async (t) => {
    const issued = await logIn(demo, 'alice')
    await t.rejects(demo.app.stores.transaction(async (stores) => {
      await demo.app.tokens.revokeSubject(alice.id, { stores })
      throw new Error('taken back')
    }))
    t.equal((await post(demo, '/token', { grant_type: 'refresh_token', refresh_token: issued.refresh_token })).statusCode, 200)
  })
})

t.test('R143 a login with the password of before does not outlive the log-out that it met', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  let loggedOut: Promise<void> | undefined
  const logOut = (): void => { loggedOut ??= demo.app.tokens.revokeSubject(alice.id) }
  subscribe('gatehouse:passwords:hash', logOut)
  const answer = await post(demo, '/token', { grant_type: 'password', username: 'alice', password })
  unsubscribe('gatehouse:passwords:hash', logOut)
  await loggedOut
  t.equal(answer.statusCode, 400)
  t.match(answer.json(), { error: 'invalid_grant' })
  t.strictSame((await demo.app.stores.refreshTokens.listBySubject(alice.id)).items, [])
  await assertLives(t, demo, await logIn(demo, 'alice'), true)
})

t.test('R143 nor does a token without a family, which a client gets that may not refresh', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const { basic } = await clientOf(demo, ['password'])
  const { now } = Date
  t.teardown(() => { Date.now = now })
  let loggedOut: Promise<void> | undefined
  const logOut = (): void => {
    loggedOut = demo.app.tokens.revokeSubject(alice.id)
    // The hash took its time: dates in tokens are whole seconds.
    Date.now = () => now() + 2000
  }
  subscribe('gatehouse:passwords:hash', logOut)
  const issued = await logIn(demo, 'alice', basic)
  unsubscribe('gatehouse:passwords:hash', logOut)
  await loggedOut
  t.notOk('refresh_token' in issued)
  await assertLives(t, demo, issued, false)
})

t.test('R148 no origin reads answers of /token with the cookies of somebody', async (t) => {
  const origin = 'https://app.example.com'
  const demo = await buildDemo(t, { CORS_ORIGINS: origin })
  for (const url of ['/token', '/token/revoke', '/token/introspect']) {
    const answers = [await post(demo, url, { token: 'abc' }, { origin }), await demo.send({ method: 'OPTIONS', url, headers: { origin, 'access-control-request-method': 'POST' } })]
    for (const { headers } of answers) {
      t.equal(headers['access-control-allow-origin'], origin)
      t.notOk('access-control-allow-credentials' in headers)
    }
    t.notOk('access-control-allow-origin' in (await post(demo, url, { token: 'abc' }, { origin: 'https://evil.example' })).headers)
  }
})

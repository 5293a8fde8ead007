// A token that comes again is not verified again; what time, revocation and the keys say of it is judged all the same.
import { createSecretKey, randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import t from 'tap'
import { createVerifiedTokens, digestOfToken } from '../../credentials/verified-tokens.ts'
import { bearerAuth } from '../../plugins/bearer-auth.ts'
import { assertOptionRefused } from '../fixtures/guarded-service.ts'
import { audience, badToken, bearerService, claimsWith, forge, issuer, secret } from '../fixtures/tokens.ts'
import type { VerificationKey } from '../../credentials/jwt-keys.ts'
import type { BearerPrincipal } from '../../guards/principal.ts'
import type { Test } from 'tap'

const header = { alg: 'HS256', typ: 'at+jwt' }
const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` })

/** A clock that the test sets; it begins now. */
function testClock (t: Test): { advance (seconds: number): void } {
  let time = Date.now()
  t.intercept(Date, 'now', { value: () => time })
  return { advance (seconds) { time += seconds * 1000 } }
}

t.test('R065 R054 a token that was accepted dies at its exp', async (t) => {
  const clock = testClock(t)
  const service = await bearerService(t, { clockToleranceSeconds: 5 })
  const token = forge(header, claimsWith({ exp: Math.floor(Date.now() / 1000) + 60 }))
  for (const [seconds, status] of [[0, 200], [59, 200], [5, 200], [1, 401], [0, 401]] as const) {
    clock.advance(seconds)
    t.equal((await service.get(bearer(token))).statusCode, status, `after ${String(seconds)} s more`)
  }
})

t.test('R054 a token whose time had not come is accepted when it has, and refused again where the clock goes back', async (t) => {
  const clock = testClock(t)
  const service = await bearerService(t)
  const token = forge(header, claimsWith({ nbf: Math.floor(Date.now() / 1000) + 30, exp: Math.floor(Date.now() / 1000) + 600 }))
  for (const [seconds, status] of [[0, 401], [30, 200], [1, 200], [-31, 401]] as const) {
    clock.advance(seconds)
    t.equal((await service.get(bearer(token))).statusCode, status, `after ${String(seconds)} s more`)
  }
})

t.test('R065 R066 a token that was accepted dies when it is revoked', async (t) => {
  const revoked = new Set<unknown>()
  const service = await bearerService(t, { isRevoked: ({ claims }) => revoked.has(claims.jti) })
  const [first, second] = [forge(header, claimsWith({ jti: 'one' })), forge(header, claimsWith({ jti: 'two' }))]
  for (const token of [first, second, first, second]) t.equal((await service.get(bearer(token))).statusCode, 200)
  revoked.add('one')
  const refused = await service.get(bearer(first))
  t.equal(refused.statusCode, 401)
  t.equal(refused.headers['www-authenticate'], badToken)
  t.equal((await service.get(bearer(second))).statusCode, 200)
})

t.test('R065 the principal behind an accepted token is asked for every time', async (t) => {
  let account: { subject: string; scopes?: string[]; disabled?: boolean } | null = { subject: 'alice', scopes: ['me'] }
  const service = await bearerService(t, { loadPrincipal: () => account })
  const token = forge(header)
  t.same((await service.get(bearer(token))).json<BearerPrincipal>().scopes, ['me'])
  account = { subject: 'alice', scopes: [] }
  t.same((await service.get(bearer(token))).json<BearerPrincipal>().scopes, [])
  account = { subject: 'alice', disabled: true }
  t.equal((await service.get(bearer(token))).statusCode, 403)
  account = null
  t.equal((await service.get(bearer(token))).statusCode, 401)
})

t.test('R064 R065 a token that was accepted dies with its key', async (t) => {
  const verificationKey = (bytes: Uint8Array): VerificationKey => ({ key: createSecretKey(Buffer.from(bytes)), algorithm: 'HS256' })
  const keys = new Map([['a', verificationKey(secret)]])
  const service = await bearerService(t, { keySource: { get: (kid) => keys.get(kid ?? '') ?? null }, algorithms: ['HS256'] })
  const token = forge({ ...header, kid: 'a' })
  const status = async (): Promise<number> => (await service.get(bearer(token))).statusCode
  t.equal(await status(), 200)
  t.equal(await status(), 200)
  keys.delete('a')
  t.equal(await status(), 401, 'the key is gone')
  keys.set('a', verificationKey(randomBytes(32)))
  t.equal(await status(), 401, 'another key has its name')
  keys.set('a', verificationKey(secret))
  t.equal(await status(), 200, 'the key is back')
})

t.test('R007 R065 an accepted token waits for its key source like any other', async (t) => {
  let fails = false
  const key: VerificationKey = { key: createSecretKey(secret), algorithm: 'HS256' }
  const service = await bearerService(t, {
    algorithms: ['HS256'],
    keySource: { async get () { await Promise.resolve(); if (fails) throw new Error('unreachable'); return key } }
  })
  const token = forge(header)
  t.equal((await service.get(bearer(token))).statusCode, 200)
  fails = true
  t.equal((await service.get(bearer(token))).statusCode, 503)
})

t.test('R056 R065 CVE-2025-59936 what one registration accepted is nothing to another', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const partner = { secret, issuer: 'https://partner.example', audience }
  await app.register(bearerAuth, { secret, issuer, audience })
  await app.register(bearerAuth, { as: 'partner', ...partner })
  await app.register(bearerAuth, { as: 'strict', secret, issuer, audience, isRevoked: () => true })
  const strict = app.getDecorator<typeof app.bearer>('strict')
  const other = app.getDecorator<typeof app.bearer>('partner')
  app.get('/own', { onRequest: app.bearer }, () => ({}))
  app.get('/partner', { onRequest: other }, () => ({}))
  app.get('/strict', { onRequest: strict }, () => ({}))
  const tokens = { own: forge(header), partner: forge(header, claimsWith({ iss: partner.issuer })) }
  const expected = [['own', 'own', 200], ['own', 'partner', 401], ['own', 'strict', 401], ['partner', 'partner', 200], ['partner', 'own', 401], ['own', 'own', 200], ['own', 'strict', 401]] as const
  for (const [token, url, status] of expected) {
    t.equal((await app.inject({ url: `/${url}`, headers: bearer(tokens[token]) })).statusCode, status, `${token} at ${url}`)
  }
})

t.test('CVE-2026-35039 tokens that differ in one claim are each their own', async (t) => {
  const service = await bearerService(t)
  const tokens = ['alice', 'bob'].map((sub) => [sub, forge(header, claimsWith({ sub }))] as const)
  for (let round = 0; round < 3; round += 1) {
    for (const [sub, token] of tokens) t.equal((await service.get(bearer(token))).json<BearerPrincipal>().subject, sub)
  }
})

t.test('R047 R065 nothing near an accepted token is one', async (t) => {
  const service = await bearerService(t)
  const token = forge(header)
  t.equal((await service.get(bearer(token))).statusCode, 200)
  const [head = '', claims = '', signature = ''] = token.split('.')
  const near = [`${token}=`, token.slice(0, -1), `${head}.${claims}.${signature.toLowerCase()}`, `${head}.${forge(header, claimsWith({ sub: 'eve' })).split('.')[1] ?? ''}.${signature}`, ` ${token} `.trimStart()]
  for (const value of near.slice(0, 4)) t.equal((await service.get(bearer(value))).statusCode, 401)
  t.equal((await service.get(bearer(token))).statusCode, 200)
})

t.test('R065 what requests share of a token cannot be changed by one of them', async (t) => {
  let seen: BearerPrincipal | undefined
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(bearerAuth, { secret, issuer, audience })
  app.get('/me', { onRequest: app.bearer }, (request) => {
    seen = app.bearer.principal(request)
    return {}
  })
  await app.inject({ url: '/me', headers: bearer(forge(header, claimsWith({ act: { sub: 'carol', deep: [{ a: 1 }] } }))) })
  const { claims } = seen as unknown as { claims: { act: { sub: string; deep: { a: number }[] } } }
  t.throws(() => { claims.act.sub = 'eve' }, TypeError)
  t.throws(() => { claims.act.deep.push({ a: 2 }) }, TypeError)
  t.throws(() => { Object.assign(claims.act.deep[0] ?? {}, { a: 2 }) }, TypeError)
})

t.test('the table of verified tokens is bounded', (t) => {
  t.test('by count, the least recently used first', async (t) => {
    const table = createVerifiedTokens<{ name: number }>(3)
    for (const name of [1, 2, 3]) table.set(digestOfToken(String(name)), { name }, 10, 60)
    table.get(digestOfToken('1'))
    table.set(digestOfToken('4'), { name: 4 }, 10, 60)
    t.strictSame(['1', '2', '3', '4'].map((name) => table.get(digestOfToken(name))?.name), [1, undefined, 3, 4])
  })
  t.test('by bytes', async (t) => {
    const table = createVerifiedTokens<{ name: number }>(100)
    for (let name = 0; name < 100; name += 1) table.set(digestOfToken(String(name)), { name }, 8192, 60)
    const kept = Array.from({ length: 100 }, (_, name) => table.get(digestOfToken(String(name)))).filter((found) => found !== undefined)
    t.equal(kept.length, 6, '204,800 bytes hold six tokens of 8 KiB')
  })
  t.test('R065 by time, to the end of a token', async (t) => {
    let time = 1000
    t.intercept(performance, 'now', { value: () => time })
    const table = createVerifiedTokens<{ name: number }>(100)
    table.set(digestOfToken('1'), { name: 1 }, 10, 60)
    t.strictSame(table.get(digestOfToken('1')), { name: 1 })
    time += 62_000
    await new Promise((resolve) => { setTimeout(resolve, 1100) })
    t.equal(table.get(digestOfToken('1')), undefined)
  })
  t.test('to nothing, where none is wanted', async (t) => {
    const table = createVerifiedTokens<{ name: number }>(0)
    table.set(digestOfToken('1'), { name: 1 }, 10, 60)
    t.equal(table.get(digestOfToken('1')), undefined)
    const service = await bearerService(t, { maxVerifiedTokens: 0 })
    for (let round = 0; round < 2; round += 1) t.equal((await service.get(bearer(forge(header)))).statusCode, 200)
  })
  t.test('its names tell no token', async (t) => {
    t.equal(Buffer.from(digestOfToken(forge(header)), 'latin1').length, 32)
  })
  t.end()
})

t.test('R048 how many tokens are kept is a whole number', async (t) => {
  for (const maxVerifiedTokens of [-1, 1.5, NaN, '100', 10_000_001]) {
    await assertOptionRefused(t, (app) => app.register(bearerAuth, { secret, issuer, audience, maxVerifiedTokens: maxVerifiedTokens as number }), 'bearerAuth.maxVerifiedTokens')
  }
})

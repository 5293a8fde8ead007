// Published advisories on JWT and authentication packages, each as an attack on this suite.
import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto'
import { CompactEncrypt, CompactSign, FlattenedSign } from 'jose'
import t from 'tap'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { basicAuth } from '../../plugins/basic-auth.ts'
import { bearerAuth } from '../../plugins/bearer-auth.ts'
import { createPasswordCheck } from '../../credentials/static-users.ts'
import { assertOptionRefused, assertRefused, guardedService } from '../fixtures/guarded-service.ts'
import { audience, badToken, bearerService, claimsWith, forge, issuer, now, secret, segment, sign } from '../fixtures/tokens.ts'
import type { Test } from 'tap'
import type { BearerAuthOptions } from '../../plugins/bearer-auth.ts'
import type { GuardedService } from '../fixtures/guarded-service.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spki = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()
const pkcs1 = rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString()
const hs256 = { alg: 'HS256', typ: 'at+jwt' }
const rs256 = { alg: 'RS256', typ: 'at+jwt' }

async function assertBad (t: Test, service: GuardedService, token: string): Promise<void> {
  await assertRefused(t, service, { headers: { authorization: `Bearer ${token}` }, status: 401, code: 'invalid_token', challenge: badToken, secret: token })
}

async function assertNoKey (t: Test, options: unknown): Promise<void> {
  await assertOptionRefused(t, (app) => app.register(bearerAuth, { issuer, audience, ...(options as object) } as BearerAuthOptions), 'bearerAuth')
}

t.test('CVE-2023-48223 an HS256 token keyed by the text of the public key', async (t) => {
  for (const pem of [spki, pkcs1]) {
    const service = await bearerService(t, { publicKey: pem, algorithms: ['RS256'] })
    for (const key of [pem, pem.trim(), `${pem.trim()}\n`, pem.replaceAll('\n', '\r\n')]) await assertBad(t, service, forge(hs256, claimsWith(), key))
    await assertNoKey(t, { secret: pem })
  }
})

t.test('CVE-2026-34950 leading white space before the PEM', async (t) => {
  const padded = `\n ${pkcs1}`
  const service = await bearerService(t, { publicKey: padded, algorithms: ['RS256'] })
  await assertBad(t, service, forge(hs256, claimsWith(), padded))
  await assertNoKey(t, { secret: padded })
})

t.test('GHSA-ww5h-9m49-7xx4 a comment, a byte order mark or a junk block before the PEM', async (t) => {
  for (const junk of ['# comment\n', '\uFEFF', '\u200b', '-----BEGIN JUNK-----\nAAAA\n-----END JUNK-----\n']) {
    await assertNoKey(t, { secret: junk + spki })
    // A byte order mark is white space to JavaScript and is trimmed; the rest is no PEM of one key.
    if (junk.trim() !== '') await assertNoKey(t, { publicKey: junk + spki, algorithms: ['RS256'] })
    else await assertBad(t, await bearerService(t, { publicKey: junk + spki, algorithms: ['RS256'] }), forge(hs256, claimsWith(), junk + spki))
  }
})

t.test('GHSA-g3jj-5cmm-3hxx an HS256 token keyed by the text of the JWK or the JWKS', async (t) => {
  const jwk = { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'a', alg: 'RS256' }
  const service = await bearerService(t, { jwks: { keys: [jwk] } })
  for (const key of [JSON.stringify(jwk), JSON.stringify({ keys: [jwk] }), JSON.stringify([jwk]), JSON.stringify({ keys: [jwk] }, null, 2)]) {
    await assertBad(t, service, forge({ ...hs256, kid: 'a' }, claimsWith(), key))
    await assertNoKey(t, { secret: key })
  }
})

t.test('CVE-2026-44351 a key source that answers an empty or falsy key', async (t) => {
  for (const key of ['', null, undefined, Buffer.alloc(0), {}, 0]) {
    const service = await bearerService(t, { algorithms: ['HS256'], keySource: { get: async () => Promise.resolve({ key, algorithm: 'HS256' } as never) } })
    await assertRefused(t, service, { headers: { authorization: `Bearer ${forge(hs256, claimsWith(), '')}` }, status: 503, code: 'unavailable', challenge: undefined })
  }
  for (const answer of ['', undefined, 0, false]) {
    const service = await bearerService(t, { algorithms: ['HS256'], keySource: { get: async () => Promise.resolve(answer as never) } })
    const response = await service.get({ authorization: `Bearer ${forge(hs256, claimsWith(), '')}` })
    t.ok([401, 503].includes(response.statusCode))
    t.equal(service.handled(), 0)
  }
  const none = await bearerService(t, { algorithms: ['HS256'], keySource: { get: async () => Promise.resolve(null) } })
  await assertBad(t, none, forge({ ...hs256, kid: 'unknown' }, claimsWith(), ''))
})

t.test('GHSA-8wpc-h4q6-8fxv no key, whatever the algorithms', async (t) => {
  for (const algorithms of [undefined, ['HS256'], ['RS256'], ['none'], ['none', 'HS256']]) {
    const given = algorithms === undefined ? {} : { algorithms }
    await assertNoKey(t, given)
    for (const empty of ['', null, undefined]) {
      await assertNoKey(t, { ...given, secret: empty })
      await assertNoKey(t, { ...given, publicKey: empty })
    }
  }
})

t.test('CVE-2026-35042 an unknown critical header', async (t) => {
  const service = await bearerService(t)
  await assertBad(t, service, forge({ ...hs256, crit: ['x-must-understand'], 'x-must-understand': true }))
})

t.test('CVE-2025-30144 an issuer list that holds the trusted one', async (t) => {
  const service = await bearerService(t)
  await assertBad(t, service, await sign(claimsWith({ iss: ['https://attacker.example', issuer] })))
})

t.test('CVE-2026-35039 tokens that look alike to a cache keep their own identities', async (t) => {
  const service = await bearerService(t)
  const tokens = await Promise.all(['alice', 'bob'].map(async (sub) => [sub, await sign(claimsWith({ sub, jti: 'same' }))] as const))
  for (let round = 0; round < 5; round += 1) {
    for (const [sub, token] of tokens) t.match((await service.get({ authorization: `Bearer ${token}` })).json(), { subject: sub })
  }
})

t.test('CVE-2026-35041 a pattern as the audience', async (t) => {
  await assertNoKey(t, { secret, audience: /^(a+)+X$/ })
  const service = await bearerService(t, { audience: '^(a+)+X$' })
  await assertBad(t, service, await sign(claimsWith({ aud: 'a'.repeat(40) })))
})

t.test('GHSA-3j8v-cgw4-2g6q the same token ten times is ten times the same answer', async (t) => {
  await assertNoKey(t, { secret, issuer: /https:/g })
  await assertNoKey(t, { secret, audience: /https:/y })
  const service = await bearerService(t)
  const token = await sign()
  for (let round = 0; round < 10; round += 1) t.equal((await service.get({ authorization: `Bearer ${token}` })).statusCode, 200)
})

t.test('ADV fast-jwt: #606 #607 lenient base64url, #639 duplicate members and an array as payload, #640 NaN clocks', async (t) => {
  const service = await bearerService(t)
  const token = await sign()
  const [head = '', body = '', mac = ''] = token.split('.')
  await assertRefused(t, service, { headers: { authorization: `Bearer ${head}.${body} .${mac}` }, status: 400, code: 'invalid_request', challenge: 'Bearer realm="api", error="invalid_request"' })
  await assertBad(t, service, `${token}=`)
  await assertBad(t, service, forge(hs256, '[]'))
  await assertBad(t, service, forge('{"alg":"none","alg":"HS256","typ":"at+jwt"}'))
  await assertNoKey(t, { secret, clockToleranceSeconds: NaN })
})

t.test('CVE-2025-59936 an issuer or kid with delimiters selects no other key', async (t) => {
  const jwk = (key: typeof rsa, kid: string): object => ({ ...key.publicKey.export({ format: 'jwk' }), kid, alg: 'RS256' })
  const service = await bearerService(t, { issuer: ['https://a.example', 'https://a.example:k1'], jwks: { keys: [jwk(rsa, 'k1:k2'), jwk(other, 'k2')] } })
  const token = async (iss: string, kid: string, key: typeof rsa): Promise<string> => await sign(claimsWith({ iss }), { key: key.privateKey, header: { ...rs256, kid } })
  t.equal((await service.get({ authorization: `Bearer ${await token('https://a.example', 'k1:k2', rsa)}` })).statusCode, 200)
  await assertBad(t, service, await token('https://a.example:k1', 'k2', rsa))
  await assertBad(t, service, await token('https://a.example', 'k1:k2', other))
  for (const kid of ['k1', 'k1:', ':k2', 'https://a.example:k1:k2', 'k1:k2:RS256', 'k1#k2', 'k1,k2']) await assertBad(t, service, await token('https://a.example', kid, rsa))
})

t.test('ADV @fastify/jwt: #410 a token in a cookie, garbage or not, is as if absent and never 500', async (t) => {
  const service = await bearerService(t)
  for (const cookie of ['token=garbage', 'token=s%3Agarbage.garbage', `token=${await sign()}`, 'token']) {
    await assertRefused(t, service, { headers: { cookie }, status: 401, code: 'credentials_required', challenge: 'Bearer realm="api"' })
  }
})

t.test('ADV @fastify/basic-auth: lenient parsing of the header', async (t) => {
  const service = await guardedService(t, async (app) => {
    await app.register(basicAuth, { users: { alice: 'secret' } })
    return app.basic
  })
  const credentials = Buffer.from('alice:secret').toString('base64')
  for (const authorization of [`Basic ${credentials} `, `Basic \t${credentials}`, `Basic ${credentials}==`, `Basic ${credentials}.`, `Basic ${credentials}, Bearer x`]) {
    await assertRefused(t, service, { headers: { authorization }, status: 401, code: 'invalid_credentials', challenge: 'Basic realm="api", charset="UTF-8"', secret: credentials })
  }
})

t.test('CVE-2022-31142 comparing with a static secret tells nothing of its length', async (t) => {
  const isPasswordOf = createPasswordCheck({ alice: 'a secret of some length' })
  for (const guess of ['', 'a', 'a secret of some lengt', 'a secret of some length!', 'x'.repeat(10_000)]) t.equal(isPasswordOf('alice', guess), false, `${String(guess.length)} characters`)
  t.equal(isPasswordOf('alice', 'a secret of some length'), true)
})

t.test('ADV fastify-bearer-auth: no refused credential is written to the log, at any level', async (t) => {
  const service = await guardedService(t, async (app) => {
    await app.register(bearerAuth, { secret, issuer, audience })
    await app.register(basicAuth, { users: { alice: 'secret' } })
    await app.register(apiKeyAuth, { verify: () => null })
    return app.anyOf(app.bearer, app.basic, app.apiKey)
  })
  const token = await sign(claimsWith({ exp: 1 }))
  const password = randomBytes(12).toString('hex')
  const key = randomBytes(12).toString('hex')
  const basic = Buffer.from(`alice:${password}`).toString('base64')
  for (const headers of [{ authorization: `Bearer ${token}` }, { authorization: `Bearer ${token}.` }, { authorization: `Basic ${basic}` }, { 'x-api-key': key }]) {
    t.equal((await service.get(headers as Record<string, string>)).statusCode, 401)
  }
  const log = service.log.join('')
  t.match(log, /refused/)
  for (const text of [token, token.split('.')[2] ?? token, basic, password, key]) t.notOk(log.includes(text))
})

t.test('CVE-2015-9235 CVE-2022-23539 CVE-2022-23540 CVE-2022-23541 none, confused and weak keys', async (t) => {
  const service = await bearerService(t, { publicKey: spki, algorithms: ['RS256'] })
  const unsigned = (alg: string): string => `${segment({ alg, typ: 'at+jwt' })}.${segment(claimsWith())}.`
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
    await assertBad(t, service, unsigned(alg))
    await assertBad(t, service, `${unsigned(alg)}AAAA`)
    await assertBad(t, service, forge({ alg, typ: 'at+jwt' }, claimsWith(), spki))
  }
  for (const alg of ['HS256', 'HS384', 'HS512', 'PS256', 'RS512', 'ES256', 'RS256 ', 'rs256']) await assertBad(t, service, forge({ alg, typ: 'at+jwt' }, claimsWith(), spki))
  for (const falsy of ['', null, false, 0]) await assertNoKey(t, { secret: falsy, algorithms: ['none'] })
  await assertNoKey(t, { publicKey: ec.publicKey.export({ type: 'spki', format: 'pem' }), algorithms: ['RS256'] })
})

t.test('CVE-2025-65945 a key source sees the kid alone, and what it answers is checked', async (t) => {
  const asked: unknown[][] = []
  const service = await bearerService(t, {
    keySource: {
      get (...given: unknown[]) {
        asked.push(given)
        // A look-up that trusts what it is handed: the text of the kid itself becomes the key.
        return { key: String(given[0]), algorithm: 'HS256' } as never
      }
    }
  })
  const kid = 'attacker-chosen-key-of-good-length-1234'
  const token = forge({ ...hs256, kid }, claimsWith(), kid)
  await assertRefused(t, service, { headers: { authorization: `Bearer ${token}` }, status: 503, code: 'unavailable', challenge: undefined })
  t.strictSame(asked, [[kid]])
})

t.test('CVE-2022-36083 CVE-2024-28176 five-part tokens are refused before anything is derived or inflated', async (t) => {
  const service = await bearerService(t)
  const key = randomBytes(32)
  const jwe = await new CompactEncrypt(Buffer.from(JSON.stringify(claimsWith()))).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(key)
  await assertBad(t, service, jwe)
  for (const head of [{ alg: 'PBES2-HS256+A128KW', enc: 'A128CBC-HS256', p2c: 2_000_000_000, p2s: 'AAAA' }, { alg: 'dir', enc: 'A256GCM', zip: 'DEF' }]) {
    const started = performance.now()
    await assertBad(t, service, `${segment(head)}.AAAA.AAAA.AAAA.AAAA`)
    t.ok(performance.now() - started < 500)
  }
})

t.test('CVE-2024-33663 OpenSSH and DER forms of a public key as secret', async (t) => {
  const der = ec.publicKey.export({ type: 'spki', format: 'der' })
  const point = Buffer.from('AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBB', 'latin1').toString()
  for (const key of [`ecdsa-sha2-nistp256 ${point}${randomBytes(48).toString('base64')} alice@example`, der, der.toString('base64'), rsa.publicKey.export({ type: 'pkcs1', format: 'der' })]) {
    await assertNoKey(t, { secret: key })
  }
})

t.test('CVE-2024-37568 an HMAC over the public key where no algorithm is named', async (t) => {
  await assertNoKey(t, { publicKey: spki })
  await assertNoKey(t, { jwks: { keys: [rsa.publicKey.export({ format: 'jwk' })] } })
  const service = await bearerService(t, { keySource: { get: () => ({ key: rsa.publicKey, algorithm: 'RS256' }) } })
  for (const key of [spki, pkcs1]) await assertBad(t, service, forge(hs256, claimsWith(), key))
})

t.test('GHSA-jc38-x7x8-2xc8 an algorithm in an unprotected header', async (t) => {
  const service = await bearerService(t)
  const jws = await new FlattenedSign(Buffer.from(JSON.stringify(claimsWith()))).setProtectedHeader({ typ: 'at+jwt', alg: 'HS256' }).setUnprotectedHeader({ kid: 'a' }).sign(secret)
  for (const text of [JSON.stringify(jws), JSON.stringify({ payload: jws.payload, signatures: [jws] })]) {
    await assertRefused(t, service, { headers: { authorization: `Bearer ${text}` }, status: 400, code: 'invalid_request', challenge: 'Bearer realm="api", error="invalid_request"' })
  }
  await assertBad(t, service, Buffer.from(JSON.stringify(jws)).toString('base64url'))
  await assertBad(t, service, forge({ typ: 'at+jwt' }))
})

t.test('CVE-2026-22817 CVE-2026-22818 a key without an algorithm, and a token that brings one', async (t) => {
  const jwk = rsa.publicKey.export({ format: 'jwk' })
  await assertNoKey(t, { jwks: { keys: [jwk] } })
  const service = await bearerService(t, { jwks: { keys: [jwk] }, algorithms: ['PS256'] })
  const token = async (alg: string): Promise<string> => await new CompactSign(Buffer.from(JSON.stringify(claimsWith({ exp: now() + 60 })))).setProtectedHeader({ alg, typ: 'at+jwt' }).sign(rsa.privateKey)
  t.equal((await service.get({ authorization: `Bearer ${await token('PS256')}` })).statusCode, 200)
  for (const alg of ['RS256', 'PS384']) await assertBad(t, service, await token(alg))
  const input = `${segment(hs256)}.${segment(claimsWith())}`
  await assertBad(t, service, `${input}.${createHmac('sha256', JSON.stringify(jwk)).update(input).digest('base64url')}`)
})

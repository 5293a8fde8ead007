// RFC 8725, JSON Web Token Best Current Practices, with the documents it rests on (RFC 7515, 7517, 7518, 7519).
import { createHmac, generateKeyPairSync, randomBytes, sign as signBytes } from 'node:crypto'
import t from 'tap'
import { bearerAuth } from '../../plugins/bearer-auth.ts'
import { assertOptionRefused, assertRefused } from '../fixtures/guarded-service.ts'
import { audience, badToken, bearerService, claimsWith, forge, issuer, now, secret, segment, sign } from '../fixtures/tokens.ts'
import type { KeyObject } from 'node:crypto'
import type { Test } from 'tap'
import type { Algorithm, BearerAuthOptions } from '../../plugins/bearer-auth.ts'
import type { GuardedService } from '../fixtures/guarded-service.ts'
import type { TestClaims } from '../fixtures/tokens.ts'

const header = { alg: 'HS256', typ: 'at+jwt' }
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ES512: generateKeyPairSync('ec', { namedCurve: 'P-521' })
}
const ed = generateKeyPairSync('ed25519')

function jwk (key: KeyObject, members: object = {}): object {
  return { ...key.export({ format: 'jwk' }), ...members }
}

function pem (key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString()
}

async function assertBad (t: Test, service: GuardedService, token: string): Promise<void> {
  await assertRefused(t, service, { headers: { authorization: `Bearer ${token}` }, status: 401, code: 'invalid_token', challenge: badToken, secret: token })
}

async function assertGood (t: Test, service: GuardedService, token: string): Promise<void> {
  const response = await service.get({ authorization: `Bearer ${token}` })
  t.equal(response.statusCode, 200)
}

t.test('R040 each algorithm verifies with a key of its own, and with no other', async (t) => {
  const rows: [Algorithm, Partial<BearerAuthOptions>, KeyObject | Uint8Array][] = [
    ...(['HS256', 'HS384', 'HS512'] as const).map((alg): [Algorithm, Partial<BearerAuthOptions>, Uint8Array] => {
      const key = randomBytes(64)
      return [alg, { secret: key, algorithms: [alg] }, key]
    }),
    ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const).map((alg): [Algorithm, Partial<BearerAuthOptions>, KeyObject] =>
      [alg, { publicKey: pem(rsa.publicKey), algorithms: [alg] }, rsa.privateKey]),
    ...(['ES256', 'ES384', 'ES512'] as const).map((alg): [Algorithm, Partial<BearerAuthOptions>, KeyObject] =>
      [alg, { publicKey: pem(ec[alg].publicKey), algorithms: [alg] }, ec[alg].privateKey]),
    ['EdDSA', { publicKey: pem(ed.publicKey), algorithms: ['EdDSA'] }, ed.privateKey]
  ]
  for (const [alg, options, key] of rows) {
    await t.test(alg, async (t) => {
      const service = await bearerService(t, options)
      const token = await sign(claimsWith(), { key, header: { alg } })
      await assertGood(t, service, token)
      await assertBad(t, service, token.slice(0, -6) + (token.endsWith('AAAAAA') ? 'BBBBBA' : 'AAAAAA'))
      for (const [other, , otherKey] of rows) if (other !== alg) await assertBad(t, service, await sign(claimsWith(), { key: otherKey, header: { alg: other } }))
    })
  }
})

t.test('R040 R041 what does not bind each key to one algorithm does not start', async (t) => {
  const key = { secret, issuer, audience }
  const publicKey = { publicKey: pem(rsa.publicKey), issuer, audience }
  const rows: [string, unknown, string][] = [
    ['R040 an empty list', { ...key, algorithms: [] }, 'algorithms'],
    ...['none', 'None', 'NONE', 'nOnE'].map((none): [string, unknown, string] => [`R040 ${none}`, { ...key, algorithms: [none] }, 'algorithms']),
    ['R040 none beside another', { ...key, algorithms: ['HS256', 'none'] }, 'algorithms'],
    ['R040 an algorithm nobody knows', { ...key, algorithms: ['HS1'] }, 'algorithms'],
    ['R040 a name of Object.prototype', { ...key, algorithms: ['constructor'] }, 'algorithms'],
    ['R040 algorithms as a string', { ...key, algorithms: 'HS256' }, 'algorithms'],
    ['R040 a secret with two algorithms', { ...key, secret: randomBytes(64), algorithms: ['HS256', 'HS512'] }, 'algorithms'],
    ['R040 a secret with an asymmetric one', { ...key, algorithms: ['RS256'] }, 'algorithms'],
    ['R040 a public key without algorithms', publicKey, 'algorithms'],
    ['R040 a public key with two', { ...publicKey, algorithms: ['RS256', 'PS256'] }, 'algorithms'],
    ['R040 a public key with a symmetric one', { ...publicKey, algorithms: ['HS256'] }, 'algorithms'],
    ['R041 symmetric beside asymmetric', { ...publicKey, algorithms: ['RS256', 'HS256'] }, 'algorithms'],
    ['R041 symmetric beside asymmetric, for a source', { keySource: { get: () => null }, issuer, audience, algorithms: ['RS256', 'HS256'] }, 'algorithms'],
    ['R041 a key set with a symmetric one', { jwks: { keys: [jwk(rsa.publicKey)] }, issuer, audience, algorithms: ['HS256'] }, 'algorithms'],
    ['R040 no key', { issuer, audience }, 'bearerAuth needs'],
    ['R040 two key sources', { ...key, ...publicKey, algorithms: ['RS256'] }, 'bearerAuth needs']
  ]
  for (const [what, options, option] of rows) {
    await t.test(what, async (t) => { await assertOptionRefused(t, (app) => app.register(bearerAuth, options as BearerAuthOptions), option) })
  }
})

t.test('R040 R042 R045 which keys of a set are refused at boot', async (t) => {
  const good = jwk(rsa.publicKey, { kid: 'a', alg: 'RS256' })
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const exponent = (e: number): object => jwk(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: e }).publicKey, { alg: 'RS256' })
  const koblitz = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
  const offCurve = { ...jwk(ec.ES256.publicKey), x: Buffer.alloc(32, 1).toString('base64url'), alg: 'ES256' }
  const rows: [string, object[], Partial<BearerAuthOptions>?][] = [
    ['R042 no alg, and no algorithms', [jwk(rsa.publicKey)]],
    ['R042 no alg, and algorithms names two that fit', [jwk(rsa.publicKey)], { algorithms: ['RS256', 'PS256'] }],
    ['R042 no alg, and algorithms names none that fits', [jwk(ec.ES256.publicKey)], { algorithms: ['ES384', 'RS256'] }],
    ['R042 an alg that algorithms does not name', [good], { algorithms: ['PS256'] }],
    ['R042 an alg of another key type', [jwk(rsa.publicKey, { alg: 'ES256' })]],
    ['R042 an alg of another curve', [jwk(ec.ES256.publicKey, { alg: 'ES384' })]],
    ['R040 alg none', [jwk(rsa.publicKey, { alg: 'none' })]],
    ['R040 alg of encryption', [jwk(rsa.publicKey, { alg: 'RSA-OAEP' })]],
    ['R045 an RSA key of 1024 bits', [jwk(small.publicKey, { alg: 'RS256' })]],
    ['R045 the exponent 3', [exponent(3)]],
    ['R045 an even exponent', [jwk(rsa.publicKey, { alg: 'RS256', e: Buffer.from([1, 0, 2]).toString('base64url') })]],
    ['R045 the curve secp256k1', [jwk(koblitz.publicKey, { alg: 'ES256' })]],
    ['R045 the curve X25519', [jwk(generateKeyPairSync('x25519').publicKey, { alg: 'EdDSA' })]],
    ['R045 a point off the curve', [offCurve]],
    ['R045 use enc', [jwk(rsa.publicKey, { alg: 'RS256', use: 'enc' })]],
    ['R045 key_ops without verify', [jwk(rsa.publicKey, { alg: 'RS256', key_ops: ['encrypt'] })]],
    ['R045 key_ops as a string', [jwk(rsa.publicKey, { alg: 'RS256', key_ops: 'verify' })]],
    ['R045 a private key', [jwk(rsa.privateKey, { alg: 'RS256' })]],
    ['R045 an oct key', [{ kty: 'oct', k: secret.toString('base64url'), alg: 'HS256' }]],
    ['R045 an unknown kty', [{ kty: 'XYZ', alg: 'RS256' }]],
    ['R052 one kid twice', [good, jwk(ec.ES256.publicKey, { kid: 'a', alg: 'ES256' })]],
    ['R052 one algorithm twice without a kid', [jwk(rsa.publicKey, { alg: 'RS256' }), jwk(rsa.publicKey, { alg: 'RS256' })]],
    ['R051 a kid that is no string', [jwk(rsa.publicKey, { alg: 'RS256', kid: 1 })]],
    ['R051 an empty kid', [jwk(rsa.publicKey, { alg: 'RS256', kid: '' })]],
    ['an empty set', []],
    ['101 keys', Array.from({ length: 101 }, (_none, index) => ({ ...good, kid: String(index) }))],
    ['a member that is no object', ['x' as never]]
  ]
  for (const [what, keys, more] of rows) {
    await t.test(what, async (t) => {
      await assertOptionRefused(t, (app) => app.register(bearerAuth, { jwks: { keys }, issuer, audience, ...more }), 'bearerAuth.')
    })
  }
})

t.test('R042 a key without alg gets the one of algorithms that fits its kty and crv', async (t) => {
  const service = await bearerService(t, {
    jwks: { keys: [jwk(ec.ES256.publicKey, { kid: 'p256', use: 'sig' }), jwk(ec.ES384.publicKey, { kid: 'p384', key_ops: ['verify'] }), jwk(rsa.publicKey, { kid: 'rsa' })] },
    algorithms: ['ES256', 'ES384', 'PS256']
  })
  await assertGood(t, service, await sign(claimsWith(), { key: ec.ES256.privateKey, header: { alg: 'ES256', kid: 'p256' } }))
  await assertGood(t, service, await sign(claimsWith(), { key: ec.ES384.privateKey, header: { alg: 'ES384', kid: 'p384' } }))
  await assertGood(t, service, await sign(claimsWith(), { key: rsa.privateKey, header: { alg: 'PS256', kid: 'rsa' } }))
  await assertBad(t, service, await sign(claimsWith(), { key: rsa.privateKey, header: { alg: 'RS256', kid: 'rsa' } }))
})

t.test('R045 R043 which public keys are refused at boot', async (t) => {
  const text = pem(rsa.publicKey)
  const rows: [string, string, Algorithm][] = [
    ['a private key', rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 'RS256'],
    ['a comment before the key', `# comment\n${text}`, 'RS256'],
    ['a byte order mark inside', `x\uFEFF${text}`, 'RS256'],
    ['two keys', text + text, 'RS256'],
    ['a broken body', text.replace(/\n.{20}/, '\nAAAA'), 'RS256'],
    ['no PEM', 'secret'.repeat(10), 'RS256'],
    ['an RSA key for ES256', text, 'ES256'],
    ['a P-256 key for ES384', pem(ec.ES256.publicKey), 'ES384'],
    ['an RSA key of 1024 bits', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey), 'RS256'],
    ['an RSASSA-PSS key', pem(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey), 'PS256'],
    ['an Ed448 key', pem(generateKeyPairSync('ed448').publicKey), 'EdDSA']
  ]
  for (const [what, publicKey, alg] of rows) {
    await t.test(what, async (t) => { await assertOptionRefused(t, (app) => app.register(bearerAuth, { publicKey, algorithms: [alg], issuer, audience }), 'bearerAuth.publicKey') })
  }
  await t.test('surrounding white space and PKCS #1 are fine', async (t) => {
    const pkcs1 = rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString()
    const service = await bearerService(t, { publicKey: `\n  ${pkcs1}\n`, algorithms: ['RS256'] })
    await assertGood(t, service, await sign(claimsWith(), { key: rsa.privateKey, header: { alg: 'RS256' } }))
  })
})

t.test('R046 an ECDSA signature is R and S, raw, of the full length, in range', async (t) => {
  const order = { ES256: 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', ES384: `${'f'.repeat(48)}c7634d81f4372ddf581a0db248b0a77aecec196accc52973`, ES512: `01${'f'.repeat(64)}fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409` } as const
  for (const [alg, pair] of Object.entries(ec) as ['ES256' | 'ES384' | 'ES512', typeof ec.ES256][]) {
    const service = await bearerService(t, { publicKey: pem(pair.publicKey), algorithms: [alg] })
    const input = `${segment({ alg, typ: 'at+jwt' })}.${segment(claimsWith())}`
    const hash = `sha${alg.slice(2)}`
    const raw = signBytes(hash, Buffer.from(input), { key: pair.privateKey, dsaEncoding: 'ieee-p1363' })
    const half = raw.length / 2
    const n = Buffer.from(order[alg].padStart(half * 2, '0'), 'hex')
    t.equal(n.length, half)
    await assertGood(t, service, `${input}.${raw.toString('base64url')}`)
    const rows: [string, Buffer][] = [
      ['DER', signBytes(hash, Buffer.from(input), pair.privateKey)],
      ['one byte short', raw.subarray(0, -1)],
      ['one byte long', Buffer.concat([raw, Buffer.alloc(1)])],
      ['R of 0', Buffer.concat([Buffer.alloc(half), raw.subarray(half)])],
      ['S of 0', Buffer.concat([raw.subarray(0, half), Buffer.alloc(half)])],
      ['all 0', Buffer.alloc(half * 2)],
      ['R of n', Buffer.concat([n, raw.subarray(half)])],
      ['S of n', Buffer.concat([raw.subarray(0, half), n])],
      ['all 255', Buffer.alloc(half * 2, 255)]
    ]
    for (const [what, signature] of rows) await t.test(`${alg} ${what}`, async (t) => { await assertBad(t, service, `${input}.${signature.toString('base64url')}`) })
  }
})

t.test('R047 R048 R049 R050 R051 R062 what is not strict compact form, or not strict JSON, is refused', async (t) => {
  const service = await bearerService(t)
  const good = forge(header)
  await assertGood(t, service, good)
  const [head = '', body = '', mac = ''] = good.split('.')
  const lastBits = (text: string): string => text.slice(0, -1) + 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.indexOf(text.slice(-1)) + 1]
  const signed = (first: string, second: string): string => `${first}.${second}.${createHmac('sha256', secret).update(`${first}.${second}`).digest('base64url')}`
  const padded = segment('{"alg":"HS256","typ":"at+jwt" }')
  const deep = (depth: number): TestClaims => claimsWith({ a: JSON.parse('['.repeat(depth - 1) + ']'.repeat(depth - 1)) as unknown })
  const rows: [string, string][] = [
    ['R047 two segments', `${head}.${body}`],
    ['R047 four segments', `${good}.x`],
    ['R047 five segments, a JWE', `${head}..${body}.${mac}.${mac}`],
    ['R047 an empty signature', `${head}.${body}.`],
    ['R047 an empty payload', signed(head, '')],
    ['R047 an empty header', signed('', body)],
    ['R047 padding on the signature', `${good}=`],
    ['R047 the standard alphabet', signed(`${head}+`, body)],
    ['R047 a slash', signed(head, `${body}/`)],
    ['R047 non-canonical bits in the signature', `${head}.${body}.${lastBits(mac)}`],
    ['R047 non-canonical bits in the header', signed(padded.length % 4 === 0 ? lastBits(segment('{"alg":"HS256","typ":"at+jwt"  }')) : lastBits(padded), body)],
    ['R047 a lone character of base64url', signed(head, `${body}${'A'.repeat((5 - body.length % 4) % 4)}`)],
    ['R048 a token of more than 8 KiB', forge(header, claimsWith({ filler: 'x'.repeat(8192) }))],
    ['R048 a header of more than 2 KiB', forge({ ...header, filler: 'x'.repeat(2048) })],
    ['R048 a payload 17 levels deep', forge(header, deep(17))],
    ['R049 crit of an unknown name', forge({ ...header, crit: ['x'], x: 1 })],
    ['R049 crit, empty', forge({ ...header, crit: [] })],
    ['R049 crit, no array', forge({ ...header, crit: 'exp' })],
    ['R049 crit of a registered name', forge({ ...header, crit: ['alg'] })],
    ['R049 crit of b64', forge({ ...header, b64: true, crit: ['b64'] })],
    ['R049 crit, null', forge({ ...header, crit: null })],
    ['R049 b64 false', forge({ ...header, b64: false })],
    ['R050 jku', forge({ ...header, jku: 'https://evil.example/jwks.json' })],
    ['R050 x5u', forge({ ...header, x5u: 'https://evil.example/x5u' })],
    ['R050 jwk', forge({ ...header, jwk: { kty: 'oct', k: secret.toString('base64url') } })],
    ['R051 a kid that is no string', forge({ ...header, kid: 1 })],
    ['R051 a kid of 257 characters', forge({ ...header, kid: 'k'.repeat(257) })],
    ['R051 a kid with NUL', forge({ ...header, kid: 'a\0' })],
    ['R059 a typ that is no string', forge({ ...header, typ: ['at+jwt'] })],
    ['R062 a header that is an array', forge('[]')],
    ['R062 a header with alg twice', forge('{"alg":"HS256","alg":"HS256","typ":"at+jwt"}')],
    ['R062 a header with alg twice, once escaped', forge('{"alg":"HS256","\\u0061lg":"HS256","typ":"at+jwt"}')],
    ['R062 a header with trailing characters', forge('{"alg":"HS256","typ":"at+jwt"}x')],
    ...['[]', '"text"', '1', 'null', 'true', '', '{', '[{}]'].map((payload): [string, string] => [`R062 the payload ${payload}`, forge(header, payload === '' ? ' ' : payload)]),
    ['R062 a claim twice', forge(header, JSON.stringify(claimsWith()).replace('{', '{"sub":"admin",'))],
    ['R062 a nested member twice', forge(header, JSON.stringify(claimsWith()).replace('}', ',"x":{"a":1,"a":2}}'))],
    ['R062 a byte order mark', forge(header, `\uFEFF${JSON.stringify(claimsWith())}`)],
    ['R062 bad UTF-8', forge(header, Buffer.concat([Buffer.from(JSON.stringify(claimsWith()).slice(0, -1)), Buffer.from(',"x":"\xff"}', 'latin1')]))]
  ]
  for (const [what, token] of rows) {
    await t.test(what, async (t) => {
      // Characters outside b64token are malformed Bearer credentials before they are a bad token.
      await assertBad(t, service, token)
    })
  }
  await t.test('R047 JSON serialisation is no b64token', async (t) => {
    const json = JSON.stringify({ payload: body, protected: head, signature: mac })
    await assertRefused(t, service, { headers: { authorization: `Bearer ${json}` }, status: 400, code: 'invalid_request', challenge: 'Bearer realm="api", error="invalid_request"', secret: mac })
  })
  await t.test('R050 x5c is not used, and not in the way', async (t) => { await assertGood(t, service, forge({ ...header, x5c: ['MIIB'] })) })
  await t.test('R048 a payload 16 levels deep is fine', async (t) => { await assertGood(t, service, forge(header, deep(16))) })
})

t.test('R051 R053 a kid selects by exact match, and nothing tries all keys', async (t) => {
  const second = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const service = await bearerService(t, {
    jwks: { keys: [jwk(ec.ES256.publicKey, { kid: 'a', alg: 'ES256' }), jwk(second.publicKey, { kid: 'b', alg: 'ES256' }), jwk(ed.publicKey, { kid: 'c', alg: 'EdDSA' })] }
  })
  const es256 = async (kid?: unknown, key = ec.ES256.privateKey): Promise<string> => await sign(claimsWith(), { key, header: { alg: 'ES256', ...(kid === undefined ? {} : { kid }) } })
  await assertGood(t, service, await es256('a'))
  await assertGood(t, service, await es256('b', second.privateKey))
  await t.test('R053 no kid, two keys of the algorithm', async (t) => {
    await assertBad(t, service, await es256())
    await assertBad(t, service, await es256(undefined, second.privateKey))
  })
  await t.test('R051 an unknown kid, one key of the algorithm', async (t) => { await assertBad(t, service, await sign(claimsWith(), { key: ed.privateKey, header: { alg: 'EdDSA', kid: 'x' } })) })
  await t.test('R053 no kid, one key of the algorithm', async (t) => { await assertGood(t, service, await sign(claimsWith(), { key: ed.privateKey, header: { alg: 'EdDSA' } })) })
  await t.test("R051 another key's kid", async (t) => { await assertBad(t, service, await es256('b')) })
  await t.test('R042 a kid whose key has another algorithm', async (t) => { await assertBad(t, service, await es256('c')) })
  for (const kid of ['A', 'a ', '__proto__', 'constructor', 'toString', '../../dev/null', "' OR 1=1", 'https://evil.example/key', 'file:///dev/null', '0']) {
    await t.test(`R051 the kid ${kid}`, async (t) => { await assertBad(t, service, await es256(kid)) })
  }
})

t.test('R054 R055 R056 R057 R059 R060 claims that are refused', async (t) => {
  const service = await bearerService(t, { issuer: [issuer, 'https://second.example'], audience: [audience, 'urn:api'] })
  await assertGood(t, service, await sign(claimsWith({ iss: 'https://second.example', aud: ['other', 'urn:api'] })))
  const rows: [string, TestClaims | string][] = [
    ['R054 R060 no exp', { exp: undefined }],
    ['R054 exp just past the tolerance', { exp: now() - 5 }],
    ['R054 nbf beyond the tolerance', { nbf: now() + 8 }],
    ['R054 iat beyond the tolerance', { iat: now() + 8 }],
    ...['exp', 'nbf', 'iat'].flatMap((name): [string, TestClaims | string][] => [
      ...([['a string', '9999999999'], ['null', null], ['negative', -1], ['an object', {}], ['an array', [9999999999]], ['true', true]] as const)
        .map(([what, value]): [string, TestClaims] => [`R055 ${name} is ${what}`, { [name]: value }]),
      [`R055 ${name} is 1e400`, JSON.stringify(claimsWith({ [name]: undefined })).replace('{', `{"${name}":1e400,`)]
    ]),
    ['R056 R060 no iss', { iss: undefined }],
    ['R056 another iss', { iss: 'https://evil.example' }],
    ['R056 iss with a slash more', { iss: `${issuer}/` }],
    ['R056 iss in another case', { iss: issuer.toUpperCase() }],
    ['R056 iss as an array', { iss: [issuer] }],
    ['R056 iss as an array with another', { iss: ['https://evil.example', issuer] }],
    ['R057 R060 no aud', { aud: undefined }],
    ['R057 another aud', { aud: 'https://other.example' }],
    ['R057 aud as a prefix', { aud: `${audience}/v1` }],
    ['R057 an empty list', { aud: [] }],
    ['R057 a member that is no string', { aud: [audience, 1] }],
    ['R057 an object', { aud: { [audience]: true } }],
    ...([['no sub', undefined], ['an empty sub', ''], ['a sub that is no string', 1]] as const).map(([what, value]): [string, TestClaims] => [`R060 ${what}`, { ['sub']: value }]),
    ['R060 a jti that is no string', { jti: 1 }],
    ['R060 a client_id that is no string', { client_id: ['app'] }]
  ]
  for (const [what, claims] of rows) {
    await t.test(what, async (t) => { await assertBad(t, service, await sign(typeof claims === 'string' ? claims : claimsWith(claims))) })
  }
  for (const typ of ['JWT', 'id_token', 'refresh+jwt', 'logout+jwt', 'application/jwt', 'at+jwt2', 'x/at+jwt', '']) {
    await t.test(`R059 the typ ${typ}`, async (t) => { await assertBad(t, service, await sign(claimsWith(), { header: { typ } })) })
  }
  await t.test('R059 no typ', async (t) => { await assertBad(t, service, forge({ alg: 'HS256' })) })
})

t.test('R054 R059 the edges that are accepted', async (t) => {
  const service = await bearerService(t)
  for (const claims of [{ exp: now() - 2 }, { nbf: now() + 3 }, { iat: now() + 3 }, { exp: now() + 0.5 }, { nbf: undefined, iat: undefined, jti: undefined, client_id: undefined }]) {
    await t.test(JSON.stringify(claims), async (t) => { await assertGood(t, service, await sign(claimsWith(claims))) })
  }
  for (const typ of ['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/At+Jwt']) {
    await t.test(`R059 the typ ${typ}`, async (t) => { await assertGood(t, service, await sign(claimsWith(), { header: { typ } })) })
  }
})

t.test('R056 R057 a claim that is not checked must still be well-formed', async (t) => {
  const service = await bearerService(t, { issuer: null, audience: null, type: null })
  await assertGood(t, service, await sign(claimsWith({ iss: undefined, aud: undefined }), { header: { typ: 'JWT' } }))
  await assertBad(t, service, await sign(claimsWith({ iss: [issuer] })))
  await assertBad(t, service, await sign(claimsWith({ aud: [1] })))
})

t.test('R054 R058 which expectations are refused at boot', async (t) => {
  const base = { secret, issuer, audience }
  const rows: [string, unknown, string][] = [
    ['R056 no issuer', { secret, audience }, 'bearerAuth.issuer'],
    ['R057 no audience', { secret, issuer }, 'bearerAuth.audience'],
    ...(['issuer', 'audience'] as const).flatMap((name): [string, unknown, string][] => [
      [`R058 ${name} as a RegExp`, { ...base, [name]: /^(a+)+X$/ }, `bearerAuth.${name}`],
      [`R058 ${name} as a list with a RegExp`, { ...base, [name]: ['x', /x/gy] }, `bearerAuth.${name}`],
      [`R058 ${name} as an object with test()`, { ...base, [name]: { test: () => true } }, `bearerAuth.${name}`],
      [`R058 ${name} as an empty list`, { ...base, [name]: [] }, `bearerAuth.${name}`],
      [`R058 ${name} as an empty string`, { ...base, [name]: '' }, `bearerAuth.${name}`]
    ]),
    ...[NaN, Infinity, -1, 301, 1.5, '5'].map((value): [string, unknown, string] => [`R054 a tolerance of ${String(value)}`, { ...base, clockToleranceSeconds: value }, 'bearerAuth.clockToleranceSeconds'])
  ]
  for (const [what, options, option] of rows) {
    await t.test(what, async (t) => { await assertOptionRefused(t, (app) => app.register(bearerAuth, options as BearerAuthOptions), option) })
  }
})

t.test('R065 what was verified once is judged again on every request', async (t) => {
  let revoked = false
  const service = await bearerService(t, { clockToleranceSeconds: 1, isRevoked: () => revoked })
  const token = await sign(claimsWith({ exp: Math.floor(Date.now() / 1000) + 2 }))
  await assertGood(t, service, token)
  revoked = true
  await assertBad(t, service, token)
  revoked = false
  await assertGood(t, service, token)
  const later = Date.now() + 3000
  t.intercept(Date, 'now', { value: () => later })
  await assertBad(t, service, token)
})

// Keys of someone else's issuer: found, kept, replaced and outlived, whatever the issuer does.
import { createPublicKey, generateKeyPairSync, sign as signBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import Fastify from 'fastify'
import t from 'tap'
import { bearerAuth } from '../../plugins/bearer-auth.ts'
import { registryOf } from '../../plugins/guards.ts'
import { openapi } from '../../plugins/openapi.ts'
import { scopes } from '../../plugins/scopes.ts'
import { assertOptionRefused, assertRefused, guardedService } from '../fixtures/guarded-service.ts'
import { ecKey, sendJson, startIssuer } from '../fixtures/issuer.ts'
import { audience, badToken, bearerService, claimsWith, forge, now, secret, segment, sign } from '../fixtures/tokens.ts'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { BearerGuard } from '../../guards/guard.ts'
import type { BearerPrincipal } from '../../guards/principal.ts'
import type { BearerAuthOptions } from '../../plugins/bearer-auth.ts'
import type { GuardedService } from '../fixtures/guarded-service.ts'
import type { IssuerKey, Lie, TestIssuer } from '../fixtures/issuer.ts'

process.env['NODE_ENV'] = 'test'
t.setTimeout(120_000)

const first = ecKey('first')
const second = ecKey('second')

const bearing = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` })

async function statusOf (service: GuardedService, token: string, url = '/me'): Promise<number> {
  return (await service.get(bearing(token), url)).statusCode
}

async function assertUnavailable (t: Test, service: GuardedService, token: string): Promise<void> {
  const refused = { status: 503, code: 'unavailable', challenge: undefined, secret: token }
  await assertRefused(t, service, { headers: bearing(token), ...refused })
}

async function assertBad (t: Test, service: GuardedService, token: string): Promise<void> {
  await assertRefused(t, service, { headers: bearing(token), status: 401, code: 'invalid_token', challenge: badToken, secret: token })
}

/** A service that trusts `issuer`; it has its keys when this returns, unless it could not get any. */
async function serviceFor (t: Test, issuer: TestIssuer, options: Partial<BearerAuthOptions> = {}): Promise<GuardedService> {
  const service = await bearerService(t, { issuer: issuer.url, ...('jwksUri' in options ? {} : { discover: true as const }), ...options })
  const heard = (): boolean => service.log.some((line) => line.includes('the issuer publishes these keys') || line.includes('could not be fetched'))
  for (let waited = 0; !heard() && waited < 3000; waited += 10) await sleep(10)
  return service
}

/** Time as `performance` tells it, to be moved on. */
function movableClock (t: Test): { pass (seconds: number): void } {
  const real = performance.now.bind(performance)
  let passed = 0
  t.intercept(performance, 'now', { value: () => real() + passed })
  return { pass (seconds) { passed += seconds * 1000 } }
}

t.test('keys are found by discovery, and a known key at once and without asking', async (t) => {
  const places: [string, { path?: string; metadataPath?: string }, string[]][] = [
    ['OpenID Connect', {}, ['/.well-known/openid-configuration', '/jwks']],
    ['OpenID Connect, of an issuer with a path', { path: '/realms/items' }, ['/realms/items/.well-known/openid-configuration', '/jwks']],
    ['OpenID Connect, of an issuer with a slash at its end', { path: '/', metadataPath: '/.well-known/openid-configuration' }, ['/.well-known/openid-configuration', '/jwks']],
    ['RFC 8414', { metadataPath: '/.well-known/oauth-authorization-server' }, ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server', '/jwks']],
    ['RFC 8414, of an issuer with a path', { path: '/items', metadataPath: '/.well-known/oauth-authorization-server/items' }, ['/items/.well-known/openid-configuration', '/.well-known/oauth-authorization-server/items', '/jwks']]
  ]
  for (const [what, { path = '', metadataPath }, asked] of places) {
    await t.test(what, async (t) => {
      const issuer = await startIssuer(t, { keys: [first], path })
      if (metadataPath !== undefined) issuer.metadataPath = metadataPath
      const service = await serviceFor(t, issuer)
      for (const subject of ['alice', 'bob', 'carol']) t.match((await service.get(bearing(await issuer.token(first, { sub: subject })))).json(), { subject, issuer: issuer.url })
      t.strictSame(issuer.asked, asked)
    })
  }
  await t.test('jwksUri is asked and nothing else', async (t) => {
    const issuer = await startIssuer(t, { keys: [first] })
    const service = await serviceFor(t, issuer, { jwksUri: `${issuer.url}/jwks` })
    t.equal(await statusOf(service, await issuer.token(first)), 200)
    t.strictSame(issuer.asked, ['/jwks'])
  })
  await t.test('no promise is made for a known key', async (t) => {
    const issuer = await startIssuer(t, { keys: [first] })
    const answers: unknown[] = []
    const service = await serviceFor(t, issuer)
    const scheme = registryOf(service.app).schemes.get('bearer')
    const token = await issuer.token(first)
    for (let times = 0; times < 3; times++) answers.push(scheme?.authenticate({ raw: { headers: bearing(token), rawHeaders: ['authorization', `Bearer ${token}`], headersDistinct: { authorization: [`Bearer ${token}`] } }, headers: bearing(token) } as never))
    t.strictSame(answers.map((answer) => (answer as BearerPrincipal).subject), ['alice', 'alice', 'alice'])
  })
})

t.test('a service starts without its issuer, and needs no restart once it is there', async (t) => {
  const issuer = await startIssuer(t, { keys: [first] })
  await issuer.stop()
  const service = await serviceFor(t, issuer, { keyCache: { cooldownSeconds: 1 } })
  const token = await issuer.token(first)
  await assertUnavailable(t, service, token)
  t.equal((await service.get(bearing(token))).headers['retry-after'], '1')
  t.equal((await service.get()).statusCode, 401, 'who has no token needs no issuer')
  await issuer.start()
  await sleep(1300)
  t.strictSame(issuer.asked, ['/.well-known/openid-configuration', '/jwks'], 'by itself, before any token comes')
  t.equal(await statusOf(service, token), 200)
})

t.test('an issuer that hangs keeps nobody from starting, or from closing', async (t) => {
  const issuer = await startIssuer(t)
  const held: unknown[] = []
  issuer.lies.set('/.well-known/openid-configuration', (request) => { held.push(request) })
  const begun = Date.now()
  const service = await bearerService(t, { issuer: issuer.url, discover: true })
  const waiting = service.get(bearing(await issuer.token(first)))
  while (held.length === 0) await sleep(10)
  await service.app.close()
  t.equal((await waiting).statusCode, 503)
  t.ok(Date.now() - begun < 3000, 'before any time-out')
  await sleep(100)
  t.equal(issuer.asked.length, 1, 'and nothing is asked afterwards')
  t.notMatch(service.log.join(), /could not be fetched/)
})

t.test('R064 of any number of unknown keys one makes a request, once in a cool-down', async (t) => {
  const clock = movableClock(t)
  const issuer = await startIssuer(t, { keys: [first] })
  const service = await serviceFor(t, issuer)
  const strangers = await Promise.all(Array.from({ length: 100 }, (_, at) => issuer.token(second, {}, { kid: `stranger ${String(at)}` })))
  const flood = async (): Promise<void> => {
    const statuses = await Promise.all(strangers.map((token) => statusOf(service, token)))
    t.strictSame([...new Set(statuses)], [401])
  }
  const fetches = (): number => issuer.asked.filter((path) => path === '/jwks').length
  await flood()
  t.equal(fetches(), 1, 'none so soon after the start')
  clock.pass(20)
  await flood()
  t.equal(fetches(), 1)
  clock.pass(10.1)
  await flood()
  await flood()
  t.equal(fetches(), 2, 'one for all of them')
  t.equal(await statusOf(service, await issuer.token(first)), 200)

  await t.test('nor more while the issuer is down, when nobody knows whether there is such a key', async (t) => {
    await issuer.stop()
    clock.pass(31)
    const before = service.log.length
    const statuses = await Promise.all(strangers.map((token) => statusOf(service, token)))
    t.strictSame([...new Set(statuses)], [503])
    for (const token of strangers.slice(0, 5)) await assertUnavailable(t, service, token)
    t.equal(service.log.slice(before).filter((line) => line.includes('could not be fetched')).length, 1)
    t.equal(await statusOf(service, await issuer.token(first)), 200, 'a known key verifies on')
  })
})

t.test('R050 R056 a token that is not meant for us makes no request, whatever key it names', async (t) => {
  const clock = movableClock(t)
  const issuer = await startIssuer(t, { keys: [first] })
  const service = await serviceFor(t, issuer)
  clock.pass(60)
  const asked = issuer.asked.length
  const rows: [string, string][] = [
    ['of another issuer', await issuer.token(second, { iss: 'https://other.example' })],
    ['of an issuer by a longer name', await issuer.token(second, { iss: `${issuer.url}/` })],
    ['of a list of issuers', await issuer.token(second, { iss: [issuer.url] })],
    ['of no issuer', await issuer.token(second, { iss: undefined })],
    ['for another audience', await issuer.token(second, { aud: 'https://other.example' })],
    ['expired', await issuer.token(second, { exp: now() - 60 })],
    ['not yet valid', await issuer.token(second, { nbf: now() + 60 })],
    ['of another type', await issuer.token(second, {}, { typ: 'JWT' })],
    ['that says where its key stands', await issuer.token(second, {}, { jku: `${issuer.url}/jwks` })],
    ['that brings its key', await issuer.token(second, {}, { jwk: second.jwk })],
    ['whose key has no name that can be one', await issuer.token(second, {}, { kid: 'a'.repeat(257) })]
  ]
  for (const [what, token] of rows) await t.test(what, (t) => assertBad(t, service, token))
  t.equal(issuer.asked.length, asked)
})

t.test('R064 a set replaces the one before it: what is new verifies, what was withdrawn does not', async (t) => {
  const clock = movableClock(t)
  const issuer = await startIssuer(t, { keys: [first] })
  const service = await serviceFor(t, issuer)
  const old = await issuer.token(first)
  for (let times = 0; times < 3; times++) t.equal(await statusOf(service, old), 200)
  issuer.keys = [second.jwk]
  clock.pass(31)
  t.equal(await statusOf(service, await issuer.token(second)), 200, 'found by its name')
  await assertBad(t, service, old)
  await assertBad(t, service, await issuer.token(first, { sub: 'bob' }))

  const impostor = ecKey('second')
  issuer.keys = [impostor.jwk, first.jwk]
  clock.pass(31)
  t.equal(await statusOf(service, old), 200)
  await assertBad(t, service, await issuer.token(second))
  t.equal(await statusOf(service, await issuer.token(impostor)), 200, 'another key under a name takes its place')

  issuer.keys = []
  clock.pass(31)
  await assertBad(t, service, await issuer.token(ecKey('third')))
  await assertBad(t, service, old)
})

t.test('R064 a withdrawn key stops verifying by itself, within maxAgeSeconds', async (t) => {
  const issuer = await startIssuer(t, { keys: [first, second] })
  const service = await serviceFor(t, issuer, { keyCache: { maxAgeSeconds: 1 } })
  const token = await issuer.token(first)
  t.equal(await statusOf(service, token), 200)
  issuer.keys = [second.jwk]
  await sleep(1500)
  await assertBad(t, service, token)
  t.equal(await statusOf(service, await issuer.token(second)), 200)
})

t.test('R064 keys verify on while the issuer is gone, for an hour at most; then 503, and back by itself', async (t) => {
  const clock = movableClock(t)
  const issuer = await startIssuer(t, { keys: [first] })
  const service = await serviceFor(t, issuer)
  const tokens = await Promise.all(['alice', 'bob'].map((sub) => issuer.token(first, { sub })))
  const statuses = (): Promise<number[]> => Promise.all(tokens.map((token) => statusOf(service, token)))
  t.strictSame([await statuses(), await statuses()], [[200, 200], [200, 200]])
  await issuer.stop()
  clock.pass(3590)
  t.strictSame(await statuses(), [200, 200])
  clock.pass(15)
  t.strictSame(await statuses(), [503, 503])
  await issuer.start()
  t.strictSame(await statuses(), [503, 503], 'the cool-down holds for it as well')
  clock.pass(31)
  t.strictSame(await statuses(), [200, 200])

  const short = await serviceFor(t, issuer, { keyCache: { maxAgeSeconds: 60, maxStaleSeconds: 60 } })
  await issuer.stop()
  clock.pass(61)
  await assertUnavailable(t, short, tokens[0] ?? '')
})

const metadata = '/.well-known/openid-configuration'
const html: Lie = (_request, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Sign in</title>') }
const keySet = ({ keys }: TestIssuer): object => ({ keys })
const naming = (changes: Record<string, unknown>): Lie => (_request, response, { metadata }) => { sendJson(response, { ...metadata, ...changes }) }
const redirect = (to: string): Lie => (_request, response) => { response.writeHead(302, { location: to }).end() }
const large = (length: number): string => JSON.stringify({ keys: [first.jwk], padding: 'x'.repeat(length) })

const lies: [string, string, Lie][] = [
  ['metadata of another issuer', metadata, naming({ issuer: 'https://other.example' })],
  ['metadata whose issuer has a slash too many', metadata, (_request, response, { metadata, url }) => { sendJson(response, { ...metadata, issuer: `${url}/` }) }],
  ['metadata without an issuer', metadata, naming({ issuer: undefined })],
  ['metadata with a list of issuers', metadata, (_request, response, { metadata, url }) => { sendJson(response, { ...metadata, issuer: [url] }) }],
  ['metadata without a key set', metadata, naming({ jwks_uri: undefined })],
  ['a key set that is a file', metadata, naming({ jwks_uri: 'file:///etc/passwd' })],
  ['a key set in the metadata itself', metadata, naming({ jwks_uri: `data:application/json,${JSON.stringify({ keys: [first.jwk] })}` })],
  ['a key set over plain http', metadata, naming({ jwks_uri: 'http://169.254.169.254/latest/meta-data' })],
  ['a key set behind a name and a password', metadata, (_request, response, { metadata, url }) => { sendJson(response, { ...metadata, jwks_uri: `${url.replace('//', '//alice:secret@')}/jwks` }) }],
  ['metadata that are a list', metadata, (_request, response, { metadata }) => { sendJson(response, [metadata]) }],
  ['metadata that are null', metadata, (_request, response) => { sendJson(response, 'null') }],
  ['metadata that name the issuer twice', metadata, (_request, response, { metadata, url }) => { sendJson(response, JSON.stringify(metadata).replace('{', `{"issuer":"${url}",`)) }],
  ['metadata elsewhere', metadata, redirect('/elsewhere')],
  ['metadata that are a page', metadata, html],
  ['a key set elsewhere', '/jwks', redirect('/elsewhere')],
  ['a key set elsewhere for good', '/jwks', (_request, response) => { response.writeHead(308, { location: '/elsewhere' }).end() }],
  ['a page for a key set', '/jwks', html],
  ['a page that calls itself JSON', '/jwks', (_request, response) => { sendJson(response, '<!doctype html>') }],
  ['a key set that calls itself a page', '/jwks', (_request, response, issuer) => { sendJson(response, keySet(issuer), 'text/html') }],
  ['a key set of no type', '/jwks', (_request, response, issuer) => { response.end(JSON.stringify(keySet(issuer))) }],
  ['a failure', '/jwks', (_request, response, issuer) => { response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify(keySet(issuer))) }],
  ['an answer that is not 200', '/jwks', (_request, response, issuer) => { response.writeHead(206, { 'content-type': 'application/json' }).end(JSON.stringify(keySet(issuer))) }],
  ['nothing', '/jwks', (_request, response) => { sendJson(response, '') }],
  ['a list of keys', '/jwks', (_request, response, { keys }) => { sendJson(response, keys) }],
  ['keys that are no list', '/jwks', (_request, response, { keys: [key] }) => { sendJson(response, { keys: key }) }],
  ['more than 100 keys', '/jwks', (_request, response, { keys }) => { sendJson(response, { keys: Array.from({ length: 101 }, (_, at) => ({ ...keys[0], kid: at === 0 ? 'first' : String(at) })) }) }],
  ['keys twice in one set', '/jwks', (_request, response, issuer) => { sendJson(response, JSON.stringify(keySet(issuer)).replace('{', '{"keys":[],')) }],
  ['a key set that is not UTF-8', '/jwks', (_request, response) => { response.writeHead(200, { 'content-type': 'application/json' }).end(Buffer.from('7b226b657973223a5b5d2c22ff223a317d', 'hex')) }],
  ['a key set nested to the bottom of the sea', '/jwks', (_request, response) => { sendJson(response, `{"keys":${'['.repeat(50_000)}${']'.repeat(50_000)}}`) }],
  ['a body of more than 512 KiB', '/jwks', (_request, response) => { sendJson(response, large(512 * 1024)) }],
  ['a body that unpacks to more than 512 KiB', '/jwks', (_request, response) => { response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(gzipSync(large(20_000_000))) }],
  ['a body without end', '/jwks', (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const more = (): void => { while (response.write(' '.repeat(65_536))); }
    response.on('drain', more)
    more()
  }],
  ['a body that comes drop by drop', '/jwks', (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const timer = setInterval(() => response.write(' '), 50)
    response.on('close', () => { clearInterval(timer) })
  }],
  ['a body that breaks off', '/jwks', (request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{"keys":')
    setTimeout(() => { request.socket.destroy() }, 20)
  }],
  ['a line that is cut', '/jwks', (request) => { request.socket.destroy() }],
  ['silence', '/jwks', () => undefined],
  ['silence from the start', metadata, () => undefined]
]
t.test('R063 an issuer that lies or fails gives no keys, and takes none away', { jobs: 20 }, async (t) => {
  for (const [what, path, lie] of lies) {
    t.test(what, { buffered: true }, async (t) => {
      const issuer = await startIssuer(t, { keys: [first] })
      const token = await issuer.token(first)
      issuer.lies.set(path, lie).set('/elsewhere', (_request, response) => { sendJson(response, keySet(issuer)) })
      const service = await serviceFor(t, issuer, { keyCache: { timeoutSeconds: 1, cooldownSeconds: 1 } })
      await assertUnavailable(t, service, token)
      t.notOk(issuer.asked.includes('/elsewhere'), 'it sends us nowhere')
      t.equal(service.log.filter((line) => line.includes('doctype') || line.includes('alice:secret')).length, 0, 'the log tells nothing of the body')

      issuer.lies.clear()
      await sleep(1100)
      t.equal(await statusOf(service, token), 200, 'the truth is believed at once')
      issuer.lies.set(path, lie)
      await sleep(1100)
      await assertUnavailable(t, service, await issuer.token(second))
      t.equal(await statusOf(service, token), 200, 'what was known verifies on')
    })
  }
})

t.test('R063 what is nearly too much, or of another JSON type, is a key set all the same', async (t) => {
  const fine: Lie[] = [
    (_request, response) => { sendJson(response, large(500 * 1024)) },
    (_request, response, { keys }) => { sendJson(response, { keys: [...keys, ...Array.from({ length: 99 }, (_, at) => ({ kty: 'oct', kid: String(at), k: 'AA' }))] }, 'application/jwk-set+json; charset=utf-8') },
    (_request, response, issuer) => { sendJson(response, keySet(issuer), 'Application/JSON;charset=UTF-8') }
  ]
  for (const lie of fine) {
    const issuer = await startIssuer(t, { keys: [first] })
    issuer.lies.set('/jwks', lie)
    t.equal(await statusOf(await serviceFor(t, issuer), await issuer.token(first)), 200)
  }
})

t.test('R063 metadata that are a slash away from the issuer are refused, and the log says so', async (t) => {
  for (const [configured, named, hint] of [['', '/', 'a slash at its end there'], ['/', '', 'no slash at its end there']] as const) {
    const issuer = await startIssuer(t, { keys: [first] })
    issuer.metadata = { ...issuer.metadata, issuer: `${issuer.url}${named}` }
    const service = await serviceFor(t, issuer, { issuer: `${issuer.url}${configured}` })
    await assertUnavailable(t, service, await issuer.token(first, { iss: `${issuer.url}${configured}` }))
    t.match(service.log.join(), hint)
  }
})

t.test('R063 metadata that name a key set of another origin make no request there', async (t) => {
  const other = await startIssuer(t, { keys: [first] })
  for (const jwksUri of [`${other.url}/jwks`, `${other.url.replace('127.0.0.1', 'localhost')}/jwks`, `${other.url.replace('http', 'https')}/jwks`]) {
    const issuer = await startIssuer(t, { keys: [first] })
    issuer.metadata = { ...issuer.metadata, jwks_uri: jwksUri }
    const service = await serviceFor(t, issuer)
    await assertUnavailable(t, service, await issuer.token(first))
    t.match(service.log.join(), 'another origin')
  }
  t.strictSame(other.asked, [])
})

t.test('R045 R052 which keys of a set verify', async (t) => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const ed = generateKeyPairSync('ed25519')
  const rsaJwk = { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'rsa' }
  const key = (jwk: object, privateKey: IssuerKey['privateKey'], alg: string): IssuerKey => ({ jwk: jwk as Record<string, unknown>, privateKey, alg })
  const { alg: _alg, ...nameless } = first.jwk
  const rows: [string, IssuerKey, number, Record<string, unknown>[]?][] = [
    ['an EC key without alg, as its curve has one', key(nameless, first.privateKey, 'ES256'), 200],
    ['an RSA key without alg, with RS256', key(rsaJwk, rsa.privateKey, 'RS256'), 200],
    ['R042 an RSA key without alg, with PS256', key(rsaJwk, rsa.privateKey, 'PS256'), 401],
    ['an Ed25519 key without alg', key({ ...ed.publicKey.export({ format: 'jwk' }), kid: 'ed' }, ed.privateKey, 'EdDSA'), 200],
    ['R042 a key of an alg that algorithms does not name', key({ ...rsaJwk, alg: 'PS256' }, rsa.privateKey, 'PS256'), 401],
    ['R045 a private key', key({ ...first.privateKey.export({ format: 'jwk' }), kid: 'first', alg: 'ES256' }, first.privateKey, 'ES256'), 401],
    ['R045 a key for encryption', key({ ...first.jwk, use: 'enc' }, first.privateKey, 'ES256'), 401],
    ['R045 a key for signing only', key({ ...first.jwk, key_ops: ['sign'] }, first.privateKey, 'ES256'), 401],
    ['a key of a curve that is not its alg', key({ ...first.jwk, alg: 'ES384' }, first.privateKey, 'ES256'), 401],
    ['a key whose name is a number', key({ ...first.jwk, kid: 1 }, first.privateKey, 'ES256'), 401],
    ['R052 two keys of one name', first, 401, [{ ...second.jwk, kid: 'first' }]],
    ['R052 one key twice', first, 401, [first.jwk]],
    ['a name that a key for encryption has as well', first, 200, [{ ...second.jwk, kid: 'first', use: 'enc' }]],
    ['beside what is no key', first, 200, [null, 1, 'x', [], { kty: 'LWE' }, {}] as never],
    ['a key called __proto__', key({ ...first.jwk, kid: '__proto__' }, first.privateKey, 'ES256'), 200]
  ]
  for (const [what, own, status, others = []] of rows) {
    await t.test(what, async (t) => {
      const issuer = await startIssuer(t, { keys: [own, second] })
      issuer.keys.push(...others)
      const service = await serviceFor(t, issuer)
      const token = await issuer.token(own)
      if (status === 200) t.equal(await statusOf(service, token), 200)
      else await assertBad(t, service, token)
      t.equal(await statusOf(service, await issuer.token(second)), 200, 'the others verify')
    })
  }
  await t.test('R041 CVE-2024-37568 a published secret, and a public key that is taken for one', async (t) => {
    const issuer = await startIssuer(t, { keys: [first] })
    issuer.keys.push({ kty: 'oct', kid: 'shared', alg: 'HS256', k: secret.toString('base64url') }, { ...rsaJwk, alg: 'HS256' })
    const service = await serviceFor(t, issuer)
    const claims = claimsWith({ iss: issuer.url })
    const pem = createPublicKey({ key: first.jwk as never, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    for (const [kid, material] of [['shared', secret], ['rsa', secret], ['first', pem], ['first', JSON.stringify(first.jwk)]] as const) await assertBad(t, service, forge({ alg: 'HS256', typ: 'at+jwt', kid }, claims, material))
    await assertBad(t, service, await sign(claims, { header: { kid: 'first' } }))
  })
  await t.test('R045 a weak key', async (t) => {
    const issuer = await startIssuer(t, { keys: [key({ ...weak.publicKey.export({ format: 'jwk' }), kid: 'weak', alg: 'RS256' }, weak.privateKey, 'RS256')] })
    const input = `${segment({ alg: 'RS256', typ: 'at+jwt', kid: 'weak' })}.${segment(claimsWith({ iss: issuer.url }))}`
    const signature = signBytes('sha256', Buffer.from(input), weak.privateKey).toString('base64url')
    await assertBad(t, await serviceFor(t, issuer), `${input}.${signature}`)
  })
  await t.test('R053 a token without a name means the only key of its algorithm, or none', async (t) => {
    const issuer = await startIssuer(t, { keys: [first, key({ ...rsaJwk, kid: undefined }, rsa.privateKey, 'RS256')] })
    const service = await serviceFor(t, issuer)
    t.equal(await statusOf(service, await issuer.token(first, {}, { kid: undefined })), 200)
    issuer.keys.push(second.jwk)
    const two = await serviceFor(t, issuer)
    await assertBad(t, two, await issuer.token(first, {}, { kid: undefined }))
  })
})

declare module 'fastify' {
  interface FastifyInstance {
    keycloak: BearerGuard
    okta: BearerGuard
  }
}

t.test('several issuers stand side by side, each with its audience, its claims and its keys', async (t) => {
  const same = ecKey('same kid')
  const other = ecKey('same kid')
  const keycloak = await startIssuer(t, { keys: [same], path: '/realms/items' })
  const okta = await startIssuer(t, { keys: [other] })
  const service = await guardedService(t, async (app) => {
    await app.register(bearerAuth, { as: 'keycloak', issuer: keycloak.url, audience: 'items', discover: true, type: 'JWT', rolesClaim: ['realm_access', 'roles'] })
    await app.register(bearerAuth, { as: 'okta', issuer: okta.url, audience: 'api://default', jwksUri: `${okta.url}/jwks`, type: null, scopeClaim: 'scp', rolesClaim: 'groups' })
    await app.register(scopes)
    const either = app.anyOf(app.keycloak, app.okta)
    app.get('/admin', { onRequest: [either, app.requireRoles('admin')] }, (request) => either.principal(request))
    app.get('/read', { onRequest: [either, app.requireScopes('items:read')] }, (request) => either.principal(request))
    return app.keycloak
  })
  await sleep(200)
  const asked = (): number => keycloak.asked.length + okta.asked.length
  const before = asked()
  t.equal(before, 3)
  const ours = await keycloak.token(same, { aud: 'items', realm_access: { roles: ['admin'] } }, { typ: 'JWT' })
  const theirs = await okta.token(other, { aud: ['api://default'], scope: undefined, scp: ['items:read'], groups: ['admin'] }, { typ: undefined })
  for (const url of ['/admin', '/read']) {
    t.match((await service.get(bearing(ours), url)).json(), { scheme: 'keycloak', roles: ['admin'], scopes: ['items:read', 'me'] })
    t.match((await service.get(bearing(theirs), url)).json(), { scheme: 'okta', roles: ['admin'], scopes: ['items:read'] })
  }
  const refused: [string, string][] = [
    ['of an issuer that nobody trusts', await keycloak.token(same, { iss: 'https://evil.example', aud: 'items' }, { typ: 'JWT' })],
    ['of one, signed by the other', await keycloak.token(other, { aud: 'items' }, { typ: 'JWT' })],
    ['of the other, signed by one', await okta.token(same, { aud: 'api://default' })],
    ['of one, for the audience of the other', await keycloak.token(same, { aud: 'api://default' }, { typ: 'JWT' })],
    ['CVE-2025-59936 of one, by a name that joins it to the other', await keycloak.token(same, { aud: 'items' }, { typ: 'JWT', kid: `same kid:${okta.url}` })]
  ]
  for (const [what, token] of refused) {
    await t.test(what, async (t) => {
      const response = await service.get(bearing(token), '/read')
      t.equal(response.statusCode, 401)
      t.match(response.json(), { code: 'invalid_token' })
    })
  }
  t.equal(asked(), before, 'and none of it made a request')
  await t.test('one that is down takes the other with it for nobody', async (t) => {
    await okta.stop()
    t.strictSame([await statusOf(service, ours, '/read'), await statusOf(service, theirs, '/read')], [200, 200])
  })
})

t.test('claims that stand inside others are found by a path, of own members only', async (t) => {
  const service = await bearerService(t, { rolesClaim: ['realm_access', 'roles'], scopeClaim: ['https://items.example/rights', 'scopes'] })
  const principal = async (claims: Record<string, unknown>): Promise<object> => {
    const { roles, scopes } = (await service.get(bearing(await sign(claimsWith({ scope: undefined, ...claims }))))).json<BearerPrincipal>()
    return { roles, scopes }
  }
  const none = { roles: [], scopes: [] }
  t.strictSame(await principal({ realm_access: { roles: ['admin'] }, 'https://items.example/rights': { scopes: ['a', 'b'] } }), { roles: ['admin'], scopes: ['a', 'b'] })
  for (const claims of [{}, { realm_access: null }, { realm_access: ['roles'] }, { realm_access: 'roles' }, { realm_access: { roles: 'admin' } }, { realm_access: { roles: { 0: 'admin' } } }, { 'realm_access.roles': ['admin'], roles: ['admin'], scope: 'a' }]) t.strictSame(await principal(claims), none, JSON.stringify(claims))
  const flat = await bearerService(t, { rolesClaim: 'realm_access.roles' })
  t.match((await flat.get(bearing(await sign(claimsWith({ 'realm_access.roles': ['admin'] }))))).json(), { roles: ['admin'] }, 'a text is a name, dots and all')
  const odd = await bearerService(t, { rolesClaim: ['constructor', 'prototype'] })
  t.match((await odd.get(bearing(await sign()))).json(), { roles: [] })
})

t.test('what contradicts itself does not start', async (t) => {
  const base = { issuer: 'https://id.example', audience }
  const rows: [string, Partial<BearerAuthOptions>, string][] = [
    ['discover with a key', { discover: true, secret }, 'bearerAuth needs exactly one of'],
    ['discover beside jwksUri', { discover: true, jwksUri: 'https://id.example/jwks' }, 'bearerAuth needs exactly one of'],
    ['discover: false', { discover: false as never }, 'bearerAuth.discover'],
    ['discover of no issuer', { discover: true, issuer: null }, 'bearerAuth.issuer'],
    ['discover of several issuers', { discover: true, issuer: ['https://a.example', 'https://b.example'] }, 'bearerAuth.issuer'],
    ['discover of a name', { discover: true, issuer: 'accounts.example' }, 'bearerAuth.issuer'],
    ['discover by the URL of the metadata', { discover: true, issuer: 'https://id.example/.well-known/openid-configuration' }, 'bearerAuth.issuer'],
    ['discover with a query', { discover: true, issuer: 'https://id.example/?p=1' }, 'bearerAuth.issuer'],
    ['discover with a fragment', { discover: true, issuer: 'https://id.example/#a' }, 'bearerAuth.issuer'],
    ['R063 discover over plain http', { discover: true, issuer: 'http://id.example' }, 'bearerAuth.issuer'],
    ['R063 discover over plain http at a private address', { discover: true, issuer: 'http://10.0.0.1' }, 'bearerAuth.issuer'],
    ['R063 discover at what begins like a loopback address', { discover: true, issuer: 'http://127.0.0.1.example' }, 'bearerAuth.issuer'],
    ['R063 jwksUri over plain http', { jwksUri: 'http://id.example/jwks' }, 'bearerAuth.jwksUri'],
    ['jwksUri that is a path', { jwksUri: '/jwks' }, 'bearerAuth.jwksUri'],
    ['jwksUri that is a file', { jwksUri: 'file:///jwks' }, 'bearerAuth.jwksUri'],
    ['jwksUri with a password', { jwksUri: 'https://a:b@id.example/jwks' }, 'bearerAuth.jwksUri'],
    ['jwksUri that is no text', { jwksUri: new URL('https://id.example/jwks') as never }, 'bearerAuth.jwksUri'],
    ['jwksUri of no issuer', { jwksUri: 'https://id.example/jwks', issuer: null }, 'bearerAuth.issuer'],
    ['R041 a symmetric algorithm', { discover: true, algorithms: ['HS256'] }, 'bearerAuth.algorithms'],
    ['keyCache beside a secret', { secret, keyCache: {} }, 'bearerAuth.keyCache'],
    ['keyCache that is a number', { discover: true, keyCache: 5 as never }, 'bearerAuth.keyCache'],
    ['keyCache with an unknown option', { discover: true, keyCache: { cooldown: 5 } as never }, 'bearerAuth.keyCache.cooldown'],
    ['R064 keys without end', { discover: true, keyCache: { maxStaleSeconds: 3601 } }, 'bearerAuth.keyCache.maxStaleSeconds'],
    ['R064 keys that die before they are fetched again', { discover: true, keyCache: { maxStaleSeconds: 599 } }, 'bearerAuth.keyCache.maxStaleSeconds'],
    ['R064 no cool-down', { discover: true, keyCache: { cooldownSeconds: 0 } }, 'bearerAuth.keyCache.cooldownSeconds'],
    ['R063 no time-out', { discover: true, keyCache: { timeoutSeconds: Infinity } }, 'bearerAuth.keyCache.timeoutSeconds'],
    ['keys that are never fetched again', { discover: true, keyCache: { maxAgeSeconds: '600' as never } }, 'bearerAuth.keyCache.maxAgeSeconds'],
    ['a path of no names', { discover: true, rolesClaim: [] }, 'bearerAuth.rolesClaim'],
    ['a path with a hole', { discover: true, scopeClaim: ['a', ''] }, 'bearerAuth.scopeClaim'],
    ['a path that is a number', { discover: true, rolesClaim: 1 as never }, 'bearerAuth.rolesClaim']
  ]
  for (const [what, options, option] of rows) await t.test(what, (t) => assertOptionRefused(t, (app) => app.register(bearerAuth, { ...base, ...options }), option))

  await t.test('R063 plain http to this machine, in production', async (t) => {
    process.env['NODE_ENV'] = 'production'
    t.teardown(() => { process.env['NODE_ENV'] = 'test' })
    await assertOptionRefused(t, (app) => app.register(bearerAuth, { audience, issuer: 'http://127.0.0.1:9', discover: true }), 'bearerAuth.issuer')
    await assertOptionRefused(t, (app) => app.register(bearerAuth, { audience, issuer: 'a', jwksUri: 'http://[::1]/jwks' }), 'bearerAuth.jwksUri')
  })
})

t.test('OpenAPI tells where people log in', async (t) => {
  const definitionOf = async (options: Partial<BearerAuthOptions>): Promise<unknown> => {
    const app: FastifyInstance = Fastify()
    t.teardown(() => app.close())
    await app.register(openapi, { info: { title: 'Items', version: '1.0.0' } })
    await app.register(bearerAuth, { issuer: 'http://127.0.0.1:9/realms/items', audience, scopes: { a: 'A' }, ...options })
    app.get('/me', { onRequest: app.bearer }, () => ({}))
    return (await app.inject('/openapi.json')).json<{ components: { securitySchemes: object } }>().components.securitySchemes
  }
  t.same(await definitionOf({ discover: true }), { bearer: { type: 'openIdConnect', openIdConnectUrl: 'http://127.0.0.1:9/realms/items/.well-known/openid-configuration' } })
  t.same(await definitionOf({ jwksUri: 'http://127.0.0.1:9/jwks' }), { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } })
  const endpoints = { authorizationUrl: 'https://id.example/authorize', tokenUrl: 'https://id.example/token' }
  t.same(await definitionOf({ discover: true, ...endpoints }), { bearer: { type: 'oauth2', flows: { authorizationCode: { ...endpoints, scopes: { a: 'A' } } } } })
})

// `tokens` beside other processes on the same store: keys that are rotated, revocation that travels, and what is kept.
import { randomBytes } from 'node:crypto'
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Fastify from 'fastify'
import { calculateJwkThumbprint, createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import t from 'tap'
import { createRevokedTokens } from '../../credentials/revoked-tokens.ts'
import { bearerAuth } from '../../plugins/bearer-auth.ts'
import { guards } from '../../plugins/guards.ts'
import { stores } from '../../plugins/stores.ts'
import { tokens } from '../../plugins/tokens.ts'
import { wellKnownRoutes } from '../../routes/well-known.ts'
import { createDatabase, noServer } from '../stores/fixtures/postgres.ts'
import type { FastifyInstance } from 'fastify'
import type { JSONWebKeySet } from 'jose'
import type { Test } from 'tap'
import type { Algorithm } from '../../credentials/jwt-algorithms.ts'
import type { TokensOptions } from '../../plugins/tokens.ts'

const issuer = 'https://id.example'
const alice = { subject: 'alice', clientId: 'web', scopes: ['me'] }
const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Where the processes of a service keep what they share. */
interface Place { readonly directory: string; readonly url?: string }

const engines: [string, string | false, (t: Test) => Promise<Place>][] = [
  ['SQLite', false, async (t) => ({ directory: t.testdir({}) })],
  ['PostgreSQL', noServer, async (t) => {
    const { url, drop } = await createDatabase()
    t.teardown(drop)
    return { directory: t.testdir({}), url }
  }]
]

/** One process of a service; those with one directory share a store. */
async function service (t: Test, place: string | Place, options: Partial<TokensOptions> = {}, algorithms?: readonly Algorithm[]): Promise<FastifyInstance> {
  const { directory, url } = typeof place === 'string' ? { directory: place } as Place : place
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(stores, url === undefined ? { file: join(directory, 'tokens.sqlite') } : { url })
  await app.register(tokens, { issuer, keyFile: join(directory, 'token-key'), createKey: true, pollSeconds: 1, keyLeadSeconds: 2, ...options })
  await app.register(bearerAuth, { keySource: app.tokens.keySource, isRevoked: app.tokens.isRevoked, issuer, audience: issuer, ...(algorithms === undefined ? {} : { algorithms }) })
  app.get('/me', { onRequest: app.bearer }, (request) => app.bearer.principal(request).subject)
  return app
}

async function statusOf (app: FastifyInstance, token: string): Promise<number> {
  return (await app.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })).statusCode
}

/** Waits until `condition` holds; how long it took. */
async function until (condition: () => boolean | Promise<boolean>, seconds = 10): Promise<number> {
  const start = Date.now()
  while (!await condition()) {
    if (Date.now() - start > seconds * 1000) return Infinity
    await wait(20)
  }
  return Date.now() - start
}

for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
  t.test(`R061 R069 ${algorithm}: what is signed verifies, here and by the published keys`, async (t) => {
    const app = await service(t, t.testdir({}), { algorithm })
    const { accessToken } = app.tokens.issue(alice)
    t.equal(await statusOf(app, accessToken), 200)
    const jwks = app.tokens.jwks as JSONWebKeySet
    const [key] = jwks.keys
    t.equal(key?.kid, await calculateJwkThumbprint(key ?? { kty: '' }))
    t.notOk(jwks.keys.some((jwk) => ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'].some((member) => member in jwk)), 'R069')
    const { protectedHeader } = await jwtVerify(accessToken, createLocalJWKSet(jwks), { issuer, audience: issuer, typ: 'at+jwt' })
    t.strictSame(protectedHeader, { alg: algorithm, typ: 'at+jwt', kid: key?.kid })
  })
}

t.test('R061 HS256 has no published key, and verifies here', async (t) => {
  const app = await service(t, t.testdir({}), { algorithm: 'HS256' }, ['HS256'])
  const { accessToken } = app.tokens.issue(alice)
  t.strictSame(app.tokens.jwks.keys, [])
  t.equal(await statusOf(app, accessToken), 200)
  t.equal(await statusOf(app, `${accessToken.slice(0, -2)}AA`), 401)
})

t.test('R041 keys of before a change of algorithm verify on, but never a secret beside public keys', async (t) => {
  const directory = t.testdir({})
  const first = await service(t, directory)
  const es256 = first.tokens.issue(alice).accessToken
  const second = await service(t, directory, { algorithm: 'EdDSA' })
  t.equal(await statusOf(second, es256), 200)
  t.equal(decodeProtectedHeader(second.tokens.issue(alice).accessToken).alg, 'EdDSA')
  const third = await service(t, directory, { algorithm: 'HS256' }, ['HS256'])
  t.equal(await statusOf(third, es256), 401)
  t.equal(await statusOf(third, third.tokens.issue(alice).accessToken), 200)
})

for (const [engine, skip, open] of engines) {
  t.test(`R061 of several processes that start at once all sign with one key (${engine})`, { skip }, async (t) => {
    const directory = await open(t)
    await (await service(t, directory)).tokens.rotateKeys({ overlap: false })
    const all = await Promise.all(Array.from({ length: 5 }, () => service(t, directory)))
    const kids = all.map((app) => decodeProtectedHeader(app.tokens.issue(alice).accessToken).kid)
    t.equal(new Set(kids).size, 1)
    for (const app of all) t.equal(await statusOf(app, all[0]?.tokens.issue(alice).accessToken ?? ''), 200)

    await t.test('and of several that rotate at once one does', async (t) => {
      const rotated = await Promise.all(all.map((app) => app.tokens.rotateKeys()))
      t.equal(new Set(rotated).size, 1)
      t.equal((await all[0]?.stores.signingKeys.list(new Date()))?.length, 2)
    })
  })
}

for (const [engine, skip, open] of engines) {
  t.test(`R069 a rotation overlaps: published before it signs, known elsewhere without a restart, the old key verifies on (${engine})`, { skip }, async (t) => {
    const directory = await open(t)
    const [one, other] = [await service(t, directory), await service(t, directory)]
    const before = one.tokens.issue(alice).accessToken
    const kid = await one.tokens.rotateKeys()
    t.strictSame(one.tokens.jwks.keys.map((key) => key.kid), [kid, decodeProtectedHeader(before).kid])
    t.not(decodeProtectedHeader(one.tokens.issue(alice).accessToken).kid, kid, 'it does not sign yet')
    t.ok(await until(() => other.tokens.keySource.get(kid) !== null) < 2000, 'another process has it before that')
    t.ok(await until(() => decodeProtectedHeader(one.tokens.issue(alice).accessToken).kid === kid) < 5000)
    t.equal(await statusOf(other, one.tokens.issue(alice).accessToken), 200)
    t.equal(await statusOf(other, before), 200)
    t.equal(await statusOf(one, before), 200)
  })
}

t.test('R069 a key that leaked ends at once, elsewhere by the next poll', async (t) => {
  const directory = t.testdir({})
  const [one, other] = [await service(t, directory), await service(t, directory)]
  const leaked = other.tokens.issue(alice).accessToken
  t.equal(await statusOf(one, leaked), 200)
  const kid = await one.tokens.rotateKeys({ overlap: false })
  t.equal(await statusOf(one, leaked), 401, 'though it was verified before')
  t.equal(decodeProtectedHeader(one.tokens.issue(alice).accessToken).kid, kid)
  t.ok(await until(async () => await statusOf(other, leaked) === 401) < 2000)
})

t.test('R061 a key is replaced before it is too old', async (t) => {
  const app = await service(t, t.testdir({}), { keyLeadSeconds: 3600 })
  const kid = decodeProtectedHeader(app.tokens.issue(alice).accessToken).kid ?? ''
  await app.stores.signingKeys.end(kid, new Date(Date.now() + 3_000_000))
  t.ok(await until(() => app.tokens.jwks.keys.length === 2) < 3000)
  const [next, old] = await app.stores.signingKeys.list(new Date())
  t.equal(next?.activeFrom.getTime(), old?.retireAt.getTime(), 'when the old one retires')
  t.equal(decodeProtectedHeader(app.tokens.issue(alice).accessToken).kid, kid)
})

for (const [engine, skip, open] of engines) {
  t.test(`R066 R144 what one process revokes another refuses by its next poll (${engine})`, { skip }, async (t) => {
    const directory = await open(t)
    const [one, other] = [await service(t, directory), await service(t, directory)]
    const opened = await one.tokens.open(alice)
    const ways: [string, string, () => Promise<unknown>][] = [
      ['a token', one.tokens.issue({ ...alice, subject: 'bob' }).accessToken, () => one.tokens.revoke(ways[0]?.[1] ?? '', 'web')],
      ['a family', opened.accessToken, () => one.tokens.revoke(opened.refreshToken, 'web')],
      ['a subject', (await one.tokens.open({ ...alice, subject: 'carol' })).accessToken, () => one.tokens.revokeSubject('carol')],
      ['a subject without a family', one.tokens.issue({ ...alice, subject: 'dave' }).accessToken, () => one.tokens.revokeSubject('dave')]
    ]
    for (const [title, token, revoke] of ways) {
      await t.test(title, async (t) => {
        t.equal(await statusOf(other, token), 200)
        await revoke()
        t.equal(await statusOf(one, token), 401, 'at once where it was done')
        t.ok(await until(async () => await statusOf(other, token) === 401) < 2000, 'and within the bound elsewhere')
      })
    }
    const started = await service(t, directory)
    for (const [title, token] of ways) t.equal(await statusOf(started, token), 401, `a process that starts later knows of ${title}`)
  })
}

t.test('R066 the check of revocation asks no store', async (t) => {
  const app = await service(t, t.testdir({}))
  const { accessToken } = app.tokens.issue(alice)
  t.equal(typeof app.tokens.isRevoked({ claims: { jti: '1' } }), 'boolean', 'it answers at once')
  await app.stores.close()
  t.equal(await statusOf(app, accessToken), 200)
  t.ok(await until(async () => await statusOf(app, accessToken) === 503) < 8000, 'R158 but not for longer than the bound: then nothing is known')
})

/** Until the test ends, what asks for the time is told one that is `seconds` later. */
function setClock (t: Test, seconds: number): void {
  const { now } = Date
  Date.now = () => now() + seconds * 1000
  t.teardown(() => { Date.now = now })
}

t.test('R066 a clock that is put back does not hide that the store is not asked', async (t) => {
  const app = await service(t, t.testdir({}))
  const isKnown = (): boolean => {
    try {
      return !app.tokens.isRevoked({ claims: { jti: '1' } })
    } catch {
      return false
    }
  }
  await app.stores.close()
  t.ok(isKnown())
  setClock(t, -3600)
  t.ok(await until(() => !isKnown()) < 8000)
})

t.test('R066 what a transaction revoked is refused until a poll confirms it, however rarely there is one', async (t) => {
  const app = await service(t, t.testdir({}), { pollSeconds: 60, keyLeadSeconds: 120 })
  const { accessToken } = await app.tokens.open(alice)
  await app.stores.transaction((stores) => app.tokens.revokeSubject('alice', { stores }))
  for (const seconds of [0, 29, 59, 119]) {
    await t.test(`${String(seconds)} seconds later`, async (t) => {
      setClock(t, seconds)
      t.equal(await statusOf(app, accessToken), 401)
    })
  }
})

t.test('R144 a token is acknowledged as revoked once that is kept, whatever this process has in mind of a change that was lost', async (t) => {
  const directory = t.testdir({})
  const app = await service(t, directory)
  const { accessToken } = await app.tokens.open(alice)
  await t.rejects(app.stores.transaction(async (stores) => {
    await app.tokens.revokeSubject('alice', { stores })
    throw new Error('lost')
  }), { message: 'lost' })
  t.equal(await statusOf(app, accessToken), 401)
  await app.tokens.revoke(accessToken, 'web')
  t.equal(await statusOf(await service(t, directory), accessToken), 401, 'another process knows')
})

t.test('the end of a family is told once, with who did it; that of all families one by one', async (t) => {
  const app = await service(t, t.testdir({}))
  const familyOf = async (): Promise<string> => String(decodeJwt((await app.tokens.open(alice)).accessToken)['sid'])
  const told = async (): Promise<object[]> => (await app.stores.audit.list({ event: 'authn_token_revoked' })).items
  const [one, two, three] = [await familyOf(), await familyOf(), await familyOf()]
  const origin = { actor: 'root', ip: '203.0.113.7', method: 'DELETE', route: '/logins/:id', request_id: 'one' }
  t.equal(await app.tokens.revokeFamily(one, { origin }), true)
  t.equal(await app.tokens.revokeFamily(one, { origin }), false)
  t.match(await told(), [{ ...origin, outcome: 'success', target: one, details: { kind: 'refresh_token' } }])
  await app.tokens.revokeSubject('alice', { origin, exceptFamily: two })
  t.match(await told(), [{ ...origin, target: three, reason: 'logged_out' }, { target: one }])
  t.equal((await told()).length, 2, 'the one that stays is not told, nor what had ended')
})

t.test('R066 a token without a family is one of when its proof began to be checked', async (t) => {
  const app = await service(t, t.testdir({}))
  const authenticatedAt = new Date(Date.now() - 3000)
  const { accessToken, expiresInSeconds } = app.tokens.issue(alice, { authenticatedAt })
  const { iat = 0, exp = 0 } = decodeJwt(accessToken)
  t.equal(iat, Math.floor(authenticatedAt.getTime() / 1000))
  t.equal(exp, iat + 900)
  t.ok(expiresInSeconds <= 897 && expiresInSeconds >= 895)
  await app.tokens.revokeSubject('alice')
  t.equal(await statusOf(app, app.tokens.issue(alice, { authenticatedAt }).accessToken), 401, 'the subject was logged out since then')
  t.equal(decodeJwt(app.tokens.issue(alice, { authenticatedAt: new Date(Date.now() + 60_000) }).accessToken).iat, Math.floor(Date.now() / 1000), 'and of no later time than now')
})

t.test('R069 a key that ended does not come back by a reading that began before', async (t) => {
  const app = await service(t, t.testdir({}))
  const leaked = decodeProtectedHeader(app.tokens.issue(alice).accessToken).kid
  const { list } = app.stores.signingKeys
  let goOn = (): void => undefined
  let isHeld = false
  Object.assign(app.stores.signingKeys, {
    async list (now: Date) {
      const found = await list(now)
      if (!isHeld) {
        isHeld = true
        await new Promise<void>((resolve) => { goOn = resolve })
      }
      return found
    }
  })
  t.ok(await until(() => isHeld) < 3000)
  Object.assign(app.stores.signingKeys, { list })
  await app.tokens.rotateKeys({ overlap: false })
  t.equal(app.tokens.keySource.get(leaked), null)
  goOn()
  await wait(100)
  t.equal(app.tokens.keySource.get(leaked), null)
})

t.test('what has ended is forgotten, however much of it there is', async (t) => {
  const app = await service(t, t.testdir({}))
  const expiresAt = new Date(Date.now() - 1000)
  await app.stores.revocations.add(Array.from({ length: 2500 }, (_, n) => ({ kind: 'token' as const, id: String(n), issuedBefore: null, expiresAt })))
  const left = async (): Promise<number> => (await app.stores.revocations.since(null, new Date(0))).revocations.length
  t.equal(await left(), 2500)
  setClock(t, 61)
  t.ok(await until(async () => await left() === 0) < 3000)
})

t.test('R007 an owner who cannot be asked about is 503, and nothing is used up', async (t) => {
  const { app, answers } = await withOwner(t)
  const { accessToken, refreshToken } = await app.tokens.open(alice)
  const failures: [string, () => unknown][] = [
    ['throws', () => { throw Object.assign(new Error('no'), { statusCode: 404 }) }],
    ['rejects', () => Promise.reject(new Error('no'))],
    ['answers nonsense', () => ({ subject: 'alice', disabled: 1 })]
  ]
  for (const [title, answer] of failures) {
    await t.test(title, async (t) => {
      answers.owner = answer
      await t.rejects(app.tokens.refresh({ refreshToken, clientId: 'web' }), { code: 'unavailable', statusCode: 503 })
      await t.rejects(app.tokens.introspect(refreshToken, 'web'), { code: 'unavailable', statusCode: 503 })
      await t.rejects(app.tokens.introspect(accessToken, 'web'), { code: 'unavailable', statusCode: 503 })
    })
  }
  answers.owner = () => ({ subject: 'alice' })
  t.match(await app.tokens.introspect(accessToken, 'web'), { active: true, scope: 'me' })
  t.match(await app.tokens.refresh({ refreshToken, clientId: 'web' }), { scopes: ['me'] })
})

async function withOwner (t: Test): Promise<{ app: FastifyInstance; answers: { owner: () => unknown } }> {
  const answers = { owner: (): unknown => ({ subject: 'alice' }) }
  return { app: await service(t, t.testdir({}), { loadOwner: () => answers.owner() as never }), answers }
}

t.test('R145 a token for another audience is told as none, though our key signed it', async (t) => {
  const directory = t.testdir({})
  const [here, elsewhere] = [await service(t, directory), await service(t, directory, { audience: 'https://other.example' })]
  const { accessToken } = elsewhere.tokens.issue(alice)
  t.match(await elsewhere.tokens.introspect(accessToken, 'client'), { active: true, aud: 'https://other.example' })
  t.strictSame(await here.tokens.introspect(accessToken, 'client'), { active: false })
})

t.test('R146 an issuer that ends in a slash keeps it, and no path begins with two', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(guards)
  await app.register(stores, { file: ':memory:' })
  await app.register(tokens, { issuer: `${issuer}/`, keyFile: join(t.testdir({}), 'token-key'), createKey: true })
  await app.register(wellKnownRoutes, { scopes: ['me'] })
  const metadata = (await app.inject('/.well-known/oauth-authorization-server')).json<Record<string, string>>()
  t.equal(metadata['issuer'], `${issuer}/`)
  for (const [name, path] of Object.entries({ token_endpoint: '/token', jwks_uri: '/.well-known/jwks.json', revocation_endpoint: '/token/revoke', introspection_endpoint: '/token/introspect' })) {
    t.equal(metadata[name], `${issuer}${path}`)
  }
})

t.test('R207 a key file that is another one does not start, and tells nothing', async (t) => {
  const directory = t.testdir({})
  await (await service(t, directory)).close()
  await writeFile(join(directory, 'token-key'), randomBytes(32).toString('base64'), { mode: 0o600 })
  await t.rejects(service(t, directory), { code: 'GATEHOUSE_KEY_FILE_INVALID', message: /does not open the signing keys/ })
})

t.test('R139 R135 R207 the database and its log of writes hold no secret', async (t) => {
  const directory = t.testdir({})
  const app = await service(t, directory)
  const first = await app.tokens.open(alice)
  const second = await app.tokens.refresh({ refreshToken: first.refreshToken, clientId: 'web' })
  const { secret } = await app.tokens.createClient({ name: 'import', grants: ['client_credentials'], scopes: ['me'] })
  const secrets = [first.refreshToken, first.accessToken, second.refreshToken, second.accessToken, secret, (await readFile(join(directory, 'token-key'), 'utf8')).trim()]
  const files = (await readdir(directory)).filter((name) => name.startsWith('tokens.sqlite'))
  t.ok(files.length >= 2, 'the file and its WAL')
  for (const name of files) {
    const bytes = await readFile(join(directory, name))
    for (const value of secrets) {
      t.notOk(bytes.includes(value), name)
      if (!value.includes('.')) t.notOk(bytes.includes(Buffer.from(value, 'base64')), name)
    }
    t.notOk(bytes.includes('PRIVATE KEY'))
  }
})

t.test('R066 what a token is refused by', async (t) => {
  const now = Date.now()
  const token = { tokenId: 'jti', familyId: 'family', subject: 'alice', clientId: 'web', issuedAt: now }
  const expiresAt = new Date(now + 1000)
  const rows: [string, Parameters<ReturnType<typeof createRevokedTokens>['add']>[0][number], Partial<typeof token> | { familyId: null }, boolean][] = [
    ['its id', { kind: 'token', id: 'jti', issuedBefore: null, expiresAt }, {}, true],
    ['another id', { kind: 'token', id: 'alice', issuedBefore: null, expiresAt }, {}, false],
    ['its family', { kind: 'family', id: 'family', issuedBefore: null, expiresAt }, {}, true],
    ['its client', { kind: 'client', id: 'web', issuedBefore: null, expiresAt }, {}, true],
    ['its subject, before it was issued', { kind: 'subject', id: 'alice', issuedBefore: new Date(now), expiresAt }, { familyId: null }, false],
    ['its subject, after it was issued', { kind: 'subject', id: 'alice', issuedBefore: new Date(now + 1), expiresAt }, { familyId: null }, true],
    ['its subject, where its family stays', { kind: 'subject', id: 'alice', issuedBefore: new Date(now + 1), expiresAt }, {}, false],
    ['nothing any more', { kind: 'token', id: 'jti', issuedBefore: null, expiresAt: new Date(now) }, {}, false]
  ]
  for (const [title, entry, changes, refused] of rows) {
    const table = createRevokedTokens()
    table.add([entry])
    t.equal(table.has({ ...token, ...changes }, now), refused, title)
    table.prune(now + 2000)
    t.notOk(table.has({ ...token, ...changes }, now))
  }
  const table = createRevokedTokens()
  table.add([{ kind: 'family', id: 'family', issuedBefore: null, expiresAt: new Date(now + 5000) }])
  table.add([{ kind: 'family', id: 'family', issuedBefore: new Date(0), expiresAt: new Date(now + 10) }])
  t.ok(table.has(token, now + 4000), 'of two the stricter one stays')
})

import fastifyJwt from '@fastify/jwt'
import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import t from 'tap'
import { bearerAuth } from '../../plugins/bearer-auth.ts'
import { registryOf } from '../../plugins/guards.ts'
import { scopes } from '../../plugins/scopes.ts'
import { assertOptionRefused, assertRefused, guardedService } from '../fixtures/guarded-service.ts'
import { audience, badToken, bearerService, claimsWith, issuer, secret, sign } from '../fixtures/tokens.ts'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { BearerGuard } from '../../guards/guard.ts'
import type { BearerPrincipal } from '../../guards/principal.ts'
import type { BearerAuthOptions, KeySource } from '../../plugins/bearer-auth.ts'
import type { GuardedService } from '../fixtures/guarded-service.ts'
import type { TestClaims } from '../fixtures/tokens.ts'

declare module 'fastify' {
  interface FastifyInstance {
    partner: BearerGuard
  }
}

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })

async function principalOf (service: GuardedService, claims: TestClaims = {}): Promise<BearerPrincipal> {
  const response = await service.get({ authorization: `Bearer ${await sign(claimsWith(claims))}` })
  if (response.statusCode !== 200) throw new Error(`${String(response.statusCode)} ${response.body}`)
  return response.json<BearerPrincipal>()
}

async function assertBad (t: Test, service: GuardedService, token: string): Promise<void> {
  await assertRefused(t, service, { headers: { authorization: `Bearer ${token}` }, status: 401, code: 'invalid_token', challenge: badToken, secret: token })
}

t.test('R068 the principal is who the token says by iss and sub, and by nothing else', async (t) => {
  const service = await bearerService(t)
  const claims = claimsWith({ roles: ['editor'], email: 'root@example.com', preferred_username: 'root', name: 'root' })
  t.same(await principalOf(service, claims), {
    kind: 'bearer',
    scheme: 'bearer',
    subject: 'alice',
    scopes: ['items:read', 'me'],
    roles: ['editor'],
    attributes: {},
    issuer,
    clientId: 'app',
    tokenId: 'token-1',
    expiresAt: claims.exp,
    claims
  })
})

t.test('the principal is frozen in all its parts; what a token need not hold is null', async (t) => {
  let principal: BearerPrincipal | undefined
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(bearerAuth, { secret, issuer: null, audience })
  app.get('/me', { onRequest: app.bearer }, (request) => {
    principal = app.bearer.principal(request)
    return {}
  })
  await app.inject({ url: '/me', headers: { authorization: `Bearer ${await sign(claimsWith({ iss: undefined, jti: undefined, client_id: undefined, scope: undefined }))}` } })
  t.match(principal, { issuer: null, tokenId: null, clientId: null, scopes: [], roles: [] })
  for (const part of [principal, principal?.scopes, principal?.roles, principal?.attributes, principal?.claims]) t.ok(Object.isFrozen(part))
})

t.test('R120 R121 which scope claims hold scopes', async (t) => {
  const service = await bearerService(t)
  const rows: [string, unknown, string[]][] = [
    ['R120 one name', 'a', ['a']],
    ['R120 names, in order', 'b a', ['b', 'a']],
    ['R120 a name twice', 'a b a', ['a', 'b']],
    ['R120 all characters of the grammar', '!#$%&\'()*+,-./:;<=>?@[]^_`{|}~', ['!#$%&\'()*+,-./:;<=>?@[]^_`{|}~']],
    ['R121 a list of names, as scopeClaim was not given', ['a', 'b'], []],
    ['R120 an empty string', '', []],
    ['R120 two spaces between', 'a  b', []],
    ['R120 a space at the end', 'a ', []],
    ['R120 a quote', 'a "b"', []],
    ['R120 a backslash', 'a\\b', []],
    ['R120 a tab between', 'a\tb', []],
    ['R120 a character beyond ASCII', 'ä', []],
    ['R120 a comma between is one name', 'a,b', ['a,b']],
    ['R121 a number', 1, []],
    ['R121 true', true, []],
    ['R121 null', null, []],
    ['R121 an object', { a: true, items: 'a' }, []],
    ['R121 a nested list', [['a']], []],
    ['R121 a list with a number', ['a', 1], []],
    ['R121 a list with two names in one', ['a b'], []]
  ]
  for (const [what, scope, expected] of rows) {
    await t.test(what, async (t) => { t.strictSame((await principalOf(service, { scope })).scopes, expected) })
  }
  for (const scopeClaim of ['scope', 'permissions']) {
    const opted = await bearerService(t, { scopeClaim })
    const lists: [string, unknown, string[]][] = [
      ['a list of names', ['a', 'b', 'a'], ['a', 'b']], ['a string', 'a b', ['a', 'b']], ['an empty list', [], []], ['a nested list', [['a']], []],
      ['a list with a number', ['a', 1], []], ['a list with two names in one', ['a b'], []], ['an object', { 0: 'a', length: 1 }, []]
    ]
    for (const [what, value, expected] of lists) {
      await t.test(`R121 with scopeClaim ${scopeClaim}, ${what}`, async (t) => { t.strictSame((await principalOf(opted, { [scopeClaim]: value })).scopes, expected) })
    }
  }
})

t.test('R120 a scope is met by the very same name only', async (t) => {
  const service = await guardedService(t, async (app) => {
    await app.register(bearerAuth, { secret, issuer, audience })
    await app.register(scopes)
    app.get('/orders', { onRequest: [app.bearer, app.requireScopes('orders:read')] }, () => ({}))
    app.get('/admin', { onRequest: [app.bearer, app.requireRoles('admin')] }, () => ({}))
    return app.bearer
  })
  const status = async (url: string, claims: TestClaims): Promise<number> => (await service.get({ authorization: `Bearer ${await sign(claimsWith(claims))}` }, url)).statusCode
  t.equal(await status('/orders', { scope: 'orders:read' }), 200)
  for (const scope of ['orders:readonly', 'orders', 'orders:*', '*', 'Orders:read', 'orders:read:all', 'xorders:read', { 'orders:read': true }]) t.equal(await status('/orders', { scope }), 403, JSON.stringify(scope))
  t.equal(await status('/admin', { roles: ['admin'] }), 200)
  for (const roles of ['admin', ['Admin'], ['administrator'], { admin: true }, [['admin']], ['admin', 1], ['admin', ''], 1, null]) t.equal(await status('/admin', { roles }), 403, JSON.stringify(roles))
})

t.test('scopeClaim and rolesClaim name other claims, never members of Object.prototype', async (t) => {
  const service = await bearerService(t, { scopeClaim: 'scp', rolesClaim: 'groups' })
  t.match(await principalOf(service, { scp: ['a'], groups: ['g'], scope: 'b', roles: ['r'] }), { scopes: ['a'], roles: ['g'] })
  const prototype = Object.prototype as Record<string, unknown>
  t.teardown(() => { delete prototype.inherited })
  const odd = await bearerService(t, { scopeClaim: 'inherited', rolesClaim: 'inherited' })
  const authorization = `Bearer ${await sign()}`
  // Enumerable, as a polluted prototype would be
  prototype.inherited = ['admin']
  const response = await odd.get({ authorization })
  delete prototype.inherited
  const { scopes, roles } = response.json<BearerPrincipal>()
  t.strictSame({ scopes, roles }, { scopes: [], roles: [] })
})

t.test('R066 isRevoked is asked on every request, with the claims', async (t) => {
  const revoked = new Set<unknown>()
  for (const later of [false, true]) {
    revoked.clear()
    const service = await bearerService(t, { isRevoked: ({ claims }) => (later ? Promise.resolve(revoked.has(claims.jti)) : revoked.has(claims.jti)) })
    const token = await sign()
    t.equal((await service.get({ authorization: `Bearer ${token}` })).statusCode, 200)
    revoked.add('token-1')
    await assertBad(t, service, token)
  }
})

t.test('loadPrincipal replaces roles and attributes, and narrows scopes, never widens them', async (t) => {
  const service = await bearerService(t, {
    loadPrincipal: ({ claims }) => Promise.resolve({ subject: `user of ${String(claims.sub)}`, scopes: ['me', 'admin'], roles: ['viewer'], attributes: { team: 'blue' } })
  })
  const { subject, scopes, roles, attributes } = await principalOf(service, { roles: ['admin'] })
  t.strictSame({ subject, scopes, roles, attributes }, { subject: 'user of alice', scopes: ['me'], roles: ['viewer'], attributes: { team: 'blue' } })
  const silent = await bearerService(t, { loadPrincipal: () => ({ subject: 'alice' }) })
  t.match(await principalOf(silent, { roles: ['editor'] }), { scopes: ['items:read', 'me'], roles: ['editor'], attributes: {} })
  const stripped = await bearerService(t, { loadPrincipal: () => ({ subject: 'alice', scopes: [], roles: [] }) })
  t.strictSame(await principalOf(stripped, { roles: ['editor'] }).then(({ scopes, roles }) => ({ scopes, roles })), { scopes: [], roles: [] })
})

t.test('loadPrincipal supplies the subject of a token that has none', async (t) => {
  const service = await bearerService(t, { loadPrincipal: ({ claims }) => ({ subject: String(claims.client_id) }) })
  t.match(await principalOf(service, { sub: undefined }), { subject: 'app' })
  await assertBad(t, service, await sign(claimsWith({ sub: 1 })))
})

t.test('loadPrincipal refuses with null, and tells a disabled account', async (t) => {
  const token = await sign()
  await assertBad(t, await bearerService(t, { loadPrincipal: () => null }), token)
  const disabled = await bearerService(t, { loadPrincipal: () => ({ subject: 'alice', disabled: true }) })
  await assertRefused(t, disabled, { headers: { authorization: `Bearer ${token}` }, status: 403, code: 'account_disabled', challenge: undefined, secret: token })
})

t.test('neither callback is asked about a bad token', async (t) => {
  let asked = 0
  const ask = (): never => {
    asked += 1
    throw new Error('asked')
  }
  const service = await bearerService(t, { isRevoked: ask, loadPrincipal: ask })
  for (const token of ['a.b.c', await sign(claimsWith({ exp: 1 })), await sign(claimsWith(), { key: randomBytes(32) }), await sign(claimsWith({ aud: 'other' }))]) await assertBad(t, service, token)
  t.equal(asked, 0)
})

const faulty: [string, Partial<BearerAuthOptions>][] = [
  ['isRevoked throws', { isRevoked: () => { throw new Error('no database') } }],
  ['isRevoked rejects', { isRevoked: () => Promise.reject(new Error('no database')) }],
  ['isRevoked answers undefined', { isRevoked: () => undefined as never }],
  ['isRevoked answers 0', { isRevoked: () => 0 as never }],
  ['loadPrincipal throws', { loadPrincipal: () => { throw new Error('no database') } }],
  ['loadPrincipal rejects', { loadPrincipal: () => Promise.reject(new Error('no database')) }],
  ['loadPrincipal answers no subject', { loadPrincipal: () => ({}) as never }],
  ['the key source throws', { keySource: { get: () => { throw new Error('no key server') } } }],
  ['the key source rejects', { keySource: { get: () => Promise.reject(new Error('no key server')) } }]
]
for (const [what, options] of faulty) {
  t.test(`R007 503, never a way in: ${what}`, async (t) => {
    const token = await sign()
    await assertRefused(t, await bearerService(t, options), { headers: { authorization: `Bearer ${token}` }, status: 503, code: 'unavailable', challenge: undefined, secret: token })
  })
}

t.test('a key source is asked for the kid, now or later, and its keys keep to the rules', async (t) => {
  const asked: (string | undefined)[] = []
  const keySource: KeySource = {
    get (kid) {
      asked.push(kid)
      return kid === 'later' ? Promise.resolve({ key: ec.publicKey, algorithm: 'ES256' }) : kid === 'now' ? { key: ec.publicKey, algorithm: 'ES256' } : null
    }
  }
  const service = await bearerService(t, { keySource })
  for (const kid of ['now', 'later']) {
    const token = await sign(claimsWith(), { key: ec.privateKey, header: { alg: 'ES256', kid } })
    t.equal((await service.get({ authorization: `Bearer ${token}` })).statusCode, 200, kid)
  }
  await assertBad(t, service, await sign(claimsWith(), { key: ec.privateKey, header: { alg: 'ES256', kid: 'x' } }))
  await assertBad(t, service, await sign(claimsWith(), { key: ec.privateKey, header: { alg: 'ES256' } }))
  await assertBad(t, service, await sign(claimsWith(), { key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, header: { alg: 'ES256', kid: 'now' } }))
  await assertBad(t, service, await sign(claimsWith(), { header: { kid: 'now' } }))
  t.strictSame(asked, ['now', 'later', 'x', undefined, 'now', 'now'])
})

const badKeys: [string, unknown, Partial<BearerAuthOptions>?][] = [
  ['R043 a string', { key: 'a'.repeat(64), algorithm: 'HS256' }, { algorithms: ['HS256'] }],
  ['R043 a secret for an asymmetric algorithm', { key: createSecretKey(secret), algorithm: 'ES256' }],
  ['R043 a public key for a symmetric algorithm', { key: ec.publicKey, algorithm: 'HS256' }, { algorithms: ['HS256'] }],
  ['R043 a private key', { key: ec.privateKey, algorithm: 'ES256' }],
  ['R044 the text of a public key as secret', { key: createSecretKey(Buffer.from(ec.publicKey.export({ type: 'spki', format: 'pem' }))), algorithm: 'HS256' }, { algorithms: ['HS256'] }],
  ['R044 a short secret', { key: createSecretKey(randomBytes(31)), algorithm: 'HS256' }, { algorithms: ['HS256'] }],
  ['R044 a secret of few distinct bytes', { key: createSecretKey(Buffer.alloc(64, 'ab')), algorithm: 'HS256' }, { algorithms: ['HS256'] }],
  ['R044 a placeholder', { key: createSecretKey(Buffer.from(`your-256-bit-secret ${randomBytes(16).toString('hex')}`)), algorithm: 'HS256' }, { algorithms: ['HS256'] }],
  ['R045 an RSA key of 1024 bits', { key: generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey, algorithm: 'RS256' }],
  ['R045 a key of another curve', { key: ec.publicKey, algorithm: 'ES384' }],
  ['R040 the algorithm none', { key: ec.publicKey, algorithm: 'none' }],
  ['R041 a secret where algorithms names none', { key: createSecretKey(secret), algorithm: 'HS256' }],
  ['R042 an algorithm that algorithms does not name', { key: ec.publicKey, algorithm: 'ES256' }, { algorithms: ['EdDSA'] }],
  ['no key', {}]
]
for (const [what, key, options] of badKeys) {
  t.test(`a key source that answers with ${what} is 503`, async (t) => {
    const service = await bearerService(t, { keySource: { get: () => key as never }, ...options })
    const token = await sign()
    await assertRefused(t, service, { headers: { authorization: `Bearer ${token}` }, status: 503, code: 'unavailable', challenge: undefined, secret: token })
  })
}

t.test('R042 a key source cannot give one key two algorithms', async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const service = await bearerService(t, { keySource: { get: (kid) => ({ key: publicKey, algorithm: kid === 'PS256' ? 'PS256' : 'RS256' }) } })
  const token = async (alg: string): Promise<string> => await sign(claimsWith(), { key: privateKey, header: { alg, kid: alg } })
  t.equal((await service.get({ authorization: `Bearer ${await token('RS256')}` })).statusCode, 200)
  await assertRefused(t, service, { headers: { authorization: `Bearer ${await token('PS256')}` }, status: 503, code: 'unavailable', challenge: undefined })
})

t.test('R066 a key that the source no longer gives stops verifying at once', async (t) => {
  let key: { key: typeof ec.publicKey; algorithm: 'ES256' } | null = { key: ec.publicKey, algorithm: 'ES256' }
  const service = await bearerService(t, { keySource: { get: () => key } })
  const token = await sign(claimsWith(), { key: ec.privateKey, header: { alg: 'ES256', kid: 'a' } })
  t.equal((await service.get({ authorization: `Bearer ${token}` })).statusCode, 200)
  key = null
  await assertBad(t, service, token)
})

t.test('fixed keys and callbacks that answer at once cost no promise', async (t) => {
  const service = await bearerService(t, { isRevoked: () => false, loadPrincipal: () => ({ subject: 'alice' }) })
  const authorization = `Bearer ${await sign()}`
  const found = registryOf(service.app).schemes.get('bearer')?.authenticate({ headers: { authorization }, raw: { rawHeaders: ['authorization', authorization] } } as never)
  t.match(found, { subject: 'alice' })
  t.notOk(found instanceof Promise)
})

t.test('secrets come as text or bytes; maxTokenBytes and type are what is set', async (t) => {
  const text = randomBytes(48).toString('base64url')
  const service = await bearerService(t, { secret: text, algorithms: ['HS384'], type: 'application/JWT', maxTokenBytes: 500 })
  const options = { key: Buffer.from(text), header: { alg: 'HS384', typ: 'jwt' } }
  t.equal((await service.get({ authorization: `Bearer ${await sign(claimsWith(), options)}` })).statusCode, 200)
  await assertBad(t, service, await sign(claimsWith({ filler: 'x'.repeat(300) }), options))
  const bytes = await bearerService(t, { secret: new Uint8Array(secret) })
  t.equal((await principalOf(bytes)).subject, 'alice')
})

t.test('what is published follows from the URLs that are given', async (t) => {
  const texts = { 'items:read': 'Read items' }
  const rows: [string, Partial<BearerAuthOptions>, object][] = [
    ['none', {}, { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' }],
    ['tokenUrl', { tokenUrl: '/token', scopes: texts }, { type: 'oauth2', flows: { password: { tokenUrl: '/token', scopes: texts } } }],
    ['tokenUrl and refreshUrl', { tokenUrl: '/token', refreshUrl: '/token' }, { type: 'oauth2', flows: { password: { tokenUrl: '/token', refreshUrl: '/token', scopes: {} } } }],
    ['authorizationUrl and tokenUrl', { authorizationUrl: 'https://id.example/authorize', tokenUrl: 'https://id.example/token', scopes: texts }, { type: 'oauth2', flows: { authorizationCode: { authorizationUrl: 'https://id.example/authorize', tokenUrl: 'https://id.example/token', scopes: texts } } }],
    ['openIdConnectUrl', { openIdConnectUrl: 'https://id.example/.well-known/openid-configuration', description: 'Sign in.' }, { type: 'openIdConnect', openIdConnectUrl: 'https://id.example/.well-known/openid-configuration', description: 'Sign in.' }]
  ]
  for (const [what, options, expected] of rows) {
    await t.test(what, async (t) => {
      const scheme = registryOf((await bearerService(t, options)).app).schemes.get('bearer')
      t.strictSame(scheme?.definition, expected)
      t.strictSame(scheme?.carrier, { in: 'header', name: 'Authorization' })
      t.equal(scheme?.ambient, false)
      t.strictSame(scheme?.scopes, options.scopes)
    })
  }
})

const badOptions: [string, object, string][] = [
  ['a misspelt option', { clockTolerance: 5 }, 'bearerAuth.clockTolerance'],
  ['R044 a short secret', { secret: randomBytes(31) }, 'bearerAuth.secret'],
  ['R044 a secret too short for HS512', { secret: randomBytes(63), algorithms: ['HS512'] }, 'bearerAuth.secret'],
  ['R044 a placeholder', { secret: `changeme-${randomBytes(32).toString('hex')}` }, 'bearerAuth.secret'],
  ['an empty secret', { secret: '' }, 'bearerAuth.secret'],
  ['a secret that is a KeyObject', { secret: createSecretKey(secret) }, 'bearerAuth.secret'],
  ['a public key that is a KeyObject', { secret: undefined, publicKey: ec.publicKey, algorithms: ['ES256'] }, 'bearerAuth.publicKey'],
  ['a key set that is a list', { secret: undefined, jwks: [] }, 'bearerAuth.jwks'],
  ['a key source without get', { secret: undefined, keySource: {} }, 'bearerAuth.keySource'],
  ['a key source whose get is no function', { secret: undefined, keySource: { get: 'x' } }, 'bearerAuth.keySource.get'],
  ['an empty type', { type: '' }, 'bearerAuth.type'],
  ['a maxTokenBytes that is no whole number', { maxTokenBytes: '8192' }, 'bearerAuth.maxTokenBytes'],
  ['a maxTokenBytes without bound', { maxTokenBytes: Infinity }, 'bearerAuth.maxTokenBytes'],
  ['an empty scopeClaim', { scopeClaim: '' }, 'bearerAuth.scopeClaim'],
  ['a rolesClaim that is no string', { rolesClaim: 1 }, 'bearerAuth.rolesClaim'],
  ['an isRevoked that is no function', { isRevoked: true }, 'bearerAuth.isRevoked'],
  ['R038 a resourceMetadata that is a path', { resourceMetadata: '/.well-known/oauth-protected-resource' }, 'bearerAuth.resourceMetadata'],
  ['R038 a resourceMetadata that is not in ASCII', { resourceMetadata: 'https://items.example/ä' }, 'bearerAuth.resourceMetadata'],
  ['a loadPrincipal that is no function', { loadPrincipal: {} }, 'bearerAuth.loadPrincipal'],
  ['refreshUrl alone', { refreshUrl: '/token' }, 'bearerAuth.tokenUrl'],
  ['authorizationUrl alone', { authorizationUrl: '/authorize' }, 'bearerAuth.tokenUrl'],
  ['openIdConnectUrl beside tokenUrl', { openIdConnectUrl: '/oidc', tokenUrl: '/token' }, 'bearerAuth.openIdConnectUrl'],
  ['a tokenUrl of javascript:', { tokenUrl: 'javascript:alert(1)' }, 'bearerAuth.tokenUrl'],
  ['a tokenUrl that is no URL', { tokenUrl: 'https://' }, 'bearerAuth.tokenUrl'],
  ['a realm with a control character', { realm: 'a\u0000' }, 'bearerAuth.realm']
]
for (const [what, options, option] of badOptions) {
  t.test(`refuses to boot with ${what}`, async (t) => {
    await assertOptionRefused(t, (app) => app.register(bearerAuth, { secret, issuer, audience, ...options } as BearerAuthOptions), option)
  })
}

t.test('options are read, never changed; a fault tells no secret', async (t) => {
  const options = Object.freeze({ secret: new Uint8Array(secret), issuer: Object.freeze([issuer]), audience, scopes: Object.freeze({ me: 'x' }) })
  await bearerService(t, options)
  const app = Fastify()
  t.teardown(() => app.close())
  const weak = 'changeme-0f8fad5bd9cb469fa165d9cb4fad5b69fa16'
  const message = await Promise.resolve(app.register(bearerAuth, { secret: weak, issuer, audience })).then(() => '', (error: unknown) => String(error))
  t.match(message, /bearerAuth\.secret/)
  t.notOk(message.includes(weak))
})

t.test('two registrations are two schemes, each with its own keys', async (t) => {
  const service = await guardedService(t, async (app) => {
    await app.register(bearerAuth, { secret, issuer, audience })
    await app.register(bearerAuth, { as: 'partner', realm: 'partners', publicKey: ec.publicKey.export({ type: 'spki', format: 'pem' }).toString(), algorithms: ['ES256'], issuer: 'https://partner.example', audience })
    app.get('/partner', { onRequest: app.partner }, (request) => app.partner.principal(request))
    return app.bearer
  })
  const ours = await sign()
  const theirs = await sign(claimsWith({ iss: 'https://partner.example' }), { key: ec.privateKey, header: { alg: 'ES256' } })
  t.match((await service.get({ authorization: `Bearer ${theirs}` }, '/partner')).json(), { scheme: 'partner' })
  await assertBad(t, service, theirs)
  await assertRefused(t, service, { url: '/partner', headers: { authorization: `Bearer ${ours}` }, status: 401, code: 'invalid_token', challenge: badToken.replace('api', 'partners') })
})

type Registration = (app: FastifyInstance) => PromiseLike<unknown>
const official: Registration = (app) => app.register(fastifyJwt, { secret: randomBytes(32).toString('hex') })
const ours: Registration = (app) => app.register(bearerAuth, { secret, issuer, audience })
for (const [order, registrations] of [['before', [official, ours]], ['after', [ours, official]]] as const) {
  t.test(`a service that registers @fastify/jwt ${order} ours keeps its own`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    for (const register of registrations) await register(app)
    app.get('/ours', { onRequest: app.bearer }, (request) => app.bearer.principal(request))
    app.get('/theirs', async (request) => await request.jwtVerify<object>())
    const headers = { ours: { authorization: `Bearer ${await sign()}` }, theirs: { authorization: `Bearer ${app.jwt.sign({ theirs: true })}` } }
    t.equal((await app.inject({ url: '/ours', headers: headers.ours })).statusCode, 200)
    t.equal((await app.inject({ url: '/ours', headers: headers.theirs })).statusCode, 401)
    t.match((await app.inject({ url: '/theirs', headers: headers.theirs })).json(), { theirs: true })
    t.equal((await app.inject({ url: '/theirs', headers: headers.ours })).statusCode, 401)
  })
}

// RFC 6750, Bearer Token Usage, and the authentication framework it stands on (RFC 9110 §11).
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { basicAuth } from '../../plugins/basic-auth.ts'
import { bearerAuth } from '../../plugins/bearer-auth.ts'
import { scopes } from '../../plugins/scopes.ts'
import { assertRefused, guardedService } from '../fixtures/guarded-service.ts'
import { audience, badToken, bearerService, claimsWith, issuer, secret, sign } from '../fixtures/tokens.ts'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { GuardedService, TestHeaders } from '../fixtures/guarded-service.ts'

const bare = 'Bearer realm="api"'
const invalidRequest = 'Bearer realm="api", error="invalid_request"'

/** `GET /items/:id` needs `items:read` and `me`, `GET /admin` a role, `POST /items` a scope nobody has. */
async function itemsService (t: Test): Promise<GuardedService> {
  return await guardedService(t, async (app) => {
    await app.register(bearerAuth, { secret, issuer, audience })
    await app.register(apiKeyAuth, { verify: () => null })
    await app.register(basicAuth, { users: { bob: 'secret' } })
    await app.register(scopes)
    app.get<{ Params: { id: string } }>('/items/:id', { onRequest: [app.bearer, app.requireScopes('items:read', 'me')] }, (request, reply) => {
      return request.params.id === '1' ? { id: 1 } : reply.code(404).send({})
    })
    app.get('/admin', { onRequest: [app.bearer, app.requireRoles('admin')] }, () => ({}))
    app.post('/items', { onRequest: [app.bearer, app.requireScopes('items:write')] }, () => ({}))
    app.get('/either', { onRequest: app.anyOf(app.bearer, app.basic, app.apiKey) }, (request) => request.principal)
    app.get('/maybe', { onRequest: app.optional(app.bearer) }, () => ({ stranger: true }))
    return app.bearer
  })
}

t.test('R001 R030 R034 no credentials: a bare challenge, with the scopes where the route needs some', async (t) => {
  const service = await itemsService(t)
  await assertRefused(t, service, { status: 401, code: 'credentials_required', challenge: bare })
  await assertRefused(t, service, { url: '/items/1', status: 401, code: 'credentials_required', challenge: `${bare}, scope="items:read me"` })
})

t.test('R038 every challenge says where the metadata of the resource are (RFC 9728 §5.1)', async (t) => {
  const resourceMetadata = 'https://items.example/.well-known/oauth-protected-resource/api'
  const service = await guardedService(t, async (app) => {
    await app.register(bearerAuth, { secret, issuer, audience, resourceMetadata })
    await app.register(scopes)
    app.get('/items', { onRequest: [app.bearer, app.requireScopes('items:write')] }, () => ({}))
    return app.bearer
  })
  const told = `resource_metadata="${resourceMetadata}"`
  await assertRefused(t, service, { status: 401, code: 'credentials_required', challenge: `${bare}, ${told}` })
  await assertRefused(t, service, { headers: { authorization: 'Bearer a b' }, status: 400, code: 'invalid_request', challenge: `${invalidRequest}, ${told}` })
  await assertRefused(t, service, { headers: { authorization: 'Bearer abc' }, status: 401, code: 'invalid_token', challenge: `${badToken}, ${told}` })
  await assertRefused(t, service, { url: '/items', headers: { authorization: `Bearer ${await sign()}` }, status: 403, code: 'insufficient_scope', challenge: `${bare}, error="insufficient_scope", scope="items:write", ${told}` })
})

t.test('R002 the scheme name compares case-insensitively, one or more spaces follow', async (t) => {
  const service = await bearerService(t)
  const token = await sign()
  for (const authorization of [`Bearer ${token}`, `bearer ${token}`, `BEARER ${token}`, `bEaReR     ${token}`]) {
    t.equal((await service.get({ authorization })).statusCode, 200, authorization.slice(0, 12))
  }
})

t.test('R003 R033 R036 what is no b64token after Bearer is 400', async (t) => {
  const service = await bearerService(t)
  const token = await sign()
  const rows: [string, TestHeaders][] = [
    ['R003 R033 the header twice, both good', { authorization: [`Bearer ${token}`, `Bearer ${token}`] }],
    ['R003 R033 the header twice, the first good', { authorization: [`Bearer ${token}`, 'Basic Og=='] }],
    ['R036 nothing after the scheme', { authorization: 'Bearer' }],
    ['R036 spaces after the scheme', { authorization: 'Bearer   ' }],
    ['R036 two parts', { authorization: `Bearer ${token} ${token}` }],
    ['R002 R036 a space after the token', { authorization: `Bearer ${token} ` }],
    ['R036 a tab instead of the space', { authorization: `Bearer\t${token}` }],
    ['R036 a list of credentials', { authorization: `Bearer ${token}, Basic Og==` }],
    ['R036 a parameter', { authorization: `Bearer token="${token}"` }],
    ['R036 a quoted token', { authorization: `Bearer "${token}"` }],
    ['R036 padding alone', { authorization: 'Bearer ===' }],
    ['R036 padding inside', { authorization: 'Bearer a=b' }],
    ['R036 a character beyond ASCII', { authorization: 'Bearer töken' }]
  ]
  for (const [what, headers] of rows) {
    await t.test(what, async (t) => {
      await assertRefused(t, service, { headers, status: 400, code: 'invalid_request', challenge: invalidRequest, secret: token })
    })
  }
})

t.test('R003 a repeated Authorization is refused by every scheme that reads it, on a socket too', async (t) => {
  const service = await guardedService(t, async (app) => {
    await app.register(basicAuth, { users: { bob: 'secret' } })
    return app.basic
  })
  const good = `Basic ${Buffer.from('bob:secret').toString('base64')}`
  await assertRefused(t, service, { headers: { authorization: [good, good] }, status: 400, code: 'invalid_request', challenge: undefined })
  await service.app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((service.app.server.address() as AddressInfo).port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(`GET /me HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: ${good}\r\nAUTHORIZATION: Bearer x\r\n\r\n`)
  t.match(await text(socket), /^HTTP\/1\.1 400 /)
  t.equal(service.handled(), 0)
})

t.test('R031 R034 R036 a b64token that is no good token is 401, always with the same words', async (t) => {
  const service = await bearerService(t)
  for (const token of ['x', 'a.b', 'a.b.c', '~', 'abc==', 'a/b+c', await sign(claimsWith({ exp: 1 })), await sign(claimsWith({ iss: 'evil"\\' }))]) {
    await t.test(token.slice(0, 20), async (t) => {
      await assertRefused(t, service, { headers: { authorization: `Bearer ${token}` }, status: 401, code: 'invalid_token', challenge: badToken })
    })
  }
})

t.test('R001 R032 R034 a good token without the scope or role is 403 with what is needed', async (t) => {
  const service = await itemsService(t)
  const token = await sign(claimsWith({ scope: 'items:read' }))
  const headers = { authorization: `Bearer ${token}` }
  await assertRefused(t, service, { headers, url: '/items/1', status: 403, code: 'insufficient_scope', challenge: `${bare}, error="insufficient_scope", scope="items:read me"`, secret: token })
  await assertRefused(t, service, { headers, url: '/admin', status: 403, code: 'insufficient_role', challenge: `${bare}, error="insufficient_scope"`, secret: token })
})

t.test('R034 no parameter twice, and the description keeps to its characters', async (t) => {
  const service = await itemsService(t)
  const answers = await Promise.all([
    service.get({}, '/items/1'),
    service.get({ authorization: 'Bearer a.b.c' }, '/items/1'),
    service.get({ authorization: 'Bearer' }, '/items/1'),
    service.get({ authorization: `Bearer ${await sign(claimsWith({ scope: '' }))}` }, '/items/1')
  ])
  t.strictSame(answers.map(({ statusCode }) => statusCode), [401, 401, 400, 403])
  for (const { headers } of answers) {
    const challenge = String(headers['www-authenticate'])
    const names = [...challenge.matchAll(/([a-z_]+)="/g)].map(([, name]) => name)
    t.equal(new Set(names).size, names.length, challenge)
    const description = /error_description="([^"]*)"/.exec(challenge)?.[1] ?? ''
    t.match(description, /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/)
  }
})

t.test('R035 a token in the query or in a form body is as if absent', async (t) => {
  const service = await itemsService(t)
  const token = await sign(claimsWith({ scope: 'items:write' }))
  await assertRefused(t, service, { url: `/me?access_token=${token}`, status: 401, code: 'credentials_required', challenge: bare })
  const posted = await service.app.inject({ method: 'POST', url: '/items', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: `access_token=${token}` })
  t.equal(posted.statusCode, 401)
  t.equal(posted.headers['www-authenticate'], `${bare}, scope="items:write"`)
})

t.test('R037 another scheme on a bearer-only route is 401 with a bare challenge', async (t) => {
  const service = await bearerService(t)
  for (const authorization of ['Basic Og==', 'Digest username="a"', 'BearerX abc', 'Bear', 'x', '"Bearer" x']) {
    await t.test(authorization, async (t) => {
      await assertRefused(t, service, { headers: { authorization }, status: 401, code: 'credentials_required', challenge: bare })
    })
  }
})

t.test('R039 every scheme that would be accepted is named, and bad credentials of one are the end', async (t) => {
  const service = await itemsService(t)
  const others = ['Basic realm="api", charset="UTF-8"', 'ApiKey realm="api", in="header", name="X-API-Key"']
  t.strictSame((await service.get({}, '/either')).headers['www-authenticate'], [bare, ...others])
  const refused = await service.get({ authorization: 'Bearer a.b.c' }, '/either')
  t.equal(refused.statusCode, 401)
  t.strictSame(refused.headers['www-authenticate'], [badToken, ...others])
  t.same((await service.get({}, '/maybe')).json(), { stranger: true })
  await assertRefused(t, service, { headers: { authorization: 'Bearer a.b.c' }, url: '/maybe', status: 401, code: 'invalid_token', challenge: badToken })
  await assertRefused(t, service, { headers: { authorization: 'Bearer' }, url: '/maybe', status: 400, code: 'invalid_request', challenge: invalidRequest })
})

t.test('R004 a stranger cannot tell whether what is behind the guard exists', async (t) => {
  const service = await itemsService(t)
  const authorization = `Bearer ${await sign(claimsWith({ scope: 'items:read me' }))}`
  t.equal((await service.get({ authorization }, '/items/1')).statusCode, 200)
  t.equal((await service.get({ authorization }, '/items/2')).statusCode, 404)
  for (const headers of [{}, { authorization: 'Bearer a.b.c' }]) {
    const [existing, absent] = await Promise.all([service.get(headers, '/items/1'), service.get(headers, '/items/2')])
    const comparable = (response: typeof existing): object => ({
      status: response.statusCode,
      headers: { ...response.headers, date: '' },
      body: response.body.replace(/urn:request:[^"]+/, '')
    })
    t.strictSame(comparable(existing), comparable(absent))
  }
})

t.test('R005 a refusal is problem+json and tells nothing of the inside', async (t) => {
  const service = await bearerService(t, { isRevoked: () => { throw new Error('SELECT * FROM tokens at /srv/db.ts') } })
  const failed = await service.get({ authorization: `Bearer ${await sign()}` })
  t.equal(failed.statusCode, 503)
  t.strictSame(Object.keys(failed.json<object>()).sort(), ['code', 'instance', 'status', 'title'])
  t.notMatch(failed.body, /SELECT|srv|stack/)
})

t.test('R008 a stranger\'s body is not parsed', async (t) => {
  let parsed = 0
  const service = await guardedService(t, async (app) => {
    await app.register(bearerAuth, { secret, issuer, audience })
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('application/json', (_request, _payload, done) => {
      parsed += 1
      done(null, {})
    })
    app.post('/items', { onRequest: app.bearer }, () => ({}))
    return app.bearer
  })
  const post = { method: 'POST', url: '/items', headers: { 'content-type': 'application/json' }, payload: '{"broken"' } as const
  t.equal((await service.app.inject(post)).statusCode, 401)
  t.equal(parsed, 0)
  t.equal((await service.app.inject({ ...post, headers: { ...post.headers, authorization: `Bearer ${await sign()}` } })).statusCode, 200)
  t.equal(parsed, 1)
})

t.test('R009 no spelling of the path reaches the handler without the guard', async (t) => {
  const service = await bearerService(t)
  for (const url of ['/me', '/%6de', '/%6D%65', '/me?x=1', '/me#x', '/me;x', '//me', '/./me', '/x/../me', '/ME', '/me/', '/me%00', '/me%20', 'http://other.example/me']) {
    const response = await service.get({}, url)
    t.ok([400, 401, 404].includes(response.statusCode), `${url} is ${String(response.statusCode)}`)
  }
  t.equal((await service.app.inject({ method: 'HEAD', url: '/me' })).statusCode, 401)
  t.equal(service.handled(), 0)
})

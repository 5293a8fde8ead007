import t from 'tap'
import { createApiKey } from '../../credentials/api-keys.ts'
import { assertNoSecret, assertProblem, assertRefused, buildDemo, comparable, cookieChallenge } from '../demo.ts'
import type { InjectOptions } from 'fastify'
import type { ApiKey, Item } from '../../stores/ports.ts'
import type { Demo, Headers, Person, Refused } from '../demo.ts'

const apiKeyChallenge = 'ApiKey realm="api", in="header", name="X-API-Key"'
const meChallenge = ['Bearer realm="api", scope="me"', cookieChallenge]
const badToken = 'Bearer realm="api", error="invalid_token", error_description="The access token is invalid"'
const nowhere = '/items/0192f0c1-2345-7abc-8def-0123456789ab'

function bearerChallenge (scope: string): string {
  return `Bearer realm="api", scope="${scope}"`
}

function lacking (scope: string): Refused {
  return { status: 403, code: 'insufficient_scope', challenge: `Bearer realm="api", error="insufficient_scope", scope="${scope}"` }
}

t.test('items are made, read, listed and deleted, by a token and by an API key', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const token = await demo.token(alice)
  const { headers: key } = await demo.key(token, ['items:read', 'items:write'])
  for (const [way, headers] of [['token', token], ['key', key]] as const) {
    await t.test(way, async (t) => {
      const made = await demo.send({ method: 'POST', url: '/items', headers, payload: { title: 'A lamp', description: 'Brass,\n\t1920s' } })
      t.equal(made.statusCode, 201)
      const item = made.json<Item>()
      t.match(item, { id: /^[0-9a-f-]{36}$/, owner: alice.id, title: 'A lamp', description: 'Brass,\n\t1920s', created_at: /Z$/ })
      t.equal(made.headers.location, `/items/${item.id}`)
      t.equal(made.headers['cache-control'], 'no-store', 'R170')
      t.strictSame((await demo.send({ url: String(made.headers.location), headers })).json(), item)
      t.strictSame((await demo.send({ url: '/items?limit=1', headers })).json<{ items: Item[] }>().items, [item])
      const gone = await demo.send({ method: 'DELETE', url: `/items/${item.id}`, headers })
      t.equal(gone.statusCode, 204)
      t.equal(gone.body, '')
      await assertRefused(t, demo, { url: `/items/${item.id}`, headers }, { status: 404, code: 'not_found' })
    })
  }
})

t.test('GET /items goes page by page, newest first, and finds what contains q', async (t) => {
  const demo = await buildDemo(t)
  const headers = await demo.token(await demo.person('alice'))
  for (const title of ['One lamp', 'Two chairs', 'Three LAMPS', '100% wool', '100 wools']) {
    t.equal((await demo.send({ method: 'POST', url: '/items', headers, payload: { title } })).statusCode, 201)
  }
  const page = async (query: Record<string, string>): Promise<{ titles: string[]; next?: string }> => {
    const { items, next } = (await demo.send({ url: '/items', query, headers })).json<{ items: Item[]; next?: string }>()
    return { titles: items.map(({ title }) => title), ...(next === undefined ? {} : { next }) }
  }
  const first = await page({ limit: '2' })
  t.strictSame(first.titles, ['100 wools', '100% wool'])
  t.equal((await demo.send({ method: 'POST', url: '/items', headers, payload: { title: 'made meanwhile' } })).statusCode, 201)
  const second = await page({ limit: '2', cursor: first.next ?? '' })
  t.strictSame(second.titles, ['Three LAMPS', 'Two chairs'])
  t.strictSame(await page({ limit: '2', cursor: second.next ?? '' }), { titles: ['One lamp'] }, 'the last page has no next')
  t.strictSame((await page({ q: 'lamp' })).titles, ['Three LAMPS', 'One lamp'])
  t.strictSame((await page({ q: '0%' })).titles, ['100% wool'], 'a wildcard is a character')
  t.strictSame(await page({ q: 'nothing' }), { titles: [] })

  const rows: [string, string, object][] = [
    ['R183 a limit of 0', 'limit=0', { parameter: 'limit' }],
    ['R183 a limit over 100', 'limit=101', { parameter: 'limit' }],
    ['R183 a limit that is no number', 'limit=ten', { parameter: 'limit' }],
    ['R183 a parameter twice', 'limit=1&limit=2', { parameter: 'limit' }],
    ['R183 an unknown parameter', 'sort=title', { parameter: 'sort' }],
    ['a cursor that nobody handed out', 'cursor=abc', { parameter: 'cursor' }],
    ['an empty q', 'q=', { parameter: 'q' }]
  ]
  await t.test('a q with a NUL, which would match every item', (t) => assertRefused(t, demo, { url: '/items?q=%00zz', headers }, { status: 400, code: 'validation' }))
  for (const [title, query, where] of rows) {
    await t.test(title, async (t) => {
      const refused = await assertRefused(t, demo, { url: `/items?${query}`, headers }, { status: 400, code: 'validation' })
      t.match(refused.json(), { errors: [{ ...where, in: 'query', detail: String }] })
    })
  }
})

t.test('who is refused at /items, whatever is behind it', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const token = await demo.token(alice)
  const made = await demo.send({ method: 'POST', url: '/items', headers: token, payload: { title: 'A lamp' } })
  const item = String(made.headers.location)
  const { headers: readKey, key } = await demo.key(token, ['items:read'])
  const revoked = await demo.key(token, ['items:read'])
  await demo.send({ method: 'DELETE', url: `/api-keys/${revoked.id}`, headers: token })
  const expired = createApiKey()
  await demo.app.stores.apiKeys.create({ ...expired, owner: alice.id, name: 'old', scopes: ['items:read'], expiresAt: new Date(Date.now() - 1000) })
  const changed = `${key.slice(0, -8)}${key.at(-8) === 'A' ? 'B' : 'A'}${key.slice(-7)}`

  const none = [bearerChallenge('items:read'), apiKeyChallenge]
  const refusedKey: Refused = { status: 401, code: 'invalid_credentials', challenge: [bearerChallenge('items:read'), apiKeyChallenge] }
  const rows: [string, InjectOptions, Refused][] = [
    ['R039 no credentials', {}, { status: 401, code: 'credentials_required', challenge: none }],
    ['R035 a token in the query', { query: { access_token: String(token['authorization']).slice(7) } }, { status: 401, code: 'credentials_required', challenge: none }],
    ['R073 a key in the query', { query: { 'X-API-Key': key } }, { status: 401, code: 'credentials_required', challenge: none }],
    ['a bad token', { headers: { authorization: 'Bearer a.b.c' } }, { status: 401, code: 'invalid_token', challenge: [badToken, apiKeyChallenge] }],
    ['R070 a malformed key', { headers: { 'x-api-key': 'abc' } }, refusedKey],
    ['R070 a key with a wrong checksum', { headers: { 'x-api-key': changed } }, refusedKey],
    ['R074 an unknown key', { headers: { 'x-api-key': createApiKey().key } }, refusedKey],
    ['R074 a revoked key', { headers: revoked.headers }, refusedKey],
    ['R074 an expired key', { headers: { 'x-api-key': expired.key } }, refusedKey]
  ]
  const keyAnswers: object[] = []
  for (const [title, request, refused] of rows) {
    await t.test(title, async (t) => {
      const answers = []
      for (const url of [item, nowhere]) answers.push(comparable(await assertRefused(t, demo, { ...request, url }, refused)))
      t.strictSame(answers[0], answers[1], 'R004 the same whether the item exists')
      if (refused === refusedKey) keyAnswers.push(...answers)
    })
  }
  for (const answer of keyAnswers) t.strictSame(answer, keyAnswers[0], 'R074 malformed, unknown, revoked and expired are one answer')

  const write: [string, InjectOptions, Refused][] = [
    ['POST without credentials', { method: 'POST', url: '/items' }, { status: 401, code: 'credentials_required', challenge: [bearerChallenge('items:write'), apiKeyChallenge] }],
    ['R008 POST of a stranger with a broken body', { method: 'POST', url: '/items', headers: { 'content-type': 'application/json' }, payload: '{' }, { status: 401, code: 'credentials_required', challenge: [bearerChallenge('items:write'), apiKeyChallenge] }],
    ['R032 POST with a token that may read', { method: 'POST', url: '/items', headers: await demo.token(alice, 'items:read') }, lacking('items:write')],
    ['POST with a key that may read', { method: 'POST', url: '/items', headers: readKey }, { status: 403, code: 'insufficient_scope' }],
    ['DELETE with a key that may read', { method: 'DELETE', url: item, headers: readKey }, { status: 403, code: 'insufficient_scope' }],
    ['R183 an owner in the body', { method: 'POST', url: '/items', headers: token, payload: { title: 'x', owner: 'bob' } }, { status: 400, code: 'validation' }],
    ['R183 a title that is a number', { method: 'POST', url: '/items', headers: token, payload: { title: 1 } }, { status: 400, code: 'validation' }],
    ['an empty title', { method: 'POST', url: '/items', headers: token, payload: { title: '' } }, { status: 400, code: 'validation' }],
    ['a title with a NUL', { method: 'POST', url: '/items', headers: token, payload: { title: 'a\0b' } }, { status: 400, code: 'validation' }],
    ['a title of two lines', { method: 'POST', url: '/items', headers: token, payload: { title: 'a\nb' } }, { status: 400, code: 'validation' }],
    ['a description with an escape', { method: 'POST', url: '/items', headers: token, payload: { title: 'a', description: 'a\u001bb' } }, { status: 400, code: 'validation' }],
    ['the name of a key with a NUL', { method: 'POST', url: '/api-keys', headers: token, payload: { name: 'a\0b', scopes: ['me'] } }, { status: 400, code: 'validation' }],
    ['R181 a text', { method: 'POST', url: '/items', headers: { ...token, 'content-type': 'text/plain' }, payload: '{"title":"x"}' }, { status: 415, code: 'unsupported_media_type' }],
    ['an id that is none', { method: 'GET', url: '/items/1', headers: token }, { status: 400, code: 'validation' }]
  ]
  for (const [title, request, refused] of write) {
    await t.test(title, (t) => assertRefused(t, demo, { ...(request.method === 'POST' ? { payload: { title: 'x' } } : {}), ...request }, refused))
  }
})

t.test('DELETE /items/:id is for the owner, or an administrator', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.token(await demo.person('alice'))
  const bob = await demo.token(await demo.person('bob'))
  const boss = await demo.token(await demo.person('boss', ['admin']))
  const made = async (): Promise<string> => String((await demo.send({ method: 'POST', url: '/items', headers: alice, payload: { title: 'x' } })).headers.location)
  const item = await made()
  const notOwner: Refused = { status: 403, code: 'access_denied' }
  const rows: [string, Headers][] = [
    ['another editor', bob],
    ['a key of another editor', (await demo.key(bob, ['items:write'])).headers],
    ['R126 an administrator whose token has not the scope', await demo.token({ username: 'boss' } as Person, 'items:write')],
    ['R126 a key of an administrator that has not the scope', (await demo.key(boss, ['items:write'])).headers]
  ]
  for (const [title, headers] of rows) {
    await t.test(title, (t) => assertRefused(t, demo, { method: 'DELETE', url: item, headers }, notOwner))
  }
  await assertRefused(t, demo, { method: 'DELETE', url: nowhere, headers: bob }, { status: 404, code: 'not_found' })
  t.equal((await demo.send({ method: 'DELETE', url: item, headers: boss })).statusCode, 204)
  t.equal((await demo.send({ method: 'DELETE', url: await made(), headers: (await demo.key(boss, ['items:write', 'admin'])).headers })).statusCode, 204)
  t.equal((await demo.send({ method: 'DELETE', url: await made(), headers: alice })).statusCode, 204)
})

t.test('API keys are made once, listed without the key, and revoked', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.token(await demo.person('alice'))
  const bob = await demo.token(await demo.person('bob'))
  const made = await demo.send({ method: 'POST', url: '/api-keys', headers: alice, payload: { name: 'import', scopes: ['items:read'] } })
  t.equal(made.statusCode, 201)
  t.equal(made.headers['cache-control'], 'no-store')
  const { key, ...shown } = made.json<ApiKey & { key: string }>()
  t.match(key, /^gate_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/, 'R070')
  t.strictSame(Object.keys(shown).sort(), ['client_id', 'created_at', 'expires_at', 'hint', 'id', 'last_used_at', 'limit', 'name', 'revoked_at', 'rotated_to', 'scopes'])
  t.match(shown, { id: key.slice(5, 17), hint: key.slice(-4), name: 'import', scopes: ['items:read'], revoked_at: null })
  t.equal(Math.round((Date.parse(shown.expires_at) - Date.parse(shown.created_at)) / 86_400_000), 90, 'it expires by default')
  demo.secrets.add(key).add(key.slice(18))

  const short = await demo.send({ method: 'POST', url: '/api-keys', headers: alice, payload: { name: 'short', scopes: ['me', 'items:read'], expires_in_days: 1 } })
  const { expires_at: expires, created_at: created, id } = short.json<ApiKey>()
  t.equal(Math.round((Date.parse(expires) - Date.parse(created)) / 86_400_000), 1)

  const listed = await demo.send({ url: '/api-keys?limit=1', headers: alice })
  const { items, next } = listed.json<{ items: ApiKey[]; next: string }>()
  t.strictSame(items.map(({ name }) => name), ['short'])
  const { items: [second] } = (await demo.send({ url: '/api-keys', query: { cursor: next }, headers: alice })).json<{ items: ApiKey[] }>()
  t.strictSame(second, shown, 'R071 the list has what is not secret')
  const digest = (await demo.app.stores.apiKeys.findActive(shown.id))?.digest ?? ''
  demo.secrets.add(digest)
  assertNoSecret(t, demo, listed)
  t.strictSame((await demo.send({ url: '/api-keys', headers: bob })).json(), { items: [] }, 'others have their own list')

  const revoke = { method: 'DELETE', url: `/api-keys/${id}` } as const
  await assertRefused(t, demo, { ...revoke, headers: bob }, { status: 404, code: 'not_found' })
  t.equal((await demo.send({ ...revoke, headers: alice })).statusCode, 204)
  t.match((await demo.send({ url: '/api-keys?limit=1', headers: alice })).json(), { items: [{ id, revoked_at: String }] })
  await assertRefused(t, demo, { ...revoke, headers: alice }, { status: 404, code: 'not_found' })
})

t.test('what POST /api-keys refuses', async (t) => {
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const headers = await demo.token(alice)
  const key = await demo.key(headers, ['me', 'items:read'])
  const body = { name: 'a key', scopes: ['items:read'] }
  const rows: [string, InjectOptions, Refused][] = [
    ['no credentials', { headers: {} }, { status: 401, code: 'credentials_required', challenge: meChallenge }],
    ['R076 a key, even one with the scope', { headers: key.headers }, { status: 401, code: 'credentials_required', challenge: meChallenge }],
    ['a token without me', { headers: await demo.token(alice, 'items:read') }, lacking('me')],
    ['R126 a scope that the owner lacks', { payload: { ...body, scopes: ['items:read', 'admin'] } }, { status: 403, code: 'insufficient_scope' }],
    ['R126 a scope that the owner has and the token lacks', { headers: await demo.token(alice, 'me'), payload: { ...body, scopes: ['items:write'] } }, { status: 403, code: 'insufficient_scope' }],
    ['a scope that nobody has', { payload: { ...body, scopes: ['toString'] } }, { status: 403, code: 'insufficient_scope' }],
    ['R075 an owner', { payload: { ...body, owner: 'bob' } }, { status: 400, code: 'validation' }],
    ['R075 a user id', { payload: { ...body, userId: 'bob' } }, { status: 400, code: 'validation' }],
    ['no scope', { payload: { ...body, scopes: [] } }, { status: 400, code: 'validation' }],
    ['R183 a scope that is not in a list', { payload: { ...body, scopes: 'items:read' } }, { status: 400, code: 'validation' }],
    ['a scope twice', { payload: { ...body, scopes: ['me', 'me'] } }, { status: 400, code: 'validation' }],
    ['two scopes in one', { payload: { ...body, scopes: ['me admin'] } }, { status: 400, code: 'validation' }],
    ['a key for ever', { payload: { ...body, expires_in_days: 3650 } }, { status: 400, code: 'validation' }],
    ['a key for no time', { payload: { ...body, expires_in_days: 0 } }, { status: 400, code: 'validation' }],
    ['no name', { payload: { scopes: ['me'] } }, { status: 400, code: 'validation' }]
  ]
  for (const [title, request, refused] of rows) {
    await t.test(title, (t) => assertRefused(t, demo, { method: 'POST', url: '/api-keys', headers, payload: body, ...request }, refused))
  }
  for (const request of [{ url: '/api-keys' }, { method: 'DELETE', url: `/api-keys/${key.id}` }] as const) {
    await t.test(`R076 a key cannot ${'method' in request ? 'revoke' : 'list'} keys`, (t) => assertRefused(t, demo, { ...request, headers: key.headers }, { status: 401, code: 'credentials_required', challenge: meChallenge }))
  }
})

t.test('R066 R126 what the store says of an account holds for its tokens and keys at once', async (t) => {
  const demo = await buildDemo(t)
  const boss = await demo.person('boss', ['admin'])
  const token = await demo.token(boss)
  const { headers: key } = await demo.key(token, ['items:read', 'items:write', 'admin'])
  const status = async (request: InjectOptions): Promise<number> => (await demo.send(request)).statusCode
  t.equal(await status({ url: '/admin', headers: token }), 200)

  await demo.app.stores.users.update(boss.id, { roles: ['viewer'] })
  await t.test('a role taken away', async (t) => {
    t.equal(await status({ url: '/items', headers: token }), 200, 'what is left works')
    t.equal(await status({ url: '/items', headers: key }), 200)
    await assertRefused(t, demo, { url: '/admin', headers: token }, lacking('admin'))
    await assertRefused(t, demo, { method: 'POST', url: '/items', headers: token, payload: { title: 'x' } }, lacking('items:write'))
    await assertRefused(t, demo, { method: 'POST', url: '/items', headers: key, payload: { title: 'x' } }, { status: 403, code: 'insufficient_scope' })
    await assertRefused(t, demo, { method: 'POST', url: '/api-keys', headers: token, payload: { name: 'x', scopes: ['admin'] } }, { status: 403, code: 'insufficient_scope' })
  })
  await t.test('a role given does not widen a token that was narrower', async (t) => {
    const narrow = await demo.token(boss, 'me')
    await demo.app.stores.users.update(boss.id, { roles: ['admin'] })
    await assertRefused(t, demo, { url: '/admin', headers: narrow }, lacking('admin'))
  })
  await demo.app.stores.users.update(boss.id, { disabled: true })
  for (const [title, headers, url] of [['a token', token, '/users/me'], ['a token at a route for keys too', token, '/items'], ['a key', key, '/items']] as const) {
    await t.test(`a disabled account is 403 by ${title}`, (t) => assertRefused(t, demo, { url, headers }, { status: 403, code: 'account_disabled' }))
  }
  await demo.app.stores.users.update(boss.id, { disabled: false })
  t.equal(await status({ url: '/items', headers: key }), 200, 'and back again')
})

t.test('R007 R189 when the store fails nobody is let in, and nobody is told why', async (t) => {
  const demo: Demo = await buildDemo(t)
  const headers = await demo.token(await demo.person('alice'))
  const key = await demo.key(headers, ['items:read'])
  await demo.app.stores.close()
  for (const request of [{ url: '/users/me', headers }, { url: '/items', headers: key.headers }]) {
    const refused = await demo.send(request)
    assertProblem(t, demo, refused, { status: 503, code: 'unavailable' })
    t.match(refused.headers['retry-after'], /^[1-9]\d*$/)
    t.notMatch(refused.body, /sqlite|database|stack|\.ts/i)
  }
})

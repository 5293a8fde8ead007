// `config: { csrf: 'form' }`: the token stands in the body, and is judged before the handler and after nothing else.
import Fastify from 'fastify'
import t from 'tap'
import { csrf } from '../../plugins/csrf.ts'
import { openapi } from '../../plugins/openapi.ts'
import { sessionAuth } from '../../plugins/session-auth.ts'
import { stores } from '../../plugins/stores.ts'

t.test('R110 R116 the token of a form is asked in its body, and the document says so', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(openapi, { info: { title: 'Forms', version: '1' } })
  await app.register(stores, { file: ':memory:' })
  await app.register(sessionAuth, { loadPrincipal: ({ subject }) => ({ subject }) })
  await app.register(csrf, { origins: ['https://app.example'] })
  let handled = 0
  const handler = (): string => {
    handled += 1
    return 'ok'
  }
  app.post('/login', { onRequest: app.publicAccess('A way in for the test') }, async (request, reply) => {
    await app.session.open(request, reply, 'alice')
    return { token: app.csrfToken(request) }
  })
  app.post('/form', { onRequest: app.session, config: { csrf: 'form' } }, handler)
  app.get('/form', { onRequest: app.session, config: { csrf: 'form' } }, handler)
  await app.ready()

  const login = await app.inject({ method: 'POST', url: '/login', headers: { host: 'localhost' } })
  const { token } = login.json<{ token: string }>()
  const headers = { cookie: String(login.headers['set-cookie']).split(';', 1).join(), 'sec-fetch-site': 'same-origin' }
  t.equal((await app.inject({ method: 'POST', url: '/form', headers, payload: { csrf_token: token } })).statusCode, 200)
  t.equal((await app.inject({ url: '/form', headers })).statusCode, 200, 'a read is not asked')
  const rows: [string, object, Record<string, string>, string][] = [
    ['no token', {}, {}, 'csrf_token_invalid'],
    ['no body', [], {}, 'csrf_token_invalid'],
    ['a wrong one', { csrf_token: `${token}A` }, {}, 'csrf_token_invalid'],
    ['two', { csrf_token: [token, token] }, {}, 'csrf_token_invalid'],
    ['in the header alone', {}, { 'x-csrf-token': token }, 'csrf_token_invalid'],
    ['inherited', JSON.parse(`{"x":{"csrf_token":"${token}"}}`) as object, {}, 'csrf_token_invalid'],
    ['from another site', { csrf_token: token }, { 'sec-fetch-site': 'cross-site' }, 'cross_site_request']
  ]
  for (const [title, payload, more, code] of rows) {
    await t.test(title, async (t) => {
      const before = handled
      const refused = await app.inject({ method: 'POST', url: '/form', headers: { ...headers, ...more }, payload })
      t.equal(refused.statusCode, 403)
      t.match(refused.body, code)
      t.equal(handled, before)
      t.notOk(refused.body.includes(token))
    })
  }
  t.equal(app.guardedRoutes().find(({ method, url }) => method === 'POST' && url === '/form')?.csrf, 'form')
  const { paths } = (await app.inject('/openapi.json')).json()
  const operation = paths['/form'].post
  t.equal(operation['x-csrf'], 'form')
  t.match(operation.description, /its token in the field `csrf_token`/)
  t.notMatch(JSON.stringify(operation.parameters ?? []), /X-CSRF-Token/)
})

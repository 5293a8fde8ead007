// `problems({ typeBase })`: wherever a problem comes from, its type leads to the page about its code.
import { once } from 'node:events'
import { connect } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import { refusal } from '../../errors.ts'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { https } from '../../plugins/https.ts'
import { openapi } from '../../plugins/openapi.ts'
import { problems } from '../../plugins/problems.ts'
import { rateLimit } from '../../plugins/rate-limit.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, InjectOptions } from 'fastify'

const base = 'https://api.example.com/errors#'

async function build (options: object): Promise<FastifyInstance> {
  const app = Fastify(serverOptions())
  await app.register(problems, options)
  await app.register(openapi, { info: { title: 'Items', version: '1.0.0' } })
  await app.register(apiKeyAuth, { verify: () => null })
  await app.register(rateLimit)
  app.get('/guarded', { onRequest: app.apiKey }, () => 'ok')
  app.get('/once', { onRequest: app.limit({ max: 1, timeWindow: '1 minute' }) }, () => 'ok')
  app.get('/thrown', () => { throw refusal('conflict') })
  app.get('/own', () => { throw refusal('conflict', { members: { type: 'https://other.example/conflict' } }) })
  app.get('/broken', () => { throw new Error('secret') })
  app.post('/items', { schema: { body: { type: 'object', required: ['title'] } } }, () => 'ok')
  await app.ready()
  return app
}

const rows: [title: string, request: InjectOptions & { url: string }, status: number, code: string][] = [
  ['a guard', { url: '/guarded' }, 401, 'credentials_required'],
  ['a handler', { url: '/thrown' }, 409, 'conflict'],
  ['an error that nobody expected', { url: '/broken' }, 500, 'internal_error'],
  ['a schema', { method: 'POST', url: '/items', payload: {} }, 400, 'validation'],
  ['the router', { url: '/nothing' }, 404, 'not_found'],
  ['what no router takes', { url: '/%zz' }, 400, 'invalid_request']
]

t.test('a problem of', async (t) => {
  const [named, plain] = [await build({ typeBase: base }), await build({})]
  t.teardown(async () => { await Promise.all([named.close(), plain.close()]) })
  for (const [title, request, status, code] of rows) {
    await t.test(title, async (t) => {
      const answer = await named.inject(request)
      t.match(answer, { statusCode: status, headers: { 'content-type': 'application/problem+json; charset=utf-8' } })
      t.match(answer.json(), { code, type: base + code })
      t.notOk('type' in (await plain.inject(request)).json<object>(), 'without the option there is none')
    })
  }
  await t.test('a limit keeps its registered type', async (t) => {
    await named.inject('/once')
    t.match((await named.inject('/once')).json(), { code: 'quota_exceeded', type: 'https://iana.org/assignments/http-problem-types#quota-exceeded' })
  })
  await t.test('a handler that names a type keeps it', async (t) => {
    t.equal((await named.inject('/own')).json<{ type: string }>().type, 'https://other.example/conflict')
  })
  await t.test('the document shows it in its examples', async (t) => {
    const document = (await named.inject('/openapi.json')).body
    for (const code of ['credentials_required', 'validation', 'internal_error']) t.ok(document.includes(`"type":"${base}${code}"`), code)
    t.notOk((await plain.inject('/openapi.json')).body.includes(base))
  })
})

t.test('a problem of the parser, on the wire', async (t) => {
  const app = await build({ typeBase: '/errors/' })
  t.teardown(() => app.close())
  await app.listen({ port: 0 })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  socket.write('this is no HTTP\r\n\r\n')
  await once(socket, 'close')
  t.match(text, /^HTTP\/1\.1 400 /)
  t.match(JSON.parse(text.slice(text.indexOf('\r\n\r\n'))), { code: 'invalid_request', type: '/errors/invalid_request' })
})

t.test('a problem of https', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(problems, { typeBase: base })
  await app.register(https, { origin: 'https://api.example.com' })
  app.get('/a', () => 'ok')
  t.match((await app.inject('/a')).json(), { code: 'https_required', type: `${base}https_required` })
})

t.test('bases that are refused', async (t) => {
  const refused: [title: string, options: object][] = [
    ['a number', { typeBase: 7 }], ['nothing', { typeBase: '' }], ['a word', { typeBase: 'errors' }], ['another scheme', { typeBase: 'javascript:alert(1)//' }],
    ['another host by //', { typeBase: '//evil.example/' }], ['spaces', { typeBase: ' https://api.example.com/' }], ['an unknown option', { base }]
  ]
  for (const [title, options] of refused) {
    await t.test(title, async (t) => {
      const app = Fastify()
      t.teardown(() => app.close())
      await t.rejects(async () => { await app.register(problems, options as never) }, { code: 'GATEHOUSE_OPTION_INVALID' })
    })
  }
  await t.test('a second one in the same service', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(problems, { typeBase: base })
    await app.register(async (child) => { await child.register(problems, { typeBase: base }) }, { prefix: '/a' })
    await t.rejects(async () => { await app.register(async (child) => { await child.register(problems, { typeBase: '/errors/' }) }, { prefix: '/b' }) }, { code: 'GATEHOUSE_OPTION_INVALID' })
  })
})

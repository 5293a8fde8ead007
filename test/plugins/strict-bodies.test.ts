import t from 'tap'
import Fastify from 'fastify'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { problems } from '../../plugins/problems.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import { strictBodies } from '../../plugins/strict-bodies.ts'
import type { StrictBodiesOptions } from '../../plugins/strict-bodies.ts'

const BOM = String.fromCharCode(0xfeff)
const item = { type: 'object', additionalProperties: false, required: ['count'], properties: { count: { type: 'integer' }, note: { type: 'string', maxLength: 20 } } }

interface Fixture { app: FastifyInstance; handled: unknown[] }

async function build (options: StrictBodiesOptions = {}, server: FastifyServerOptions = serverOptions()): Promise<Fixture> {
  const handled: unknown[] = []
  const app = Fastify(server)
  await app.register(problems)
  await app.register(strictBodies, options)
  app.addContentTypeParser('application/merge-patch+json', { parseAs: 'string' }, (_request, body, done) => { done(null, JSON.parse(String(body))) })
  const handler = async ({ body }: { body: unknown }): Promise<object> => {
    handled.push(body)
    return { body: body ?? null }
  }
  app.post('/free', handler)
  app.post('/item', { schema: { body: item } }, handler)
  app.post('/content', { schema: { body: { content: { 'application/json': { schema: item } } } } }, handler)
  app.post('/number', { schema: { body: { type: 'number' } } }, handler)
  app.post('/small', { bodyLimit: 10 }, handler)
  app.delete('/item', handler)
  app.get('/item', handler)
  await app.ready()
  return { app, handled }
}

type Row = [title: string, url: string, contentType: string | null, payload: string | Buffer, status: number, code: string]
const json = 'application/json'
const good = '{"count":1}'
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

const refused: Row[] = [
  ['F1 text/plain beside a JSON schema', '/content', 'text/plain', 'anything', 415, 'unsupported_media_type'],
  ['F1 text/plain on a route without a schema', '/free', 'text/plain', 'anything', 415, 'unsupported_media_type'],
  ['R182 F3 a duplicate member', '/item', json, '{"count":1,"count":2}', 400, 'invalid_request'],
  ['R183 F3 an additional member', '/item', json, '{"count":1,"admin":true}', 400, 'validation'],
  ['R183 F3 a text where a number is wanted', '/item', json, '{"count":"1"}', 400, 'validation'],
  ['R183 F3 a list where a number is wanted', '/item', json, '{"count":[1]}', 400, 'validation'],
  ['R182 F4 100,000 nested arrays', '/free', json, nested(100_000), 400, 'invalid_request'],
  ['R182 F4 33 nested arrays', '/free', json, nested(33), 400, 'invalid_request'],
  ['R182 F4 a byte order mark', '/free', json, `${BOM}${good}`, 400, 'invalid_request'],
  ['R182 F4 charset=utf-16', '/free', `${json}; charset=utf-16`, good, 415, 'unsupported_media_type'],
  ['R182 F4 charset=utf-16 beside utf-8', '/free', `${json}; charset=utf-8; charset="utf-16"`, good, 415, 'unsupported_media_type'],
  ['R182 F8 __proto__', '/free', json, '{"__proto__":{"a":1}}', 400, 'invalid_request'],
  ['R182 F8 __proto__ escaped', '/free', json, '{"\\u005f_proto__":{"a":1}}', 400, 'invalid_request'],
  ['R182 F8 constructor.prototype', '/free', json, '{"constructor":{"prototype":{"a":1}}}', 400, 'invalid_request'],
  ['R182 1001 members', '/free', json, `[${'{"a":1},'.repeat(1000)}{"a":1}]`, 400, 'invalid_request'],
  ['R182 bytes that are not UTF-8', '/free', json, Buffer.from([0x22, 0xff, 0x22]), 400, 'invalid_request'],
  ['R182 a number too large for JSON', '/number', json, '1e400', 400, 'validation'],
  ['R182 NaN', '/number', json, 'NaN', 400, 'invalid_request'],
  ['R182 malformed JSON', '/free', json, '{"password":"hunter2"', 400, 'invalid_request'],
  ['R182 an empty JSON body', '/free', json, '', 400, 'invalid_request'],
  ['R180 a body above the route\'s limit', '/small', json, '"1234567890"', 413, 'payload_too_large'],
  ['R180 a body above the server\'s limit', '/free', json, `"${'a'.repeat(1_048_576)}"`, 413, 'payload_too_large'],
  ['R181 no Content-Type', '/free', null, good, 415, 'unsupported_media_type'],
  ['R181 an unknown type', '/free', 'application/x-unknown', good, 415, 'unsupported_media_type'],
  ['R181 a form', '/item', 'application/x-www-form-urlencoded', 'count=1', 415, 'unsupported_media_type'],
  ['R181 a known type that the route does not list', '/content', 'application/merge-patch+json', good, 415, 'unsupported_media_type'],
  ['CVE-2022-41919 no type that a page may send unasked: text/plain with JSON', '/item', 'text/plain;application/json', good, 415, 'unsupported_media_type'],
  ['CVE-2022-41919 no type that a page may send unasked: an empty subtype', '/item', 'application/', good, 415, 'unsupported_media_type'],
  ['CVE-2022-39288 constructor', '/item', 'constructor', good, 415, 'unsupported_media_type'],
  ['CVE-2022-39288 __proto__', '/content', '__proto__', good, 415, 'unsupported_media_type'],
  ['CVE-2022-39288 constructor/prototype', '/content', 'constructor/prototype', good, 415, 'unsupported_media_type'],
  ['CVE-2025-32442 another case is validated', '/content', 'application/JSON', '{"count":"1"}', 400, 'validation'],
  ['CVE-2025-32442 a space before the parameter is validated', '/content', 'application/json ; charset=utf-8', '{"count":"1"}', 400, 'validation'],
  ['CVE-2026-25223 a tab', '/content', 'application/json\ta', '{"count":"1"}', 415, 'unsupported_media_type'],
  ['CVE-2026-25223 a tab before the parameter is validated', '/content', 'application/json\t; charset=utf-8', '{"count":"1"}', 400, 'validation'],
  ['CVE-2026-3419 trailing garbage', '/content', 'application/json garbage', '{"count":"1"}', 415, 'unsupported_media_type'],
  ['CVE-2026-3419 a trailing parameter that is none', '/content', 'application/json; garbage', '{"count":"1"}', 415, 'unsupported_media_type'],
  ['CVE-2026-3419 a comma', '/content', 'application/json, text/plain', '{"count":"1"}', 415, 'unsupported_media_type'],
  ['CVE-2026-33806 a leading space', '/content', ' application/json', '{"count":"1"}', 415, 'unsupported_media_type'],
  ['GHSA-w2qp-rph6-63g4 a root value is not coerced', '/number', json, '"5"', 400, 'validation']
]

t.test('refused before the handler', (t) => {
  for (const [title, url, contentType, payload, status, code] of refused) {
    t.test(title, async (t) => {
      const { app, handled } = await build()
      t.teardown(() => app.close())
      const response = await app.inject({ method: 'POST', url, payload, headers: contentType === null ? {} : { 'content-type': contentType } })
      t.equal(response.statusCode, status)
      t.equal(response.json().code, code)
      t.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8')
      t.notMatch(response.body, 'hunter2')
      t.same(handled, [])
    })
  }
  t.end()
})

const accepted: [string, string, string, string, unknown][] = [
  ['JSON', '/item', json, good, { count: 1 }],
  ['a charset of utf-8', '/content', `${json}; charset=UTF-8`, good, { count: 1 }],
  ['a quoted charset', '/content', `${json};charset="utf-8"`, good, { count: 1 }],
  ['another case', '/content', 'Application/Json', good, { count: 1 }],
  ['another parameter', '/free', `${json}; profile="https://a.example/; b"`, '[]', []],
  ['32 nested arrays', '/free', json, nested(32), JSON.parse(nested(32))]
]

t.test('R181 R182 accepted', (t) => {
  for (const [title, url, contentType, payload, body] of accepted) {
    t.test(title, async (t) => {
      const { app, handled } = await build()
      t.teardown(() => app.close())
      const response = await app.inject({ method: 'POST', url, payload, headers: { 'content-type': contentType } })
      t.equal(response.statusCode, 200)
      t.same(handled, [body])
    })
  }
  t.end()
})

t.test('R180 a compressed body is refused, however it is spelled', async (t) => {
  const { app, handled } = await build()
  t.teardown(() => app.close())
  for (const encoding of ['gzip', 'GZIP', 'br', 'deflate', 'identity, gzip', 'unknown']) {
    const response = await app.inject({ method: 'POST', url: '/item', payload: gzipSync(good), headers: { 'content-type': json, 'content-encoding': encoding } })
    t.equal(response.statusCode, 415, encoding)
    t.equal(response.headers['accept-encoding'], 'identity')
  }
  t.same(handled, [])
  const plain = await app.inject({ method: 'POST', url: '/item', payload: good, headers: { 'content-type': json, 'content-encoding': 'Identity' } })
  t.equal(plain.statusCode, 200)
})

t.test('R180 the limit counts chunked bodies too, and maxBytes is for JSON of every route', async (t) => {
  const { app } = await build({ maxBytes: 20 })
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const chunks = new ReadableStream({
    start (controller) {
      controller.enqueue('"aaaaaaaaaa')
      controller.enqueue('aaaaaaaaaaaaaaaa"')
      controller.close()
    }
  }).pipeThrough(new TextEncoderStream())
  const response = await fetch(`${app.listeningOrigin}/free`, { method: 'POST', body: chunks, duplex: 'half', headers: { 'content-type': json } })
  t.equal(response.status, 413)
})

t.test('R181 requests without a body need no Content-Type', async (t) => {
  const { app, handled } = await build()
  t.teardown(() => app.close())
  t.equal((await app.inject({ method: 'DELETE', url: '/item' })).statusCode, 200)
  t.equal((await app.inject({ method: 'GET', url: '/item', headers: { 'content-encoding': 'gzip' } })).statusCode, 200)
  t.equal((await app.inject({ method: 'POST', url: '/free' })).statusCode, 200)
  t.equal(handled.length, 3)
  t.equal((await app.inject({ method: 'POST', url: '/unknown', payload: 'x', headers: { 'content-type': 'text/csv', 'content-encoding': 'gzip' } })).json().code, 'not_found', 'an unknown path stays a 404')
})

t.test('R181 a catch-all parser does not bring back bodies without a type or with an unlisted one', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(strictBodies)
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => { done(null, body) })
  app.post('/content', { schema: { body: { content: { 'application/json': { schema: item } } } } }, async () => 'handled')
  for (const contentType of [undefined, 'text/plain', 'image/png', 'a b']) {
    const response = await app.inject({ method: 'POST', url: '/content', payload: 'x', headers: contentType === undefined ? {} : { 'content-type': contentType } })
    t.equal(response.statusCode, 415, String(contentType))
  }
})

t.test('R182 the bounds are options', async (t) => {
  const { app } = await build({ maxDepth: 2, maxKeys: 3 })
  t.teardown(() => app.close())
  const post = async (payload: string): Promise<number> => (await app.inject({ method: 'POST', url: '/free', payload, headers: { 'content-type': json } })).statusCode
  t.equal(await post('[[]]'), 200)
  t.equal(await post('[[[]]]'), 400)
  t.equal(await post('{"a":1,"b":2,"c":3}'), 200)
  t.equal(await post('{"a":1,"b":2,"c":3,"d":4}'), 400)
})

t.test('alone, it needs no other plugin and stays in its context', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(async (child) => {
    await child.register(strictBodies)
    child.post('/strict', async () => 'strict')
  })
  app.post('/stock', async () => 'stock')
  const send = async (url: string): Promise<number> => (await app.inject({ method: 'POST', url, payload: 'x', headers: { 'content-type': 'text/plain' } })).statusCode
  t.equal(await send('/strict'), 415)
  t.equal(await send('/stock'), 200)
})

t.test('R190 options are refused at boot', (t) => {
  const rows: [string, unknown][] = [
    ['an unknown option', { maxdepth: 3 }], ['an own __proto__', JSON.parse('{"__proto__":{"maxDepth":9}}')], ['a text', { maxDepth: '3' }],
    ['zero', { maxKeys: 0 }], ['a fraction', { maxBytes: 1.5 }], ['NaN', { maxDepth: NaN }]
  ]
  for (const [title, options] of rows) {
    t.test(title, async (t) => {
      await t.rejects(async () => Fastify().register(strictBodies, options as StrictBodiesOptions), { code: 'GATEHOUSE_OPTION_INVALID' })
    })
  }
  t.end()
})

t.test('R187 a server that parses leniently is refused at boot', async (t) => {
  const app = Fastify({ http: { insecureHTTPParser: true } })
  await t.rejects(async () => app.register(strictBodies), { code: 'GATEHOUSE_OPTION_INVALID' })
})

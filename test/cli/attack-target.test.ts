// What `gatehouse attack` is pointed at: addresses that it takes and refuses, and documents that are none.
import { createServer } from 'node:http'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readDocument, targetOf } from '../../cli/attack-target.ts'
import { exitCodeOf, UsageFailure } from '../../cli/failure.ts'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

const good = JSON.stringify({ openapi: '3.1.0', paths: { '/': {} } })
const pages: Readonly<Record<string, { status?: number; headers?: Record<string, string>; body?: string }>> = {
  '/docs/json': { body: good },
  '/api/openapi.json': { body: JSON.stringify({ openapi: '3.0.3', paths: {} }) },
  '/moved/openapi.json': { status: 302, headers: { location: '/docs/json' } },
  '/moved/docs/json': { status: 401 },
  '/large.json': { body: ' '.repeat(16_777_217) },
  '/page': { body: '<html>' }
}

async function serve (t: Test): Promise<URL> {
  const server = createServer((request, response) => {
    const page = pages[request.url?.split('?', 1).join() ?? '']
    const { status = page === undefined ? 404 : 200, headers = {}, body = '' } = page ?? {}
    response.writeHead(status, headers).end(body)
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close().closeAllConnections() })
  return new URL(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`)
}

t.test('addresses', async (t) => {
  for (const text of ['http://127.0.0.1:3000', 'http://localhost/api', 'https://[::1]:8443/', 'http://127.8.8.8']) t.equal(targetOf(text, false).href, new URL(text).href)
  t.equal(targetOf('https://staging.example', true).host, 'staging.example')
  const refused: [text: string, told: RegExp][] = [
    ['localhost:3000', /must begin with http/], ['nonsense', /must begin with http/], ['file:///etc/passwd', /must begin with http/],
    ['http://alice:hunter2@localhost', /has a name or a password/], ['http://alice@localhost', /has a name or a password/],
    ['http://localhost/?key=hunter2', /must end with its path/], ['http://localhost/#x', /must end with its path/],
    ['http://staging.example', /staging\.example is not this machine; say --allow-remote/], ['http://0.0.0.0:3000', /is not this machine/], ['http://[2001:db8::1]', /is not this machine/],
    ['http://localhost.example', /is not this machine/], ['http://127.0.0.1.example', /is not this machine/]
  ]
  for (const [text, told] of refused) {
    await t.test(text, async (t) => {
      const error = (() => { try { return targetOf(text, false) } catch (error) { return error } })()
      t.type(error, UsageFailure)
      t.equal(exitCodeOf(error), 2)
      t.match((error as Error).message, told)
      t.notMatch((error as Error).message, /hunter2/)
    })
  }
})

t.test('documents', async (t) => {
  const target = await serve(t)
  const folder = t.testdir({ 'good.json': good, 'text.json': 'hunter2', 'swagger.json': '{"swagger":"2.0","paths":{}}', 'list.json': '[]' })
  t.match(await readDocument(target, undefined), { openapi: '3.1.0' }, 'that of @fastify/swagger-ui, where /openapi.json is none')
  t.match(await readDocument(new URL('/api/', target), undefined), { openapi: '3.0.3' }, 'behind the path of the address')
  t.match(await readDocument(target, join(folder, 'good.json')), { openapi: '3.1.0' })
  t.match(await readDocument(target, `${target.href}docs/json`), { openapi: '3.1.0' })
  mkdirSync(join(folder, 'folder'))
  writeFileSync(join(folder, 'none.json'), '')
  const refused: [place: string, told: RegExp][] = [
    [join(folder, 'text.json'), /text\.json is no JSON$/], [join(folder, 'none.json'), /is no JSON$/], [join(folder, 'swagger.json'), /is no OpenAPI document of version 3$/], [join(folder, 'list.json'), /is no OpenAPI document/],
    [join(folder, 'nowhere.json'), /nowhere\.json cannot be read: ENOENT/], [join(folder, 'folder'), /cannot be read: EISDIR/],
    [`${target.href}page?key=hunter2`, /page is no JSON$/], [`${target.href}nowhere?key=hunter2`, /nowhere answers 404$/], [`${target.href}large.json`, /has more than 16 MiB$/],
    ['http://:hunter2', /the URL of the document is none$/], [`http://alice:hunter2@${target.host}/docs/json`, /has a name or a password/], ['http://127.0.0.1:9/openapi.json', /127\.0\.0\.1:9\/openapi\.json does not answer: /]
  ]
  for (const [place, told] of refused) {
    await t.test(String(told), async (t) => {
      const error = await readDocument(target, place).then(() => null, (error: unknown) => error)
      t.type(error, UsageFailure)
      t.match((error as Error).message, told)
      t.notMatch((error as Error).message, /hunter2/)
    })
  }
  await t.rejects(readDocument(new URL('/moved', target), undefined), { message: /there is no OpenAPI document: .*\/moved\/openapi\.json answers 302; .*\/moved\/docs\/json answers 401\. --document names/ })
})

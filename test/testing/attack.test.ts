// The attack on a small service: none of its attempts finds anything there, each hole is found, and each report says so.
import '../fixtures/test-environment.ts'
import { createServer } from 'node:http'
import t from 'tap'
import { buildAttackedService, holes } from '../fixtures/attacked-service.ts'
import { attemptsOn } from '../../testing/attack/attempts.ts'
import { surfaceOfDocument } from '../../testing/attack/surface.ts'
import { networkTransport } from '../../testing/attack/transport-network.ts'
import { attack, jsonOf, runAttempts, sarifOf, summaryOf, surfaceOf, totalsOf } from '../../testing/index.ts'
import type { AddressInfo } from 'node:net'
import type { AttackDocument } from '../../testing/attack/surface.ts'
import type { AttackedRoute, AttackResult } from '../../testing/index.ts'
import type { Hole } from '../fixtures/attacked-service.ts'

let surface: AttackedRoute[] = []
const found = (results: readonly AttackResult[]): AttackResult[] => results.filter(({ outcome }) => outcome === 'found')

t.test('R127 a sound service: every attempt is a test of the runner, and holds', async (t) => {
  const { app, options } = await buildAttackedService(t)
  surface = await surfaceOf(app)
  t.strictSame(JSON.parse(JSON.stringify(surface)), surface, 'the surface is safe to serialise')
  const attempts = await attack(app, options)
  t.strictSame([...new Set(attempts.map(({ kind }) => kind))].sort(), ['body', 'control', 'cors', 'credentials', 'csrf', 'headers', 'limit', 'ownership', 'parameters', 'rights', 'wire'])
  t.equal(new Set(attempts.map(({ title }) => title)).size, attempts.length, 'titles are unique')
  const results = await runAttempts(attempts)
  t.strictSame(found(results), [])
  const [first] = attempts
  if (first !== undefined) await t.test(first.title, () => first.run())
})

t.test('each hole is found, at its route', async (t) => {
  for (const [hole, [route, title]] of Object.entries(holes)) {
    t.test(hole, async (t) => {
      const { app, options } = await buildAttackedService(t, hole as Hole)
      const attempts = (await attack(app, { ...options, surface })).filter((attempt) => attempt.route === route)
      const results = await runAttempts(attempts)
      const finding = found(results).find((result) => title.test(result.title))
      t.ok(finding, found(results).map((result) => result.title).join('\n'))
      await t.rejects(attempts.find((attempt) => attempt.title === finding?.title)?.run() ?? Promise.resolve(), { code: 'ERR_ASSERTION' })
    })
  }
})

t.test('over the network, from the document alone', async (t) => {
  const { app, options } = await buildAttackedService(t)
  const document = app.swagger() as AttackDocument
  await app.listen({ port: 0 })
  const transport = networkTransport(`http://127.0.0.1:${String((app.server.address() as AddressInfo).port)}`, { perSecond: 1000 })
  const surface = surfaceOfDocument(document)
  t.match(surface.find(({ method, url }) => method === 'POST' && url === '/items'), { access: 'guarded', body: { type: 'application/json' } })
  const attempts = await attemptsOn(surface, transport, { credentials: options.credentials ?? {}, kinds: ['credentials', 'rights', 'wire', 'limit'] })
  const heard: number[] = []
  const results = await runAttempts(attempts, (_result, done) => { heard.push(done) })
  t.strictSame(found(results), [])
  t.equal(heard.length, attempts.length)
  t.match(results.filter(({ outcome }) => outcome === 'skipped').map(({ kind }) => kind), ['limit'])
})

t.test('over the network at a bounded rate', async (t) => {
  const { app } = await buildAttackedService(t)
  await app.listen({ port: 0 })
  const transport = networkTransport(`http://127.0.0.1:${String((app.server.address() as AddressInfo).port)}`, { perSecond: 20 })
  const start = performance.now()
  await Promise.all(Array.from({ length: 6 }, () => transport.send({ method: 'GET', url: '/items' })))
  t.ok(performance.now() - start >= 240, 'six requests, of which five wait 50 ms')
  await t.rejects(networkTransport('http://127.0.0.1:1').send({ method: 'GET', url: '/' }), { code: 'ECONNREFUSED' })
})

t.test('over the network, answers that say nothing of what was asked', async (t) => {
  const asked: string[] = []
  const answers = [
    [429, { 'retry-after': '1' }], [200, {}], [429, { 'retry-after': '2' }], [429, { 'retry-after': '1' }], [503, { 'retry-after': '1' }], [429, {}], [503, {}], [302, { location: 'http://127.0.0.1:9/' }], [429, { 'retry-after': 'soon' }]
  ] as const
  const server = createServer((request, response) => {
    const [status, headers] = answers[asked.push(request.url ?? '') - 1] ?? [0, {}]
    if (status === 0) request.socket.destroy()
    else response.writeHead(status, headers).end()
  })
  await new Promise<void>((resolve) => { server.listen(0, '::1', resolve) })
  t.teardown(() => { server.close() })
  const transport = networkTransport(`http://[::1]:${String((server.address() as AddressInfo).port)}/api/`, { perSecond: 1000, waitSeconds: 1 })
  const send = async (): Promise<number> => (await transport.send({ method: 'GET', url: '/x' })).status
  t.equal(await send(), 200, 'it waits as long as it may, and asks again')
  await t.rejects(send(), { message: 'the service takes no more requests for now: 429' }, 'it waits no longer')
  await t.rejects(send(), { message: 'the service takes no more requests for now: 503' }, 'it asks again once')
  t.equal(await send(), 429, 'a refusal that says nothing of time is an answer')
  t.equal(await send(), 503)
  t.equal(await send(), 302, 'a redirect is not followed')
  t.equal(await send(), 429)
  for (let count = 1; count < 5; count++) await t.rejects(send(), { message: 'no answer: ECONNRESET' })
  await t.rejects(send(), { code: 'ECONNRESET' }, 'nobody is there any more')
  t.ok(asked.every((url) => url === '/api/x'), 'the path of the address stands before each')
})

const results: AttackResult[] = [
  { kind: 'credentials', route: 'GET /items', title: 'GET /items: no credentials', outcome: 'held', problems: [] },
  { kind: 'rights', route: 'GET /items', title: 'GET /items: bearer without scope x\u001b[2J', outcome: 'found', problems: ['the answer is 200, not 403', 'the handler was entered'] },
  { kind: 'limit', route: 'GET /items', title: 'GET /items: one more', outcome: 'skipped', problems: ['no address'] }
]

t.test('reports: for people, as JSON, as SARIF', (t) => {
  t.strictSame(totalsOf(results), { held: 1, found: 1, skipped: 1 })
  t.equal(summaryOf(results), [
    'FOUND  GET /items: bearer without scope x?[2J', '       the answer is 200, not 403', '       the handler was entered', '',
    'credentials      1 tried,    0 found', 'rights           1 tried,    1 found', 'limit            0 tried,    0 found, 1 skipped',
    'skipped: no address', '', '2 attempts, 1 found, 1 skipped'
  ].join('\n'))
  t.strictSame(JSON.parse(jsonOf(results)), { totals: { held: 1, found: 1, skipped: 1 }, results })
  const sarif = JSON.parse(sarifOf(results, { version: '1.0.0', target: 'http://127.0.0.1:3000' })) as { runs: { tool: { driver: { rules: { id: string }[] } }; results: { ruleId: string; ruleIndex: number }[] }[] }
  t.match(sarif, { version: '2.1.0', runs: [{ results: [{ ruleId: 'rights', level: 'error', message: { text: /^GET \/items: bearer without.*not 403; the handler was entered$/ }, locations: [{ physicalLocation: { artifactLocation: { uri: 'http://127.0.0.1:3000' } } }] }] }] })
  const [run] = sarif.runs
  t.equal(run?.results.length, 1)
  t.equal(run?.tool.driver.rules[run.results[0]?.ruleIndex ?? -1]?.id, 'rights')
  t.end()
})

// What requests have to prove, what an answer says it depends on, and who is told of the connection of a WebSocket.
import Fastify from 'fastify'
import t from 'tap'
import { addCsrfVary, csrfOf, isHandshake } from '../../guards/csrf.ts'
import { compilePlan } from '../../guards/plan.ts'
import { beginState, onUpgrade, stateOf } from '../../guards/state.ts'
import { guards } from '../../plugins/guards.ts'
import { headerScheme } from '../fixtures/header-scheme.ts'
import type { CsrfProof } from '../../guards/csrf.ts'

const ours = 'Origin, Sec-Fetch-Site'

t.test('a WebSocket is asked for by its name, whatever its case and among others; another upgrade is none', async (t) => {
  for (const [upgrade, asks] of [['websocket', true], ['WebSocket', true], ['h2c, websocket', true], ['h2c', false], ['', false], [undefined, false]] as const) {
    t.equal(isHandshake({ headers: upgrade === undefined ? {} : { upgrade } }), asks, String(upgrade))
  }
})

t.test('R110 what is to be proven follows from the schemes of the route, the method and the kind of its handler', async (t) => {
  const ambient = { ...headerScheme('basic'), ambient: true }
  const session = { ...headerScheme('session'), ambient: true, csrfSecret: () => 'secret' }
  const token = headerScheme('token')
  const crossSite = [{ type: 'crossSite', check: () => null }] as const
  const rows: [schemes: typeof ambient[], method: string, how: { inForm?: boolean; webSocket?: boolean; crossSite?: boolean }, proof: CsrfProof | null][] = [
    [[session], 'POST', {}, 'token'], [[session], 'POST', { inForm: true }, 'form'], [[ambient, session], 'DELETE', {}, 'token'], [[session], 'UNHEARD-OF', {}, 'token'],
    [[ambient], 'POST', {}, 'origin'], [[ambient], 'POST', { inForm: true }, 'origin'], [[token], 'POST', {}, null], [[], 'POST', {}, null],
    [[session], 'GET', {}, null], [[session], 'HEAD', {}, null], [[session], 'OPTIONS', {}, null], [[session], 'TRACE', {}, null],
    [[session], 'GET', { webSocket: true }, 'origin'], [[ambient], 'GET', { webSocket: true }, 'origin'], [[token], 'GET', { webSocket: true }, null],
    [[session], 'POST', { webSocket: true }, 'token'], [[session], 'HEAD', { webSocket: true }, null],
    [[], 'GET', { crossSite: true }, 'not-cross-site'], [[token], 'POST', { crossSite: true }, 'not-cross-site'], [[ambient], 'POST', { crossSite: true }, 'origin']
  ]
  for (const [schemes, method, how, proof] of rows) {
    const plan = { schemes, crossSite: how.crossSite === true ? crossSite : [] }
    t.equal(csrfOf(plan, method, { inForm: how.inForm ?? false, webSocket: how.webSocket ?? false }), proof, `${schemes.map(({ name }) => name).join(', ')} ${method} ${JSON.stringify(how)}`)
  }
})

t.test('R110 what asks for a WebSocket by ambient credentials is refused where nothing judges it, on whatever route', async (t) => {
  const log: string[] = []
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { log.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(guards)
  let handled = 0
  app.get('/x', { onRequest: app.defineScheme({ ...headerScheme('basic'), ambient: true }) }, () => { handled += 1; return 'ok' })
  t.equal((await app.inject({ url: '/x', headers: { 'x-basic': 'alice', upgrade: 'h2c' } })).statusCode, 200)
  const refused = await app.inject({ url: '/x', headers: { 'x-basic': 'alice', upgrade: 'websocket' } })
  t.equal(refused.statusCode, 403)
  t.match(refused.json(), { code: 'cross_site_request' })
  t.equal(refused.headers['www-authenticate'], undefined)
  t.equal(handled, 1)
  t.match(log.join(''), '"reason":"csrf is not registered"')
})

t.test('R112 Vary names the evidence once, beside what others wrote', async (t) => {
  const rows: [present: string | undefined, expected: string][] = [
    [undefined, ours], ['', ours], ['*', '*'], [ours, ours], ['Accept-Encoding', `Accept-Encoding, ${ours}`], ['origin, Accept', `Accept, ${ours}`],
    ['Accept , SEC-FETCH-SITE', `Accept, ${ours}`], [', ,Accept', `Accept, ${ours}`], ['X-Origin, Origin-Trial', `X-Origin, Origin-Trial, ${ours}`]
  ]
  for (const [present, expected] of rows) {
    const app = Fastify()
    t.teardown(() => app.close())
    app.get('/x', (_request, reply) => {
      if (present !== undefined) void reply.header('vary', present)
      addCsrfVary(reply)
      addCsrfVary(reply)
      return 'ok'
    })
    t.equal((await app.inject('/x')).headers.vary, expected, `beside ${String(present)}`)
  }
})

t.test('everybody who asked is told of the connection, in the order of asking', async (t) => {
  const request = {}
  const told: string[] = []
  onUpgrade(request, () => { told.push('of a request without guards') })
  t.equal(stateOf(request), null)
  beginState(request, compilePlan([], 'GET /x'))
  for (const name of ['first', 'second', 'third']) onUpgrade(request, () => { told.push(name) })
  t.same(told, [])
  stateOf(request)?.onUpgrade?.()
  t.same(told, ['first', 'second', 'third'])
})

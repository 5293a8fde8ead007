// What is counted, under which names, and that no label tells who it was.
import { channel } from 'node:diagnostics_channel'
import { readFile } from 'node:fs/promises'
import Fastify from 'fastify'
import { Registry } from 'prom-client'
import t from 'tap'
import { parse } from 'yaml'
import { securityEvents } from '../../guards/events.ts'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { audit } from '../../plugins/audit.ts'
import { metrics } from '../../plugins/metrics.ts'
import { rateLimit } from '../../plugins/rate-limit.ts'
import { scopes } from '../../plugins/scopes.ts'
import { buildDemo, form, password } from '../demo.ts'
import { assertOptionRefused } from '../fixtures/guarded-service.ts'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { MetricsOptions } from '../../plugins/metrics.ts'

async function service (t: Test, options: Partial<MetricsOptions> = {}): Promise<FastifyInstance> {
  const app = Fastify() as FastifyInstance
  t.teardown(() => app.close())
  await app.register(apiKeyAuth, { verify: ({ key }) => key === 'k' ? { subject: 'bob', scopes: ['read'] } : null })
  await app.register(rateLimit)
  await app.register(scopes)
  await app.register(audit, { sinks: [() => undefined], maxQueued: 1 })
  await app.register(metrics, { access: [app.publicAccess('for a test')], ...options })
  app.get('/', { onRequest: app.apiKey }, () => 'ok')
  app.get('/write', { onRequest: [app.apiKey, app.requireScopes('write')] }, () => 'ok')
  app.get('/few', { onRequest: [app.publicAccess('for a test'), app.limit({ name: 'few', max: 1, timeWindow: '1 minute' })] }, () => 'ok')
  app.get('/bare', () => 'ok')
  await app.ready()
  return app
}

/** The value of a line; 0 where there is none. */
async function value (app: FastifyInstance, line: string): Promise<number> {
  const { body } = await app.inject('/metrics')
  const found = body.split('\n').find((text) => text.startsWith(`${line} `))
  return Number(found?.slice(line.length + 1) ?? 0)
}

const key = (name: string) => ({ headers: { 'x-api-key': name } })

t.test('R200 what the guards decide is counted', async (t) => {
  const app = await service(t)
  const rows: [line: string, requests: object[], count: number][] = [
    ['gatehouse_authentication_attempts_total{scheme="apiKey",result="success"}', [{ url: '/', ...key('k') }], 1],
    ['gatehouse_authentication_attempts_total{scheme="apiKey",result="failure"}', [{ url: '/', ...key('x') }, { url: '/', ...key('y') }], 2],
    ['gatehouse_authentication_challenges_total', [{ url: '/' }], 1],
    ['gatehouse_authentication_forbids_total{scheme="apiKey"}', [{ url: '/write', ...key('k') }], 1],
    ['gatehouse_limits_exceeded_total{limit="few"}', [{ url: '/few' }, { url: '/few' }, { url: '/few' }], 2],
    ['gatehouse_undeclared_requests_total', [{ url: '/bare' }, { url: '/nowhere' }], 1]
  ]
  for (const [line, requests, count] of rows) {
    t.equal(await value(app, line), 0, line)
    for (const request of requests) await app.inject(request)
    t.equal(await value(app, line), count, line)
  }
  t.equal(await value(app, 'gatehouse_security_events_total{event="authz_fail",outcome="failure"}'), 1)
})

t.test('R205 what the audit log drops is counted', async (t) => {
  const app = await service(t)
  await app.audit.flush()
  for (let n = 0; n < 4; n++) app.audit.record({ event: 'acme', outcome: 'success' })
  await app.audit.flush()
  t.equal(await value(app, 'gatehouse_audit_events_dropped_total'), 3)
  t.equal(await value(app, 'gatehouse_security_events_total{event="other",outcome="success"}'), 4, 'no name of yours is a label')
})

t.test('dependencies tell their state', async (t) => {
  const app = await service(t)
  const dependency = channel('gatehouse:dependency')
  dependency.publish({ name: 'redis', state: 'down' })
  dependency.publish({ name: 'postgres', state: 'up' })
  t.equal(await value(app, 'gatehouse_dependency_up{name="postgres"}'), 1)
  t.match((await app.inject('/metrics')).body, /^gatehouse_dependency_up\{name="redis"\} 0$/m)
  dependency.publish({ name: 'redis', state: 'up' })
  t.equal(await value(app, 'gatehouse_dependency_up{name="redis"}'), 1)
  dependency.publish({})
  for (let n = 0; n < 100; n++) dependency.publish({ name: `one ${String(n)}`, state: 'up' })
  t.equal((await app.inject('/metrics')).body.match(/^gatehouse_dependency_up\{/gm)?.length, 50)
})

t.test('another registry, another path; after closing nothing is counted', async (t) => {
  const registry = new Registry()
  const app = await service(t, { registry, path: '/numbers' })
  t.equal((await app.inject('/metrics')).statusCode, 404)
  const answer = await app.inject('/numbers')
  t.equal(answer.statusCode, 200)
  t.match(answer.headers, { 'content-type': registry.contentType, 'cache-control': 'no-store' })
  await app.close()
  channel('gatehouse:dependency').publish({ name: 'late', state: 'up' })
  t.notMatch(await registry.metrics(), /late/)
})

t.test('options are checked when it is registered', async (t) => {
  const rows: [option: string, options: (app: FastifyInstance) => object][] = [
    ['metrics.access', () => ({})],
    ['metrics.access', () => ({ access: [] })],
    ['metrics.access', () => ({ access: [() => undefined] })],
    ['metrics.path', (app) => ({ access: [app.apiKey], path: 'metrics' })],
    ['metrics.registry', (app) => ({ access: [app.apiKey], registry: {} })],
    ['metrics.labels', (app) => ({ access: [app.apiKey], labels: ['user'] })]
  ]
  for (const [option, options] of rows) {
    await t.test(option, (t) => assertOptionRefused(t, async (app) => {
      await app.register(apiKeyAuth, { verify: () => null })
      await app.register(metrics, options(app) as MetricsOptions)
    }, option))
  }
})

t.test('the demo: administrators alone, and no label tells a name, an id or an address', async (t) => {
  const demo = await buildDemo(t)
  const root = await demo.person('root', ['admin'])
  const alice = await demo.person('alice')
  const headers = await demo.token(alice)
  await demo.send({ url: '/items', headers, remoteAddress: '203.0.113.77' })
  await demo.send({ method: 'POST', url: '/token', ...form({ grant_type: 'password', username: 'alice', password: `${password}!` }), remoteAddress: '203.0.113.77' })
  const { id, key: secret, headers: keyed } = await demo.key(headers, ['items:read'])
  await demo.send({ url: '/items/nothing', headers: keyed })
  t.equal((await demo.send({ url: '/metrics' })).statusCode, 401)
  t.equal((await demo.send({ url: '/metrics', headers })).statusCode, 403)
  const { headers: scraper } = await demo.key(await demo.token(root), ['admin'])
  const { statusCode, body } = await demo.send({ url: '/metrics', headers: scraper })
  t.equal(statusCode, 200)
  for (const text of ['alice', alice.id, root.id, id, secret, '203.0.113.77', '/items', password]) t.notOk(body.includes(text), 'not in a label')
  t.ok(body.includes('gatehouse_authentication_attempts_total{scheme="password",result="failure"} 1'))
  t.match(body, /^gatehouse_undeclared_requests_total 0$/m)
})

t.test('R158 the demo: what did not answer when it started is told as well, to whoever needs no limit of logins', async (t) => {
  const demo = await buildDemo(t, { REDIS_URL: 'redis://127.0.0.1:1', DATABASE_URL: '' })
  const { id } = await demo.person('root', ['admin'])
  const { accessToken } = demo.app.tokens.issue({ subject: id, clientId: 'demo', scopes: ['admin'] })
  const { body } = await demo.send({ url: '/metrics', headers: { authorization: `Bearer ${accessToken}` } })
  t.match(body, /^gatehouse_dependency_up\{name="redis"\} 0$/m)
  t.match(body, /^gatehouse_dependency_up\{name="sqlite"\} 1$/m)
})

interface Rule { alert: string; expr: string; for?: string; labels: { severity: string }; annotations: { summary: string; description: string } }

t.test('examples/alerts.yml has rules over metrics that there are', async (t) => {
  const app = await service(t)
  const { body } = await app.inject('/metrics')
  const names = new Set([...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name))
  const { groups } = parse(await readFile('examples/alerts.yml', 'utf8')) as { groups: { name: string; rules: Rule[] }[] }
  const rules = groups.flatMap(({ rules }) => rules)
  t.ok(rules.length >= 6)
  for (const rule of rules) {
    t.match(rule, { alert: /^Gatehouse[A-Za-z]+$/, expr: String, labels: { severity: /^(page|ticket)$/ }, annotations: { summary: String, description: String } })
    const used = rule.expr.replace(/"[^"]*"/g, '').match(/gatehouse_[a-z_]+/g) ?? []
    t.ok(used.length > 0, rule.alert)
    t.strictSame(used.filter((name) => !names.has(name)), [], rule.alert)
    for (const [, event = ''] of rule.expr.matchAll(/(?:event|detection)="([^"]*)"/g)) t.ok(Object.hasOwn(securityEvents, event), event)
  }
})

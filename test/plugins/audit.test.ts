// The audit log: what is recorded, where, and what becomes of it when there is too much of it or nowhere to put it.
import { randomBytes, randomUUID } from 'node:crypto'
import { unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import Fastify from 'fastify'
import { sql } from 'kysely'
import t from 'tap'
import { verifyChain } from '../../credentials/audit-chain.ts'
import { readCheckpoint } from '../../credentials/audit-checkpoints.ts'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { createFolding } from '../../plugins/audit-folding.ts'
import { audit } from '../../plugins/audit.ts'
import { stores } from '../../plugins/stores.ts'
import { openSqlite } from '../../stores/sqlite.ts'
import { buildDemo, password } from '../demo.ts'
import { assertOptionRefused } from '../fixtures/guarded-service.ts'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { AuditOptions, AuditRecord } from '../../plugins/audit.ts'

interface Service {
  app: FastifyInstance
  log: string[]
  records: AuditRecord[]
  /** The SQLite file. */
  file: string
}

async function service (t: Test, options: AuditOptions = {}): Promise<Service> {
  const [log, records]: [string[], AuditRecord[]] = [[], []]
  const file = join(t.testdir(), 'audit.sqlite')
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { log.push(line) } } } }) as FastifyInstance
  t.teardown(() => app.close())
  await app.register(stores, { file })
  await app.register(audit, { sinks: ['log', 'store', (record) => { records.push(record) }], ...options })
  await app.register(apiKeyAuth, { verify: ({ key }) => key === 'k' ? { subject: 'bob' } : null })
  return { app, log, records, file }
}

const ofEvent = (records: readonly { event: string }[], name: string) => records.filter(({ event }) => event === name)

/** Waits until `check` answers something; a machine that is busy is given time. */
async function eventually<T> (check: () => Promise<T | null>): Promise<T> {
  for (let tries = 0; tries < 600; tries++) {
    const found = await check()
    if (found !== null) return found
    await setTimeout(50)
  }
  throw new Error('it did not happen')
}

const whole = {
  event: 'acme_report_read', outcome: 'success', actor: 'bob', scheme: 'apiKey', target: 'report 1', ip: '192.0.2.1', method: 'GET', route: '/report', request_id: 'req-1', reason: 'asked', details: { pages: 3 }
} as const

t.test('R201 an event goes to the log, to the store and to every other sink, with its time', async (t) => {
  const { app, log, records } = await service(t)
  await app.ready()
  app.audit.record(whole)
  await app.audit.flush()
  const [record] = ofEvent(records, whole.event) as AuditRecord[]
  t.match(record, { time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, ...whole })
  t.match(log.map((line) => JSON.parse(line) as object).find((line) => 'audit' in line && 'msg' in line && line.msg === whole.event), { level: 30, audit: record })
  const { items } = await app.stores.audit.list({ event: whole.event })
  t.match(items, [{ ...record, id: String }])
  t.match(ofEvent(records, 'sys_startup'), [{ outcome: 'success', actor: null, details: {} }])
})

t.test('R200 what guards refuse is recorded, what they let in is not, and what a service keeps is kept once', async (t) => {
  const { app, log, records } = await service(t)
  app.get('/report', { onRequest: app.apiKey }, () => 'ok')
  await app.inject({ url: '/report', headers: { 'x-api-key': 'wrong' } })
  await app.inject({ url: '/report', headers: { 'x-api-key': 'k' } })
  await app.inject('/report')
  await app.stores.audit.append({ event: 'user_created', outcome: 'success', target: 'bob' })
  await app.audit.flush()
  const names = ['sys_startup', 'authn_login_fail', 'user_created']
  t.strictSame(records.map(({ event }) => event), names)
  t.strictSame((await app.stores.audit.list()).items.map(({ event }) => event).sort(), [...names].sort())
  t.match(log.map((line) => JSON.parse(line) as { level: number, msg: string }).filter(({ msg }) => names.includes(msg)), [{ level: 30 }, { level: 40 }, { level: 30 }])
})

t.test('R200 uses of routes, as the options and the routes say', async (t) => {
  for (const [access, expected] of [
    ['none', ['GET /always']],
    ['writes', ['POST /', 'GET /always']],
    ['all', ['GET /', 'POST /', 'GET /always']]
  ] as const) {
    await t.test(access, async (t) => {
      const { app, records } = await service(t, { access })
      app.get('/', { onRequest: app.apiKey }, () => 'ok')
      app.post('/', { onRequest: app.apiKey }, () => 'ok')
      app.get('/always', { onRequest: app.apiKey, config: { audit: true } }, () => 'ok')
      app.post('/never', { onRequest: app.apiKey, config: { audit: false } }, () => 'ok')
      for (const headers of [{ 'x-api-key': 'k' }, {}]) {
        for (const [method, url] of [['GET', '/'], ['POST', '/'], ['GET', '/always'], ['POST', '/never'], ['POST', '/nowhere']] as const) await app.inject({ method, url, headers })
      }
      await app.audit.flush()
      const used = ofEvent(records, 'gatehouse_endpoint_used') as AuditRecord[]
      t.strictSame(used.map(({ method, route }) => `${String(method)} ${String(route)}`), expected)
      for (const record of used) t.match(record, { outcome: 'success', actor: 'bob', ip: '127.0.0.1', request_id: String, details: { status: 200 } })
    })
  }
})

t.test('a failure of the handler is a use that failed', async (t) => {
  const { app, records } = await service(t, { access: 'all' })
  app.get('/', { onRequest: app.apiKey }, () => { throw new Error('no') })
  await app.inject({ url: '/', headers: { 'x-api-key': 'k' } })
  await app.audit.flush()
  t.match(ofEvent(records, 'gatehouse_endpoint_used'), [{ outcome: 'failure', details: { status: 500 } }])
})

t.test('R200 the same failure of the same identity is one record, and one that counts the rest', async (t) => {
  const { app, records } = await service(t)
  app.get('/report', { onRequest: app.apiKey }, () => 'ok')
  const fail = async (remoteAddress: string, times: number) => { for (let n = 0; n < times; n++) await app.inject({ url: '/report', headers: { 'x-api-key': 'wrong' }, remoteAddress }) }
  await fail('192.0.2.1', 5)
  await fail('192.0.2.2', 1)
  await app.audit.flush()
  t.match(ofEvent(records, 'authn_login_fail'), [{ ip: '192.0.2.1', details: { why: String } }, { ip: '192.0.2.2' }])
  t.equal(ofEvent(records, 'authn_login_fail').length, 2)
  await app.close()
  const [, , folded, ...more] = ofEvent(records, 'authn_login_fail') as AuditRecord[]
  t.match(folded, { ip: '192.0.2.1', request_id: null, details: { count: 4, first_at: String, last_at: String, why: String } })
  t.ok(String(folded?.details['first_at']) <= String(folded?.details['last_at']))
  t.strictSame(more, [], 'what came once is not counted')
})

t.test('foldSeconds: a window ends by itself, and 0 folds nothing', async (t) => {
  const short = await service(t, { foldSeconds: 1 })
  await short.app.ready()
  const failure = { event: 'acme_failed', outcome: 'failure', actor: 'bob' } as const
  for (let n = 0; n < 3; n++) short.app.audit.record(failure)
  await eventually(async () => ofEvent(short.records, 'acme_failed').length === 2 ? true : null)
  t.match(ofEvent(short.records, 'acme_failed')[1], { details: { count: 2 } })
  const none = await service(t, { foldSeconds: 0 })
  await none.app.ready()
  for (let n = 0; n < 3; n++) none.app.audit.record(failure)
  await none.app.audit.flush()
  t.equal(ofEvent(none.records, 'acme_failed').length, 3)
})

t.test('R205 what does not fit is counted, and that is recorded', async (t) => {
  const { app, records } = await service(t, { maxQueued: 5 })
  await app.ready()
  await app.audit.flush()
  for (let n = 0; n < 12; n++) app.audit.record({ ...whole, target: String(n) })
  await app.audit.flush()
  t.strictSame((ofEvent(records, whole.event) as AuditRecord[]).map(({ target }) => target), ['0', '1', '2', '3', '4'])
  t.match((await app.stores.audit.list({ event: 'gatehouse_events_dropped' })).items, [{ outcome: 'failure', details: { count: 7 } }])
})

t.test('R205 a stream that does not drain gets no more, and holds nobody up', async (t) => {
  const slow = new PassThrough({ highWaterMark: 1 })
  const { app } = await service(t, { sinks: [slow, 'store'] })
  await app.ready()
  for (let n = 0; n < 3; n++) app.audit.record(whole)
  await app.audit.flush()
  t.equal(String(slow.read()).trim().split('\n').length, 1)
  t.match((await app.stores.audit.list({ event: 'gatehouse_events_dropped' })).items, [{ details: { count: 3 } }])
})

t.test('R205 a sink that throws keeps nothing from the others, and says so once', async (t) => {
  const kept: AuditRecord[] = []
  const { app, log } = await service(t, { foldSeconds: 0, sinks: [() => { throw new Error('the sink is broken') }, (record) => { kept.push(record) }, 'store'] })
  await app.ready()
  for (let n = 0; n < 3; n++) app.audit.record({ ...whole, target: `report ${String(n)}` })
  await app.audit.flush()
  await app.audit.flush()
  t.equal(ofEvent(kept, whole.event).length, 3)
  t.equal((await app.stores.audit.list({ event: whole.event })).items.length, 3)
  t.equal(log.filter((line) => line.includes('the sink is broken')).length, 1)
  t.match(ofEvent(kept, 'gatehouse_events_dropped'), [{ details: { count: 4 } }], 'with the start of the service, and no more of it')
})

t.test('R200 a failure after its window is a record again, with what was counted before', (t) => {
  const folding = createFolding(60)
  const event = { event: 'authn_login_fail', outcome: 'failure', actor: 'bob' } as const
  t.equal(folding.admit({ event, at: 0 }), true)
  t.equal(folding.admit({ event, at: 59_999 }), false)
  t.equal(folding.admit({ event, at: 60_000 }), true)
  t.match(folding.end(60_001), [{ at: 59_999, event: { details: { count: 1 } } }])
  t.strictSame(folding.end(120_000), [], 'nothing was counted in the second window')
  t.end()
})

t.test('R205 a store that does not answer gets them later, in order, and each once', async (t) => {
  const { app, log, file } = await service(t)
  await app.ready()
  await app.audit.flush()
  const rival = await openSqlite(file)
  t.teardown(() => rival.destroy())
  await sql`alter table audit_events rename to elsewhere`.execute(rival)
  for (let n = 0; n < 3; n++) app.audit.record({ ...whole, target: String(n) })
  await t.rejects(app.audit.flush(), { code: 'unavailable' })
  await t.rejects(app.audit.flush(), { code: 'unavailable' })
  t.equal(log.filter((line) => line.includes('security events are not kept yet')).length, 1, 'told once')
  await sql`alter table elsewhere rename to audit_events`.execute(rival)
  await app.audit.flush()
  t.strictSame((await app.stores.audit.list({ event: whole.event })).items.map(({ target }) => target), ['2', '1', '0'])
})

t.test('R205 more than a batch, asked for twice at once, is kept whole and once', async (t) => {
  const { app, file } = await service(t)
  await app.ready()
  const targets = Array.from({ length: 1200 }, (_, n) => String(n))
  for (const target of targets) app.audit.record({ ...whole, target })
  await Promise.all([app.audit.flush(), app.audit.flush()])
  const rival = await openSqlite(file)
  t.teardown(() => rival.destroy())
  const rows = await rival.selectFrom('audit_events').select('target').where('event', '=', whole.event).execute()
  t.strictSame(rows.map(({ target }) => target).sort(), targets.sort())
})

t.test('R205 a login that cannot be recorded does not happen', async (t) => {
  const demo = await buildDemo(t)
  const { id } = await demo.person('alice')
  await demo.app.audit.flush()
  const rival = await openSqlite(join(t.testdirName, 'gatehouse.sqlite'))
  t.teardown(() => rival.destroy())
  const login = { method: 'POST', url: '/session', headers: { host: 'localhost', 'sec-fetch-site': 'same-origin' }, payload: { username: 'alice', password } } as const
  await sql`alter table audit_events rename to elsewhere`.execute(rival)
  const refused = await demo.send(login)
  t.equal(refused.statusCode, 503)
  t.equal(refused.headers['set-cookie'], undefined)
  await sql`alter table elsewhere rename to audit_events`.execute(rival)
  t.strictSame(await demo.app.stores.sessions.listBySubject(id), { items: [] })
  t.equal((await demo.send(login)).statusCode, 201)
})

t.test('R206 records are sealed by themselves, and a checkpoint holds them', async (t) => {
  const keyFile = join(tmpdir(), `gatehouse-${randomUUID()}`)
  await writeFile(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 })
  t.teardown(() => unlink(keyFile))
  const { app, file } = await service(t, { keyFile })
  await app.ready()
  app.audit.record(whole)
  await app.audit.flush()
  const { head } = await eventually(async () => {
    const state = await app.stores.audit.chain()
    return state.unsealed.count === 0 ? state : null
  })
  t.equal(head.seq, 2)
  const { checkpoint, publicJwk } = await app.audit.checkpoint()
  t.match(await readCheckpoint(checkpoint, publicJwk), head)
  t.strictSame(await verifyChain(await app.stores.audit.sealed({ after: 0 }), { heads: [head] }), { verified: head, fault: null })
  const rival = await openSqlite(file)
  t.teardown(() => rival.destroy())
  await sql`update audit_events set actor = 'mallory' where seq = 2`.execute(rival)
  t.match(await verifyChain(await app.stores.audit.sealed({ after: 0 }), { heads: [head] }), { fault: { kind: 'altered', seq: 2 } })
})

t.test('R206 closing writes and seals what is there', async (t) => {
  const { app, file } = await service(t)
  await app.ready()
  app.audit.record(whole)
  await app.close()
  const rival = await openSqlite(file)
  t.teardown(() => rival.destroy())
  const rows = await rival.selectFrom('audit_events').select(['event', 'seq']).orderBy('seq').execute()
  t.same(rows, [{ event: 'sys_startup', seq: 1 }, { event: whole.event, seq: 2 }, { event: 'sys_shutdown', seq: 3 }])
})

const hostile = [
  ['CR and LF', 'a\r\nb', 'a\\u000d\\u000ab'],
  ['ESC', '\u001b[31mred', '\\u001b[31mred'],
  ['line separators', 'a\u2028b\u2029', 'a\\u2028b\\u2029'],
  ['bidi overrides', 'a\u202eb\u2066\u200f', 'a\\u202eb\\u2066\\u200f'],
  ['half of a pair', 'a\ud800', 'a\\ud800'],
  ['U+0000', 'a\u0000b', 'a\\u0000b'],
  ['a long text', 'x'.repeat(300), `${'x'.repeat(256)}…`]
] as const

t.test('R202 one line each, whatever a text holds, and short', async (t) => {
  const { app, log } = await service(t)
  await app.ready()
  for (const [title, sent, written] of hostile) {
    await t.test(title, async (t) => {
      app.audit.record({ event: 'acme_text', outcome: 'success', actor: sent, reason: sent, details: { deep: { text: [sent] } } })
      await app.audit.flush()
      const line = log.at(-1) ?? ''
      t.equal(line.trimEnd().split(/[\r\n\u2028\u2029]/).length, 1)
      t.match(JSON.parse(line), { audit: { actor: written, reason: written, details: { deep: { text: [written] } } } })
      t.match((await app.stores.audit.list({ event: 'acme_text', limit: 1 })).items, [{ actor: written, details: { deep: { text: [written] } } }])
    })
  }
  app.audit.record({ event: 'acme_text', outcome: 'success', details: { list: Array.from({ length: 2000 }, String) } })
  await app.audit.flush()
  t.match(JSON.parse(log.at(-1) ?? ''), { audit: { details: { truncated: true } } })
})

t.test('without stores there are the other sinks; two services do not record each other', async (t) => {
  const records: string[] = []
  const alone = Fastify()
  t.teardown(() => alone.close())
  await alone.register(audit, { sinks: [({ event }) => { records.push(event) }] })
  const { app } = await service(t)
  await app.ready()
  app.audit.record(whole)
  await alone.ready()
  await alone.audit.flush()
  t.strictSame(records, ['sys_startup'])
  await t.rejects(alone.audit.checkpoint(), { code: 'GATEHOUSE_OPTION_INVALID' })
})

t.test('options are checked when it is registered', async (t) => {
  const rows: [option: string, options: object][] = [
    ['audit.acces', { acces: 'all' }],
    ['audit.access', { access: 'reads' }],
    ['audit.sinks', { sinks: [] }],
    ['audit.sinks', { sinks: 'log' }],
    ['audit.sinks', { sinks: ['file'] }],
    ['audit.sinks', { sinks: [{}] }],
    ['audit.sinks', { sinks: ['store'] }],
    ['audit.maxQueued', { maxQueued: 0 }],
    ['audit.maxQueued', { maxQueued: '10' }],
    ['audit.foldSeconds', { foldSeconds: -1 }],
    ['audit.keyFile', { keyFile: '' }],
    ['audit.keyFile', { keyFile: 'key' }]
  ]
  for (const [option, options] of rows) await t.test(`${option} ${JSON.stringify(options)}`, (t) => assertOptionRefused(t, (app) => app.register(audit, options as AuditOptions), option))
  const { app } = await service(t)
  t.throws(() => app.get('/', { config: { audit: 'yes' as never } }, () => 'ok'), { code: 'GATEHOUSE_OPTION_INVALID' })
})

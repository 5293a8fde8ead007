// What happened.
import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import type { NewAuditEvent } from '../../stores/ports.ts'
import { UUID_V7 } from '../../stores/uuid-v7.ts'
import { allOf, inSeconds, RFC_3339, storeCheck } from './check.ts'
import type { StoreCheck } from './check.ts'

const whole: NewAuditEvent = {
  event: 'authn_login_fail', outcome: 'failure', actor: 'alice', target: 'account', ip: '192.0.2.1', method: 'POST', route: '/token',
  request_id: 'req-1', reason: 'wrong_password', details: { attempt: 3, name: 'é\n' }
}

export const auditChecks: readonly StoreCheck[] = [
  storeCheck('R201 audit: an event is read as it was told, with its time; what was left out is null', async ({ audit }) => {
    const before = Date.now()
    const [event, bare] = [await audit.append(whole), await audit.append({ event: 'sys_startup', outcome: 'success' })]
    assert.match(event.id, UUID_V7)
    assert.match(event.time, RFC_3339)
    assert.ok(Math.abs(Date.parse(event.time) - before) < 5000)
    assert.deepEqual(event, { id: event.id, time: event.time, ...whole })
    assert.deepEqual(bare, {
      id: bare.id, time: bare.time, event: 'sys_startup', outcome: 'success', actor: null, target: null, ip: null, method: null, route: null,
      request_id: null, reason: null, details: {}
    })
    assert.deepEqual(await audit.list(), { items: [bare, event] })
  }),

  storeCheck('audit: filters by event, actor and time, alone and together, in pages', async ({ audit }) => {
    const events = []
    for (let n = 0; n < 12; n++) {
      if (n === 6) await setTimeout(5)
      events.push(await audit.append({ event: n % 2 === 0 ? 'authz_fail' : 'authz_change', outcome: 'success', actor: n % 3 === 0 ? 'alice' : 'bob' }))
    }
    const newestFirst = events.reverse()
    const found = (query: Parameters<typeof audit.list>[0]) => allOf((cursor) => audit.list({ ...query, limit: 2, cursor }))
    assert.deepEqual(await found({}), newestFirst)
    assert.deepEqual(await found({ event: 'authz_fail' }), newestFirst.filter(({ event }) => event === 'authz_fail'))
    assert.deepEqual(await found({ actor: 'alice' }), newestFirst.filter(({ actor }) => actor === 'alice'))
    const half = new Date(newestFirst[5]?.time ?? '')
    const since = newestFirst.filter(({ time }) => time >= half.toISOString())
    assert.ok(since.length >= 6 && since.length < 12)
    assert.deepEqual(await found({ from: half }), since)
    assert.deepEqual(await found({ to: half }), newestFirst.filter((event) => !since.includes(event)))
    assert.deepEqual(await found({ from: half, event: 'authz_fail', actor: 'bob' }), since.filter(({ event, actor }) => event === 'authz_fail' && actor === 'bob'))
    assert.deepEqual(await found({ from: inSeconds(3600) }), [])
    assert.deepEqual(await found({ from: new Date(0), to: new Date('9999-12-31') }), newestFirst)
  })
]

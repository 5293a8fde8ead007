// Logins by cookie.
import assert from 'node:assert/strict'
import type { NewSession } from '../../stores/ports.ts'
import { allOf, digestOf, inSeconds, RFC_3339, storeCheck } from './check.ts'
import type { StoreCheck } from './check.ts'

function sessionOf (more: Partial<NewSession> = {}): NewSession {
  return { id: digestOf(), subject: 'alice', authenticatedAt: inSeconds(-1), idleExpiresAt: inSeconds(1800), absoluteExpiresAt: inSeconds(43_200), ...more }
}

export const sessionChecks: readonly StoreCheck[] = [
  storeCheck('R100 sessions: what is opened is found by its digest, until it is removed', async ({ sessions }) => {
    const wanted = sessionOf()
    const session = await sessions.create(wanted)
    assert.match(session.created_at, RFC_3339)
    assert.deepEqual(session, {
      id: wanted.id, subject: 'alice', created_at: session.created_at, authenticated_at: wanted.authenticatedAt.toISOString(), last_seen_at: session.created_at,
      idle_expires_at: wanted.idleExpiresAt.toISOString(), expires_at: wanted.absoluteExpiresAt.toISOString()
    })
    assert.deepEqual(await sessions.findActive(wanted.id), session)
    assert.equal(await sessions.findActive(digestOf()), null)
    assert.equal(await sessions.remove(wanted.id, { subject: 'bob' }), false, 'nobody ends what belongs to somebody else')
    assert.equal(await sessions.remove(wanted.id, { subject: 'alice' }), true)
    assert.equal(await sessions.remove(wanted.id), false)
    assert.equal(await sessions.findActive(wanted.id), null)
  }),

  storeCheck('R104 sessions: idle and absolute end hold, and no use extends the absolute one', async ({ sessions }) => {
    const [idle, old] = [sessionOf({ idleExpiresAt: inSeconds(-1) }), sessionOf({ absoluteExpiresAt: inSeconds(-1) })]
    for (const { id } of [await sessions.create(idle), await sessions.create(old)]) {
      assert.equal(await sessions.findActive(id), null)
      assert.equal(await sessions.touch(id, { at: new Date(), idleExpiresAt: inSeconds(1800) }), false, 'nor does it come back')
    }
    const { id, expires_at: end } = await sessions.create(sessionOf({ absoluteExpiresAt: inSeconds(3600) }))
    const use = { at: inSeconds(60), idleExpiresAt: inSeconds(1860) }
    assert.equal(await sessions.touch(id, use), true)
    const used = await sessions.findActive(id)
    assert.deepEqual([used?.last_seen_at, used?.idle_expires_at], [use.at.toISOString(), use.idleExpiresAt.toISOString()])
    await sessions.touch(id, { at: inSeconds(120), idleExpiresAt: inSeconds(86_400) })
    assert.equal((await sessions.findActive(id))?.idle_expires_at, end)
    assert.equal(await sessions.touch(digestOf(), use), false)
  }),

  storeCheck('R106 sessions: those of a subject are listed and ended, but for one', async ({ sessions }) => {
    const made = []
    for (let n = 0; n < 5; n++) made.push(await sessions.create(sessionOf()))
    const foreign = await sessions.create(sessionOf({ subject: 'bob' }))
    await sessions.create(sessionOf({ idleExpiresAt: inSeconds(-1) }))
    const newestFirst = made.map(({ created_at: time, id }) => `${time} ${id}`).sort().reverse()
    const listed = await allOf((cursor) => sessions.listBySubject('alice', { limit: 2, cursor }))
    assert.deepEqual(listed.map(({ created_at: time, id }) => `${time} ${id}`), newestFirst)
    const [kept] = made
    assert.ok(kept)
    assert.equal((await sessions.removeBySubject('alice', { except: kept.id })).length, 5, 'what had ended as well')
    assert.deepEqual((await sessions.listBySubject('alice')).items, [kept])
    assert.deepEqual(await sessions.removeBySubject('alice'), [kept.id])
    assert.deepEqual((await sessions.listBySubject('bob')).items, [foreign])
  }),

  storeCheck('sessions: what ended is forgotten', async ({ sessions }) => {
    await sessions.create(sessionOf())
    await sessions.create(sessionOf({ idleExpiresAt: inSeconds(-1) }))
    assert.equal(await sessions.prune(new Date()), 1)
    assert.equal(await sessions.prune(new Date()), 0)
  })
]

// What has ended is forgotten by itself: no route and no test of one waits for it.
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { mock } from 'node:test'
import Fastify from 'fastify'
import t from 'tap'
import { createSessionUpkeep } from '../../plugins/session-upkeep.ts'
import { createSqliteStores } from '../../stores/sqlite.ts'

const EVERY_MS = 300_000
const ended = 2500

t.test('sessions that ended are forgotten every five minutes, however many there are, and others have their turn meanwhile', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => { mock.timers.reset() })
  const stores = await createSqliteStores(':memory:')
  t.teardown(() => stores.close())
  const open = (n: number, endsInMs: number) => {
    const end = new Date(Date.now() + endsInMs)
    return { id: createHash('sha256').update(String(n)).digest('base64url'), subject: 'alice', authenticatedAt: new Date(), idleExpiresAt: end, absoluteExpiresAt: end }
  }
  await stores.transaction(async ({ sessions }) => {
    for (let n = 0; n < ended; n += 1) await sessions.create(open(n, -1000))
    await sessions.create(open(ended, 60_000))
  })
  const left = async (): Promise<number> => (await stores.sessions.removeBySubject('alice')).length
  const app = Fastify()
  t.teardown(() => app.close())
  const pruned: number[] = []
  const upkeep = createSessionUpkeep({
    stores: { ...stores, sessions: { ...stores.sessions, async prune (now) { pruned.push(await stores.sessions.prune(now)); return pruned.at(-1) ?? 0 } } },
    settings: { idleMs: 60_000, touchMs: 60_000 },
    log: app.log
  })
  mock.timers.tick(EVERY_MS - 1)
  await setImmediate()
  t.same(pruned, [])
  mock.timers.tick(1)
  let turns = 0
  while (pruned.at(-1) !== 0) {
    await setImmediate()
    turns += 1
  }
  t.equal(pruned.reduce((sum, count) => sum + count), ended)
  t.ok(turns >= pruned.length - 1, 'between two statements')
  await upkeep.stop()
  t.equal(await left(), 1, 'what goes on stays')
})

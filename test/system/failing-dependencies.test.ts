// Every state of what the service depends on. Checks of credentials fail closed, in bounded time; what needs no store goes
// on; nothing acknowledged is lost; and when the dependency is back, so is the service.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import { buildDemo } from '../demo.ts'
import { prepareOutage } from '../fixtures/outage-checks.ts'
import { noCluster, postgresCluster } from '../fixtures/postgres-cluster.ts'
import { tcpProxy } from '../fixtures/tcp-proxy.ts'
import type { Test } from 'tap'
import type { DependencyChange } from '../../plugins/stores.ts'

/** What the channel says until the test ends. */
function changesIn (t: Test): DependencyChange[] {
  const changes: DependencyChange[] = []
  const hear = (change: unknown): void => { changes.push(change as DependencyChange) }
  subscribe('gatehouse:dependency', hear)
  t.teardown(() => unsubscribe('gatehouse:dependency', hear))
  return changes
}

t.test('PostgreSQL', { skip: noCluster, timeout: 300_000 }, async (t) => {
  const cluster = await postgresCluster(t)
  const proxy = await tcpProxy(t, cluster.url)
  const demo = await buildDemo(t, { DATABASE_URL: proxy.before(cluster.url) })
  const outage = await prepareOutage(demo)
  const changes = changesIn(t)
  await outage.assertAll(t, 'works')

  for (const { title, begin, end } of [
    { title: 'refuses', begin: () => proxy.become('refuse'), end: () => proxy.become('pass') },
    { title: 'hangs', begin: () => proxy.become('hang'), end: () => proxy.become('pass') },
    { title: 'is cut in the middle of its answers', begin: () => proxy.become('cut'), end: () => proxy.become('pass') },
    { title: 'is killed', begin: () => cluster.kill(), end: () => cluster.start() }
  ]) {
    await t.test(`R007 ${title}`, async (t) => {
      changes.splice(0)
      const load = outage.load()
      await outage.recovered(t)
      await begin()
      await outage.assertAll(t, 'fails')
      t.match(changes[0], { name: 'postgresql', state: 'down' })
      await end()
      await outage.recovered(t)
      await load.stop()
      await outage.assertAll(t, 'works')
      t.match(changes.at(-1), { name: 'postgresql', state: 'up' })
      await outage.assertKept(t)
    })
  }

  await t.test('is slow', async (t) => {
    await proxy.become('slow')
    await outage.assertAll(t, 'works')
    await proxy.become('pass')
  })

  const lines = demo.log.map((line) => JSON.parse(line) as { msg: string; level: number; name?: string })
  t.ok(lines.some(({ msg, level }) => msg === 'a dependency fails' && level === 50))
  t.notOk(demo.log.some((line) => [...demo.secrets].some((secret) => line.includes(secret))), 'the log does not tell a secret')
})

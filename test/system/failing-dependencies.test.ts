// Every state of what the service depends on. Checks of credentials fail closed, in bounded time; what needs no store goes
// on; nothing acknowledged is lost; and when the dependency is back, so is the service.
import { execFileSync } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t from 'tap'
import { anAddress, basicOf, buildDemo, form } from '../demo.ts'
import { prepareOutage } from '../fixtures/outage-checks.ts'
import { noCluster, postgresCluster } from '../fixtures/postgres-cluster.ts'
import { noRedisServer, redisServer } from '../fixtures/redis-server.ts'
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

t.setTimeout(600_000)

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
      const load = await outage.load()
      await begin()
      await outage.assertAll(t, 'withoutStore')
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

t.test('Redis', { skip: noRedisServer, timeout: 300_000 }, async (t) => {
  const server = await redisServer(t)
  const proxy = await tcpProxy(t, server.url)
  const demo = await buildDemo(t, { REDIS_URL: proxy.before(server.url) })
  const outage = await prepareOutage(demo)
  const changes = changesIn(t)
  const readiness = async (): Promise<string> => (await demo.send({ url: '/health/ready' })).json<{ status: string }>().status
  await outage.assertAll(t, 'works')

  for (const { title, begin, end } of [
    { title: 'refuses', begin: () => proxy.become('refuse'), end: () => proxy.become('pass') },
    { title: 'hangs', begin: () => proxy.become('hang'), end: () => proxy.become('pass') },
    { title: 'is cut in the middle of its answers', begin: () => proxy.become('cut'), end: () => proxy.become('pass') },
    { title: 'is killed', begin: () => server.kill(), end: () => server.start() }
  ]) {
    await t.test(`R158 ${title}`, async (t) => {
      changes.splice(0)
      await begin()
      await outage.assertAll(t, 'withoutRedis')
      t.match(changes, [{ name: 'redis', state: 'down' }])
      t.equal(await readiness(), 'degraded')
      const remoteAddress = anAddress()
      const passed = await Promise.all(Array.from({ length: 20 }, async () => (await demo.send({ url: '/limited', remoteAddress })).statusCode))
      t.equal(passed.filter((status) => status === 200).length, 5, 'an ordinary limit holds in this process')
      await end()
      await outage.recovered(t)
      await outage.assertAll(t, 'works')
      t.match(changes, [{ state: 'down' }, { state: 'up' }])
    })
  }

  await t.test('is slow', async (t) => {
    await proxy.become('slow')
    await outage.assertAll(t, 'works')
    await proxy.become('pass')
  })
})

/** The folder of the data, and how its disk becomes full and has room again. */
interface Disk {
  readonly folder: string
  fill (): void
  free (): void
}

/** A file system that really has no room left. */
function smallDisk (t: Test): Disk {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-disk-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder], { stdio: 'pipe' })
  t.teardown(() => { execFileSync('umount', ['-l', folder]) })
  const ballast = join(folder, 'ballast')
  return {
    folder,
    fill () {
      try {
        for (;;) writeFileSync(ballast, Buffer.alloc(4096), { flag: 'a' })
      } catch {
        // It is full.
      }
    },
    free: () => { rmSync(ballast) }
  }
}

const noMount = process.getuid?.() === 0 && process.platform === 'linux' && canMount() ? false : 'no file system can be mounted here'

function canMount (): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'pipe' })
    execFileSync('umount', [folder])
    return true
  } catch {
    return false
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

t.test('R007 a full disk under SQLite: writes are 503, what is read goes on, nothing is torn', { skip: noMount }, async (t) => {
  const disk = smallDisk(t)
  const demo = await buildDemo(t, { DATA_DIR: disk.folder })
  const alice = await demo.person('alice')
  const owner = await demo.token(alice)
  const kept = new Set<string>()
  const add = async (): Promise<number> => {
    const made = await demo.send({ method: 'POST', url: '/items', headers: owner, payload: { title: 'an item', description: 'x'.repeat(4000) } })
    if (made.statusCode === 201) kept.add(made.json<{ id: string }>().id)
    else t.match(made.headers['retry-after'], /^[1-9]/)
    return made.statusCode
  }
  const refresh = async (token: string) => demo.send({ method: 'POST', url: '/token', ...form({ grant_type: 'refresh_token', refresh_token: token }) })
  const login = async () => demo.send({ method: 'POST', url: '/token', ...form({ grant_type: 'password', username: 'alice', password: alice.password }) })
  t.equal(await add(), 201)
  const { refresh_token: first } = (await login()).json<{ refresh_token: string }>()
  const changes = changesIn(t)

  disk.fill()
  let status = 201
  for (let n = 0; n < 1000 && status === 201; n += 1) status = await add()
  t.equal(status, 503)
  t.match(changes, [{ name: 'sqlite', state: 'down' }])
  const statuses: number[] = []
  for (let n = 0; n < 20; n += 1) statuses.push((await login()).statusCode, (await refresh(first)).statusCode, await add())
  t.same(statuses.filter((found) => ![200, 503].includes(found)), [], 'what cannot be written is 503, and what fits is written')
  t.ok(statuses.includes(503))
  for (const [url, headers, expected] of [['/users/me', owner, 200], ['/items', owner, 200], ['/basic/me', alice.basic, 200], ['/users/me', { authorization: 'Bearer aaaa' }, 401], ['/health/live', {}, 200], ['/health/ready', {}, 200]] as const) {
    t.equal((await demo.send({ url, headers })).statusCode, expected, `${url} goes on`)
  }
  t.equal((await demo.send({ url: '/basic/me', headers: basicOf('alice', 'not the lamp beside the harbour') })).statusCode, 503, 'a failed login cannot be counted')

  disk.free()
  t.equal(await add(), 201, 'no restart')
  t.match(changes.at(-1), { name: 'sqlite', state: 'up' })
  t.equal((await refresh(first)).statusCode, 200, 'and nobody was logged out')
  for (const id of kept) t.equal((await demo.send({ url: `/items/${id}`, headers: owner })).statusCode, 200)
  await demo.app.close()
  const db = new DatabaseSync(join(disk.folder, 'gatehouse.sqlite'))
  t.same({ ...db.prepare('pragma integrity_check').get() }, { integrity_check: 'ok' })
  t.same({ ...db.prepare('select count(*) as n from items').get() }, { n: kept.size }, 'of what was refused nothing is there')
  db.close()
})

// Every state of what the service depends on. Checks of credentials fail closed, in bounded time; what needs no store goes
// on; nothing acknowledged is lost; and when the dependency is back, so is the service.
import { execFileSync } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseSync } from '@photostructure/sqlite'
import Fastify from 'fastify'
import t from 'tap'
import { guards } from '../../plugins/guards.ts'
import { metrics } from '../../plugins/metrics.ts'
import { anAddress, basicOf, buildDemo, form, hashesOf } from '../demo.ts'
import { fail } from '../fixtures/failed-logins.ts'
import { assertReadyInTime, prepareOutage } from '../fixtures/outage-checks.ts'
import { noCluster, postgresCluster } from '../fixtures/postgres-cluster.ts'
import { noRedisServer, redisServer } from '../fixtures/redis-server.ts'
import { tcpProxy } from '../fixtures/tcp-proxy.ts'
import type { InjectOptions } from 'fastify'
import type { Test } from 'tap'
import type { DependencyChange } from '../../plugins/stores.ts'
import type { Demo } from '../demo.ts'

/** What the channel says until the test ends. */
function changesIn (t: Test): DependencyChange[] {
  const changes: DependencyChange[] = []
  const hear = (change: unknown): void => { changes.push(change as DependencyChange) }
  subscribe('gatehouse:dependency', hear)
  t.teardown(() => unsubscribe('gatehouse:dependency', hear))
  return changes
}

/** What the metric says of a dependency, to whom it need not be asked: the demo looks a key up in the store. */
async function gaugeOf (t: Test, name: string): Promise<() => Promise<string | undefined>> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(guards)
  await app.register(metrics, { access: [app.publicAccess('for a test')] })
  return async () => new RegExp(`^gatehouse_dependency_up\\{name="${name}"\\} (.*)$`, 'm').exec((await app.inject('/metrics')).body)?.[1]
}

t.setTimeout(600_000)

t.test('PostgreSQL', { skip: noCluster, timeout: 300_000 }, async (t) => {
  const cluster = await postgresCluster(t)
  const proxy = await tcpProxy(t, cluster.url)
  const demo = await buildDemo(t, { DATABASE_URL: proxy.before(cluster.url) })
  const outage = await prepareOutage(demo)
  const changes = changesIn(t)
  const gauge = await gaugeOf(t, 'postgresql')
  await outage.assertAll(t, 'works')
  t.equal(await gauge(), '1')

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
      await assertReadyInTime(t, demo, 503)
      await outage.assertAll(t, 'withoutStore')
      t.match(changes[0], { name: 'postgresql', state: 'down' })
      t.equal(await gauge(), '0')
      await end()
      await outage.recovered(t)
      await load.stop()
      await outage.assertAll(t, 'works')
      t.match(changes.at(-1), { name: 'postgresql', state: 'up' })
      t.equal(await gauge(), '1')
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
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-redis-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const demo = await buildDemo(t, { DATA_DIR: folder, REDIS_URL: proxy.before(server.url) })
  const outage = await prepareOutage(demo)
  const changes = changesIn(t)
  const numbers = await metricsReader(demo)
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
      t.match(await numbers(), /^gatehouse_dependency_up\{name="redis"\} 0$/m)
      const remoteAddress = anAddress()
      const passed = await Promise.all(Array.from({ length: 20 }, async () => (await demo.send({ url: '/limited', remoteAddress })).statusCode))
      t.equal(passed.filter((status) => status === 200).length, 5, 'an ordinary limit holds in this process')
      await end()
      await outage.recovered(t)
      await outage.assertAll(t, 'works')
      t.match(changes, [{ state: 'down' }, { state: 'up' }])
      t.match(await numbers(), /^gatehouse_dependency_up\{name="redis"\} 1$/m)
    })
  }

  await t.test('R158 two processes without it let nobody guess, and count together when it is back', async (t) => {
    const other = await buildDemo(t, { DATA_DIR: folder, REDIS_URL: proxy.before(server.url) })
    const each = async (request: InjectOptions, times = 1): Promise<number[]> => {
      const statuses: number[] = []
      for (let sent = 0; sent < times; sent += 1) for (const { app } of [demo, other]) statuses.push((await app.inject({ remoteAddress: guesser, ...request })).statusCode)
      return statuses
    }
    const guesser = anAddress()
    const eve = await demo.person('eve')
    const login = (secret: string): InjectOptions => ({ method: 'POST', url: '/token', ...form({ grant_type: 'password', username: 'eve', password: secret }) })
    const failure: InjectOptions = { method: 'POST', url: '/token', ...form({ grant_type: 'none' }) }
    t.same(new Set(await each(failure, 6)), new Set([400]))

    await proxy.become('refuse')
    const doors: InjectOptions[] = ['not the lamp beside the harbour', eve.password].flatMap((secret) => [
      login(secret), { method: 'POST', url: '/session', payload: { username: 'eve', password: secret } }, { url: '/basic/me', headers: basicOf('eve', secret) }
    ])
    const statuses: number[] = []
    const hashes = await hashesOf(async () => { for (const door of doors) statuses.push(...await each(door, 3)) })
    t.same(new Set(statuses), new Set([503]), 'whatever is presented, wherever')
    t.equal(hashes, 0, 'and no password is looked at')

    await proxy.become('pass')
    await outage.recovered(t)
    while ((await other.send({ url: '/health/ready' })).json<{ status: string }>().status !== 'ok') await sleep(50)
    t.same(await each(failure, 5), [...Array<number>(8).fill(400), 429, 429], 'what was counted before still counts, and the outage was no failure of anybody')

    await fail(demo.app.stores, eve.id, { times: 3, waitSeconds: 60 })
    await server.kill()
    await server.start()
    await outage.recovered(t)
    while ((await other.send({ url: '/health/ready' })).json<{ status: string }>().status !== 'ok') await sleep(50)
    t.same(await each(login(eve.password)), [400, 400], 'a Redis that forgot everything does not make an account wait less')
  })

  await t.test('is slow', async (t) => {
    await proxy.become('slow')
    await outage.assertAll(t, 'works')
    await proxy.become('pass')
  })
})

/** The numbers of the demo, for a key of its administrator: no limit of logins stands before them. */
async function metricsReader (demo: Demo): Promise<() => Promise<string>> {
  const { headers } = await demo.key(await demo.token(await demo.person('root', ['admin'])), ['admin'])
  return async () => (await demo.send({ url: '/metrics', headers })).body
}

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
  const gauge = await gaugeOf(t, 'sqlite')
  t.equal(await gauge(), '1')

  disk.fill()
  let status = 201
  for (let n = 0; n < 1000 && status === 201; n += 1) status = await add()
  t.equal(status, 503)
  t.match(changes, [{ name: 'sqlite', state: 'down' }])
  t.equal(await gauge(), '0')
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
  t.equal(await gauge(), '1')
  t.equal((await refresh(first)).statusCode, 200, 'and nobody was logged out')
  for (const id of kept) t.equal((await demo.send({ url: `/items/${id}`, headers: owner })).statusCode, 200)
  await demo.app.close()
  const db = new DatabaseSync(join(disk.folder, 'gatehouse.sqlite'))
  t.same({ ...db.prepare('pragma integrity_check').get() }, { integrity_check: 'ok' })
  t.same({ ...db.prepare('select count(*) as n from items').get() }, { n: kept.size }, 'of what was refused nothing is there')
  db.close()
})

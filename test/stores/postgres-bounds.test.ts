// Whatever hangs has an end: each time-out of the PostgreSQL stores by itself, since another one often stands behind it.
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import { createMigrator, migrateToLatest } from '../../stores/migrate.ts'
import { createPostgresStores, openPostgres } from '../../stores/postgres.ts'
import { userOf } from '../../testing/stores/check.ts'
import { tcpProxy } from '../fixtures/tcp-proxy.ts'
import { createDatabase, noServer } from './fixtures/postgres.ts'
import type { Kysely } from 'kysely'
import type { Test } from 'tap'
import type { Database } from '../../stores/tables.ts'

// They wait for the most part.
t.jobs = 8
t.setTimeout(60_000)

/** Of Kysely's migrator. */
const MIGRATION_LOCK = '3853314791062309107'

async function databaseOf (t: Test): Promise<string> {
  const { url, drop } = await createDatabase()
  t.teardown(drop)
  return url
}

async function open (t: Test, url: string): Promise<Kysely<Database>> {
  const db = await openPostgres(url)
  t.teardown(() => db.destroy())
  return db
}

async function backendOf (db: Kysely<Database>): Promise<number | undefined> {
  return (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)).rows[0]?.pid
}

t.test('R007 a statement that works too long is ended by the server, and its connection goes on', { skip: noServer }, async (t) => {
  const db = await open(t, await databaseOf(t))
  const backend = await backendOf(db)
  await t.rejects(sql`select pg_sleep(30)`.execute(db), { code: 'unavailable', statusCode: 503, cause: /statement timeout/ })
  t.equal(await backendOf(db), backend)
})

t.test('R007 a transaction that nobody goes on with is taken back, and what it held is free', { skip: noServer }, async (t) => {
  const url = await databaseOf(t)
  const [stores, other] = [await createPostgresStores(url), await createPostgresStores(url)]
  t.teardown(() => Promise.all([stores.close(), other.close()]))
  const { id } = await stores.users.create(userOf('alice'))
  const forgotten = stores.transaction(async ({ users }) => {
    await users.update(id, { disabled: true })
    await sleep(13_000)
    await users.update(id, { roles: [] })
  })
  await Promise.all([
    t.rejects(forgotten, { code: 'unavailable', statusCode: 503 }),
    sleep(8500).then(async () => t.match(await other.users.update(id, { roles: ['admin'] }), { roles: ['admin'], disabled: false }))
  ])
})

t.test('R007 a connection whose answer stayed out is asked nothing more and is not used again', { skip: noServer }, async (t) => {
  const url = await databaseOf(t)
  const proxy = await tcpProxy(t, url)
  const db = await open(t, proxy.before(url))
  const backend = await backendOf(db)
  const broken = db.transaction().execute(async (transaction) => {
    await proxy.become('hang')
    await t.rejects(sql`select 1`.execute(transaction), { code: 'unavailable', cause: /timeout/ })
    const asked = performance.now()
    await t.rejects(sql`select 1`.execute(transaction), { code: 'unavailable', reason: /is broken/ })
    t.ok(performance.now() - asked < 1000, 'at once')
    throw new Error('given up')
  })
  await t.rejects(broken, { message: 'given up' })
  await proxy.become('pass')
  t.not(await backendOf(db), backend)
})

t.test('R007 connections that end while nobody asks are no end of the process, and who cannot be connected to is down', { skip: noServer }, async (t) => {
  const url = await databaseOf(t)
  const proxy = await tcpProxy(t, url)
  const states: boolean[] = []
  const stores = await createPostgresStores(proxy.before(url), (isUp) => { if (states.at(-1) !== isUp) states.push(isUp) })
  t.teardown(() => stores.close())
  proxy.cut()
  await sleep(500)
  await stores.ping()
  t.same(states, [true], 'another connection answered')
  proxy.cut()
  await sleep(500)
  await proxy.become('refuse')
  await t.rejects(stores.ping(), { code: 'unavailable' })
  t.same(states, [true, false])
})

t.test('R007 stores close in bounded time, though somebody goes on in a transaction', { skip: noServer }, async (t) => {
  const stores = await createPostgresStores(await databaseOf(t))
  let [begin, end] = [(): void => undefined, (): void => undefined]
  const [begun, ended] = [new Promise<void>((resolve) => { begin = resolve }), new Promise<void>((resolve) => { end = resolve })]
  const transaction = stores.transaction(async ({ items }) => {
    await items.list()
    begin()
    await ended
  })
  await begun
  t.equal(await Promise.race([stores.close().then(() => 'closed'), sleep(9000).then(() => 'waits')]), 'closed')
  end()
  await transaction
})

for (const [title, table] of [['succeeds', 'unrelated'], ['fails', 'api_keys']] as const) {
  t.test(`a start that ${title} leaves no connection of its migration behind`, { skip: noServer }, async (t) => {
    const url = await databaseOf(t)
    const db = await open(t, url)
    await sql`create table ${sql.table(table)} (id text)`.execute(db)
    const outcome = await createPostgresStores(url).then(async (stores) => { await stores.close(); return 'succeeds' }, () => 'fails')
    t.equal(outcome, title)
    const others = async (): Promise<number> => (await sql`select pid from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`.execute(db)).rows.length
    for (let times = 0; times < 50 && await others() > 0; times += 1) await sleep(100)
    t.equal(await others(), 0)
  })
}

t.test('stores that are closed before they were used stay closed', { skip: noServer }, async (t) => {
  const stores = await createPostgresStores(await databaseOf(t))
  await stores.close()
  await t.rejects(stores.ping())
})

/** What happened first: the end of `work` in a transaction, or a process that was started meanwhile and had `waitMs`. */
async function startDuring (url: string, db: Kysely<Database>, work: (transaction: Kysely<Database>) => Promise<unknown>, waitMs: number): Promise<string[]> {
  const order: string[] = []
  let starting: Promise<unknown> = Promise.resolve()
  await db.transaction().execute(async (transaction) => {
    await work(transaction)
    starting = createPostgresStores(url).then(async (stores) => {
      order.push('started')
      await stores.close()
    })
    await Promise.race([starting, sleep(waitMs)])
    order.push('ended')
  })
  await starting
  return order
}

t.test('a process that starts waits for the one that migrates, longer than a request would', { skip: noServer }, async (t) => {
  const url = await databaseOf(t)
  const lock = (db: Kysely<Database>) => sql`select pg_advisory_xact_lock(${sql.lit(MIGRATION_LOCK)}::bigint)`.execute(db)
  t.same(await startDuring(url, await open(t, url), lock, 7500), ['ended', 'started'])
})

t.test('a migration waits for what still reads a table that it changes, longer than a request would', { skip: noServer }, async (t) => {
  const url = await databaseOf(t)
  const db = await open(t, url)
  await migrateToLatest(db)
  t.equal((await createMigrator(db).migrateTo('0003_api_keys')).error, undefined)
  t.same(await startDuring(url, db, (transaction) => sql`select 1 from users`.execute(transaction), 4500), ['ended', 'started'])
})

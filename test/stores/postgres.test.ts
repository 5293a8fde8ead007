// The PostgreSQL stores: the contract between several pools, and what is PostgreSQL's own.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import Fastify from 'fastify'
import { sql } from 'kysely'
import t from 'tap'
import { stores as storesPlugin } from '../../plugins/stores.ts'
import { createMigrator, migrateToLatest } from '../../stores/migrate.ts'
import { createPostgresStores, openPostgres } from '../../stores/postgres.ts'
import { createSqlStores } from '../../stores/sql.ts'
import { storeContract } from '../../testing/store-contract.ts'
import { digestOf, inSeconds, keyOf, userOf } from '../../testing/stores/check.ts'
import { tcpProxy } from '../fixtures/tcp-proxy.ts'
import { createDatabase, noServer } from './fixtures/postgres.ts'
import { tablesOf } from './fixtures/tables.ts'
import type { Test } from 'tap'

const skip = noServer
const writer = join(import.meta.dirname, 'fixtures/writer.ts')

async function databaseOf (t: Test): Promise<string> {
  const { url, drop } = await createDatabase()
  t.teardown(drop)
  return url
}

function gate (): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => { open = resolve })
  return { opened, open: () => open() }
}

t.test('PostgreSQL keeps the contract of the stores, with three pools at once', { skip }, async (t) => {
  const url = await databaseOf(t)
  const db = await openPostgres(url)
  await migrateToLatest(db)
  const tables = await tablesOf(db)
  const others = [createSqlStores(await openPostgres(url)), createSqlStores(await openPostgres(url))]
  t.teardown(() => Promise.all([db.destroy(), ...others.map((one) => one.close())]))
  // A pool connects when it is used: those that race have all their connections before they start.
  for (const one of others) await Promise.all(Array.from({ length: 10 }, () => one.ping()))
  for (const { title, check } of storeContract) {
    t.test(title, async (t) => {
      await sql`truncate ${sql.join(tables.map((name) => sql.table(name)))}`.execute(db)
      const stores = createSqlStores(await openPostgres(url))
      t.teardown(() => stores.close())
      await stores.ping()
      await check(stores, others)
    })
  }
})

t.test('three processes start at once on one empty database; what each had acknowledged before SIGKILL is there after it', { skip }, async (t) => {
  const url = await databaseOf(t)
  const acknowledged = (await Promise.all([1, 2, 3].map(async () => {
    const child = spawn(process.execPath, [...process.execArgv, writer, url], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ids: string[] = []
    for await (const id of createInterface({ input: child.stdout })) {
      ids.push(id)
      if (ids.length === 20) child.kill('SIGKILL')
    }
    t.ok(ids.length >= 20)
    return ids
  }))).flat()
  const stores = await createPostgresStores(url)
  t.teardown(() => stores.close())
  for (const id of acknowledged) t.ok(await stores.items.get(id), id)
})

t.test('migrations go up, down one by one, and up again', { skip }, async (t) => {
  const db = await openPostgres(await databaseOf(t))
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  const whole = await tablesOf(db)
  const migrator = createMigrator(db)
  for (let left = (await migrator.getMigrations()).length; left > 0; left--) t.equal((await migrator.migrateDown()).error, undefined)
  t.same(await tablesOf(db), [])
  await migrateToLatest(db)
  await migrateToLatest(db)
  t.same(await tablesOf(db), whole)
})

t.test('a stricter isolation, as the standard of a database, changes nothing: races are judged, not refused', { skip }, async (t) => {
  const url = await databaseOf(t)
  const db = await openPostgres(url)
  await sql`alter database ${sql.id(new URL(url).pathname.slice(1))} set default_transaction_isolation = 'serializable'`.execute(db)
  await db.destroy()
  const stores = await createPostgresStores(url)
  t.teardown(() => stores.close())
  await Promise.all(Array.from({ length: 10 }, () => stores.ping()))
  for (const { title, check } of storeContract.filter(({ title }) => /of 100 parallel|demote each other|take a name at once/.test(title))) {
    await t.test(title, () => check(stores))
  }
})

t.test('text is ordered by its bytes, whatever the order of the database', { skip }, async (t) => {
  const db = await openPostgres(await databaseOf(t))
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  const { rows } = await sql<{ name: string }>`select table_name || '.' || column_name as name from information_schema.columns
    where table_schema = 'public' and table_name not like 'kysely%' and data_type = 'text' and collation_name is distinct from 'C'`.execute(db)
  t.same(rows, [])
})

t.test('a migration that fails leaves nothing behind and says which it was', { skip }, async (t) => {
  const db = await openPostgres(await databaseOf(t))
  t.teardown(() => db.destroy())
  await sql`create table api_keys (id text)`.execute(db)
  const error = await migrateToLatest(db).then(() => null, (error: Error) => error)
  t.match(error, { message: /0003_api_keys/, cause: Error })
  t.same(await tablesOf(db), ['api_keys'], 'the migrations before it are undone as well')
})

t.test('R066 a revocation whose transaction ends after younger ones is read by whoever read those', { skip }, async (t) => {
  const url = await databaseOf(t)
  const stores = await createPostgresStores(url)
  const other = await createPostgresStores(url)
  t.teardown(() => Promise.all([stores.close(), other.close()]))
  const now = new Date()
  const revocationOf = (id: string) => ({ kind: 'token' as const, id, issuedBefore: null, expiresAt: inSeconds(900) })
  const [added, readOn] = [gate(), gate()]
  const late = stores.transaction(async ({ revocations }) => {
    await revocations.add([revocationOf('late')])
    added.open()
    await readOn.opened
  })
  await added.opened
  const idsOf = async (cursor: string | null) => {
    const read = await other.revocations.since(cursor, now)
    return { ids: read.revocations.map(({ id }) => id), cursor: read.cursor }
  }
  await other.revocations.add([revocationOf('young')])
  const before = await idsOf(null)
  t.same(before.ids, ['young'])
  await other.revocations.add([revocationOf('younger')])
  const between = await idsOf(before.cursor)
  t.ok(between.ids.includes('younger') && !between.ids.includes('late'))
  readOn.open()
  await late
  const after = await idsOf(between.cursor)
  t.ok(after.ids.includes('late'))
  // As long as somebody else on this server has a transaction that began before, more is read again.
  let last = after
  for (let times = 0; times === 0 || (last.ids.length > 1 && times < 100); times += 1) {
    await other.revocations.add([revocationOf(`last ${String(times)}`)])
    last = await idsOf(last.cursor)
    await setTimeout(20)
  }
  t.match(last.ids, [/^last \d+$/], 'and what is behind every transaction is not read again')
  t.equal(last.ids.length, 1)
})

t.test('R143 a login and a log-out everywhere that meet leave nothing open, whichever is committed first', { skip }, async (t) => {
  const url = await databaseOf(t)
  const stores = await createPostgresStores(url)
  const other = await createPostgresStores(url)
  t.teardown(() => Promise.all([stores.close(), other.close()]))
  const soon = { idleExpiresAt: inSeconds(60), absoluteExpiresAt: inSeconds(60) }

  /** What `tokens.open` does with a proof that began before; `hold` before its commit. */
  const logIn = (subject: string, provedAt: Date, hold = async (): Promise<void> => undefined) => stores.transaction(async ({ refreshTokens, revocations }) => {
    await refreshTokens.create({ digest: digestOf(), clientId: 'web', subject, scopes: [], ...soon })
    if (await revocations.isRevoked({ tokenId: '', familyId: null, subject, clientId: null, issuedAt: provedAt }, new Date())) throw new Error('logged out')
    await hold()
  })
  const logOut = (subject: string, hold = async (): Promise<void> => undefined) => other.transaction(async ({ refreshTokens, revocations }) => {
    await refreshTokens.revokeBySubject(subject)
    await revocations.add([{ kind: 'subject', id: subject, issuedBefore: new Date(), expiresAt: inSeconds(900) }])
    await hold()
  })

  for (const [title, first, second] of [
    ['the login', (hold: () => Promise<void>, at: Date) => logIn('alice', at, hold), () => logOut('alice')],
    ['the log-out', (hold: () => Promise<void>) => logOut('bob', hold), (at: Date) => logIn('bob', at)]
  ] as const) {
    await t.test(title, async (t) => {
      const provedAt = inSeconds(-1)
      const [begun, goOn] = [gate(), gate()]
      const one = first(async () => { begun.open(); await goOn.opened }, provedAt)
      await begun.opened
      const two = second(provedAt).catch(() => undefined)
      await setTimeout(200)
      goOn.open()
      await Promise.all([one, two])
      for (const subject of ['alice', 'bob']) t.same((await other.refreshTokens.listBySubject(subject)).items, [])
    })
  }
})

t.test('R106 a key that is made or rotated while its owner is turned off does not stay, whichever is committed first', { skip }, async (t) => {
  const url = await databaseOf(t)
  const [stores, other] = [await createPostgresStores(url), await createPostgresStores(url)]
  t.teardown(() => Promise.all([stores.close(), other.close()]))
  for (const rotates of [false, true]) {
    for (const isFirst of [false, true]) {
      await t.test(`${rotates ? 'rotated' : 'made'}, ${isFirst ? 'before' : 'after'}`, async (t) => {
        const { id: owner } = await stores.users.create(userOf(`alice-${String(rotates)}-${String(isFirst)}`))
        const old = await stores.apiKeys.create(keyOf(owner))
        const [begun, goOn] = [gate(), gate()]
        const hold = async (): Promise<void> => { begun.open(); await goOn.opened }
        const make = async (hold?: () => Promise<void>) => stores.transaction(async ({ apiKeys }) => {
          if (rotates) await apiKeys.rotate(old.id, owner, { ...keyOf(owner), overlapSeconds: 60 })
          else await apiKeys.create(keyOf(owner))
          await hold?.()
        })
        const disable = async (hold?: () => Promise<void>) => other.transaction(async ({ apiKeys, users }) => {
          await users.update(owner, { disabled: true })
          await apiKeys.revokeByOwner(owner)
          await hold?.()
        })
        const one = isFirst ? make(hold) : disable(hold)
        await begun.opened
        const two = (isFirst ? disable() : make()).catch(() => undefined)
        await setTimeout(200)
        goOn.open()
        await Promise.all([one, two])
        const { items } = await stores.apiKeys.listByOwner(owner)
        t.same(items.filter(({ revoked_at: revokedAt }) => revokedAt === null), [])
      })
    }
  }
})

t.test('R007 R005 a failing engine is 503 with its own words for the log only', { skip }, async (t) => {
  const db = await openPostgres(await databaseOf(t))
  t.teardown(() => db.destroy())
  const error = await createSqlStores(db).users.findByName('alice').then(() => null, (error) => error)
  t.match(error, { code: 'unavailable', statusCode: 503, retryAfterSeconds: 1, reason: /PostgreSQL/, cause: /does not exist/ })
  t.notMatch(`${error?.message} ${error?.detail}`, /exist/)
})

t.test('R007 no server is 503', async (t) => {
  const db = await openPostgres('postgres://nobody:secret-word@127.0.0.1:1/none')
  t.teardown(() => db.destroy())
  const error = await createSqlStores(db).ping().then(() => null, (error) => error)
  t.match(error, { code: 'unavailable', statusCode: 503 })
  t.notMatch(JSON.stringify([error, String(error.cause)]), /secret-word/)
})

t.test('R007 a server that hangs is 503 in bounded time, in a transaction too, and is used again when it answers', { skip, timeout: 60_000 }, async (t) => {
  const url = await databaseOf(t)
  const proxy = await tcpProxy(t, url)
  const stores = await createPostgresStores(proxy.before(url))
  t.teardown(() => stores.close())
  await stores.users.create(userOf('alice'))
  await proxy.become('hang')
  const start = performance.now()
  const calls = [() => stores.users.findByName('alice'), () => stores.users.create(userOf('bob')), () => stores.transaction(async ({ items }) => items.list())]
  for (const error of await Promise.all(calls.map((call) => call().then(() => null, (error) => error)))) t.match(error, { code: 'unavailable', statusCode: 503 })
  t.ok(performance.now() - start < 10_000, `${performance.now() - start} ms`)
  await proxy.become('pass')
  t.match(await stores.users.findByName('alice'), { username: 'alice' })
})

t.test('R007 connections that break are 503 at most once each, and nothing is left of what was not committed', { skip }, async (t) => {
  const url = await databaseOf(t)
  const proxy = await tcpProxy(t, url)
  const stores = await createPostgresStores(proxy.before(url))
  t.teardown(() => stores.close())
  const lost = stores.transaction(async ({ items }) => {
    await items.create({ owner: 'alice', title: 'lost' })
    proxy.cut()
    await items.list()
  })
  await t.rejects(lost, { code: 'unavailable' })
  t.same(await stores.items.list(), { items: [] })
})

t.test('R007 what broke a transaction is told, not that it could not be taken back', { skip }, async (t) => {
  const url = await databaseOf(t)
  const proxy = await tcpProxy(t, url)
  const stores = await createPostgresStores(proxy.before(url))
  t.teardown(() => stores.close())
  await t.rejects(stores.transaction(async ({ items }) => {
    proxy.cut()
    await items.list()
  }), { code: 'unavailable', reason: /store failed/, cause: Error })
})

t.test('a transaction in which a failure was passed over is not acknowledged: the server takes it back', { skip }, async (t) => {
  const url = await databaseOf(t)
  const stores = await createPostgresStores(url)
  const other = await openPostgres(url)
  t.teardown(() => Promise.all([stores.close(), other.destroy()]))
  const { id } = await stores.users.create(userOf('alice'))
  await other.transaction().execute(async (transaction) => {
    await transaction.updateTable('users').set({ email: 'x' }).where('id', '=', id).execute()
    await t.rejects(stores.transaction(async ({ items, users }) => {
      await items.create({ owner: 'alice', title: 'lost' })
      await users.update(id, { disabled: true }).catch(() => undefined)
    }), { code: 'unavailable', reason: /took the transaction back/ })
  })
  t.same(await stores.items.list(), { items: [] })
})

t.test('the state is told: down where a connection breaks or none is to be had, up with any answer, and busy is neither', { skip, timeout: 60_000 }, async (t) => {
  const url = await databaseOf(t)
  const proxy = await tcpProxy(t, url)
  const states: boolean[] = []
  const stores = await createPostgresStores(proxy.before(url), (isUp) => { if (states.at(-1) !== isUp) states.push(isUp) })
  t.teardown(() => stores.close())
  t.same(states, [true])
  const failing = async (): Promise<void> => { await t.rejects(stores.ping(), { code: 'unavailable' }) }
  proxy.cut()
  await stores.ping().catch(() => undefined)
  await stores.ping()
  states.splice(0)
  await proxy.become('refuse')
  await failing()
  t.same(states, [false])
  await proxy.become('pass')
  await stores.ping()
  t.same(states, [false, true])
  const [held, goOn] = [gate(), gate()]
  let holding = 10
  const holders = Array.from({ length: holding }, () => stores.transaction(async ({ items }) => {
    await items.list()
    if (--holding === 0) held.open()
    await goOn.opened
  }))
  await held.opened
  await failing()
  goOn.open()
  await Promise.all(holders)
  t.same(states, [false, true])
})

t.test('R007 who waits for a lock gives up in bounded time', { skip, timeout: 30_000 }, async (t) => {
  const url = await databaseOf(t)
  const [stores, other] = [await createPostgresStores(url), await openPostgres(url)]
  t.teardown(() => Promise.all([stores.close(), other.destroy()]))
  const { id } = await stores.users.create(userOf('alice'))
  await other.transaction().execute(async (transaction) => {
    await transaction.updateTable('users').set({ email: 'x' }).where('id', '=', id).execute()
    await t.rejects(stores.users.update(id, { disabled: true }), { code: 'unavailable', cause: /lock timeout/ })
    t.match(await stores.users.findById(id), { id }, 'who only reads does not wait')
  })
  t.match(await stores.users.update(id, { disabled: true }), { disabled: true })
})

t.test('without the driver the start stops and names the package to install', async (t) => {
  const module = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`
  const hook = module(`export function resolve (specifier, context, next) {
    if (specifier !== 'pg') return next(specifier, context)
    throw Object.assign(new Error('not found'), { code: 'ERR_MODULE_NOT_FOUND' })
  }`)
  const preload = module(`import { register } from 'node:module'; register(${JSON.stringify(hook)})`)
  const child = spawn(process.execPath, [...process.execArgv, '--import', preload, writer, 'postgres://127.0.0.1:1/none'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  for await (const chunk of child.stderr.setEncoding('utf8')) output += String(chunk)
  t.match(output, /GATEHOUSE_PEER_MISSING/)
  t.match(output, /npm install pg/)
})

t.test('the plugin migrates, decorates app.stores and closes with the server', { skip }, async (t) => {
  const app = Fastify()
  await app.register(storesPlugin, Object.freeze({ url: await databaseOf(t) }))
  await app.stores.ping()
  await app.stores.users.create(userOf('alice'))
  await app.close()
  await t.rejects(app.stores.ping())
})

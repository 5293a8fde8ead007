// The SQLite stores: the contract, and what is SQLite's own.
import { spawn } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from '@photostructure/sqlite'
import Fastify from 'fastify'
import { sql } from 'kysely'
import t from 'tap'
import type { Test } from 'tap'
import { stores as storesPlugin } from '../../plugins/stores.ts'
import type { Stores, StoresOptions } from '../../plugins/stores.ts'
import { createMigrator, migrateToLatest } from '../../stores/migrate.ts'
import { createSqlStores } from '../../stores/sql.ts'
import { createSqliteStores, openSqlite } from '../../stores/sqlite.ts'
import { firstUuidV7, timeOfUuidV7, UUID_V7, uuidV7 } from '../../stores/uuid-v7.ts'
import { storeContract } from '../../testing/store-contract.ts'
import { digestOf, inSeconds, userOf } from '../../testing/stores/check.ts'
import { tablesOf } from './fixtures/tables.ts'

const fileOf = (t: Test): string => join(t.testdir({}), 'data', 'test.sqlite')

/** The lines of a process that does `work` at the moment at which all do that were started together. */
async function run (work: string, ...args: string[]): Promise<string[]> {
  const child = spawn(process.execPath, [...process.execArgv, join(import.meta.dirname, 'fixtures/rival.ts'), work, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) lines.push(line)
  return lines
}

t.test('SQLite keeps the contract of the stores', async (t) => {
  for (const { title, check } of storeContract) {
    t.test(title, async (t) => {
      const stores = await createSqliteStores(fileOf(t))
      t.teardown(() => stores.close())
      await check(stores)
    })
  }
})

t.test('a write is on the disk when it is acknowledged: WAL, synchronous FULL; foreign keys hold; no statement writes the schema itself', async (t) => {
  const db = await openSqlite(fileOf(t))
  t.teardown(() => db.destroy())
  const pragma = async (name: string) => Object.values((await sql`pragma ${sql.raw(name)}`.execute(db)).rows[0] ?? {})[0]
  t.equal(await pragma('journal_mode'), 'wal')
  t.equal(await pragma('synchronous'), 2)
  t.equal(await pragma('foreign_keys'), 1)
  t.equal(await pragma('busy_timeout'), 2000)
  t.equal(await pragma('trusted_schema'), 0)
  await pragma('writable_schema = on')
  await t.rejects(sql`delete from sqlite_schema`.execute(db), { cause: /may not be modified/ })
})

t.test('three processes start at once on one new file; what each had acknowledged before SIGKILL is there after it', async (t) => {
  const file = fileOf(t)
  const writer = join(import.meta.dirname, 'fixtures/writer.ts')
  const acknowledged = (await Promise.all([1, 2, 3].map(async () => {
    const child = spawn(process.execPath, [...process.execArgv, writer, file], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ids: string[] = []
    for await (const id of createInterface({ input: child.stdout })) {
      ids.push(id)
      if (ids.length === 20) child.kill('SIGKILL')
    }
    t.ok(ids.length >= 20)
    return ids
  }))).flat()
  const stores = await createSqliteStores(file)
  t.teardown(() => stores.close())
  for (const id of acknowledged) t.ok(await stores.items.get(id), id)
})

t.test('without the driver the start stops and names the package to install', async (t) => {
  const module = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`
  const hook = module(`export function resolve (specifier, context, next) {
    if (specifier !== '@photostructure/sqlite') return next(specifier, context)
    throw Object.assign(new Error('not found'), { code: 'ERR_MODULE_NOT_FOUND' })
  }`)
  const preload = module(`import { register } from 'node:module'; register(${JSON.stringify(hook)})`)
  const writer = join(import.meta.dirname, 'fixtures/writer.ts')
  const child = spawn(process.execPath, [...process.execArgv, '--import', preload, writer, fileOf(t)], { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  for await (const chunk of child.stderr.setEncoding('utf8')) output += String(chunk)
  t.match(output, /GATEHOUSE_PEER_MISSING/)
  t.match(output, /npm install @photostructure\/sqlite/)
})

t.test('only the owner may read the files, journals included', { skip: process.platform === 'win32' }, async (t) => {
  const file = fileOf(t)
  const stores = await createSqliteStores(file)
  t.teardown(() => stores.close())
  await stores.users.create(userOf('alice'))
  const directory = join(file, '..')
  t.equal((await stat(directory)).mode & 0o777, 0o700)
  const files = await readdir(directory)
  t.same(files.sort(), ['test.sqlite', 'test.sqlite-shm', 'test.sqlite-wal'])
  for (const name of files) t.equal((await stat(join(directory, name))).mode & 0o777, 0o600, name)
})

t.test('migrations go up, down one by one, and up again', async (t) => {
  const db = await openSqlite(fileOf(t))
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  const whole = await tablesOf(db)
  t.same(whole, ['api_keys', 'audit_chain', 'audit_events', 'audit_pruning', 'clients', 'items', 'kept_roles', 'login_attempts', 'refresh_families', 'refresh_tokens', 'revocations', 'sessions', 'signing_keys', 'user_roles', 'users'])
  const migrator = createMigrator(db)
  const steps = await migrator.getMigrations()
  for (const { name } of [...steps].reverse()) {
    t.match(await migrator.migrateDown(), { error: undefined, results: [{ migrationName: name, status: 'Success' }] })
    if (name.startsWith('0004')) t.same(await tablesOf(db), ['api_keys', 'items', 'users'], 'what the first release had')
  }
  t.same(await tablesOf(db), [])
  await migrateToLatest(db)
  await migrateToLatest(db)
  t.same(await tablesOf(db), whole)
})

t.test('a database of the first release keeps what is in it', async (t) => {
  const file = fileOf(t)
  const db = await openSqlite(file)
  t.match(await createMigrator(db).migrateTo('0003_api_keys'), { error: undefined })
  const time = new Date().toISOString()
  const people = Array.from({ length: 2500 }, (_, n) => ({
    id: uuidV7(), username: `u${n}`, username_key: `u${n}`, email: 'a@mail.example', full_name: null, password_hash: 'x', disabled: 0 as const,
    roles: JSON.stringify(n === 0 ? ['admin', 'editor', 'admin'] : n === 1 ? [] : ['editor']), created_at: time
  }))
  for (let start = 0; start < people.length; start += 500) await db.insertInto('users').values(people.slice(start, start + 500)).execute()
  await sql`insert into api_keys (id, owner, name, scopes, digest, hint, created_at, expires_at) values ('aaaaaaaaaaaa', 'alice', 'ci', '[]', 'd', 'h', ${time}, '2999-01-01T00:00:00.000Z')`.execute(db)
  await db.destroy()
  const stores = await createSqliteStores(file)
  t.teardown(() => stores.close())
  t.same([await stores.users.countByRole('admin'), await stores.users.countByRole('editor')], [1, 2499])
  t.match(await stores.users.findByName('u0'), { id: people[0]?.id, roles: ['admin', 'editor', 'admin'] })
  t.equal(await stores.users.update(people[0]?.id ?? '', { disabled: true }, { keepOne: 'admin' }), 'last')
  t.match(await stores.apiKeys.findActive('aaaaaaaaaaaa'), { apiKey: { owner: 'alice', client_id: null, limit: null, last_used_at: null } })
})

t.test('a migration that fails leaves nothing behind and says which it was', async (t) => {
  const db = await openSqlite(fileOf(t))
  t.teardown(() => db.destroy())
  await sql`create table api_keys (id text)`.execute(db)
  const error = await migrateToLatest(db).then(() => null, (error: Error) => error)
  t.match(error, { message: /0003_api_keys/, cause: Error })
  t.same(await tablesOf(db), ['api_keys'], 'the migrations before it are undone as well')
})

t.test('a name is unique between connections', async (t) => {
  const file = fileOf(t)
  const [one, other] = [await createSqliteStores(file), await createSqliteStores(file)]
  t.teardown(() => Promise.all([one.close(), other.close()]))
  await one.users.create(userOf('alice'))
  await t.rejects(other.users.create(userOf('ALICE')), { code: 'conflict' })
})

t.test('R140 of 100 uses of a refresh token by four processes one is rotated, and the others get its answer', async (t) => {
  const file = fileOf(t)
  const stores = await createSqliteStores(file)
  t.teardown(() => stores.close())
  const digest = digestOf()
  await stores.refreshTokens.create({ digest, clientId: 'demo', subject: 'alice', scopes: [], idleExpiresAt: inSeconds(60), absoluteExpiresAt: inSeconds(60) })
  const outcomes = (await Promise.all([1, 2, 3, 4].map((n) => run('rotate', file, digest, String(n))))).flat()
  t.equal(outcomes.length, 100)
  const [rotated, ...more] = outcomes.filter((outcome) => outcome.startsWith('rotated '))
  t.same(more, [])
  t.equal(outcomes.filter((outcome) => outcome === `replayed ${rotated?.split(' ')[1]}`).length, 99)
})

t.test('of administrators that processes demote at once, one stays', async (t) => {
  const file = fileOf(t)
  const stores = await createSqliteStores(file)
  t.teardown(() => stores.close())
  const ids = []
  for (const name of ['one', 'two', 'three']) ids.push((await stores.users.create(userOf(name, ['admin']))).id)
  const outcomes = (await Promise.all(ids.map((id) => run('demote', file, id)))).flat()
  t.same(outcomes.sort(), ['done', 'done', 'last'])
  t.equal(await stores.users.countByRole('admin'), 1)
})

t.test('what was written is there after a restart', async (t) => {
  const file = fileOf(t)
  const before = await createSqliteStores(file)
  const user = await before.users.create(userOf('alice'))
  await before.close()
  const after = await createSqliteStores(file)
  t.teardown(() => after.close())
  t.same(await after.users.findByName('alice'), user)
})

t.test('a transaction that fails is rolled back, and others wait for their turn', async (t) => {
  const db = await openSqlite(fileOf(t))
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  const { items } = createSqlStores(db)
  const failing = db.transaction().execute(async (transaction) => {
    await createSqlStores(transaction).items.create({ owner: 'a', title: 'lost' })
    throw new Error('no')
  })
  const other = items.create({ owner: 'a', title: 'kept' })
  await t.rejects(failing, { message: 'no' })
  await other
  t.same((await items.list()).items.map(({ title }) => title), ['kept'])
})

t.test('a transaction holds the place of the writer from its start, so that what it read is still so when it writes', async (t) => {
  const file = fileOf(t)
  const db = await openSqlite(file)
  const other = new DatabaseSync(file, { timeout: 0 })
  t.teardown(() => { other.close(); return db.destroy() })
  await db.transaction().execute(async () => {
    t.throws(() => { other.exec('begin immediate') }, { message: /locked/ })
  })
  other.exec('begin immediate; rollback')
})

t.test('R007 R005 a failing engine is 503 with its own words for the log only', async (t) => {
  const db = await openSqlite(fileOf(t))
  t.teardown(() => db.destroy())
  const error = await createSqlStores(db).users.findByName('alice').then(() => null, (error) => error)
  t.match(error, { code: 'unavailable', statusCode: 503, retryAfterSeconds: 1, reason: /SQLite/, cause: /no such table/ })
  t.notMatch(`${error?.message} ${error?.detail}`, /no such table/)
})

t.test('R007 a full disk is 503 for what is written, nothing is torn, and what is read goes on', async (t) => {
  const states: boolean[] = []
  const db = await openSqlite(fileOf(t), (isUp) => { if (states.at(-1) !== isUp) states.push(isUp) })
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  const stores = createSqlStores(db)
  const kept = await stores.items.create({ owner: 'alice', title: 'kept' })
  const limit = async (pages: number): Promise<void> => { await sql`pragma max_page_count = ${sql.lit(pages)}`.execute(db) }
  const large = { owner: 'alice', title: 'x'.repeat(200), description: 'y'.repeat(2000) }
  const fill = async ({ items }: Pick<Stores, 'items'>): Promise<void> => { for (;;) await items.create(large) }
  await limit(1)
  await t.rejects(fill(stores), { code: 'unavailable', statusCode: 503, cause: /full/ })
  t.equal(states.at(-1), false)
  const { length } = (await stores.items.list({ limit: 100 })).items

  await t.rejects(stores.transaction(fill), { code: 'unavailable', cause: /full/ }, 'the reason, not that nothing is left to take back')
  await t.rejects(stores.transaction(async (inside) => {
    await fill(inside).catch(() => undefined)
    await inside.users.create(userOf('torn')).catch(() => undefined)
  }), { code: 'unavailable', reason: /took the transaction back/ })
  await t.rejects(stores.transaction(async (inside) => {
    await fill(inside).catch(() => undefined)
    await inside.items.remove(kept.id)
  }), { code: 'unavailable', reason: /took the transaction back/ })
  t.equal((await stores.items.list({ limit: 100 })).items.length, length, 'nothing is there of what was refused')
  t.match(await stores.items.get(kept.id), { title: 'kept' }, 'nor of what came after it in the transaction')
  t.equal(await stores.users.findByName('torn'), null)
  t.equal(states.at(-1), false, 'reading does not tell that writing works')

  await limit(100_000)
  await stores.transaction(async ({ users }) => { await users.create(userOf('alice')) })
  t.equal(states.at(-1), true)
})

for (const [title, options] of Object.entries({
  'no file': {},
  'an empty file': { file: '' },
  'a file and a url': { file: ':memory:', url: 'postgres://127.0.0.1/x' },
  'a url of something else': { url: 'mysql://127.0.0.1/x' },
  'a url that is none': { url: 'not-a-url' },
  'a url that is no text': { url: new URL('postgres://127.0.0.1/x') },
  'a file that is no text': { file: 7 },
  'an unknown option': { file: ':memory:', path: 'x' }
})) {
  t.test(`${title} is refused at boot`, async (t) => {
    const app = Fastify()
    await t.rejects(Promise.resolve(app.register(storesPlugin, options as StoresOptions)), { code: 'GATEHOUSE_OPTION_INVALID', message: /stores\.(file|url|path)/ })
  })
}

t.test('the plugin migrates, decorates app.stores and closes with the server', async (t) => {
  const app = Fastify()
  await app.register(storesPlugin, Object.freeze({ file: ':memory:' }))
  await app.stores.ping()
  await app.stores.users.create(userOf('alice'))
  await app.close()
  await t.rejects(app.stores.ping())
})

t.test('a UUIDv7 (RFC 9562) holds the time, and every one is greater than the one before', async (t) => {
  const now = Date.now() + 60_000
  const ids = [
    ...Array.from({ length: 20_000 }, () => uuidV7(now)),
    ...Array.from({ length: 100 }, () => uuidV7(now - 50_000))
  ]
  t.ok(ids.every((id) => UUID_V7.test(id)))
  t.same([...ids].sort(), ids, 'within a millisecond, when its counter runs over, and when the clock steps back')
  t.equal(new Set(ids).size, ids.length)
  t.same(timeOfUuidV7(ids[0] ?? ''), new Date(now))
  t.ok(firstUuidV7(new Date(now)) <= (ids[0] ?? '') && (ids[0] ?? '') < firstUuidV7(new Date(now + 1)), 'a span of time is a span of ids')
})

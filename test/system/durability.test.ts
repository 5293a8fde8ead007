// SIGKILL while several clients write: what was acknowledged is there when the service starts again. The service is a
// process of its own; this one keeps the list of what it acknowledged.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import t from 'tap'
import { openSqlite } from '../../stores/sqlite.ts'
import { createLedger, password, randomFrom } from '../fixtures/ledger.ts'
import { buildServer, spawnServer, startServer } from '../fixtures/process.ts'
import { createDatabase, noServer } from '../stores/fixtures/postgres.ts'
import type { Test } from 'tap'

const SEED = 20_261_122
const ROUNDS = Number(process.env['DURABILITY_ROUNDS'] ?? 20)
const directory = t.testdir({ build: {}, data: {} })
const random = randomFrom(SEED)
const dataOf = (engine: string): string => join(directory, 'data', engine)

t.setTimeout(300_000 + ROUNDS * 30_000)
t.before(async () => { await buildServer(join(directory, 'build')) })
const server = join(directory, 'build/server.js')

/** What starts a service on an engine, for one test. */
const engines: [string, string | false, (t: Test) => Promise<Record<string, string>>][] = [
  ['SQLite', false, async () => ({})],
  ['PostgreSQL', noServer, async (t) => {
    const { url, drop } = await createDatabase()
    t.teardown(drop)
    return { DATABASE_URL: url }
  }]
]

for (const [engine, skip, prepare] of engines) {
  t.test(engine, { skip }, async (t) => {
    const environment = { DATA_DIR: dataOf(engine), PUBLIC_URL: 'https://demo.example', ADMIN_USERNAME: 'root', ADMIN_PASSWORD: password, ...await prepare(t) }

    await t.test('SIGKILL while it starts for the first time leaves something that starts', async (t) => {
      for (let round = 0; round < 3; round += 1) {
        const starting = spawnServer(server, { NODE_ENV: 'test', LOG_LEVEL: 'silent', PORT: '0', ...environment })
        await sleep(200 + random() * 1000)
        starting.child.kill('SIGKILL')
        await starting.ended
        t.equal(starting.stderr(), '')
      }
    })

    const ledger = createLedger(random)
    await t.test(`R140 SIGKILL ${String(ROUNDS)} times while ${String(ledger.clients)} clients write loses nothing that was acknowledged`, async (t) => {
      t.comment(`seed ${String(SEED)}`)
      for (let round = 1; round <= ROUNDS; round += 1) {
        const running = await startServer(server, environment)
        t.teardown(() => running.child.kill('SIGKILL'))
        await ledger.verify(t, running.url)
        const { begun, ended } = ledger.write(running.url)
        await begun
        const milliseconds = Math.round(random() * 700)
        await sleep(milliseconds)
        running.child.kill('SIGKILL')
        t.same(await running.ended, { code: null, signal: 'SIGKILL' }, `killed after ${String(milliseconds)} ms`)
        await ended
      }
      const last = await startServer(server, environment)
      t.teardown(() => last.child.kill('SIGKILL'))
      await ledger.verify(t, last.url)
      t.comment(ledger.summary(t))
      last.child.kill('SIGTERM')
      t.same(await last.ended, { code: 0, signal: null })
    })
  })
}

t.test('the file of SQLite is whole', async (t) => {
  const db = await openSqlite(join(dataOf('SQLite'), 'gatehouse.sqlite'))
  t.teardown(() => db.destroy())
  const { rows } = await sql<object>`pragma integrity_check`.execute(db)
  t.strictSame(rows.map((row) => ({ ...row })), [{ integrity_check: 'ok' }])
})

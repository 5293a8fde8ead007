// How long the SQLite stores wait for another process, and that a start that fails closes what it opened.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseSync } from '@photostructure/sqlite'
import t from 'tap'
import { createSqliteStores, openSqlite } from '../../stores/sqlite.ts'
import type { Test } from 'tap'

t.jobs = 4

/** A file in a folder of its own. */
function fileOf (t: Test): string {
  const file = join(t.testdir({}), 'data', 'test.sqlite')
  mkdirSync(dirname(file))
  return file
}

const noDescriptors = process.platform === 'linux' ? false : 'what is open cannot be seen here'

/** How often this process has the file open. */
function opened (file: string): number {
  return readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`) === file
    } catch {
      return false
    }
  }).length
}

t.test('R007 who waits for a process that writes gives up in bounded time, and reads on', async (t) => {
  const file = fileOf(t)
  const stores = await createSqliteStores(file)
  const other = new DatabaseSync(file)
  t.teardown(() => { other.close(); return stores.close() })
  other.exec('begin immediate')
  const start = performance.now()
  await t.rejects(stores.items.create({ owner: 'alice', title: 'late' }), { code: 'unavailable', statusCode: 503, cause: /locked/ })
  const waited = performance.now() - start
  t.ok(waited > 1500 && waited < 10_000, `${String(waited)} ms`)
  t.same(await stores.items.list(), { items: [] })
  other.exec('rollback')
  t.match(await stores.items.create({ owner: 'alice', title: 'in time' }), { title: 'in time' })
})

t.test('a process that starts waits for the one that migrates, longer than a request would', async (t) => {
  const file = fileOf(t)
  const other = new DatabaseSync(file)
  t.teardown(() => { other.close() })
  other.exec('pragma journal_mode = wal; begin immediate')
  const child = spawn(process.execPath, [...process.execArgv, join(import.meta.dirname, 'fixtures/writer.ts'), file], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  const first = Promise.race([once(child.stdout, 'data').then(() => 'wrote'), once(child, 'exit').then(() => 'ended')])
  t.equal(await Promise.race([first, sleep(7500).then(() => 'waits')]), 'waits', errors)
  other.exec('rollback')
  t.equal(await first, 'wrote', errors)
})

t.test('a start on a file that is no database leaves nothing open', { skip: noDescriptors }, async (t) => {
  const file = fileOf(t)
  writeFileSync(file, 'no database\n'.repeat(100))
  await t.rejects(openSqlite(file), { message: /not a database/ })
  t.equal(opened(file), 0)
})

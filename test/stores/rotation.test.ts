// SIGKILL while refresh tokens are rotated, on both engines.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { openPostgres } from '../../stores/postgres.ts'
import { createSqlStores } from '../../stores/sql.ts'
import { openSqlite } from '../../stores/sqlite.ts'
import { digestOf } from '../../testing/stores/check.ts'
import { createDatabase, noServer } from './fixtures/postgres.ts'
import type { Kysely } from 'kysely'
import type { Test } from 'tap'
import type { Database } from '../../stores/tables.ts'

const KILLED_PROCESSES = 3

/** What a process had acknowledged before it was killed, at some moment of its work. */
async function rotateUntilKilled (place: string, milliseconds: number): Promise<string[]> {
  const child = spawn(process.execPath, [...process.execArgv, join(import.meta.dirname, 'fixtures/rotator.ts'), place], { stdio: ['ignore', 'pipe', 'inherit'] })
  const digests: string[] = []
  for await (const digest of createInterface({ input: child.stdout })) {
    if (digests.push(digest) === 20) void setTimeout(milliseconds).then(() => child.kill('SIGKILL'))
  }
  return digests
}

async function verify (t: Test, db: Kysely<Database>, digests: readonly string[]): Promise<void> {
  const { refreshTokens } = createSqlStores(db)
  const last = digests.at(-1) ?? ''
  const found = await refreshTokens.findByDigest(last)
  t.ok(found, `the last of ${digests.length} that were acknowledged is there`)
  const tokens = await db.selectFrom('refresh_tokens').selectAll().where('family_id', '=', found?.family.id ?? '').execute()
  const byDigest = new Map(tokens.map((token) => [token.digest, token]))
  t.same(digests.slice(0, -1).map((digest) => byDigest.get(digest)?.successor), digests.slice(1), 'each is used, and linked to the next')
  t.ok(tokens.filter(({ replay }) => replay !== null).length <= 1, 'of the answers at most the last one is kept')
  const [unused, ...more] = tokens.filter(({ used_at: usedAt }) => usedAt === null)
  t.same(more, [], 'one is not used')
  t.ok(unused?.digest === last || byDigest.get(last)?.successor === unused?.digest, 'the last one, or what came of it without an answer')
  t.equal(tokens.length, unused?.digest === last ? digests.length : digests.length + 1)
  const rotation = { clientId: 'demo', successorDigest: digestOf(), replay: null, now: new Date(), idleSeconds: 600, replaySeconds: 10 }
  t.equal((await refreshTokens.rotate({ ...rotation, digest: last })).outcome, unused?.digest === last ? 'rotated' : 'replayed', 'who never got the answer gets it now')
}

t.test('R140 SQLite: SIGKILL during rotation leaves the family consistent and loses no acknowledged token', { timeout: 90_000 }, async (t) => {
  const file = join(t.testdir({}), 'data', 'test.sqlite')
  for (let round = 0; round < KILLED_PROCESSES; round++) {
    const digests = await rotateUntilKilled(file, Math.random() * 50)
    const db = await openSqlite(file)
    await verify(t, db, digests)
    await db.destroy()
  }
})

t.test('R140 PostgreSQL: SIGKILL during rotation leaves the family consistent and loses no acknowledged token', { skip: noServer, timeout: 90_000 }, async (t) => {
  const { url, drop } = await createDatabase()
  t.teardown(drop)
  for (let round = 0; round < KILLED_PROCESSES; round++) {
    const digests = await rotateUntilKilled(url, Math.random() * 50)
    // The server may still be about to notice, and undoes what was not committed.
    await setTimeout(200)
    const db = await openPostgres(url)
    await verify(t, db, digests)
    await db.destroy()
  }
})

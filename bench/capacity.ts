// What a row of each kind costs on disk, and what one writer reaches once the tables are full: the figures of docs/deploy.md.
// `npx tsc -p tsconfig.bench.json && node .bench/bench/capacity.js [rows] [postgres://…]`: SQLite, or an empty PostgreSQL database.
import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { createApiKey } from '../credentials/api-keys.ts'
import { createRefreshToken, digestOfRefreshToken, sealReplay } from '../credentials/refresh-tokens.ts'
import { createSessionId, digestOfSessionId } from '../credentials/session-ids.ts'
import { createPostgresStores, openPostgres } from '../stores/postgres.ts'
import { createSqliteStores, openSqlite } from '../stores/sqlite.ts'
import type { Kysely } from 'kysely'
import type { Stores, StoreSet } from '../stores/ports.ts'
import type { Database } from '../stores/tables.ts'
import { temporaryDirectory } from './accounts.ts'

const BATCH = 250
const SECONDS = 3
const DAY_MS = 86_400_000

interface Engine {
  readonly name: string
  readonly stores: Stores
  readonly bytes: () => Promise<number>
}

type Fill = (stores: StoreSet, number: number) => Promise<unknown>

/** Subjects of the accounts that were made, for what belongs to them. */
const subjects: string[] = []
const subjectOf = (number: number): string => subjects[number % subjects.length] ?? 'nobody'
const later = (): Date => new Date(Date.now() + 30 * DAY_MS)
const families: string[] = []
const answer = JSON.stringify({ access_token: 'a'.repeat(620), token_type: 'Bearer', expires_in: 900, scope: 'me items:read items:write', refresh_token: 'r'.repeat(43) })

const refresh: Fill = async (stores, number) => {
  const at = number % families.length
  const [token = '', next] = [families[at], createRefreshToken()]
  const { outcome } = await stores.refreshTokens.rotate({ digest: digestOfRefreshToken(token), clientId: 'demo', successorDigest: digestOfRefreshToken(next), replay: sealReplay(token, answer), now: new Date(), idleSeconds: 1_000_000, replaySeconds: 10 })
  if (outcome !== 'rotated') throw new Error(outcome)
  families[at] = next
}

const kinds: [string, Fill][] = [
  ['an account', async (stores, number) => {
    const passwordHash = `$argon2id$v=19$m=19456,t=2,p=1$${randomBytes(16).toString('base64url')}$${randomBytes(32).toString('base64url')}`
    const user = await stores.users.create({ username: `person-${String(number)}`, email: `person-${String(number)}@example.com`, full_name: 'A Person Of Some Name', passwordHash, roles: ['editor'] })
    subjects.push(user.id)
  }],
  ['a session', async (stores, number) => await stores.sessions.create({ id: digestOfSessionId(createSessionId()), subject: subjectOf(number), authenticatedAt: new Date(), idleExpiresAt: later(), absoluteExpiresAt: later() })],
  ['a login by token', async (stores, number) => {
    const token = createRefreshToken()
    await stores.refreshTokens.create({ digest: digestOfRefreshToken(token), clientId: 'demo', subject: subjectOf(number), scopes: ['me', 'items:read', 'items:write'], idleExpiresAt: later(), absoluteExpiresAt: later() })
    families.push(token)
  }],
  ['its first refresh', refresh],
  ['each further refresh', refresh],
  ['an API key', async (stores, number) => {
    const { id, digest, hint } = createApiKey()
    await stores.apiKeys.create({ id, digest, hint, owner: subjectOf(number), name: 'A key for a script', scopes: ['items:read', 'items:write'] })
  }],
  ['an event of the audit log', async (stores, number) => await stores.audit.append({ event: 'authn_login_success', outcome: 'success', actor: subjectOf(number), target: subjectOf(number), ip: '198.51.100.7', method: 'POST', route: '/token', request_id: randomBytes(16).toString('hex'), details: {} })],
  ['an item', async (stores, number) => await stores.items.create({ owner: subjectOf(number), title: 'A lamp beside the harbour', description: 'Made of brass, and lit at dusk by whoever comes by.' })]
]

async function fill (stores: Stores, make: Fill, rows: number): Promise<void> {
  for (let from = 0; from < rows; from += BATCH) {
    await stores.transaction(async (inside) => {
      for (let number = from; number < Math.min(rows, from + BATCH); number += 1) await make(inside, number)
    })
  }
}

/** How often a second `work` was done, by so many at a time. */
async function rateOf (work: (number: number) => Promise<unknown>, parallel: number): Promise<number> {
  const end = performance.now() + SECONDS * 1000
  let begun = 0
  await Promise.all(Array.from({ length: parallel }, async () => {
    while (performance.now() < end) await work(begun++)
  }))
  return Math.round(begun / SECONDS)
}

async function sqlite (): Promise<Engine> {
  const file = join(temporaryDirectory(), 'capacity.sqlite')
  const stores = await createSqliteStores(file)
  const beside: Kysely<Database> = await openSqlite(file)
  return {
    name: 'SQLite',
    stores,
    bytes: async () => {
      await sql`pragma wal_checkpoint(truncate)`.execute(beside)
      return statSync(file).size
    }
  }
}

async function postgres (url: string): Promise<Engine> {
  const stores = await createPostgresStores(url)
  const beside: Kysely<Database> = await openPostgres(url)
  return {
    name: 'PostgreSQL',
    stores,
    bytes: async () => {
      const { rows: [row] } = await sql<{ size: string }>`select pg_database_size(current_database()) as size`.execute(beside)
      return Number(row?.size)
    }
  }
}

async function measure ({ name, stores, bytes }: Engine, rows: number): Promise<void> {
  subjects.length = families.length = 0
  for (const [kind, make] of kinds) {
    const before = await bytes()
    const start = performance.now()
    await fill(stores, make, rows)
    const seconds = (performance.now() - start) / 1000
    print(`${name}: ${kind}: ${String(Math.round((await bytes() - before) / rows))} bytes (${String(rows)} in ${seconds.toFixed(1)} s)`)
  }
  for (const parallel of [1, 10]) {
    print(`${name}, ${String(parallel)} at a time: ${String(await rateOf((number) => stores.users.findById(subjectOf(number * 7919)), parallel))} accounts read a second`)
    for (const [kind, make] of kinds.slice(1, 6)) print(`${name}, ${String(parallel)} at a time: ${kind}: ${String(await rateOf((number) => make(stores, number * 7919), parallel))} written a second`)
  }
}

function print (line: string): void {
  process.stdout.write(`${line}\n`)
}

const [rows = '200000', url] = process.argv.slice(2)
await measure(url === undefined ? await sqlite() : await postgres(url), Number(rows))
process.exit()

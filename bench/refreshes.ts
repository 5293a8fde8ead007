// What a refresh costs beside its own SQL: refreshes over HTTP, and the same statements in a loop without it.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createRefreshToken, digestOfRefreshToken, sealReplay } from '../credentials/refresh-tokens.ts'
import { createSqliteStores } from '../stores/sqlite.ts'
import { temporaryDirectory } from './accounts.ts'
import { pinned, withProcesses } from './measure.ts'
import { quartiles } from './statistics.ts'
import type { ChainsResult, ProbeOrder } from './probe-load.ts'

const RUNS = 3
const SECONDS = 3
const WARM_UP_SECONDS = 4
const CHAINS = 8
const DAY_MS = 86_400_000

export interface RefreshRates { readonly perSecond: number; readonly statementsPerSecond: number }

async function overHttp (): Promise<number> {
  return await withProcesses({ row: 'refreshes', load: 'probe-load.js', pinned }, async (ask) => {
    const drive = async (seconds: number): Promise<ChainsResult> => await ask<ChainsResult>((port) => ({ port, seconds, chains: CHAINS } satisfies ProbeOrder))
    await drive(WARM_UP_SECONDS)
    return (await drive(SECONDS)).perSecond
  })
}

/** What a refresh asks of the store, again and again: the token, its owner, the rotation. */
async function statements (): Promise<number> {
  const stores = await createSqliteStores(join(temporaryDirectory(), 'bench.sqlite'))
  const user = await stores.users.create({ username: 'alice', email: 'alice@example.com', full_name: null, passwordHash: 'none', roles: ['user'] })
  const absoluteExpiresAt = new Date(Date.now() + DAY_MS)
  let token = createRefreshToken()
  await stores.refreshTokens.create({ digest: digestOfRefreshToken(token), clientId: 'web', subject: user.id, scopes: ['items:read'], idleExpiresAt: absoluteExpiresAt, absoluteExpiresAt })
  const replay = sealReplay(token, 'an answer of the length that answers have '.repeat(16))
  const rotate = async (): Promise<void> => {
    const [digest, next] = [digestOfRefreshToken(token), createRefreshToken()]
    await stores.refreshTokens.findByDigest(digest)
    await stores.users.findById(user.id)
    await stores.refreshTokens.rotate({ digest, clientId: 'web', successorDigest: digestOfRefreshToken(next), replay, now: new Date(), idleSeconds: 3600, replaySeconds: 10 })
    token = next
  }
  const during = async (seconds: number): Promise<number> => {
    const end = performance.now() + seconds * 1000
    let done = 0
    for (; performance.now() < end; done += 1) await rotate()
    return done / seconds
  }
  await during(WARM_UP_SECONDS)
  return await during(SECONDS)
}

function apart (): number {
  const args = [fileURLToPath(import.meta.url)]
  const [command, ...rest] = pinned ? ['taskset', '-c', '0', process.execPath, ...args] : [process.execPath, ...args]
  return Number(execFileSync(command ?? process.execPath, rest))
}

/** Medians, in turns. */
export async function refreshRates (): Promise<RefreshRates> {
  const runs: RefreshRates[] = []
  for (let run = 0; run < RUNS; run += 1) runs.push({ perSecond: await overHttp(), statementsPerSecond: apart() })
  return {
    perSecond: quartiles(runs.map(({ perSecond }) => perSecond)).median,
    statementsPerSecond: quartiles(runs.map(({ statementsPerSecond }) => statementsPerSecond)).median
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(String(await statements()))
  process.exit()
}

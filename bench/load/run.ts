// `npm run bench:load` asks the demo for everything at once, at the rates of bench/load.json, and writes docs/load.md;
// `LOAD_MINUTES=1 npm run bench:load` is a first look, which writes nothing.
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import autocannon from 'autocannon'
import { machine } from '../machine.ts'
import { answerOf, start, stop } from '../measure.ts'
import { addressOf } from './people.ts'
import { readRates } from './rates.ts'
import { loadReport } from './report.ts'
import type { DriveOrder, KindResult } from './drive.ts'
import type { LimitRow } from './report.ts'
import type { Delay, Question } from './serve.ts'

const MAX_GROWTH = 0.05
const LIMIT_SECONDS = 10
const CONNECTIONS = 64
/** The demo ends a connection after 1,000. */
const REQUESTS_PER_CONNECTION = 900
/** More than can be answered in that time, so that nobody meets the limit. */
const STRANGERS = 640_000
const REDIS_URL = process.env.TEST_REDIS_URL ?? 'redis://127.0.0.1:6379'

const rates = readRates()
const tell = (line: string): void => { process.stdout.write(`${line}\n`) }

interface Loaded { readonly kinds: readonly KindResult[]; readonly delay: Delay; readonly heaps: readonly number[] }

async function underLoad (): Promise<Loaded> {
  const server = start('load/serve.js', null)
  const load = start('load/drive.js', null)
  const asking = async <T>(question: Question): Promise<T> => await answerOf<T>(server, { question })
  try {
    const [port] = await Promise.all([answerOf<number>(server), answerOf(load)])
    await asking({ people: rates.people })
    const driven = answerOf<KindResult[]>(load, { port, seconds: rates.minutes * 60 } satisfies DriveOrder)
    const begun = performance.now()
    const heaps: number[] = []
    for (const minute of rates.heapAtMinutes) {
      await sleep(Math.max(0, begun + minute * 60_000 - performance.now()))
      // Taken before the last collection, which holds the loop up as well.
      const delay = minute === rates.heapAtMinutes.at(-1) ? await asking<Delay>('delay') : null
      heaps.push(await asking<number>('heap'))
      tell(`minute ${minute.toFixed(1)}: heap ${((heaps.at(-1) ?? 0) / 1e6).toFixed(1)} MB`)
      if (delay !== null) return { kinds: await driven, delay, heaps }
    }
    throw new RangeError('bench/load.json: heapAtMinutes is empty')
  } finally {
    await Promise.all([stop(server), stop(load)])
  }
}

/** `GET /limited` by another address each time, as fast as it goes: what the count of a limit costs. */
async function limits (where: LimitRow['where'], redisUrl?: string): Promise<LimitRow> {
  if (redisUrl !== undefined) process.env.LOAD_REDIS_URL = redisUrl
  const server = start('load/serve.js', null)
  delete process.env.LOAD_REDIS_URL
  try {
    const port = await answerOf<number>(server)
    let made = 0
    const strangers = (): autocannon.Request[] => Array.from({ length: STRANGERS / CONNECTIONS }, () => ({ headers: { 'x-forwarded-for': addressOf(made++) } }))
    const result = await autocannon({
      url: `http://127.0.0.1:${String(port)}/limited`, connections: CONNECTIONS, duration: LIMIT_SECONDS, reconnectRate: REQUESTS_PER_CONNECTION,
      setupClient (client) { client.setRequests(strangers()) }
    })
    if (result.non2xx + result.errors > 0) throw new Error(`limits ${where}: ${String(result.non2xx)} answers were no success, ${String(result.errors)} failed`)
    return { where, perSecond: result.requests.average, p50: result.latency.p50, p99: result.latency.p99 }
  } finally {
    await stop(server)
  }
}

/** Where there is no Redis, or the demo takes none, the row says so and why. */
async function limitsOnRedis (): Promise<LimitRow> {
  try {
    return await limits('Redis', REDIS_URL)
  } catch (error) {
    return { where: 'Redis', missing: error instanceof Error ? error.message : String(error) }
  }
}

const { kinds, delay, heaps } = await underLoad()
const rows = [await limits('memory'), await limitsOnRedis()]
const growth = (heaps.at(-1) ?? NaN) / (heaps[0] ?? NaN) - 1
const text = loadReport({ machine: machine(), rates, kinds, delay, heaps, growth, maxGrowth: MAX_GROWTH, limits: rows })
if (process.env.LOAD_MINUTES === undefined) writeFileSync('docs/load.md', text)
else tell(text)
const missed = kinds.filter(({ asked, asExpected }) => asked === 0 || asExpected < asked).map(({ kind }) => kind)
if (missed.length > 0) tell(`answered otherwise: ${missed.join(', ')}`)
if (!(growth <= MAX_GROWTH)) tell(`the heap grew by ${(growth * 100).toFixed(1)} %`)
process.exit(missed.length > 0 || !(growth <= MAX_GROWTH) ? 1 : 0)

// The process under load: the demo, with people in it, and what it says of itself.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { buildApp } from '../../app.ts'
import { readConfiguration } from '../../config.ts'
import { temporaryDirectory } from '../accounts.ts'
import { nameOf, password } from './people.ts'
import type { AddressInfo } from 'node:net'

export type Question = { readonly people: number } | 'heap' | 'delay'
/** Milliseconds. */
export interface Delay { readonly p50: number; readonly p99: number; readonly max: number }

const RESOLUTION_MS = 10

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

// Every request says whose it is, so that limits by address hold for whom they are meant.
const configuration = readConfiguration({
  NODE_ENV: 'development', DATA_DIR: temporaryDirectory(), TRUSTED_PROXIES: '127.0.0.1', ...(process.env.LOAD_REDIS_URL === undefined ? {} : { REDIS_URL: process.env.LOAD_REDIS_URL })
})
const app = await buildApp(configuration)
await app.listen({ port: 0, host: '127.0.0.1' })
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
delay.enable()

async function answer (question: Question): Promise<unknown> {
  if (question === 'heap') {
    for (let round = 0; round < 3; round += 1) collect()
    return process.memoryUsage().heapUsed
  }
  if (question === 'delay') {
    const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
    return { p50: late(delay.percentile(50)), p99: late(delay.percentile(99)), max: late(delay.max) } satisfies Delay
  }
  for (let person = 0; person < question.people; person += 1) {
    await app.accounts.register({ username: nameOf(person), email: `${nameOf(person)}@example.com`, password })
  }
  delay.reset()
  return 'ready'
}

process.on('message', ({ question }: { question: Question }) => {
  answer(question).then((found) => process.send?.(found), (error: unknown) => { throw error })
})
process.on('disconnect', () => { process.exit() })
process.send?.((app.server.address() as AddressInfo).port)

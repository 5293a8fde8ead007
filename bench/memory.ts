// What a million strangers leave behind: distinct tokens at one guard, distinct addresses at one limit.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { guards } from '../plugins/guards.ts'
import { rateLimit } from '../plugins/rate-limit.ts'
import { captured, pass } from './hooks.ts'
import { tokenMaker } from './material.ts'
import { registerBearer, service } from './services.ts'

const MILLION = 1_000_000

const limited = service(async (app) => {
  await app.register(guards, { trustedProxies: ['127.0.0.1'] })
  await app.register(rateLimit)
  return [app.publicAccess('measured'), app.limit({ max: 5, timeWindow: '1 hour' })]
})
const bearer = service(async (app) => {
  await registerBearer(app, 'HS256')
  return app.bearer
})

/** Heap after a forced collection, in megabytes. */
function heap (): number {
  for (let round = 0; round < 3; round += 1) globalThis.gc?.()
  return process.memoryUsage().heapUsed / 1e6
}

async function grow (): Promise<Memory> {
  const tokenOf = tokenMaker('HS256')
  const tokens = await captured(bearer, { authorization: `Bearer ${tokenOf(0)}` })
  const addresses = await captured(limited, { 'x-forwarded-for': '10.0.0.1' })
  const start = heap()
  for (let number = 0; number < MILLION; number += 1) {
    tokens.request.raw.headers.authorization = `Bearer ${tokenOf(number)}`
    pass(tokens)
  }
  const afterTokens = heap()
  for (let number = 0; number < MILLION; number += 1) {
    addresses.request.raw.headers['x-forwarded-for'] = [11 + (number >> 24), (number >> 16) & 255, (number >> 8) & 255, number & 255].join('.')
    // Every answer has headers of its own; this one serves them all.
    addresses.reply.removeHeader('ratelimit').removeHeader('ratelimit-policy')
    pass(addresses)
  }
  const afterAddresses = heap()
  // What is measured must not have been collected.
  pass(tokens)
  return { start, afterTokens, afterAddresses }
}

/** Megabytes of heap. */
export interface Memory { readonly start: number; readonly afterTokens: number; readonly afterAddresses: number }

export function memoryAfterMillions (): Memory {
  return JSON.parse(execFileSync(process.execPath, ['--expose-gc', fileURLToPath(import.meta.url)], { env: { ...process.env, NODE_ENV: 'production' }, encoding: 'utf8' })) as Memory
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(JSON.stringify(await grow()))

// One measurement: a server and a load in processes of their own, each on a core of its own where the system can.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { ChildProcess } from 'node:child_process'
import type { LoadOrder, LoadResult } from './load.ts'

export interface Sample {
  /** CPU time of the server per request, in microseconds. */
  readonly microseconds: number
  readonly perSecond: number
}

export const pinned = availableParallelism() > 1 && spawnSync('taskset', ['-c', '0', 'true']).status === 0

export function start (script: string, core: number | null, ...words: readonly string[]): ChildProcess {
  const args = [fileURLToPath(new URL(script, import.meta.url)), ...words]
  const [command, ...rest] = core !== null ? ['taskset', '-c', String(core), process.execPath, ...args] : [process.execPath, ...args]
  return spawn(command ?? process.execPath, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, NODE_ENV: 'production' } })
}

/** The next message of `child`; an end before it is an error. */
export async function answerOf<T> (child: ChildProcess, question?: object): Promise<T> {
  const answer = Promise.race([
    once(child, 'message').then(([message]) => message as T),
    once(child, 'exit').then(([code]) => { throw new Error(`a process of the benchmark ended with ${String(code)}`) })
  ])
  if (question !== undefined) child.send(question)
  return await answer
}

export async function stop (child: ChildProcess): Promise<void> {
  if (!child.connected) return
  const ended = once(child, 'exit')
  child.disconnect()
  await ended
}

export interface Processes { readonly row: string; readonly served?: 'row' | 'bare'; readonly load?: string; readonly pinned: boolean }
/** Sends an order to the load, and gives its answer. */
export type Ask = <T>(order: (port: number) => object) => Promise<T>

/** Serves `row`, or bare Fastify in its place, with a load beside it, for as long as `work` takes. */
export async function withProcesses<T> ({ row, served = 'row', load: script = 'load.js', pinned: apart }: Processes, work: (ask: Ask, cpuTime: () => Promise<number>) => Promise<T>): Promise<T> {
  const server = start('serve.js', apart ? 0 : null, row, served)
  const load = start(script, apart ? 1 : null, row)
  try {
    const [port] = await Promise.all([answerOf<number>(server), answerOf(load)])
    return await work(async (order) => await answerOf(load, order(port)), async () => await answerOf<number>(server, {}))
  } finally {
    await Promise.all([stop(server), stop(load)])
  }
}

export interface Sampling { readonly seconds: number; readonly warmUpSeconds: number }

/** Serves `row`, or bare Fastify under the same requests, warms it up, and measures it for so many seconds. */
export async function sample (row: string, served: 'row' | 'bare', { seconds, warmUpSeconds }: Sampling): Promise<Sample> {
  return await withProcesses({ row, served, pinned }, async (ask, cpuTime) => {
    const drive = async (duration: number): Promise<LoadResult> => await ask<LoadResult>((port) => ({ port, seconds: duration } satisfies LoadOrder))
    await drive(warmUpSeconds)
    const before = await cpuTime()
    const { requests, perSecond } = await drive(seconds)
    return { microseconds: (await cpuTime() - before) / requests, perSecond }
  })
}

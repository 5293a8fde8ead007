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

function start (script: string, core: number, row: string): ChildProcess {
  const args = [fileURLToPath(new URL(script, import.meta.url)), row]
  const [command, ...rest] = pinned ? ['taskset', '-c', String(core), process.execPath, ...args] : [process.execPath, ...args]
  return spawn(command ?? process.execPath, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, NODE_ENV: 'production' } })
}

/** The next message of `child`; an end before it is an error. */
async function answerOf<T> (child: ChildProcess, question?: object): Promise<T> {
  const answer = Promise.race([
    once(child, 'message').then(([message]) => message as T),
    once(child, 'exit').then(([code]) => { throw new Error(`a process of the benchmark ended with ${String(code)}`) })
  ])
  if (question !== undefined) child.send(question)
  return await answer
}

async function stop (child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.disconnect()
  await ended
}

/** Serves `row`, warms it up, and measures it for so many seconds. */
export async function sample (row: string, { seconds, warmUpSeconds }: { seconds: number; warmUpSeconds: number }): Promise<Sample> {
  const server = start('serve.js', 0, row)
  const load = start('load.js', 1, row)
  try {
    const [port] = await Promise.all([answerOf<number>(server), answerOf(load)])
    const drive = async (duration: number): Promise<LoadResult> => await answerOf<LoadResult>(load, { port, seconds: duration } satisfies LoadOrder)
    await drive(warmUpSeconds)
    const before = await answerOf<number>(server, {})
    const { requests, perSecond } = await drive(seconds)
    const after = await answerOf<number>(server, {})
    return { microseconds: (after - before) / requests, perSecond }
  } finally {
    await Promise.all([stop(server), stop(load)])
  }
}

// What a flood of logins leaves of a guarded read.
import { withProcesses } from './measure.ts'
import type { FloodResult, Latency, ProbeOrder } from './probe-load.ts'

const RUNS = 3
const FLOOD = 50
const FLOOD_SECONDS = 10
const QUIET_SECONDS = 5

interface Reads { readonly quiet: Latency; readonly flooded: Latency }

export interface LoginLine {
  readonly what: string
  /** Whether the service is the default one, which has to reach the targets. */
  readonly judged: boolean
  /** One a run. */
  readonly loginsPerSecond: readonly number[]
  readonly read: readonly Reads[]
  readonly asymmetricRead: readonly Reads[]
}

const variants = [
  { what: 'one hash at a time, the default on two cores', row: 'logins: 1 at a time', judged: true },
  { what: 'two at a time', row: 'logins: 2 at a time', judged: false },
  { what: 'argon2 itself, unbounded', row: 'logins: argon2', judged: false }
]

/** Neither process is kept to a core: hashes are computed on threads of the server, wherever there is room. */
export async function loginFloods (): Promise<LoginLine[]> {
  const lines: LoginLine[] = []
  for (const { what, row, judged } of variants) {
    const runs: { quiet: FloodResult; flooded: FloodResult }[] = []
    for (let run = 0; run < RUNS; run += 1) {
      runs.push(await withProcesses({ row, load: 'probe-load.js', pinned: false }, async (ask) => {
        const order = async (seconds: number, flood: number): Promise<FloodResult> => await ask<FloodResult>((port) => ({ port, seconds, flood } satisfies ProbeOrder))
        await order(1, 0)
        const quiet = await order(QUIET_SECONDS, 0)
        return { quiet, flooded: await order(FLOOD_SECONDS, FLOOD) }
      }))
    }
    lines.push({
      what,
      judged,
      loginsPerSecond: runs.map(({ flooded }) => flooded.loginsPerSecond),
      read: runs.map(({ quiet, flooded }) => ({ quiet: quiet.read, flooded: flooded.read })),
      asymmetricRead: runs.map(({ quiet, flooded }) => ({ quiet: quiet.asymmetricRead, flooded: flooded.asymmetricRead }))
    })
  }
  return lines
}

// docs/load.md, from what was measured.
import type { KindResult } from './drive.ts'
import type { Rates } from './rates.ts'
import type { Delay } from './serve.ts'

export type LimitRow = { readonly where: 'memory' | 'Redis' } & ({ readonly perSecond: number; readonly p50: number; readonly p99: number } | { readonly missing: string })

export interface LoadReport {
  readonly machine: readonly string[]
  readonly rates: Rates
  readonly kinds: readonly KindResult[]
  readonly delay: Delay
  /** Bytes, at `rates.heapAtMinutes`. */
  readonly heaps: readonly number[]
  readonly growth: number
  readonly maxGrowth: number
  readonly limits: readonly LimitRow[]
}

const number = (value: number, digits = 0): string => value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })

function table (head: readonly string[], lines: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function otherwise ({ unexpected }: KindResult): string {
  const found = Object.entries(unexpected).map(([status, count]) => `${number(count)} × ${status === '0' ? 'no answer' : status}`)
  return found.length === 0 ? 'none' : found.join(', ')
}

function limitLine (row: LimitRow): string[] {
  return 'missing' in row ? [row.where, `not run: ${row.missing}`, '', ''] : [row.where, number(row.perSecond), number(row.p50), number(row.p99)]
}

export function loadReport ({ machine, rates, kinds, delay, heaps, growth, maxGrowth, limits }: LoadReport): string {
  const seconds = rates.minutes * 60
  return `# Load

Written by \`npm run bench:load\`; not edited by hand.

${machine.map((line) => `- ${line}`).join('\n')}

The demo on SQLite in a process of its own, asked from another on the same machine for ${number(rates.minutes, rates.minutes % 1 === 0 ? 0 : 1)} minutes, for everything at once, at the rates of \`bench/load.json\`. A request is due when its rate says so, whether the service keeps up or not, and its time counts from then.

## Requests

${table(['what', 'asked for, a second', 'answered, a second', 'p50 ms', 'p99 ms', 'other answers than expected'], kinds.map((kind) => [
  kind.kind, number(rates.perSecond[kind.kind]), number(kind.asked / seconds, 1), number(kind.p50, 1), number(kind.p99, 1), otherwise(kind)
]))}

Cold tokens are those that logins and refreshes have just brought and nobody has shown before; the flood meets its limit, and 429 is what it expects.

## The process

${table(['what', 'measured', 'target'], [
  ['delay of the event loop, p50', `${number(delay.p50, 1)} ms`, ''],
  ['delay of the event loop, p99', `${number(delay.p99, 1)} ms`, ''],
  ['delay of the event loop, at most', `${number(delay.max, 1)} ms`, ''],
  ...heaps.map((bytes, at) => [`heap after a forced collection, minute ${number(rates.heapAtMinutes[at] ?? NaN, 1)}`, `${number(bytes / 1e6, 1)} MB`, '']),
  ['growth from the first to the last', `${number(growth * 100, 1)} %`, `≤ ${number(maxGrowth * 100)} % ${growth <= maxGrowth ? '✓' : '✗'}`]
])}

The delay holds the forced collections too, which a service does not make.

## A limit, counted here and on Redis

\`GET /limited\` as fast as it goes over 64 connections, by another address each time. On Redis each count is one round trip.

${table(['counted in', 'requests a second', 'p50 ms', 'p99 ms'], limits.map(limitLine))}
`
}

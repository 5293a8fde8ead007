// docs/bench.md, from what was measured.
import type { LoginLine } from './logins.ts'
import type { Measured } from './pairs.ts'
import type { RefreshRates } from './refreshes.ts'

export interface InProcess { readonly what: string; readonly nanoseconds: number; readonly target?: number }
export interface Single { readonly what: string; readonly value: number; readonly unit: string; readonly target: number }
export interface GrowthLine { readonly what: string; readonly points: readonly { readonly point: number; readonly microseconds: number; readonly perSecond: number }[]; readonly note: string }

export interface Report {
  readonly machine: readonly string[]
  readonly method: readonly string[]
  readonly rows: readonly Measured[]
  readonly inProcess: readonly InProcess[]
  readonly singles: readonly Single[]
  readonly logins: readonly LoginLine[]
  readonly refreshes: RefreshRates
  readonly growth: readonly GrowthLine[]
}

const number = (value: number, digits = 0): string => value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })

function table (head: readonly string[], lines: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** Every row that has a target, with whether it reached it. */
export function verdicts (rows: readonly Measured[]): { name: string; target: string; reached: boolean }[] {
  return rows.flatMap(({ row, share }) => {
    const other = rows.find((candidate) => candidate.row.name === row.outdoes?.name)
    return [
      ...(row.target === undefined ? [] : [{ name: row.name, target: `≥ ${row.target.toFixed(2)}`, reached: share.median >= row.target }]),
      ...(row.outdoes === undefined || other === undefined ? [] : [{ name: row.name, target: `≥ ${String(row.outdoes.times)} × ${other.row.name}`, reached: other.microseconds / (rows.find((found) => found.row === row)?.microseconds ?? NaN) >= row.outdoes.times }])
    ]
  })
}

function targetOf (name: string, rows: readonly Measured[]): string {
  return verdicts(rows).filter((verdict) => verdict.name === name).map(({ target, reached }) => `${target} ${reached ? '✓' : '✗'}`).join('; ')
}

const MAX_SLOWDOWN = 2
const MAX_P99_MS = 50

/** One line a read: what it waited for, and whether a service that is judged kept to the targets in each run. */
function loginLine ({ what, judged, loginsPerSecond, read, asymmetricRead }: LoginLine): string[] {
  const runs = [...read, ...asymmetricRead]
  const reached = runs.every(({ quiet, flooded }) => flooded.p50 <= MAX_SLOWDOWN * quiet.p50 && flooded.p99 <= MAX_P99_MS)
  const each = (reads: LoginLine['read'], of: (read: LoginLine['read'][number]) => number): string => reads.map((one) => number(of(one), 1)).join(', ')
  return [
    what, loginsPerSecond.map((rate) => number(rate)).join(', '),
    ...[read, asymmetricRead].flatMap((reads) => [each(reads, ({ quiet }) => quiet.p50), each(reads, ({ flooded }) => flooded.p50), each(reads, ({ flooded }) => flooded.p99)]),
    judged ? `p50 ≤ ${String(MAX_SLOWDOWN)} × quiet, p99 ≤ ${String(MAX_P99_MS)} ms ${reached ? '✓' : '✗'}` : ''
  ]
}

function refreshText ({ perSecond, statementsPerSecond }: RefreshRates): string {
  const share = perSecond / statementsPerSecond
  return `${number(perSecond)} refreshes a second over HTTP, in chains of 8 connections; ${number(statementsPerSecond)} times a second the same statements without HTTP (the token, its owner, the rotation, on SQLite, as safe on disk as in service): ${share.toFixed(2)}, target ≥ 0.50 ${share >= 0.5 ? '✓' : '✗'}.`
}

export function report ({ machine, method, rows, inProcess, singles, logins, refreshes, growth }: Report): string {
  return `# Bench

Written by \`npm run bench\`; not edited by hand.

${machine.map((line) => `- ${line}`).join('\n')}

${method.join('\n\n')}

## Over HTTP

${table(['service', 'share of bare', 'quartiles', 'CPU µs a request', 'requests a second', 'target'], rows.map(({ row, share, microseconds, perSecond }) => [
  row.name, share.median.toFixed(2), `${share.first.toFixed(2)} to ${share.third.toFixed(2)}`, number(microseconds, 1), number(perSecond), targetOf(row.name, rows)
]))}

## Hooks alone

What is too small to be seen above: the time of the route's \`onRequest\` hooks in one process, the median of 5 × 100,000 calls.

${table(['what', 'ns', 'target'], inProcess.map(({ what, nanoseconds, target }) => [what, number(nanoseconds), target === undefined ? '' : `≤ ${number(target)} ${nanoseconds <= target ? '✓' : '✗'}`]))}

## Boot and memory

${table(['what', 'measured', 'target'], singles.map(({ what, value, unit, target }) => [what, `${number(value, 1)} ${unit}`, `≤ ${number(target)} ${unit} ${value <= target ? '✓' : '✗'}`]))}

## Logins and refreshes

What one waits for a guarded read (milliseconds, in each of three runs) while 50 logins at a time are asked for; read with a token that comes again (HS256), and with a new one each time (ES256), every 5 ms.

${table(['hashing', 'logins a second', 'quiet p50', 'p50', 'p99', 'ES256 quiet p50', 'p50', 'p99', 'target'], logins.map(loginLine))}

${refreshText(refreshes)}

## As it grows

${growth.map(({ what, points, note }) => `### ${what[0]?.toUpperCase() ?? ''}${what.slice(1)}

${table([what, ...points.map(({ point }) => number(point))], [['CPU µs a request', ...points.map(({ microseconds }) => number(microseconds, 1))], ['requests a second', ...points.map(({ perSecond }) => number(perSecond))]])}

${note}`).join('\n\n')}
`
}

/** What `npm run mutation` wrote at the end of a page stays when the rest is written anew. */
export function mutationSection (page: string): string {
  const start = page.indexOf('\n## Mutation testing\n')
  return start === -1 ? '' : page.slice(start)
}

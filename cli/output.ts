// How answers are shown: JSON for programs, text for people; colours and progress only where somebody looks on.
import { styleText } from 'node:util'
import type { Effect } from './posture-change.ts'

/** Writes JSON, or the text that `lines` makes. */
export function show (isJson: boolean, value: unknown, lines: () => string): void {
  process.stdout.write(`${isJson ? JSON.stringify(value, null, 2) : lines().replace(/\n$/, '')}\n`)
}

/** Columns under their names; the rows all have the members of the first. */
export function tableOf (rows: readonly Readonly<Record<string, string>>[]): string {
  const [first] = rows
  if (first === undefined) return 'none'
  const names = Object.keys(first)
  const cells = [names, ...rows.map((row) => names.map((name) => row[name] ?? ''))]
  const widths = names.map((_name, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)))
  return cells.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ').trimEnd()).join('\n')
}

const colours = { weaker: 'red', stronger: 'green', neutral: 'yellow', error: 'red', warning: 'yellow' } as const

/** The word in its colour, on a terminal that wants colours (`NO_COLOR` does not). */
export function coloured (word: Effect | 'error' | 'warning'): string {
  return styleText(colours[word], word)
}

/** Says on a terminal what takes a while. */
export function progress (text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${text} …\n`)
}

const BAR_CELLS = 30
const REDRAWN_MS = 100

/** A bar on a terminal for what has so many steps; elsewhere nothing. `end` takes it away. */
export function progressBar (total: number): { show (done: number, text: string): void; end (): void } {
  const { stderr } = process
  let drawn = 0
  return {
    show (done, text) {
      if (!stderr.isTTY || (done < total && performance.now() - drawn < REDRAWN_MS)) return
      drawn = performance.now()
      const full = Math.round(BAR_CELLS * done / total)
      stderr.write(`\r${'#'.repeat(full)}${'-'.repeat(BAR_CELLS - full)} ${String(done)}/${String(total)}, ${text}`)
    },
    end () {
      if (stderr.isTTY) stderr.write('\r\u001b[K')
    }
  }
}

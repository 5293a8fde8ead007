// bench/load.json: what is asked of the demo, and how often.
import { readFileSync } from 'node:fs'

export const kinds = ['logins', 'refreshes', 'reads, hot tokens', 'reads, cold tokens', 'reads, API keys', 'wrong passwords', 'wrong tokens and keys', 'a flood from one address'] as const
export type Kind = (typeof kinds)[number]

export interface Rates {
  readonly minutes: number
  /** When the heap is measured; the last at the end. */
  readonly heapAtMinutes: readonly number[]
  readonly people: number
  readonly keys: number
  readonly perSecond: Readonly<Record<Kind, number>>
}

/** The rates of the file, over as many minutes as it says, or as `LOAD_MINUTES` does for a first look. */
export function readRates (): Rates {
  const rates = JSON.parse(readFileSync('bench/load.json', 'utf8')) as Rates
  const minutes = Number(process.env.LOAD_MINUTES ?? rates.minutes)
  return { ...rates, minutes, heapAtMinutes: rates.heapAtMinutes.map((minute) => minute * minutes / rates.minutes) }
}

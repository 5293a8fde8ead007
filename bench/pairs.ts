// Rows against bare Fastify, in interleaved pairs: what the machine does meanwhile falls on both.
import { sample } from './measure.ts'
import { quartiles } from './statistics.ts'
import type { Sample, Sampling } from './measure.ts'
import type { Row } from './rows.ts'
import type { Quartiles } from './statistics.ts'

export interface Measured {
  readonly row: Row
  /** Bare's CPU time per request over the row's. */
  readonly share: Quartiles
  /** CPU time per request, in microseconds. */
  readonly microseconds: number
  readonly perSecond: number
}

/** Each round measures, for every sort of request, bare once and then its rows, each of which pairs with that bare. */
export async function measurePairs (rows: readonly Row[], pairs: number, sampling: Sampling, tell: (line: string) => void): Promise<Measured[]> {
  const samples = new Map<Row, { bare: Sample; own: Sample }[]>(rows.map((row) => [row, []]))
  const requests = [...new Set(rows.map(({ request }) => request))]
  for (let round = 1; round <= pairs; round += 1) {
    for (const request of requests) {
      const asked = rows.filter((row) => row.request === request)
      const bare = await sample(asked[0]?.name ?? '', 'bare', sampling)
      for (const row of asked) samples.get(row)?.push({ bare, own: await sample(row.name, 'row', sampling) })
    }
    tell(`round ${String(round)} of ${String(pairs)}`)
  }
  return rows.map((row) => {
    const taken = samples.get(row) ?? []
    return {
      row,
      share: quartiles(taken.map(({ bare, own }) => bare.microseconds / own.microseconds)),
      microseconds: quartiles(taken.map(({ own }) => own.microseconds)).median,
      perSecond: quartiles(taken.map(({ own }) => own.perSecond)).median
    }
  })
}

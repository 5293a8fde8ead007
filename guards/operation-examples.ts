// An example for each code that an answer may have, as OpenAPI shows it: the body that would be sent.
import { problemOf, refusals } from '../errors.ts'
import type { Problem, RefusalCode, RefusalContext } from '../errors.ts'

/** OpenAPI Example Objects, by the code of the problem. */
export type Examples = Record<string, { summary: string; value: unknown }>

const REQUEST_ID = '0192f0c1-2345-7abc-8def-0123456789ab'

/** The examples of an answer that has one of `codes`; `write` makes the body of the problem, as the service would. */
export function examplesOf (codes: readonly RefusalCode[], write: (problem: Problem) => unknown, context: RefusalContext = {}): Examples {
  return Object.fromEntries(codes.map((code) => [code, { summary: refusals[code].title, value: write(problemOf(code, REQUEST_ID, context)) }]))
}

/** The codes that an answer may have of which nothing but the status is known. */
export function codesOf (status: number): RefusalCode[] {
  const codes = Object.keys(refusals) as RefusalCode[]
  return codes.filter((code) => refusals[code].status === status)
}

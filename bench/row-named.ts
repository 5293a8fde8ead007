import { growthRows } from './growth.ts'
import { accountRows, hookRows, rows } from './rows.ts'
import type { Row } from './rows.ts'

export function rowNamed (name: string | undefined): Row {
  const found = [...rows, ...hookRows, ...accountRows, ...growthRows].find((candidate) => candidate.name === name)
  if (found === undefined) throw new RangeError(`no row is called ${String(name)}`)
  return found
}

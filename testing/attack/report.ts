// What an attack found, written for people, for programs, and for tools that read SARIF 2.1.0 (OASIS). Pure.
import { attackKinds } from './types.ts'
import type { AttackKind, AttackResult } from './types.ts'

/** The numbers of a run. */
export interface AttackTotals {
  /** Attempts that the service refused as it should. */
  readonly held: number
  /** Attempts that found something. */
  readonly found: number
  /** Attempts that could not be made. */
  readonly skipped: number
}

const texts: Readonly<Record<AttackKind, string>> = {
  control: 'Good credentials are let in',
  credentials: 'Absent and bad credentials are refused',
  rights: 'Credentials that lack a right are refused',
  ownership: 'What belongs to somebody else is out of reach',
  wire: 'Another way to write a request is no way in',
  csrf: 'Requests of other sites are refused',
  cors: 'Pages of other origins may not read answers',
  headers: 'Answers have the security headers',
  parameters: 'Parameters out of their bounds are refused',
  body: 'Bodies out of their bounds are refused',
  limit: 'Limits hold'
}

/** How many attempts ended how. */
export function totalsOf (results: readonly AttackResult[]): AttackTotals {
  const count = (outcome: AttackResult['outcome']): number => results.filter((result) => result.outcome === outcome).length
  return { held: count('held'), found: count('found'), skipped: count('skipped') }
}

/** Text for a terminal: each finding, then what was tried by kind. What a service answered stands in it without control characters. */
export function summaryOf (results: readonly AttackResult[]): string {
  const { held, found, skipped } = totalsOf(results)
  const findings = results.filter(({ outcome }) => outcome === 'found').flatMap(({ title, problems }) => [`FOUND  ${title}`, ...problems.map((problem) => `       ${problem}`)])
  const kinds = attackKinds.flatMap((kind) => {
    const ofKind = totalsOf(results.filter((result) => result.kind === kind))
    const tried = ofKind.held + ofKind.found
    if (tried + ofKind.skipped === 0) return []
    return [`${kind.padEnd(12)} ${String(tried).padStart(5)} tried, ${String(ofKind.found).padStart(4)} found${ofKind.skipped === 0 ? '' : `, ${String(ofKind.skipped)} skipped`}`]
  })
  const reasons = [...new Set(results.filter(({ outcome }) => outcome === 'skipped').flatMap(({ problems }) => problems))].map((reason) => `skipped: ${reason}`)
  const total = `${String(held + found)} attempts, ${String(found)} found, ${String(skipped)} skipped`
  return [...findings, ...(findings.length > 0 ? [''] : []), ...kinds, ...reasons, '', total].map(printable).join('\n')
}

/** Without control characters, which a terminal would obey. */
export function printable (text: string): string {
  // eslint-disable-next-line no-control-regex -- they are what must not reach a terminal
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '?')
}

/** `{ totals, results }`, indented. */
export function jsonOf (results: readonly AttackResult[]): string {
  return `${JSON.stringify({ totals: totalsOf(results), results }, null, 2)}\n`
}

/** SARIF 2.1.0: a rule for each kind, a result for each finding, placed at its route. */
export function sarifOf (results: readonly AttackResult[], { version, target }: { version: string; target: string }): string {
  const found = results.filter(({ outcome }) => outcome === 'found')
  return `${JSON.stringify({
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [{
      tool: { driver: { name: 'gatehouse attack', version, rules: attackKinds.map((kind) => ({ id: kind, shortDescription: { text: texts[kind] } })) } },
      results: found.map(({ kind, route, title, problems }) => ({
        ruleId: kind,
        ruleIndex: attackKinds.indexOf(kind),
        level: 'error',
        message: { text: `${title}: ${problems.join('; ')}` },
        locations: [{ physicalLocation: { artifactLocation: { uri: target } }, logicalLocations: [{ fullyQualifiedName: route, kind: 'function' }] }]
      }))
    }]
  }, null, 2)}\n`
}

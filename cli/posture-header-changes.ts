// The headers of every answer, compared: those of which more can be said than that they differ, in their own words.
import { compareCeiling, compareFloor } from './posture-change.ts'
import type { Finding } from './posture-change.ts'

const rule = 'header'
type Headers = Readonly<Record<string, string>> | null

/** What changed in the headers; `null` is a service without `securityHeaders`. */
export function compareHeaders (before: Headers, after: Headers): Finding[] {
  if (before === null && after === null) return []
  if (before === null) return [{ effect: 'stronger', rule, what: 'every answer has headers' }]
  if (after === null) return [{ effect: 'weaker', rule, what: 'answers have no headers any more' }]
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap((name) => compareHeader(name, before[name], after[name]))
}

function compareHeader (name: string, before: string | undefined, after: string | undefined): Finding[] {
  if (before === after) return []
  if (after === undefined) return [{ effect: 'weaker', rule, what: `${name} is gone` }]
  if (before === undefined) return [{ effect: 'stronger', rule, what: `${name} is sent` }]
  const findings = name === 'strict-transport-security' ? compareHsts(before, after) : name === 'content-security-policy' ? comparePolicies(before, after) : []
  return findings.length > 0 ? findings : [{ effect: 'weaker', rule, what: `${name} is another, and cannot be compared: ${after}` }]
}

function compareHsts (before: string, after: string): Finding[] {
  const ageOf = (value: string): number => Number(/max-age=(\d+)/.exec(value)?.[1] ?? 0)
  const coversAll = (value: string): number => Number(/includeSubDomains/i.test(value))
  return [
    ...compareFloor(rule, 'max-age of strict-transport-security', { before: ageOf(before), after: ageOf(after) }),
    ...compareFloor(rule, 'includeSubDomains of strict-transport-security', { before: coversAll(before), after: coversAll(after) })
  ]
}

type Policy = ReadonlyMap<string, readonly string[]>

function policyOf (text: string): Policy {
  const directives = text.split(';').map((directive) => directive.trim().split(/\s+/)).filter(([name]) => name !== '')
  return new Map(directives.map(([name = '', ...sources]) => [name.toLowerCase(), sources.filter((source) => source !== "'none'")]))
}

/** A source more is weaker, a directive more is stronger. */
function comparePolicies (before: string, after: string): Finding[] {
  const [was, is] = [policyOf(before), policyOf(after)]
  return [...new Set([...was.keys(), ...is.keys()])].sort().flatMap((name) => {
    const [sourcesBefore, sourcesAfter] = [was.get(name), is.get(name)]
    if (sourcesAfter === undefined) return [{ effect: 'weaker', rule, what: `content-security-policy has no ${name} any more` } as const]
    if (sourcesBefore === undefined) return [{ effect: 'stronger', rule, what: `content-security-policy has ${name}` } as const]
    return compareSources(name, sourcesBefore, sourcesAfter)
  })
}

function compareSources (name: string, before: readonly string[], after: readonly string[]): Finding[] {
  return [
    ...after.filter((source) => !before.includes(source)).map((source): Finding => ({ effect: 'weaker', rule, what: `${name} of content-security-policy allows ${source}` })),
    ...before.filter((source) => !after.includes(source)).map((source): Finding => ({ effect: 'stronger', rule, what: `${name} of content-security-policy does not allow ${source} any more` }))
  ]
}

type Lifetimes = Readonly<Record<string, Readonly<Record<string, number | string>>>>

/** What lives longer is weaker; what is written otherwise, such as the attributes of a cookie, cannot be compared. */
export function compareLifetimes (before: Lifetimes, after: Lifetimes): Finding[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].sort().flatMap((name): Finding[] => {
    const [was, is] = [before[name], after[name]]
    if (was === undefined) return [{ effect: 'neutral', rule: 'lifetime', what: `${name} are handed out` }]
    if (is === undefined) return [{ effect: 'neutral', rule: 'lifetime', what: `${name} are not handed out any more` }]
    return [...new Set([...Object.keys(was), ...Object.keys(is)])].sort().flatMap((member) => compareLifetime(`${member} of ${name}`, was[member], is[member]))
  })
}

function compareLifetime (noun: string, before: number | string | undefined, after: number | string | undefined): Finding[] {
  if (before === after) return []
  if (typeof before === 'number' && typeof after === 'number') return compareCeiling('lifetime', noun, { before, after })
  return [{ effect: 'weaker', rule: 'lifetime', what: `${noun} is ${String(after ?? 'not told')}, where it was ${String(before ?? 'not told')}` }]
}

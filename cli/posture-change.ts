// What one difference between two postures is, and how lists and numbers are compared.

/** How a change alters what an attacker meets. What cannot be judged counts as weaker, until somebody has looked. */
export type Effect = 'weaker' | 'stronger' | 'neutral'

/** The names of the rules, which the documentation tells one by one. */
export const rules = [
  'route-added', 'route-removed', 'access', 'alternative', 'scope', 'any-scope', 'role', 'any-role', 'policy', 'limit', 'csrf', 'reason',
  'any-origin', 'body', 'guards', 'header', 'lifetime', 'scheme'
] as const

export type Rule = typeof rules[number]

/** One difference. */
export interface Change {
  readonly effect: Effect
  readonly rule: Rule
  /** Method and URL, or the part of the service. */
  readonly where: string
  /** A sentence for people. */
  readonly what: string
}

/** A change before it is known where. */
export type Finding = Omit<Change, 'where'>

/** Names that a request has to satisfy, every one of them: one more is stronger. */
export function compareDemands (rule: Rule, noun: string, { before, after, gone = 'is not asked for any more', come = 'is asked for' }: { before: readonly string[]; after: readonly string[]; gone?: string; come?: string }): Finding[] {
  return [
    ...before.filter((name) => !after.includes(name)).map((name): Finding => ({ effect: 'weaker', rule, what: `${noun} ${name} ${gone}` })),
    ...after.filter((name) => !before.includes(name)).map((name): Finding => ({ effect: 'stronger', rule, what: `${noun} ${name} ${come}` }))
  ]
}

/** Lists of which one name is enough: a list more is stronger, a name more in a list is weaker. */
export function compareChoices (rule: Rule, noun: string, { before, after }: { before: readonly (readonly string[])[]; after: readonly (readonly string[])[] }): Finding[] {
  const text = (names: readonly string[]): string => names.join(' or ')
  const same = (one: readonly string[], other: readonly string[]): boolean => one.length === other.length && isPart(one, other)
  const gone = before.filter((names) => !after.some((other) => same(names, other)))
  const come = after.filter((names) => !before.some((other) => same(names, other)))
  const successors = new Map(gone.map((names) => [names, come.find((other) => isPart(names, other) || isPart(other, names))]))
  return [
    ...[...successors].map(([names, next]): Finding => {
      if (next === undefined) return { effect: 'weaker', rule, what: `${noun} ${text(names)} is not asked for any more` }
      return { effect: isPart(names, next) ? 'weaker' : 'stronger', rule, what: `${noun} ${text(next)} is enough, where it was ${text(names)}` }
    }),
    ...come.filter((names) => ![...successors.values()].includes(names)).map((names): Finding => ({ effect: 'stronger', rule, what: `${noun} ${text(names)} is asked for` }))
  ]
}

function isPart (names: readonly string[], of: readonly string[]): boolean {
  return names.every((name) => of.includes(name))
}

/** A number of which more is weaker. `null` has no bound, and so is more than any. */
export function compareCeiling (rule: Rule, noun: string, { before, after }: { before: number | null; after: number | null }): Finding[] {
  if (before === after) return []
  const isRaised = after === null || (before !== null && after > before)
  return [{ effect: isRaised ? 'weaker' : 'stronger', rule, what: `${noun} is ${told(after)}, where it was ${told(before)}` }]
}

/** A number of which less is weaker. */
export function compareFloor (rule: Rule, noun: string, { before, after }: { before: number | null; after: number | null }): Finding[] {
  if (before === after) return []
  const isLowered = after === null || (before !== null && after < before)
  return [{ effect: isLowered ? 'weaker' : 'stronger', rule, what: `${noun} is ${told(after)}, where it was ${told(before)}` }]
}

function told (value: number | null): string {
  return value === null ? 'without a bound' : String(value)
}

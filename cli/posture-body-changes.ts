// Two bodies, compared keyword by keyword: what a schema lets through that it did not before is weaker.
import { compareCeiling, compareDemands, compareFloor } from './posture-change.ts'
import type { Effect, Finding } from './posture-change.ts'
import type { BodyBounds, Bounds } from '../guards/posture.ts'

const rule = 'body'
const ceilings = ['maxLength', 'maxItems', 'maximum', 'exclusiveMaximum', 'maxProperties']
const floors = ['minLength', 'minItems', 'minimum', 'exclusiveMinimum', 'minProperties']
/** Lists of what passes: one more is weaker, and without the list everything does. */
const choices = ['type', 'enum']
const flags: readonly [keyword: string, strict: boolean][] = [['additionalProperties', false], ['unevaluatedProperties', false], ['uniqueItems', true]]
/** What can only be there, gone or another. */
const opaque = ['pattern', 'format', 'const', 'multipleOf', '$ref']

/** What changed between two bodies; `null` is a body without a schema. */
export function compareBodies (before: BodyBounds | null, after: BodyBounds | null): Finding[] {
  if (before === null && after === null) return []
  if (before === null) return [{ effect: 'stronger', rule, what: 'the body has a schema' }]
  if (after === null) return [{ effect: 'weaker', rule, what: 'the body has no schema any more' }]
  const gone = topmost(Object.keys(before).filter((pointer) => !Object.hasOwn(after, pointer)))
  const come = topmost(Object.keys(after).filter((pointer) => !Object.hasOwn(before, pointer)))
  return [
    ...gone.map((pointer): Finding => ({ effect: effectOfLoss(pointer, after), rule, what: `${placeOf(pointer)} is not in the schema any more` })),
    ...come.map((pointer): Finding => ({ effect: effectOfGain(pointer, before), rule, what: `${placeOf(pointer)} is in the schema` })),
    ...Object.entries(after).flatMap(([pointer, bounds]) => compareBounds(placeOf(pointer), before[pointer] ?? bounds, bounds))
  ]
}

/** The pointers that stand below no other of them. */
function topmost (pointers: readonly string[]): string[] {
  return pointers.filter((pointer) => !pointers.some((other) => pointer.startsWith(`${other}/`)))
}

function placeOf (pointer: string): string {
  return pointer === '' ? 'the body' : pointer
}

/** Of a member: in an open object nobody looks at it any more, in a closed one it is refused. Of an alternative: one way less. */
function effectOfLoss (pointer: string, after: BodyBounds): Effect {
  if (/\/properties\/[^/]+$/.test(pointer)) return isClosed(after, pointer) ? 'neutral' : 'weaker'
  return /\/(?:anyOf|oneOf)\/\d+$|\/content\/[^/]+$/.test(pointer) ? 'stronger' : 'weaker'
}

function effectOfGain (pointer: string, before: BodyBounds): Effect {
  if (/\/properties\/[^/]+$/.test(pointer)) return isClosed(before, pointer) ? 'neutral' : 'stronger'
  return /\/(?:anyOf|oneOf)\/\d+$|\/content\/[^/]+$|\/(?:additional|unevaluated)Properties$/.test(pointer) ? 'weaker' : 'stronger'
}

function isClosed (bounds: BodyBounds, pointer: string): boolean {
  return bounds[pointer.replace(/\/properties\/[^/]+$/, '')]?.['additionalProperties'] === false
}

function compareBounds (place: string, before: Bounds, after: Bounds): Finding[] {
  const numbers = (keyword: string): { before: number | null; after: number | null } => ({ before: numberIn(before[keyword]), after: numberIn(after[keyword]) })
  return [
    ...ceilings.flatMap((keyword) => compareCeiling(rule, `${keyword} of ${place}`, numbers(keyword))),
    ...floors.flatMap((keyword) => compareFloor(rule, `${keyword} of ${place}`, numbers(keyword))),
    ...compareDemands(rule, `in ${place}, the member`, { before: namesIn(before['required']), after: namesIn(after['required']) }),
    ...choices.flatMap((keyword) => compareChoice(`${keyword} of ${place}`, before[keyword], after[keyword])),
    ...flags.flatMap(([keyword, strict]) => compareFlag(`${keyword} of ${place}`, before[keyword] === strict, after[keyword] === strict)),
    ...opaque.flatMap((keyword) => compareOpaque(`${keyword} of ${place}`, before[keyword], after[keyword]))
  ]
}

function numberIn (value: unknown): number | null {
  return typeof value === 'number' ? value : null
}

function namesIn (value: unknown): string[] {
  return [value ?? []].flat().map((entry) => typeof entry === 'string' ? entry : JSON.stringify(entry))
}

function compareChoice (noun: string, before: unknown, after: unknown): Finding[] {
  if (before === undefined && after === undefined) return []
  if (after === undefined) return [{ effect: 'weaker', rule, what: `${noun} is not given any more` }]
  if (before === undefined) return [{ effect: 'stronger', rule, what: `${noun} is given` }]
  const [was, is] = [namesIn(before), namesIn(after)]
  return [
    ...is.filter((name) => !was.includes(name)).map((name): Finding => ({ effect: 'weaker', rule, what: `${noun} allows ${name}` })),
    ...was.filter((name) => !is.includes(name)).map((name): Finding => ({ effect: 'stronger', rule, what: `${noun} does not allow ${name} any more` }))
  ]
}

function compareFlag (noun: string, before: boolean, after: boolean): Finding[] {
  if (before === after) return []
  return [{ effect: after ? 'stronger' : 'weaker', rule, what: after ? `${noun} is strict` : `${noun} is not strict any more` }]
}

function compareOpaque (noun: string, before: unknown, after: unknown): Finding[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return []
  if (before === undefined) return [{ effect: 'stronger', rule, what: `${noun} is given` }]
  return [{ effect: 'weaker', rule, what: after === undefined ? `${noun} is not given any more` : `${noun} is another, and cannot be compared` }]
}

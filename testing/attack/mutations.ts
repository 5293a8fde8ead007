// From a schema and a value that it takes, values that it does not: one for each bound that the schema has.
import { isSchema, propertiesOf, requiredOf, sample } from './sample.ts'
import type { AttackSchema } from './types.ts'

/** A value that one keyword refuses. */
export interface Mutation {
  /** Where in the value, as a JSON Pointer. */
  readonly pointer: string
  readonly keyword: string
  /** Of `required`: which member. */
  readonly name?: string
  readonly value: unknown
}

type Members = Record<string, unknown>

const wrongTypes: Readonly<Record<string, unknown>> = {
  string: { a: 1 }, integer: 'x', number: 'x', boolean: 'x', array: { a: 1 }, object: [1], null: 'x'
}
const LONGEST = 100_000
/** What patterns are there to keep out. */
const strangers = ['\u0000', '\n', ' ', '!', '\u00e9']

/** A value for each bound that breaks it, and as far as can be told no other. */
export function mutationsOf (schema: AttackSchema, value: unknown = sample(schema), pointer = ''): Mutation[] {
  const broken = brokenBounds(schema, value, pointer)
  if (schema['type'] === 'object') return [...broken, ...ofMembers(schema, value as Members, pointer)]
  if (schema['type'] === 'array' && Array.isArray(value) && isSchema(schema['items'])) {
    const [first = sample(schema['items']), ...rest] = value as unknown[]
    return [...broken, ...mutationsOf(schema['items'], first, `${pointer}/0`).map((mutation) => ({ ...mutation, value: [mutation.value, ...rest] }))]
  }
  return broken
}

function brokenBounds (schema: AttackSchema, value: unknown, pointer: string): Mutation[] {
  const found: Mutation[] = []
  const add = (keyword: string, broken: unknown): void => { found.push({ pointer, keyword, value: broken }) }
  const { type, format, pattern, minLength, maxLength, minimum, maximum, minItems, maxItems, uniqueItems, items } = schema
  const bounded = (bound: unknown): bound is number => typeof bound === 'number' && bound <= LONGEST
  if (typeof type === 'string') add('type', wrongTypes[type])
  if (Array.isArray(schema['enum'])) add('enum', typeof schema['enum'][0] === 'number' ? Number(schema['minimum'] ?? 1) + 1 : 'nothing of the list')
  if (Object.hasOwn(schema, 'const')) add('const', 'nothing of the list')
  if (Array.isArray(schema['anyOf'])) add('anyOf', [[]])
  if (typeof value === 'string') {
    if (bounded(minLength) && minLength > 0) add('minLength', value.slice(0, minLength - 1))
    if (bounded(maxLength)) add('maxLength', tooLong(value, maxLength, format))
    const unmatched = typeof pattern === 'string' ? strangers.map((stranger) => `${value.slice(0, -1)}${stranger}`).find((text) => !matches(text, pattern)) : undefined
    if (unmatched !== undefined) add('pattern', unmatched)
    if (format === 'uuid' || format === 'email' || format === 'date' || format === 'date-time' || format === 'uri') add('format', 'not one')
  }
  if (typeof minimum === 'number') add('minimum', minimum - 1)
  if (typeof maximum === 'number') add('maximum', maximum + 1)
  const list = Array.isArray(value) ? value as unknown[] : []
  const member = isSchema(items) ? list[0] ?? sample(items) : 'a'
  if (bounded(minItems) && minItems > 0) add('minItems', list.slice(0, minItems - 1))
  if (bounded(maxItems)) add('maxItems', distinct(member, maxItems + 1))
  if (uniqueItems === true) add('uniqueItems', [member, member])
  return found
}

function matches (text: string, pattern: string): boolean {
  try {
    // eslint-disable-next-line security/detect-non-literal-regexp -- a pattern of the service's own schema
    return new RegExp(pattern, 'u').test(text)
  } catch {
    // Of another dialect: nothing is known not to match.
    return true
  }
}

function tooLong (value: string, maxLength: number, format: unknown): string {
  const missing = Math.max(1, maxLength + 1 - value.length)
  if (format === 'email') return `${'a'.repeat(missing)}${value}`
  return `${value}${(value.at(-1) ?? 'a').repeat(missing)}`
}

/** As many values as that, none of them twice where they are texts. */
function distinct (member: unknown, count: number): unknown[] {
  return Array.from({ length: count }, (_, index) => typeof member === 'string' ? `${member}${String(index)}` : member)
}

function ofMembers (schema: AttackSchema, value: Members, pointer: string): Mutation[] {
  const required = requiredOf(schema)
  const without = (name: string): Members => Object.fromEntries(Object.entries(value).filter(([key]) => key !== name))
  const { minProperties } = schema
  return [
    ...required.map((name): Mutation => ({ pointer, keyword: 'required', name: String(name), value: without(String(name)) })),
    // What says that it takes others is meant to, as the token endpoint is (RFC 6749 §3.2).
    ...(schema['additionalProperties'] === true ? [] : [{ pointer, keyword: 'additionalProperties', value: { ...value, isAdmin: true } }]),
    ...(typeof minProperties === 'number' && minProperties > 0 && required.length === 0 ? [{ pointer, keyword: 'minProperties', value: {} }] : []),
    ...propertiesOf(schema).flatMap(([name, member]) => mutationsOf(member, value[name] ?? sample(member), `${pointer}/${name}`)
      .map((mutation) => ({ ...mutation, value: { ...value, [name]: mutation.value } })))
  ]
}

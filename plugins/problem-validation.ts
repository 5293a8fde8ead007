// What a validation failure tells the client: where, and which rule of the schema; never what was sent.
import type { ProblemError } from '../errors.ts'

/** As Ajv and the compilers of other libraries report it. */
interface SchemaError {
  instancePath?: unknown
  keyword?: unknown
  params?: Readonly<Record<string, unknown>>
}

const places = new Map<unknown, ProblemError['in']>([
  ['body', 'body'], ['querystring', 'query'], ['params', 'path'], ['headers', 'header']
])

type Sentence = (params: Readonly<Record<string, unknown>>) => string

// Written here and not taken from Ajv: what a custom keyword or another validator says may quote the value.
const sentences = new Map<unknown, Sentence>([
  ['required', () => 'is required'],
  ['dependentRequired', () => 'is required'],
  ['additionalProperties', () => 'is not allowed'],
  ['unevaluatedProperties', () => 'is not allowed'],
  ['type', ({ type }) => `must be of type ${[type].flat().join(' or ')}`],
  ['format', ({ format }) => `must have the format ${String(format)}`],
  ['enum', () => 'must be one of the allowed values'],
  ['const', () => 'must be the allowed value'],
  ['pattern', () => 'must match the pattern of the schema'],
  ['minLength', ({ limit }) => `must have at least ${String(limit)} characters`],
  ['maxLength', ({ limit }) => `must have at most ${String(limit)} characters`],
  ['minItems', ({ limit }) => `must have at least ${String(limit)} items`],
  ['maxItems', ({ limit }) => `must have at most ${String(limit)} items`],
  ['uniqueItems', () => 'must not have duplicate items'],
  ['minProperties', ({ limit }) => `must have at least ${String(limit)} members`],
  ['maxProperties', ({ limit }) => `must have at most ${String(limit)} members`],
  ['minimum', ({ limit }) => `must be at least ${String(limit)}`],
  ['exclusiveMinimum', ({ limit }) => `must be more than ${String(limit)}`],
  ['maximum', ({ limit }) => `must be at most ${String(limit)}`],
  ['exclusiveMaximum', ({ limit }) => `must be less than ${String(limit)}`],
  ['multipleOf', ({ multipleOf }) => `must be a multiple of ${String(multipleOf)}`]
])

// A member name comes from the client too: one that a schema could have is repeated, anything else is not.
const PLAIN_NAME = /^[A-Za-z0-9_.-]{1,64}$/

/** The `errors` of a problem with code `validation`; `null` for an error that is no validation failure. */
export function validationErrors (error: unknown): ProblemError[] | null {
  if (!(error instanceof Error) || !('validation' in error) || !Array.isArray(error.validation)) return null
  const place = places.get('validationContext' in error ? error.validationContext : undefined) ?? 'body'
  return error.validation.map((found: SchemaError) => describe(found, place))
}

function describe ({ instancePath, keyword, params = {} }: SchemaError, place: ProblemError['in']): ProblemError {
  const named = [params['missingProperty'], params['additionalProperty'], params['unevaluatedProperty']].find((name) => typeof name === 'string')
  const path = typeof instancePath === 'string' ? instancePath.split('/').slice(1) : []
  if (named !== undefined) path.push(named)
  const unsafe = path.findIndex((segment) => !PLAIN_NAME.test(segment))
  const safe = unsafe === -1 ? path : path.slice(0, unsafe)
  const detail = unsafe !== -1 && named !== undefined ? 'has a member that is not allowed' : sentences.get(keyword)?.(params) ?? 'is not valid'
  if (place === 'body') return { pointer: safe.map((segment) => `/${segment}`).join(''), in: place, detail }
  return safe[0] === undefined ? { in: place, detail } : { parameter: safe[0], in: place, detail }
}

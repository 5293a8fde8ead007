// What a body schema holds a request to: the keywords that bound it, by the place in the schema, and where it has none.
import { isRecord } from './scheme-options.ts'

/** The keywords of one subschema that decide what passes. */
export type Bounds = Readonly<Record<string, unknown>>

/** Subschemas by their JSON Pointer (RFC 6901) in the schema, references resolved; `''` is the body itself. */
export type BodyBounds = Readonly<Record<string, Bounds>>

type FindSchema = (id: string) => unknown

const keywords = [
  'type', 'enum', 'const', 'pattern', 'format', 'minLength', 'maxLength', 'minItems', 'maxItems', 'uniqueItems', 'minimum', 'maximum',
  'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'minProperties', 'maxProperties', 'required', 'additionalProperties', 'unevaluatedProperties'
]
const named = ['properties', 'patternProperties', 'content']
const listed = ['anyOf', 'oneOf', 'allOf', 'prefixItems']
const single = ['items', 'additionalProperties', 'unevaluatedProperties', 'propertyNames', 'contains', 'not', 'if', 'then', 'else', 'schema']

/** The bounds of a schema; `find` gives a shared schema by its id. */
export function bodyBounds (schema: unknown, find: FindSchema): BodyBounds {
  const bounds: Record<string, Bounds> = {}
  walk(schema, { pointer: '', root: schema, find, bounds, within: [] })
  return bounds
}

interface Walk {
  readonly pointer: string
  /** The schema that a reference without an id leads into. */
  readonly root: unknown
  readonly find: FindSchema
  readonly bounds: Record<string, Bounds>
  /** The references that lead here: one that leads into itself is followed once. */
  readonly within: readonly Readonly<Record<string, unknown>>[]
}

function walk (schema: unknown, way: Walk): void {
  const { pointer, bounds, within } = way
  if (!isRecord(schema) || within.includes(schema)) return
  const { $ref: reference } = schema
  if (typeof reference === 'string') {
    const target = resolve(reference, way)
    if (target === null) bounds[pointer] = { $ref: reference }
    else walk(target.schema, { ...way, root: target.root })
    return
  }
  bounds[pointer] = Object.fromEntries(keywords.filter((keyword) => schema[keyword] !== undefined && !(single.includes(keyword) && isRecord(schema[keyword]))).map((keyword) => [keyword, schema[keyword]]))
  for (const [step, inner] of stepsOf(schema)) walk(inner, { ...way, pointer: `${pointer}/${step}`, within: [...within, schema] })
}

/** What a reference leads to: an id, that of a shared schema or of one around this one, and a JSON Pointer into it. */
function resolve (reference: string, { root, find, within }: Walk): { schema: unknown; root: unknown } | null {
  const [id = '', fragment = ''] = reference.split('#')
  const target = id === '' ? root : within.find(({ $id }) => $id === id) ?? find(id)
  const schema = fragment.split('/').slice(1).reduce<unknown>((inner, step) => {
    const name = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')
    return Array.isArray(inner) ? inner[Number(name)] as unknown : isRecord(inner) ? inner[name] : undefined
  }, target)
  return isRecord(schema) ? { schema, root: target } : null
}

function stepsOf (schema: Readonly<Record<string, unknown>>): [step: string, inner: unknown][] {
  return [
    ...named.flatMap((keyword) => Object.entries(isRecord(schema[keyword]) ? schema[keyword] : {}).map(([name, inner]): [string, unknown] => [`${keyword}/${escape(name)}`, inner])),
    ...listed.flatMap((keyword) => (Array.isArray(schema[keyword]) ? schema[keyword] : []).map((inner: unknown, at): [string, unknown] => [`${keyword}/${String(at)}`, inner])),
    ...single.filter((keyword) => isRecord(schema[keyword])).map((keyword): [string, unknown] => [keyword, schema[keyword]])
  ]
}

function escape (name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** Formats that no long text has. */
const shortFormats = new Set(['date', 'time', 'date-time', 'duration', 'uuid', 'ipv4', 'ipv6'])
const composing = ['/anyOf/', '/oneOf/', '/allOf/', '/content/', '/schema', '/if', '/then', '/else', '/not']

/** Where a body may be larger, or hold more, than anybody thought of: one sentence each. */
export function loosenessOf (bounds: BodyBounds): string[] {
  return Object.entries(bounds).flatMap(([pointer, own]) => {
    if (/\/(?:if|not)(?:\/|$)/.test(pointer)) return []
    const place = pointer === '' ? 'the body' : pointer
    const composes = Object.keys(bounds).some((other) => composing.some((step) => other.startsWith(pointer + step)))
    return lacksOf(own, composes).map((lack) => `${place} ${lack}`)
  })
}

function lacksOf (own: Bounds, composes: boolean): string[] {
  if (own['$ref'] !== undefined) return ['refers to a schema that is not known']
  if (own['enum'] !== undefined || own['const'] !== undefined) return []
  if (own['type'] === undefined) return composes || Object.keys(own).length > 0 ? [] : ['takes any value']
  const types = [own['type']].flat()
  const has = (keyword: string): boolean => own[keyword] !== undefined
  const isClosed = own['additionalProperties'] === false || own['unevaluatedProperties'] === false
  return [
    ...(types.includes('object') && !isClosed ? ['takes members that it does not name'] : []),
    ...(types.includes('string') && !has('maxLength') && !shortFormats.has(String(own['format'])) ? ['has no maxLength'] : []),
    ...(types.includes('array') && !has('maxItems') ? ['has no maxItems'] : []),
    ...(types.some((type) => type === 'number' || type === 'integer') && !((has('minimum') || has('exclusiveMinimum')) && (has('maximum') || has('exclusiveMaximum'))) ? ['has no minimum or no maximum'] : [])
  ]
}

// A value that a schema takes, from its examples where it has any, so that what is refused is refused for what was changed.
import type { AttackSchema } from './types.ts'

const formats: Readonly<Record<string, string>> = {
  uuid: '01900000-0000-7000-8000-000000000000',
  email: 'somebody@example.com',
  date: '2026-01-01',
  'date-time': '2026-01-01T00:00:00.000Z',
  uri: 'https://example.com/'
}

export function isSchema (value: unknown): value is AttackSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function propertiesOf (schema: AttackSchema): [string, AttackSchema][] {
  return isSchema(schema['properties']) ? Object.entries(schema['properties']).filter((entry): entry is [string, AttackSchema] => isSchema(entry[1])) : []
}

export function requiredOf ({ required }: AttackSchema): readonly unknown[] {
  return Array.isArray(required) ? required : []
}

export function sample (schema: AttackSchema): unknown {
  const { examples, enum: choices, anyOf: ways } = schema
  if (Object.hasOwn(schema, 'const')) return schema['const']
  if (Array.isArray(examples) && examples.length > 0) return examples[0]
  if (Array.isArray(choices) && choices.length > 0) return choices[0]
  if (Array.isArray(ways) && isSchema(ways[0])) return sample(ways[0])
  switch (schema['type']) {
    case 'object': return sampleObject(schema)
    case 'array': return Array.from({ length: Number(schema['minItems'] ?? 0) }, () => isSchema(schema['items']) ? sample(schema['items']) : null)
    case 'integer':
    case 'number': return schema['default'] ?? schema['minimum'] ?? 0
    case 'boolean': return false
    case 'null': return null
    default: return sampleText(schema)
  }
}

function sampleText ({ format, minLength }: AttackSchema): string {
  const known = typeof format === 'string' ? formats[format] : undefined
  return known ?? 'a'.repeat(Math.max(1, Number(minLength ?? 0)))
}

/** All members, so that each of their bounds can be broken. */
export function sampleObject (schema: AttackSchema): Record<string, unknown> {
  return Object.fromEntries(propertiesOf(schema).map(([name, member]) => [name, sample(member)]))
}

// What there is to attack: the routes as the registry has them, with the schemas of the OpenAPI document; or the document alone.
import type { AttackedAlternative, AttackedRoute, AttackSchema } from './types.ts'

/** The part of an OpenAPI 3.1 document that is read. */
export interface AttackDocument {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> }
}

/** A line of `app.guardedRoutes()`, as far as it is read. */
export interface DeclaredLine {
  readonly method: string
  readonly url: string
  readonly guards: readonly { readonly name: string }[]
  readonly requirement: readonly AttackedAlternative[] | null
  readonly limits: readonly { readonly name: string; readonly by: string; readonly max: number | null }[]
  readonly csrf: string | null
  readonly access: AttackedRoute['access']
  readonly anyOrigin: string | null
}

type Rights = AttackedRoute['rights']

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly required?: boolean; readonly schema?: AttackSchema; readonly example?: unknown; readonly examples?: unknown }[]
  readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly schema?: AttackSchema }>> }
  readonly security?: readonly AttackedAlternative[]
  readonly 'x-rate-limit'?: readonly { readonly name?: string; readonly by?: string; readonly max?: number }[]
}

const methods = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options', 'trace']
const none: Rights = { scopes: [], roles: [], anyScopes: [], anyRoles: [] }
const LONGEST_CHAIN = 16

function isObject (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `/items/{id}` as Fastify writes it. */
function patternOf (path: string): string {
  return path.replace(/\{([^{}]+)\}/g, ':$1')
}

/** The schema with everything that it refers to in its place. */
function resolved (schema: unknown, document: AttackDocument, depth = 0): unknown {
  if (Array.isArray(schema)) return schema.map((member) => resolved(member, document, depth))
  if (!isObject(schema)) return schema
  const reference = schema['$ref']
  if (typeof reference === 'string') {
    const name = reference.split('/').pop() ?? ''
    return depth > LONGEST_CHAIN ? {} : resolved(document.components?.schemas?.[name] ?? {}, document, depth + 1)
  }
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolved(value, document, depth)]))
}

function operationsOf (document: AttackDocument): Map<string, Operation> {
  const found = new Map<string, Operation>()
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const method of methods) {
      if (isObject(item[method])) found.set(`${method.toUpperCase()} ${patternOf(path)}`, item[method])
    }
  }
  return found
}

/** Parameters of one place, as an object that takes no others. */
function parametersIn (place: string, { parameters = [] }: Operation, document: AttackDocument): AttackSchema | null {
  const here = parameters.filter((parameter) => parameter.in === place)
  if (here.length === 0) return null
  const properties = Object.fromEntries(here.map(({ name, schema = {}, ...told }) => [name, { ...examplesOf(told), ...resolved(schema, document) as AttackSchema }]))
  return { type: 'object', properties, required: here.filter(({ required }) => required === true).map(({ name }) => name), additionalProperties: false }
}

/** Of a parameter they stand beside its schema. */
function examplesOf ({ example, examples }: { readonly example?: unknown; readonly examples?: unknown }): AttackSchema {
  const named = isObject(examples) ? Object.values(examples).flatMap((entry) => isObject(entry) && 'value' in entry ? [entry['value']] : []) : []
  const all = example === undefined ? named : [example, ...named]
  return all.length === 0 ? {} : { examples: all }
}

function bodyOf ({ requestBody }: Operation, document: AttackDocument): AttackedRoute['body'] {
  const [entry] = Object.entries(requestBody?.content ?? {})
  if (entry === undefined) return null
  const schema = resolved(entry[1].schema ?? {}, document)
  return { type: entry[0], schema: isObject(schema) ? schema : {} }
}

function schemasOf (operation: Operation | undefined, document: AttackDocument): Pick<AttackedRoute, 'params' | 'query' | 'body'> {
  if (operation === undefined) return { params: null, query: null, body: null }
  return { params: parametersIn('path', operation, document), query: parametersIn('query', operation, document), body: bodyOf(operation, document) }
}

/** What guards beside the alternatives ask for; what stands inside one is told by its scopes in the requirement. */
function rightsOf (guards: DeclaredLine['guards']): Rights {
  const names = (guard: string): string[][] => guards.flatMap(({ name }) => {
    const list = name.startsWith(`${guard}(`) ? name.slice(guard.length + 1, -1) : ''
    return list === '' ? [] : [list.split(', ')]
  })
  return { scopes: names('requireScopes').flat(), roles: names('requireRoles').flat(), anyScopes: names('requireAnyScope'), anyRoles: names('requireAnyRole') }
}

/** The surface of a service, from `app.guardedRoutes()` and its OpenAPI document; safe to serialise and to keep. */
export function surfaceFrom (lines: readonly DeclaredLine[], document: AttackDocument = {}): AttackedRoute[] {
  const operations = operationsOf(document)
  return lines.map(({ method, url, guards, requirement, limits, csrf, access, anyOrigin }) => ({
    method,
    url,
    access,
    alternatives: requirement ?? [],
    rights: rightsOf(guards),
    limits: limits.map(({ name, by, max }) => ({ name, by, max })),
    csrf,
    anyOrigin,
    ...schemasOf(operations.get(`${method} ${url}`), document)
  }))
}

/** The surface that a document alone tells of; roles, policies and what CSRF asks for are not in it. */
export function surfaceOfDocument (document: AttackDocument): AttackedRoute[] {
  return [...operationsOf(document)].map(([name, operation]) => {
    const [method = '', url = ''] = name.split(' ')
    const { security } = operation
    const strangers = security?.some((alternative) => Object.keys(alternative).length === 0) === true
    return {
      method,
      url,
      access: security === undefined ? 'undeclared' : security.length === 0 ? 'public' : strangers ? 'optional' : 'guarded',
      alternatives: security ?? [],
      rights: none,
      limits: (operation['x-rate-limit'] ?? []).map(({ name = '', by = 'address', max = null }) => ({ name, by, max })),
      csrf: operation.parameters?.some((parameter) => parameter.in === 'header' && parameter.name.toLowerCase() === 'x-csrf-token') === true ? 'token' : null,
      anyOrigin: null,
      ...schemasOf(operation, document)
    }
  })
}

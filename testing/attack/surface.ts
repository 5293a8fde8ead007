// What there is to attack: the routes as the registry has them, with the schemas of the OpenAPI document; or the document alone.
import type { AttackedAlternative, AttackedRoute, AttackSchema } from './types.ts'

/** The part of an OpenAPI 3 document that is read. */
export interface AttackDocument {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly security?: readonly AttackedAlternative[]
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>>; readonly [kind: string]: unknown }
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

interface Parameter { readonly in: string; readonly name: string; readonly required?: boolean; readonly schema?: AttackSchema; readonly example?: unknown; readonly examples?: unknown }

interface Operation {
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly schema?: AttackSchema }>> }
  readonly security?: readonly AttackedAlternative[]
  readonly 'x-required-scopes'?: readonly string[]
  readonly 'x-required-any-scope'?: readonly (readonly string[])[]
  readonly 'x-required-roles'?: readonly string[]
  readonly 'x-required-any-role'?: readonly (readonly string[])[]
  readonly 'x-csrf'?: string
  readonly 'x-rate-limit'?: readonly { readonly name?: string; readonly by?: string; readonly max?: number }[]
}

const methods = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options', 'trace']
const LONGEST_CHAIN = 8
/** Schemas that refer to each other have more places together than there is memory. */
const MOST_REFERENCES = 200

function isObject (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A name that stands in a pattern as it is. */
function wordOf (name: string): string {
  return name.replace(/\W/g, '_')
}

/** `/items/{id}` as Fastify writes it, and as a request can hold it. */
function patternOf (path: string): string {
  return path.replace(/\{([^{}]+)\}/g, (_all, name: string) => `:${wordOf(name)}`).replace(/[^\u0021-\u007e]+/gu, encodeURIComponent)
}

/** What a JSON Pointer of the document leads to, as `#/components/schemas/Item`. */
function referred (reference: string, document: AttackDocument): unknown {
  const steps = reference.split('/').slice(1).map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  return steps.reduce<unknown>((place, step) => isObject(place) && Object.hasOwn(place, step) ? place[step] : {}, document)
}

/** The schema with everything that it refers to in its place; one inside itself takes anything, as do those beyond the most. */
function resolved (schema: unknown, document: AttackDocument): unknown {
  let left = MOST_REFERENCES
  function walk (part: unknown, chain: readonly string[]): unknown {
    if (Array.isArray(part)) return part.map((member) => walk(member, chain))
    if (!isObject(part)) return part
    const reference = part['$ref']
    if (typeof reference !== 'string') return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, walk(value, chain)]))
    if (left === 0 || chain.length >= LONGEST_CHAIN || chain.includes(reference)) return {}
    left -= 1
    return walk(referred(reference, document), [...chain, reference])
  }
  return walk(schema, [])
}

function operationsOf (document: AttackDocument): Map<string, Operation> {
  const found = new Map<string, Operation>()
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    // What begins otherwise is an extension (OpenAPI 3.1 §4.8.8), and as a target of a request another address.
    if (!path.startsWith('/')) continue
    for (const method of methods) {
      if (isObject(item[method])) found.set(`${method.toUpperCase()} ${patternOf(path)}`, operationOf(item[method], item['parameters'], document))
    }
  }
  return found
}

/** With what the path and the document say for all of theirs. */
function operationOf (written: Readonly<Record<string, unknown>>, shared: unknown, document: AttackDocument): Operation {
  const { security = document.security } = written as Operation
  const listed = [shared, written['parameters']].flatMap((list) => resolved(list ?? [], document) as Parameter[])
  const parameters = new Map(listed.map((parameter) => [`${parameter.in} ${parameter.name}`, parameter]))
  return { ...written, parameters: [...parameters.values()], requestBody: resolved(written['requestBody'] ?? {}, document) as object, ...(security === undefined ? {} : { security }) }
}

/** Parameters of one place, as an object that takes no others. */
function parametersIn (place: string, { parameters = [] }: Operation): AttackSchema | null {
  const here = parameters.filter((parameter) => parameter.in === place).map((parameter) => place === 'path' ? { ...parameter, name: wordOf(parameter.name) } : parameter)
  if (here.length === 0) return null
  const properties = Object.fromEntries(here.map(({ name, schema = {}, ...told }) => [name, { ...examplesOf(told), ...schema }]))
  return { type: 'object', properties, required: here.filter(({ required }) => required === true).map(({ name }) => name), additionalProperties: false }
}

/** Of a parameter they stand beside its schema. */
function examplesOf ({ example, examples }: { readonly example?: unknown; readonly examples?: unknown }): AttackSchema {
  const named = isObject(examples) ? Object.values(examples).flatMap((entry) => isObject(entry) && 'value' in entry ? [entry['value']] : []) : []
  const all = example === undefined ? named : [example, ...named]
  return all.length === 0 ? {} : { examples: all }
}

function bodyOf ({ requestBody }: Operation): AttackedRoute['body'] {
  const [entry] = Object.entries(requestBody?.content ?? {})
  return entry === undefined ? null : { type: entry[0], schema: entry[1].schema ?? {} }
}

function schemasOf (operation: Operation | undefined): Pick<AttackedRoute, 'params' | 'query' | 'body'> {
  if (operation === undefined) return { params: null, query: null, body: null }
  return { params: parametersIn('path', operation), query: parametersIn('query', operation), body: bodyOf(operation) }
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
    ...schemasOf(operations.get(`${method} ${url}`))
  }))
}

function accessOf ({ security }: Operation): AttackedRoute['access'] {
  if (security === undefined) return 'undeclared'
  if (security.length === 0) return 'public'
  return security.some((alternative) => Object.keys(alternative).length === 0) ? 'optional' : 'guarded'
}

/** What CSRF asks for, by the document of this package, or by the header that others name as a parameter. */
function csrfOf ({ parameters = [], 'x-csrf': proof }: Operation): string | null {
  const takesToken = parameters.some((parameter) => parameter.in === 'header' && parameter.name.toLowerCase() === 'x-csrf-token')
  return proof ?? (takesToken ? 'token' : null)
}

/** The surface that a document alone tells of; policies, and which origins may read, are not in it. */
export function surfaceOfDocument (document: AttackDocument): AttackedRoute[] {
  return [...operationsOf(document)].map(([name, operation]) => {
    const [method = '', url = ''] = name.split(' ')
    const access = accessOf(operation)
    return {
      method,
      url,
      access,
      alternatives: operation.security ?? [],
      rights: {
        scopes: operation['x-required-scopes'] ?? [],
        roles: operation['x-required-roles'] ?? [],
        anyScopes: operation['x-required-any-scope'] ?? [],
        anyRoles: operation['x-required-any-role'] ?? []
      },
      limits: (operation['x-rate-limit'] ?? []).map(({ name = '', by = 'address', max = null }) => ({ name, by, max })),
      csrf: csrfOf(operation),
      anyOrigin: access === 'guarded' || access === 'optional' ? null : 'everybody may ask for it',
      ...schemasOf(operation)
    }
  })
}

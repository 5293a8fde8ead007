// What @fastify/swagger asks for each route it documents. The schema of the route is never written on:
// the document gets a copy that says what the core enforces.
import { fault } from '../errors.ts'
import { operationSecurity } from '../guards/operation.ts'
import { recordOf } from '../guards/route.ts'
import type { DeclaredResponse, OperationSecurity } from '../guards/operation.ts'

interface Document {
  components?: { schemas?: Record<string, object>; securitySchemes?: Record<string, object> }
}

/** What @fastify/swagger passes to a `transform`. */
export interface TransformInput {
  schema?: unknown
  url: string
  route: object
  openapiObject?: unknown
}

/** The schema of a route, as far as OpenAPI is concerned. */
export interface RouteSchema {
  hide?: boolean
  response?: Record<string, object>
  headers?: unknown
  [member: string]: unknown
}

export interface Transformed {
  schema: RouteSchema
  url: string
}

/**
 * The `transform` option for a @fastify/swagger of your own (OpenAPI 3.1 only): adds to each operation the
 * security, the refusals and the extensions that the core derives, and to the document the schemes in use.
 */
export function openapiTransform (input: TransformInput): Transformed {
  return transformRoute(input, ({ response = {} }) => response)
}

/** As {@link openapiTransform}; `answersOf` says what the handler and the service's error handlers answer. */
export function transformRoute ({ schema, url, route, openapiObject }: TransformInput, answersOf: (schema: RouteSchema) => Record<string, object>): Transformed {
  const written = (schema ?? {}) as RouteSchema
  const record = recordOf(route)
  const format = record?.runtime?.format
  if (record === undefined || format === undefined || written.hide === true) return { schema: written, url }
  assertVersion(openapiObject)
  const derived = operationSecurity(record, format, record.serviceLimits, componentFor(format.schema, openapiObject))
  const components = openapiObject.components ??= {}
  components.securitySchemes = { ...components.securitySchemes, ...derived.securitySchemes }
  return {
    url,
    schema: {
      ...written,
      ...describedBy(written.description, derived.notes),
      ...derived.extensions,
      ...(derived.security === undefined ? {} : { security: derived.security }),
      ...mergeHeaders(written.headers, derived.parameters),
      response: mergeResponses(answersOf(written), derived)
    }
  }
}

/** Other versions have no place for what is derived: the document would tell of open routes. */
function assertVersion (document: unknown): asserts document is Document {
  const version = typeof document === 'object' && document !== null && 'openapi' in document ? document.openapi : undefined
  if (typeof version !== 'string' || !version.startsWith('3.1.')) {
    throw fault('GATEHOUSE_OPTION_INVALID', "openapiTransform: @fastify/swagger needs openapi: { openapi: '3.1.0' }")
  }
}

/** What the author wrote, and below it what the guards add. */
function describedBy (written: unknown, notes: string): { description?: string } {
  if (notes === '') return {}
  return { description: typeof written === 'string' && written !== '' ? `${written}\n\n${notes}` : notes }
}

/** The headers that the author declares, and those that guards read. */
function mergeHeaders (written: unknown, parameters: OperationSecurity['parameters']): { headers?: object } {
  if (parameters === undefined) return {}
  const { properties, required = [], ...rest } = (typeof written === 'object' && written !== null ? written : { type: 'object' }) as { properties?: object; required?: string[] }
  return { headers: { ...rest, properties: { ...properties, ...parameters.properties }, required: [...required, ...(parameters.required ?? [])] } }
}

type Response = Partial<DeclaredResponse>

/** A refusal is sent past the route's own schema, so its body and headers are ours; the description stays the author's. */
function mergeResponses (written: Record<string, Response>, { responses, headers }: OperationSecurity): Record<string, object> {
  const succeeds = Object.keys(written).some((status) => /^(2|3|default)/i.test(status))
  const merged: Record<string, Response> = succeeds ? { ...written } : { 200: { description: 'Default Response', type: 'null' } as Response, ...written }
  if (headers !== undefined) {
    for (const [status, response] of Object.entries(merged)) merged[status] = { ...response, headers: { ...response.headers, ...headers } }
  }
  for (const [status, response] of Object.entries(responses)) {
    merged[status] = { ...response, ...withExamples(response, written[status]), description: written[status]?.description ?? response.description }
  }
  return merged
}

/** Where the handler answers in the same form, its examples stand before those of the guards. */
function withExamples ({ content = {} }: Response, written: Response = {}): Response {
  return {
    content: Object.fromEntries(Object.entries(content).map(([type, media]) => {
      const examples = { ...written.content?.[type]?.examples, ...media.examples }
      return [type, Object.keys(examples).length === 0 ? media : { ...media, examples }]
    }))
  }
}

/** A named schema stands once in the components; one without a name is repeated. */
export function componentFor (schema: object, openapiObject: unknown): object {
  const { $id, ...rest } = schema as { $id?: string }
  if ($id === undefined) return schema
  const components = (openapiObject as Document).components ??= {}
  const schemas = components.schemas ??= {}
  schemas[$id] ??= rest
  return { $ref: `#/components/schemas/${$id}` }
}

// Schemas mean what they say: a body is never coerced and never loses members; queries, paths and headers, which are
// text by nature, become numbers and booleans where the schema wants them.
import { AjvCompiler } from '@fastify/ajv-compiler'
import type { BuildCompilerFromPool } from '@fastify/ajv-compiler'

type Schemas = Parameters<BuildCompilerFromPool>[0]
type Options = Parameters<BuildCompilerFromPool>[1]
type Compile = ReturnType<BuildCompilerFromPool>

interface RouteSchema {
  readonly schema: unknown
  readonly httpPart?: string | null
}

const strict = { allErrors: false, removeAdditional: false, useDefaults: true } as const
// `'array'` makes a list of a single value where the schema wants one; a repeated key never becomes one value.
const coercion = { text: 'array', body: false } as const
const textParts = new Set<unknown>(['querystring', 'params', 'headers'])

/** For Fastify's `schemaController`: compilers that differ for bodies and for the rest, each made when it is needed. */
export function createValidatorFactory (): BuildCompilerFromPool {
  const pool = AjvCompiler()
  return function buildValidator (schemas: Schemas, options: Options) {
    const compilers = new Map<keyof typeof coercion, Compile>()
    function compilerFor (kind: keyof typeof coercion): Compile {
      const customOptions = { ...options?.customOptions, ...strict, coerceTypes: coercion[kind] }
      const compiler = compilers.get(kind) ?? pool(schemas, { ...options, customOptions } as Options)
      compilers.set(kind, compiler)
      return compiler
    }
    function compile (route: RouteSchema): unknown {
      const schema = route.httpPart === 'headers' ? lowerCaseNames(route.schema) : route.schema
      return compilerFor(textParts.has(route.httpPart) ? 'text' : 'body')({ ...route, schema })
    }
    // Its type says that it is called with a schema; Fastify calls it with a schema's route.
    return compile as Compile
  }
}

const nameMaps = new Set(['properties', 'dependencies'])
const values = new Set(['enum', 'const', 'default', 'examples'])

/** Header names are case-insensitive and Node has them in lower case; Fastify leaves this to a compiler of one's own. */
function lowerCaseNames (schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(lowerCaseNames)
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(Object.entries(schema).map(([keyword, value]: [string, unknown]) => {
    if (values.has(keyword)) return [keyword, value]
    if (keyword === 'required') return [keyword, lowerCaseAll(value)]
    if (!nameMaps.has(keyword) || typeof value !== 'object' || value === null) return [keyword, lowerCaseNames(value)]
    const named = Object.entries(value).map(([name, member]: [string, unknown]) => [name.toLowerCase(), Array.isArray(member) ? lowerCaseAll(member) : lowerCaseNames(member)])
    return [keyword, Object.fromEntries(named)]
  }))
}

function lowerCaseAll (names: unknown): unknown {
  return Array.isArray(names) ? names.map((name) => String(name).toLowerCase()) : names
}

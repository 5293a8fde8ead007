// What `problems` answers on a route beside the refusals of its guards: invalid input, errors that the author names by
// their status alone, and a failure of the service.
import { codesOf, examplesOf } from '../guards/operation-examples.ts'
import { typed } from '../guards/problem-types.ts'
import { ProblemSchema } from '../schemas/problem.ts'
import { componentFor, openapiTransform, transformRoute } from './openapi-transform.ts'
import type { FastifyInstance } from 'fastify'
import type { Problem, ProblemError, RefusalCode, RefusalContext } from '../errors.ts'
import type { RouteSchema, TransformInput, Transformed } from './openapi-transform.ts'

/**
 * {@link openapiTransform}, and with it what `problems` answers on the routes whose errors it handles. Call it before
 * the routes are declared.
 */
export function createDocumentTransform (app: FastifyInstance): (input: TransformInput) => Transformed {
  const contexts = new WeakMap<object, FastifyInstance>()
  app.addHook('onRoute', function (route) { contexts.set(route, this) })

  function isAnsweredByProblems (route: object): boolean {
    // An error handler of the route, or of the context it stands in, answers in its own way.
    return app.hasPlugin('gatehouse-problems') && !('errorHandler' in route && route.errorHandler !== undefined) && contexts.get(route)?.errorHandler === app.errorHandler
  }

  return function transform (input) {
    const { openapiObject, route } = input
    if (openapiObject === undefined || !isAnsweredByProblems(route)) return openapiTransform(input)
    return transformRoute(input, (schema) => withProblems(schema, { body: componentFor(ProblemSchema, openapiObject), write: (problem) => typed(problem, app) }))
  }
}

const inputs = ['body', 'querystring', 'params', 'headers']

function withProblems (schema: RouteSchema, { body, write }: { body: object; write: (problem: Problem) => Problem }): Record<string, object> {
  const contentOf = (codes: readonly RefusalCode[], context?: RefusalContext): object => {
    const examples = examplesOf(codes, write, context)
    return { 'application/problem+json': { schema: body, ...(codes.length === 0 ? {} : { examples }) } }
  }
  const described = Object.entries(schema.response ?? {}).map(([status, response]) => [status, isBare(status, response) ? { ...response, content: contentOf(codesOf(Number(status))) } : response] as const)
  return {
    ...(inputs.some((name) => schema[name] !== undefined) ? { 400: { description: 'The request is malformed or does not match the schema.', content: contentOf(['validation'], { errors: [inputError(schema)] }) } } : {}),
    500: { description: 'The service failed.', content: contentOf(['internal_error']) },
    ...Object.fromEntries(described)
  }
}

function inputError (schema: RouteSchema): ProblemError {
  const detail = 'must NOT have fewer than 1 characters'
  if (schema['body'] !== undefined) return { pointer: '/name', in: 'body', detail }
  if (schema['params'] !== undefined) return { parameter: 'id', in: 'path', detail }
  return schema['querystring'] === undefined ? { parameter: 'x-name', in: 'header', detail } : { parameter: 'cursor', in: 'query', detail }
}

/** Whether the author names an error and nothing of its body. */
function isBare (status: string, response: object): boolean {
  return /^[45]/.test(status) && Object.keys(response).every((member) => ['description', 'headers'].includes(member))
}

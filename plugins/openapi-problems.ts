// What `problems` answers on a route beside the refusals of its guards: invalid input, errors that the author names by
// their status alone, and a failure of the service.
import { ProblemSchema } from '../schemas/problem.ts'
import { componentFor, openapiTransform, transformRoute } from './openapi-transform.ts'
import type { FastifyInstance } from 'fastify'
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
    return transformRoute(input, (schema) => withProblems(schema, { 'application/problem+json': { schema: componentFor(ProblemSchema, openapiObject) } }))
  }
}

const inputs = ['body', 'querystring', 'params', 'headers']

function withProblems (schema: RouteSchema, content: object): Record<string, object> {
  const described = Object.entries(schema.response ?? {}).map(([status, response]) => [status, isBare(status, response) ? { ...response, content } : response] as const)
  return {
    ...(inputs.some((name) => schema[name] !== undefined) ? { 400: { description: 'The request is malformed or does not match the schema.', content } } : {}),
    500: { description: 'The service failed.', content },
    ...Object.fromEntries(described)
  }
}

/** Whether the author names an error and nothing of its body. */
function isBare (status: string, response: object): boolean {
  return /^[45]/.test(status) && Object.keys(response).every((member) => ['description', 'headers'].includes(member))
}

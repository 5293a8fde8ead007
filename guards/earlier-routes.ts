// Whether the server has routes that the registry has not seen: they were declared before the core was loaded,
// no hook of ours can reach them, and so the service must not start as if they were guarded.
import type { FastifyInstance } from 'fastify'
import type { Registry } from './registry.ts'

const METHODS = /\(((?:[A-Z-]+)(?:, [A-Z-]+)*)\)(?= \{|$)/gm

export function hasEarlierRoutes (app: FastifyInstance, registry: Registry): boolean {
  const printed = app.printRoutes({ commonPrefix: false })
  if (registry.routes.length === 0) return printed !== '(empty tree)'
  const declared = [...printed.matchAll(METHODS)].reduce((count, [, methods = '']) => count + methods.split(', ').length, 0)
  return declared > registry.routes.reduce((count, { methods, twice }) => count + methods.length * (twice ? 2 : 1), 0)
}

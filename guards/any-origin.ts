// Where `cors` tells the core that every origin may read the answers of a context, and why.
import type { FastifyInstance } from 'fastify'

const anyOrigin = Symbol('gatehouse.anyOrigin')

interface Told { [anyOrigin]?: string }

/** Holds for the routes of this context and of its children, which inherit from it. */
export function tellAnyOrigin (app: FastifyInstance & Told, why: string): void {
  app[anyOrigin] = why
}

/** The reason told for this context; `null` where nobody told one. */
export function anyOriginOf (context: object): string | null {
  return (context as Told)[anyOrigin] ?? null
}

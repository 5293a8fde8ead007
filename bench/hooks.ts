// What the hooks of a route cost, without HTTP: effects that are too small to be seen in requests per second.
import { rowNamed } from './row-named.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RequestHeaders } from './rows.ts'
import type { Service } from './services.ts'

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

const RUNS = 5
const CALLS = 100_000

/** Nanoseconds that the `onRequest` hooks of the row's route take for a request: the median of 5 × 100,000 calls. */
export async function hookTime (name: string): Promise<number> {
  const row = rowNamed(name)
  const route = await captured(row.service, row.headers()(0))
  const runs: number[] = []
  for (let run = 0; run <= RUNS; run += 1) {
    const start = process.hrtime.bigint()
    for (let call = 0; call < CALLS; call += 1) pass(route)
    runs.push(Number(process.hrtime.bigint() - start) / CALLS)
  }
  // The first run is the one that warms up.
  return runs.slice(1).sort((a, b) => a - b)[RUNS >> 1] ?? NaN
}

/** The hooks of a route and a request that Fastify made. */
export interface Captured { readonly hooks: readonly Hook[]; readonly request: FastifyRequest; readonly reply: FastifyReply }

/** Runs the hooks; throws where they do not let the request pass at once. */
export function pass ({ hooks, request, reply }: Captured): void {
  let passed = 0
  for (const hook of hooks) hook(request, reply, (error) => { if (error === undefined) passed += 1 })
  if (passed !== hooks.length) throw new Error('a hook did not let the request pass')
}

/** The hooks as they stand on the route when the core has compiled them. */
export async function captured (service: Service, headers: RequestHeaders): Promise<Captured> {
  let hooks: Hook[] = []
  let seen: { request: FastifyRequest; reply: FastifyReply } | null = null
  const app = await service((instance, declareRoute) => {
    instance.addHook('onRoute', ({ url, method, onRequest }) => {
      if (url !== '/' || method !== 'GET') return
      hooks = (Array.isArray(onRequest) ? onRequest : onRequest === undefined ? [] : [onRequest]) as unknown as Hook[]
    })
    declareRoute()
  })
  app.addHook('preHandler', (request, reply, done) => {
    seen = { request, reply }
    done()
  })
  await app.inject({ url: '/', headers })
  await app.close()
  if (seen === null) throw new Error('the request did not reach its handler')
  return { hooks, ...seen as { request: FastifyRequest; reply: FastifyReply } }
}

// What a thousand guarded routes cost at boot, beside the same routes unguarded with swagger: each start in a process of its own.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import { Type } from '@sinclair/typebox'
import { openapi } from '../plugins/openapi.ts'
import { scopes } from '../plugins/scopes.ts'
import { material } from './material.ts'
import { registerApiKey, registerBearer, respond } from './services.ts'
import type { FastifyInstance } from 'fastify'

const ROUTES = 1000
const STARTS = 9
const scopeNames = Array.from({ length: 40 }, (_, number) => `resource${String(number >> 1)}:${number % 2 === 0 ? 'read' : 'write'}`)
const info = { title: 'Items', version: '1.0.0' }
const schema = { params: Type.Object({ id: Type.String({ maxLength: 36 }) }), response: { 200: Type.Object({ hello: Type.String() }) } }

type OptionsOf = (route: number) => object

async function unguarded (app: FastifyInstance): Promise<OptionsOf> {
  const { default: swagger } = await import('@fastify/swagger')
  await app.register(swagger, { openapi: { openapi: '3.1.0', info } })
  return () => ({})
}

/** As services are: a few ways in, a scope for each resource and verb, and many routes with one of both. */
async function guarded (app: FastifyInstance): Promise<OptionsOf> {
  await app.register(openapi, { info, docs: false, yaml: false })
  await registerBearer(app, 'HS256', { scopes: Object.fromEntries(scopeNames.map((name) => [name, name])) })
  await registerApiKey(app)
  await app.register(scopes)
  const readers = [app.bearer, app.anyOf(app.bearer, app.apiKey)]
  return (route) => ({ onRequest: [readers[route % readers.length], app.requireScopes(scopeNames[route % scopeNames.length] ?? '')] })
}

/** Milliseconds from nothing to a service that is ready; what is imported is there already. */
async function start (register: typeof guarded): Promise<number> {
  await Promise.all([import('@fastify/swagger'), import('@fastify/jwt'), import('fast-jwt')])
  material()
  const begun = performance.now()
  const app = Fastify()
  const options = await register(app)
  for (let number = 0; number < ROUTES; number += 1) app.get(`/routes/${String(number)}/:id`, { schema, ...options(number) }, respond)
  await app.ready()
  return performance.now() - begun
}

function startApart (kind: 'guarded' | 'unguarded'): number {
  return Number(execFileSync(process.execPath, [fileURLToPath(import.meta.url), kind], { env: { ...process.env, NODE_ENV: 'production' } }))
}

function median (values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN
}

/** Medians of alternating starts, in milliseconds. */
export function bootTimes (): { guarded: number; unguarded: number } {
  const times = Array.from({ length: STARTS }, () => ({ unguarded: startApart('unguarded'), guarded: startApart('guarded') }))
  return { guarded: median(times.map((time) => time.guarded)), unguarded: median(times.map((time) => time.unguarded)) }
}

const [, script, kind] = process.argv
if (script === fileURLToPath(import.meta.url)) process.stdout.write(String(await start(kind === 'guarded' ? guarded : unguarded)))

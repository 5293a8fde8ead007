// What a thousand guarded routes cost at boot, beside the same routes unguarded with swagger: each start in a process of its own.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import { Type } from '@sinclair/typebox'
import { openapi } from '../plugins/openapi.ts'
import { scopes } from '../plugins/scopes.ts'
import { registerApiKey, registerBearer, respond } from './services.ts'
import type { FastifyInstance } from 'fastify'

const ROUTES = 1000
const STARTS = 9
const info = { title: 'Items', version: '1.0.0' }
const schema = { params: Type.Object({ id: Type.String({ maxLength: 36 }) }), response: { 200: Type.Object({ hello: Type.String() }) } }

async function unguarded (app: FastifyInstance): Promise<() => object> {
  const { default: swagger } = await import('@fastify/swagger')
  await app.register(swagger, { openapi: { openapi: '3.1.0', info } })
  return () => ({})
}

async function guarded (app: FastifyInstance): Promise<() => object> {
  await app.register(openapi, { info, docs: false, yaml: false })
  await registerBearer(app, 'HS256')
  await registerApiKey(app)
  await app.register(scopes)
  return () => ({ onRequest: [app.anyOf(app.bearer, app.apiKey), app.requireScopes('items:read')] })
}

/** Milliseconds from nothing to a service that is ready and has its document; what is imported is there already. */
async function start (register: typeof guarded): Promise<number> {
  await Promise.all([import('@fastify/swagger'), import('fast-jwt'), import('@fastify/jwt'), import('yaml')].map((module) => module.catch(() => undefined)))
  const begun = performance.now()
  const app = Fastify()
  const options = await register(app)
  for (let number = 0; number < ROUTES; number += 1) app.get(`/routes/${String(number)}/:id`, { schema, ...options() }, respond)
  await app.ready()
  app.swagger()
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

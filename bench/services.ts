// The services that are measured: bare, each official package wired as its own documentation shows, and ours.
// Every one answers `GET /` with the same small JSON.
import Fastify from 'fastify'
import { timingSafeEqual } from 'node:crypto'
import { apiKeyAuth } from '../plugins/api-key-auth.ts'
import { basicAuth } from '../plugins/basic-auth.ts'
import { bearerAuth } from '../plugins/bearer-auth.ts'
import { cors } from '../plugins/cors.ts'
import { guards } from '../plugins/guards.ts'
import { rateLimit } from '../plugins/rate-limit.ts'
import { scopes } from '../plugins/scopes.ts'
import { securityHeaders } from '../plugins/security-headers.ts'
import { audience, digestOf, issuer, material, scopeNames } from './material.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import type { BearerAuthOptions } from '../plugins/bearer-auth.ts'
import type { BenchAlgorithm } from './material.ts'

/** Makes the service; `declaring` is called when all is registered, and has to declare the route. */
export type Service = (declaring?: (app: FastifyInstance, declareRoute: () => void) => void) => Promise<FastifyInstance>

export const origin = 'https://app.example'
const limit = { max: 1_000_000_000, timeWindow: 60_000 }
const declaredScopes = Object.fromEntries(scopeNames.map((name) => [name, name]))

export function respond (_request: FastifyRequest, reply: FastifyReply): void {
  void reply.send({ hello: 'world' })
}

type OnRequest = NonNullable<Parameters<FastifyInstance['get']>[1]['onRequest']>

/** A service whose route has what `register` returns in its `onRequest`. */
export function service (register: (app: FastifyInstance) => Promise<OnRequest | undefined>): Service {
  return async (declaring = (_app, declareRoute) => { declareRoute() }) => {
    const app = Fastify()
    const onRequest = await register(app)
    declaring(app, () => { app.get('/', onRequest === undefined ? {} : { onRequest }, respond) })
    return app
  }
}

export const bare = service(noHook)

async function noHook (): Promise<undefined> {
  return await Promise.resolve(undefined)
}

/** @fastify/jwt as its README has it: `request.jwtVerify()` in an async hook. */
async function officialJwt (app: FastifyInstance, algorithm: BenchAlgorithm, cache: boolean): Promise<onRequestHookHandler> {
  const { secret, publicKeys } = material()
  const { default: jwt } = await import('@fastify/jwt')
  const key = algorithm === 'HS256' ? secret : { public: publicKeys[algorithm] }
  await app.register(jwt, { secret: key, verify: { algorithms: [algorithm], allowedIss: issuer, allowedAud: audience, cache } })
  return async (request, reply) => {
    try {
      await request.jwtVerify()
    } catch (error) {
      await reply.send(error)
    }
  }
}

async function officialHelmet (app: FastifyInstance): Promise<void> {
  const { default: helmet } = await import('@fastify/helmet')
  await app.register(helmet)
}

async function officialCors (app: FastifyInstance): Promise<void> {
  const { default: officialPlugin } = await import('@fastify/cors')
  await app.register(officialPlugin, { origin: [origin] })
}

async function officialRateLimit (app: FastifyInstance): Promise<void> {
  const { default: officialPlugin } = await import('@fastify/rate-limit')
  await app.register(officialPlugin, limit)
}

function keyByHand (): (key: string) => boolean {
  const known = digestOf(material().apiKey)
  return (key) => timingSafeEqual(digestOf(key), known)
}

export const official = {
  hook: service(async () => await Promise.resolve((_request, _reply, done) => { done() })),
  jwt: (algorithm: BenchAlgorithm, cache = false): Service => service((app) => officialJwt(app, algorithm, cache)),
  apiKey: service(async () => {
    const matches = keyByHand()
    return await Promise.resolve((request: FastifyRequest, reply: FastifyReply, done: () => void) => {
      if (matches(String(request.headers['x-api-key']))) done()
      else void reply.code(401).send()
    })
  }),
  basic: service(async (app) => {
    const { fastifyBasicAuth } = await import('@fastify/basic-auth')
    const matches = keyByHand()
    await app.register(fastifyBasicAuth, {
      authenticate: { realm: 'api' },
      validate (username, password, _request, _reply, done) {
        if (username === 'alice' && matches(password)) done()
        else done(new Error('no'))
      }
    })
    return app.basicAuth
  }),
  auth: service(async (app) => {
    const { default: auth } = await import('@fastify/auth')
    await app.register(auth)
    const verify = await officialJwt(app, 'HS256', true) as (request: FastifyRequest, reply: FastifyReply) => Promise<void>
    const matches = keyByHand()
    return app.auth([
      async (request: FastifyRequest, reply: FastifyReply) => { await verify(request, reply) },
      async (request: FastifyRequest) => {
        if (!matches(String(request.headers['x-api-key']))) throw new Error('no')
        await Promise.resolve()
      }
    ])
  }),
  helmet: service(async (app) => { await officialHelmet(app); return undefined }),
  cors: service(async (app) => { await officialCors(app); return undefined }),
  rateLimit: service(async (app) => { await officialRateLimit(app); return undefined }),
  /** Rate limit, headers, CORS and a cached token, with the scope checked by hand: what the packages can do together. */
  stack: service(async (app) => {
    await officialRateLimit(app)
    await officialHelmet(app)
    await officialCors(app)
    const verify = await officialJwt(app, 'HS256', true) as (request: FastifyRequest, reply: FastifyReply) => Promise<void>
    return async (request: FastifyRequest, reply: FastifyReply) => {
      await verify(request, reply)
      const { scope } = request.user as { scope: string }
      if (!scope.split(' ').includes('items:read')) await reply.code(403).send()
    }
  })
} as const

/** Our bearer scheme over a fixed key of the algorithm. */
export async function registerBearer (app: FastifyInstance, algorithm: BenchAlgorithm, options: Partial<BearerAuthOptions> = {}): Promise<void> {
  const { secret, publicKeys } = material()
  const key = algorithm === 'HS256' ? { secret } : { publicKey: publicKeys[algorithm], algorithms: [algorithm] }
  await app.register(bearerAuth, { ...key, issuer, audience, scopes: declaredScopes, ...options })
}

export async function registerApiKey (app: FastifyInstance): Promise<void> {
  const matches = keyByHand()
  await app.register(apiKeyAuth, { verify: ({ key }) => matches(key) ? { subject: 'alice', scopes: scopeNames } : null })
}

export const ours = {
  public: service(async (app) => { await app.register(guards); return app.publicAccess('measured') }),
  bearer: (algorithm: BenchAlgorithm): Service => service(async (app) => { await registerBearer(app, algorithm); return app.bearer }),
  bearerScopes: service(async (app) => {
    await registerBearer(app, 'HS256')
    await app.register(scopes)
    return [app.bearer, app.requireScopes('items:read')]
  }),
  apiKey: service(async (app) => { await registerApiKey(app); return app.apiKey }),
  basic: service(async (app) => {
    await app.register(basicAuth, { users: { alice: material().apiKey } })
    return app.basic
  }),
  anyOf: service(async (app) => {
    await registerBearer(app, 'HS256')
    await registerApiKey(app)
    await app.register(scopes)
    return [app.anyOf(app.bearer, app.apiKey), app.requireScopes('items:read')]
  }),
  optional: service(async (app) => { await registerBearer(app, 'HS256'); return app.optional(app.bearer) }),
  securityHeaders: service(async (app) => { await app.register(securityHeaders); return await noHook() }),
  cors: service(async (app) => { await app.register(cors, { origin: [origin] }); return await noHook() }),
  limit: service(async (app) => {
    await app.register(rateLimit)
    return [app.publicAccess('measured'), app.limit(limit)]
  }),
  stack: service(async (app) => {
    await app.register(securityHeaders)
    await app.register(cors, { origin: [origin] })
    await app.register(rateLimit)
    await registerBearer(app, 'HS256')
    await app.register(scopes)
    return [app.limit(limit), app.bearer, app.requireScopes('items:read')]
  })
} as const

// A service that had tokens, limits, headers, CORS, an error handler and a hook of its own, and keeps them all: API keys,
// scopes and an OpenAPI document are added, and what worked before is answered as before, header by header.
import { createHash, randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import fastifyCors from '@fastify/cors'
import fastifyHelmet from '@fastify/helmet'
import fastifyJwt from '@fastify/jwt'
import fastifyRateLimit from '@fastify/rate-limit'
import Fastify from 'fastify'
import { apiKeyAuth, openapi, scopes } from '../index.ts'
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify'
import type { PrincipalGrant } from '../index.ts'

export interface ExistingServiceOptions {
  /** What the service signs its own tokens with. */
  secret: Buffer
  /** Whoever a key belongs to, by the SHA-256 digest of the key in hex; without it the service is as it was before. */
  keys?: ReadonlyMap<string, PrincipalGrant>
}

/** What a service keeps of a key. */
export function digestOf (key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

const order = {
  type: 'object',
  required: ['item'],
  additionalProperties: false,
  properties: { item: { type: 'string', maxLength: 100 } }
}

export async function buildApp ({ secret, keys }: ExistingServiceOptions): Promise<FastifyInstance> {
  const app = Fastify()

  if (keys !== undefined) {
    // First, because @fastify/cors declares a route, and the core refuses to boot beside routes that it did not see.
    await app.register(apiKeyAuth, { verify: ({ key }) => keys.get(digestOf(key)) ?? null })
    await app.register(scopes)
  }

  // What was there before.
  await app.register(fastifyHelmet)
  await app.register(fastifyCors, { origin: 'https://shop.example', credentials: true })
  await app.register(fastifyRateLimit, { max: 100, timeWindow: '1 minute' })
  await app.register(fastifyJwt, { secret, sign: { expiresIn: '15m' } })
  app.setErrorHandler<FastifyError>(({ statusCode = 500, message }, _request, reply) => reply.code(statusCode).send({ oops: statusCode < 500 ? message : 'Something broke' }))
  app.setNotFoundHandler((request, reply) => reply.code(404).send({ oops: `No ${request.method} here` }))
  app.addHook('onRequest', async (request, reply) => { void reply.header('x-trace', request.id) })

  // After the service's own plugins, so that their headers and limits hold for the documents too.
  if (keys !== undefined) await app.register(openapi, { info: { title: 'Orders', version: '2.0.0' } })

  // What was there before, too.
  const loggedIn = async (request: FastifyRequest): Promise<void> => { await request.jwtVerify() }
  app.post('/login', { config: { rateLimit: { max: 2 } } }, () => ({ token: app.jwt.sign({ sub: 'alice' }) }))
  app.get('/orders', { onRequest: loggedIn }, (request) => ({ user: request.user, orders: ['A lamp'] }))
  app.post('/orders', { onRequest: loggedIn, schema: { body: order } }, (request, reply) => reply.code(201).send(request.body))
  app.get('/broken', () => { throw new Error('of the service itself') })

  // A machine asks for what people see with their tokens; where `request.principal` is taken: `guards: { principal: false }`.
  if (keys !== undefined) {
    app.get('/reports', { onRequest: [app.apiKey, app.requireScopes('reports:read')] }, (request) => ({ reader: app.apiKey.principal(request).subject, orders: 1 }))
  }
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const key = randomBytes(32).toString('base64url')
  const app = await buildApp({ secret: randomBytes(32), keys: new Map([[digestOf(key), { subject: 'reporter', scopes: ['reports:read'] }]]) })
  const url = await app.listen({ port: 3000 })
  process.stdout.write(`Docs: ${url}/docs\ncurl -s -X POST ${url}/login\ncurl -i ${url}/orders -H 'authorization: Bearer …'\ncurl -i ${url}/reports -H 'X-API-Key: ${key}'\n`)
}

// A service that already has tokens, an error handler and an OpenAPI document, and keeps all three:
// `app.jwt` and `request.user` stay its own, its error handler sees its own errors, its document learns our security.
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import fastifyJwt from '@fastify/jwt'
import fastifySwagger from '@fastify/swagger'
import Fastify from 'fastify'
import { bearerAuth, openapiTransform, scopes } from '../index.ts'
import type { FastifyInstance } from 'fastify'

const issuer = 'https://items.example'

export async function buildApp (secret: Buffer): Promise<FastifyInstance> {
  const app = Fastify()

  // What was there before.
  await app.register(fastifyJwt, { secret, sign: { iss: issuer, aud: issuer, expiresIn: '15m', header: { alg: 'HS256', typ: 'at+jwt' } } })
  await app.register(fastifySwagger, { openapi: { openapi: '3.1.0', info: { title: 'Items', version: '2.0.0' } }, transform: openapiTransform })
  app.setErrorHandler((_error, _request, reply) => reply.code(500).send({ oops: true }))

  // What is new. Where `request.principal` is taken too: `guards: { principal: false }`, and `app.bearer.principal(request)`.
  await app.register(bearerAuth, { secret, issuer, audience: issuer })
  await app.register(scopes)

  app.post('/login', { onRequest: app.publicAccess('Whoever logs in has no token yet') }, () => ({ token: app.jwt.sign({ sub: 'alice', scope: 'items:read' }) }))
  app.get('/old', async (request) => {
    await request.jwtVerify()
    return { user: request.user }
  })
  app.get('/new', { onRequest: [app.bearer, app.requireScopes('items:read')] }, (request) => ({ subject: app.bearer.principal(request).subject }))
  app.get('/broken', { onRequest: app.bearer }, () => { throw new Error('of the service itself') })
  app.get('/openapi.json', { onRequest: app.publicAccess('The document of the API'), schema: { hide: true } }, () => app.swagger())
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = await buildApp(randomBytes(32))
  const url = await app.listen({ port: 3000 })
  process.stdout.write(`curl -s -X POST ${url}/login\ncurl -i ${url}/new -H 'authorization: Bearer …'\n`)
}

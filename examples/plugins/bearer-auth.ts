// Tokens of another service: its public keys, its name, and the name that it calls this API by.
import Fastify from 'fastify'
import { bearerAuth } from '../../index.ts'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

// Stands in for the identity provider, whose public keys are all that a service knows.
const { publicKey, privateKey } = await generateKeyPair('ES256')
const jwks = { keys: [{ ...await exportJWK(publicKey), alg: 'ES256', kid: 'example' }] }

const app = Fastify()
await app.register(bearerAuth, { jwks, issuer: 'https://id.example', audience: 'https://items.example' })

app.get('/me', { onRequest: app.bearer }, (request) => {
  const { subject, clientId, expiresAt } = app.bearer.principal(request)
  return { subject, clientId, expiresAt }
})

export { app, issue }

function issue (subject: string, audience = 'https://items.example'): Promise<string> {
  return new SignJWT().setProtectedHeader({ alg: 'ES256', kid: 'example', typ: 'at+jwt' })
    .setIssuer('https://id.example').setAudience(audience).setSubject(subject).setExpirationTime('15m').sign(privateKey)
}

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/me -H 'authorization: Bearer ${await issue('alice')}'\n`)

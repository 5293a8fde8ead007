// Tokens of another service: its public keys, its name, and the name that it calls this API by.
import Fastify from 'fastify'
import { bearerAuth } from '../../index.ts'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

const app = Fastify()
const { publicKey, privateKey } = await generateKeyPair('ES256')        // the identity provider's, which publishes one of them
await app.register(bearerAuth, {
  jwks: { keys: [{ ...await exportJWK(publicKey), alg: 'ES256', kid: 'example' }] },
  issuer: 'https://id.example',
  audience: 'https://items.example'
})

app.get('/me', { onRequest: app.bearer }, (request) => {
  const { subject, clientId, expiresAt } = app.bearer.principal(request)
  return { subject, clientId, expiresAt }
})

/** What the identity provider does. */
function issue (subject: string, audience = 'https://items.example'): Promise<string> {
  return new SignJWT().setProtectedHeader({ alg: 'ES256', kid: 'example', typ: 'at+jwt' })
    .setIssuer('https://id.example').setAudience(audience).setSubject(subject).setExpirationTime('15m').sign(privateKey)
}

export { app, issue }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/me -H 'authorization: Bearer ${await issue('alice')}'\n`)

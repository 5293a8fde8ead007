// Clients as they come from the registry, against the demo over a socket: they find it by its metadata, and take its answers
// by their own reading of the RFCs.
import { createServer } from 'node:net'
import { once } from 'node:events'
import { createLocalJWKSet, createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import Fastify from 'fastify'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import t from 'tap'
import { bearerAuth } from '../plugins/bearer-auth.ts'
import { buildDemo, password } from './demo.ts'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

// The demo of a test has no TLS.
// eslint-disable-next-line @typescript-eslint/no-deprecated -- marked so that it stands out
const insecure = { [oauth.allowInsecureRequests]: true }

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function listening (t: Test, path = '') {
  const port = await freePort()
  const issuer = `http://127.0.0.1:${String(port)}${path}`
  const demo = await buildDemo(t, { PUBLIC_URL: issuer, PORT: String(port) })
  await demo.app.listen({ host: '127.0.0.1', port })
  const { client, secret } = await demo.app.tokens.createClient({ name: 'real', grants: ['client_credentials', 'password', 'refresh_token'], scopes: ['me', 'items:read'] })
  return { demo, issuer, clientId: client.client_id, secret }
}

/** What a promise was rejected with. */
async function failureOf (work: () => Promise<unknown>): Promise<unknown> {
  return await work().then(() => null, (error: unknown) => error)
}

for (const way of ['ClientSecretBasic', 'ClientSecretPost'] as const) {
  t.test(`R135 R146 oauth4webapi discovers, gets, refreshes, introspects and revokes tokens, by ${way}`, async (t) => {
    const { demo, issuer, clientId, secret } = await listening(t)
    await demo.person('alice')
    const server = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', ...insecure }))
    t.equal(server.issuer, issuer)
    const client = { client_id: clientId }
    const authentication = oauth[way](secret)

    const own = await oauth.processClientCredentialsResponse(server, client, await oauth.clientCredentialsGrantRequest(server, client, authentication, { scope: 'items:read' }, insecure))
    t.match(own, { token_type: 'bearer', expires_in: 900, scope: 'items:read' })
    const introspected = await oauth.processIntrospectionResponse(server, client, await oauth.introspectionRequest(server, client, authentication, own.access_token, insecure))
    t.match(introspected, { active: true, client_id: clientId, sub: clientId, iss: issuer })

    const login = await oauth.processGenericTokenEndpointResponse(server, client, await oauth.genericTokenEndpointRequest(server, client, authentication, 'password', { username: 'alice', password }, insecure))
    const refreshed = await oauth.processRefreshTokenResponse(server, client, await oauth.refreshTokenGrantRequest(server, client, authentication, login.refresh_token ?? '', insecure))
    t.not(refreshed.refresh_token, login.refresh_token)

    const request = new Request(`${issuer}/users/me`, { headers: { authorization: `Bearer ${refreshed.access_token}` } })
    const claims = await oauth.validateJwtAccessToken(server, request, issuer, insecure)
    t.match(claims, { iss: issuer, client_id: clientId, scope: 'me items:read' }, 'R060 RFC 9068 as another library reads it')
    const resource = await oauth.processResourceDiscoveryResponse(new URL(issuer), await oauth.resourceDiscoveryRequest(new URL(issuer), insecure))
    t.match(resource, { resource: issuer, authorization_servers: [issuer] })

    await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, authentication, refreshed.refresh_token ?? '', insecure))
    t.match(await failureOf(() => oauth.protectedResourceRequest(refreshed.access_token, 'GET', new URL(`${issuer}/users/me`), undefined, undefined, insecure)), { status: 401, cause: [{ scheme: 'bearer', parameters: { error: 'invalid_token' } }] })
    t.match(await oauth.processIntrospectionResponse(server, client, await oauth.introspectionRequest(server, client, authentication, refreshed.access_token, insecure)), { active: false })
    t.match(await failureOf(async () => oauth.processRefreshTokenResponse(server, client, await oauth.refreshTokenGrantRequest(server, client, authentication, refreshed.refresh_token ?? '', insecure))), { error: 'invalid_grant' })
    const wrong = await failureOf(async () => oauth.processClientCredentialsResponse(server, client, await oauth.clientCredentialsGrantRequest(server, client, oauth[way]('wrong'), {}, insecure)))
    t.match(wrong, { status: 401, cause: [{ scheme: 'basic' }] })
  })
}

t.test('R146 openid-client does the same, and as the public client', async (t) => {
  const { demo, issuer, clientId, secret } = await listening(t)
  await demo.person('alice')
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- marked so that it stands out
  const options: openid.DiscoveryRequestOptions = { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] }
  const configuration = await openid.discovery(new URL(issuer), clientId, secret, undefined, options)
  t.equal(configuration.serverMetadata().token_endpoint, `${issuer}/token`)
  const own = await openid.clientCredentialsGrant(configuration, { scope: 'items:read' })
  t.equal(own.scope, 'items:read')
  t.match(await openid.tokenIntrospection(configuration, own.access_token), { active: true, sub: clientId })
  await openid.tokenRevocation(configuration, own.access_token)
  t.match(await openid.tokenIntrospection(configuration, own.access_token), { active: false })

  const demoClient = await openid.discovery(new URL(issuer), 'demo', undefined, openid.None(), options)
  const login = await openid.genericGrantRequest(demoClient, 'password', { username: 'alice', password })
  const refreshed = await openid.refreshTokenGrant(demoClient, login.refresh_token ?? '')
  const answer = await openid.fetchProtectedResource(demoClient, refreshed.access_token, new URL(`${issuer}/users/me`), 'GET')
  t.match(await answer.json(), { username: 'alice' })
  await openid.tokenRevocation(demoClient, refreshed.refresh_token ?? '')
  t.match(await failureOf(() => openid.refreshTokenGrant(demoClient, refreshed.refresh_token ?? '')), { error: 'invalid_grant' })
})

t.test('R146 the path of an issuer stands behind the well-known one', async (t) => {
  const { demo, issuer } = await listening(t, '/api')
  const origin = issuer.replace('/api', '')
  const metadata = await (await fetch(`${origin}/.well-known/oauth-authorization-server/api`)).json() as Record<string, unknown>
  t.match(metadata, { issuer, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/.well-known/jwks.json`, response_types_supported: [] })
  t.match(await (await fetch(`${origin}/.well-known/oauth-protected-resource/api`)).json(), { resource: issuer })
  await t.test('R147 and no header of a request changes it', async (t) => {
    const asked = await demo.send({ url: '/.well-known/oauth-authorization-server', headers: { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' } })
    t.strictSame(asked.json(), metadata)
    t.notOk(asked.body.includes('evil'))
  })
})

t.test('R061 R069 jose verifies our tokens by the key set, and we verify those of jose', async (t) => {
  const { demo, issuer } = await listening(t)
  const jwks = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))
  const { accessToken } = demo.app.tokens.issue({ subject: 'alice', clientId: 'app', scopes: ['me'] })
  const { payload, protectedHeader } = await jwtVerify(accessToken, jwks, { issuer, audience: issuer, typ: 'at+jwt', algorithms: ['ES256'], requiredClaims: ['exp', 'iat', 'jti', 'sub', 'client_id'] })
  t.equal(payload.sub, 'alice')
  t.equal(protectedHeader.alg, 'ES256')
  await demo.app.tokens.rotateKeys({ overlap: false })
  t.equal((await jwtVerify(demo.app.tokens.issue({ subject: 'bob', clientId: 'app', scopes: ['me'] }).accessToken, createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`)), { issuer })).payload.sub, 'bob')

  for (const algorithm of ['ES256', 'EdDSA', 'RS256']) {
    await t.test(`R040 ${algorithm} of jose`, async (t) => {
      const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
      const keys = [{ ...await exportJWK(publicKey), alg: algorithm, use: 'sig', kid: 'one' }]
      const app = Fastify()
      t.teardown(() => app.close())
      await app.register(bearerAuth, { jwks: { keys }, issuer, audience: issuer })
      app.get('/me', { onRequest: app.bearer }, (request) => app.bearer.principal(request).subject)
      const token = await new SignJWT({ client_id: 'app' }).setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid: 'one' }).setIssuer(issuer).setAudience(issuer).setSubject('carol').setIssuedAt().setJti('1').setExpirationTime('5m').sign(privateKey)
      await jwtVerify(token, createLocalJWKSet({ keys }))
      t.equal((await app.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })).body, 'carol')
    })
  }
})

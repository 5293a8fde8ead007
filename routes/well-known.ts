// What clients and resource servers look up: keys (RFC 7517 §5), the endpoints of the issuer (RFC 8414), and who issues
// tokens for this API (RFC 9728). All of it comes from the configuration, never from a request.
import { AuthorizationServerMetadata, JsonWebKeySet, ProtectedResourceMetadata } from '../schemas/tokens.ts'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

/** Options of {@link wellKnownRoutes}. */
export interface WellKnownRoutesOptions {
  /** The scopes that may be asked for. */
  scopes: readonly string[]
  /**
   * As for `tokenRoutes`: whether the password grant is among those that are told.
   * @defaultValue false
   */
  passwordGrant?: boolean
}

const SECRETS = ['client_secret_basic', 'client_secret_post']

/** What stands below `/.well-known/`. Needs `app.tokens`. */
export const wellKnownRoutes: FastifyPluginAsyncTypebox<WellKnownRoutesOptions> = async (app, { scopes, passwordGrant = false }) => {
  for (const schema of [AuthorizationServerMetadata, JsonWebKeySet, ProtectedResourceMetadata]) app.addSchema(schema)
  const { issuer, audience, jwksMaxAgeSeconds, hasPublicClient } = app.tokens
  const tags = ['tokens']
  const onRequest = app.publicAccess('Metadata and public keys are public')
  const cacheControl = `public, max-age=${String(jwksMaxAgeSeconds)}`
  const methods = hasPublicClient ? [...SECRETS, 'none'] : SECRETS

  app.get('/.well-known/jwks.json', {
    onRequest,
    schema: { operationId: 'getKeys', tags, summary: 'The keys that verify our tokens', response: { 200: { $ref: 'JsonWebKeySet#', description: 'A JSON Web Key Set.' } } }
  }, (_request, reply) => reply.header('cache-control', cacheControl).send({ keys: app.tokens.jwks.keys.map((key) => ({ ...key })) }))

  // An issuer may end in a slash, which stays (RFC 8414 §3.3); no path begins with two.
  const base = issuer.replace(/\/$/, '')
  const server = {
    issuer,
    token_endpoint: `${base}/token`,
    jwks_uri: `${base}/.well-known/jwks.json`,
    revocation_endpoint: `${base}/token/revoke`,
    introspection_endpoint: `${base}/token/introspect`,
    scopes_supported: [...scopes],
    response_types_supported: [],
    grant_types_supported: ['client_credentials', 'refresh_token', ...(passwordGrant ? ['password'] : [])],
    token_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_methods_supported: SECRETS
  }
  const resource = { resource: audience, authorization_servers: [issuer], scopes_supported: [...scopes], bearer_methods_supported: ['header'] }

  // RFC 8414 §3.1 and RFC 9728 §3.1: the path of an issuer or a resource stands behind the well-known one.
  for (const [at, path] of pathsOf(issuer).entries()) {
    app.get(`/.well-known/oauth-authorization-server${path}`, {
      onRequest,
      schema: { operationId: 'getAuthorizationServer', hide: at > 0, tags, summary: 'Where tokens come from (RFC 8414)', response: { 200: { $ref: 'AuthorizationServerMetadata#', description: 'The metadata.' } } }
    }, (_request, reply) => reply.header('cache-control', cacheControl).send(server))
  }
  for (const [at, path] of pathsOf(audience).entries()) {
    app.get(`/.well-known/oauth-protected-resource${path}`, {
      onRequest,
      schema: { operationId: 'getProtectedResource', hide: at > 0, tags, summary: 'Who issues tokens for this API (RFC 9728)', response: { 200: { $ref: 'ProtectedResourceMetadata#', description: 'The metadata.' } } }
    }, (_request, reply) => reply.header('cache-control', cacheControl).send(resource))
  }
}

/** At the root always, and behind the path of `url` where it has one. */
function pathsOf (url: string): string[] {
  const path = URL.canParse(url) ? new URL(url).pathname.replace(/\/$/, '') : ''
  return path === '' ? [''] : ['', path]
}

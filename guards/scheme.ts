// An OpenAPI security scheme that can do all its duties: read credentials, judge them, ask for them, be published.
import type { FastifyRequest } from 'fastify'
import type { Refusal } from '../errors.ts'
import type { Limit } from './limit.ts'
import type { Awaitable, Principal } from './principal.ts'

/** The part of a request that guards need to recognise it; every typed `FastifyRequest` is one. */
export type GuardedRequest = Pick<FastifyRequest, 'id' | 'raw' | 'headers' | 'log' | 'method'>

/** OpenAPI 3.1 Security Scheme Object. */
export type SecuritySchemeObject =
  | { type: 'http'; scheme: string; bearerFormat?: string; description?: string }
  | { type: 'apiKey'; in: 'header' | 'query' | 'cookie'; name: string; description?: string }
  | { type: 'oauth2'; flows: OAuthFlows; description?: string }
  | { type: 'openIdConnect'; openIdConnectUrl: string; description?: string }
  | { type: 'mutualTLS'; description?: string }

interface OAuthFlow { scopes: Record<string, string>; refreshUrl?: string }

/** OpenAPI OAuth Flows Object. */
export interface OAuthFlows {
  password?: OAuthFlow & { tokenUrl: string }
  clientCredentials?: OAuthFlow & { tokenUrl: string }
  authorizationCode?: OAuthFlow & { authorizationUrl: string; tokenUrl: string }
}

/** Where the credentials of a scheme travel. */
export interface Carrier {
  /** Which part of the request. */
  in: 'header' | 'query' | 'cookie' | 'connection'
  /** The name of the header, the parameter or the cookie; of a connection, a word for people. */
  name: string
}

/** What a scheme knows when it is asked for its challenge. */
export interface ChallengeContext {
  /** The request that is refused. */
  request: FastifyRequest
  /** Why this scheme refused; absent when nothing of its kind was presented. */
  error?: Refusal
  /** The scopes the route requires, of all levels, outer first. */
  scopes: readonly string[]
}

/** An OpenAPI security scheme with its duties: read credentials, judge them, ask for them, be published. */
export interface Scheme<P extends Principal = Principal> {
  /** The OpenAPI name, and the name of the decorator. */
  readonly name: string
  /** Published in `components.securitySchemes` as it is. */
  readonly definition: SecuritySchemeObject
  /** Where the credentials travel; `explanation` tells from it what was presented. */
  readonly carrier: Carrier
  /** A browser sends it unasked: a cookie, Basic, a client certificate. */
  readonly ambient: boolean
  /** Scopes the scheme knows, with a text each; a route that requires another is refused at boot. */
  readonly scopes?: Readonly<Record<string, string>>
  /**
   * What the CSRF token of a request is bound to: a secret that its accepted credentials have and no page can read, `null`
   * where it came with none. A scheme without it is protected by where a request comes from alone.
   */
  csrfSecret? (request: object): string | null
  /** Counted on every route of the scheme, after authentication: what the credentials themselves allow. */
  readonly limit?: Limit
  /**
   * The principal of valid credentials; `null` when nothing of this kind was presented.
   * Bad credentials throw a `refusal(…)`; anything else that is thrown, or no answer in time, is a 503.
   */
  authenticate (request: FastifyRequest): Awaitable<P | null>
  /** The `WWW-Authenticate` value for a refusal (RFC 9110 §11.6.1), or `null` for none. */
  challenge (context: ChallengeContext): string | null
}

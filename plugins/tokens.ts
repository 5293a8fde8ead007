// Tokens, their whole life: access tokens as RFC 9068 has them, refresh tokens that rotate (RFC 9700 §4.14), the keys that
// sign, the clients that ask, and revocation that counts at once.
import { randomUUID } from 'node:crypto'
import fp from 'fastify-plugin'
import { revocableOf } from '../credentials/revoked-tokens.ts'
import { hashOfName } from '../credentials/attempted-names.ts'
import { isOauthError } from '../errors.ts'
import { tellEvent } from '../guards/events.ts'
import { tellLifetimes } from '../guards/lifetimes.ts'
import { isScope } from '../guards/scope.ts'
import { sharedCountsOn } from './rate-limit-shared.ts'
import { createClientLimit } from './tokens-client-limit.ts'
import { createTokenClients } from './tokens-clients.ts'
import { createTokenGrants } from './tokens-grants.ts'
import { openTokenKeys } from './tokens-keys.ts'
import { resolveTokensOptions } from './tokens-options.ts'
import { createTokenOwners } from './tokens-owners.ts'
import { openTokenRevocation } from './tokens-revocation.ts'
import { createTokenUpkeep } from './tokens-upkeep.ts'
import type { FastifyInstance } from 'fastify'
import type { Claims } from '../credentials/jwt-parse.ts'
import type { VerificationKey } from '../credentials/jwt-keys.ts'
import type { PublicSigningJwk } from '../credentials/signing-keys.ts'
import type { PrincipalGrant } from '../guards/principal.ts'
import type { Client } from '../stores/ports.ts'
import type { AuthenticatedClient, ClientCredentials } from './tokens-clients.ts'
import type { IssuedToken, IssuedTokens, LoginContext, RefreshRequest, RefusedRefresh, TokenGrant } from './tokens-grants.ts'
import type { Introspection } from './tokens-introspection.ts'
import type { RotateKeysOptions } from './tokens-keys.ts'
import type { TokensOptions } from './tokens-options.ts'
import type { RevokeSubjectOptions, TokenOrigin } from './tokens-revocation.ts'

export type { AuthenticatedClient, ClientCredentials } from './tokens-clients.ts'
export type { IssuedToken, IssuedTokens, LoginContext, RefreshRequest, TokenGrant } from './tokens-grants.ts'
export type { Introspection } from './tokens-introspection.ts'
export type { RotateKeysOptions } from './tokens-keys.ts'
export type { TokensOptions } from './tokens-options.ts'
export type { RevokeSubjectOptions, TokenOrigin } from './tokens-revocation.ts'

/** A `KeySource` that answers at once. */
export interface TokenKeySource {
  /** The key of that name; `null` where it does not verify any more, or is none of ours. */
  get (kid: string | undefined): VerificationKey | null
}

/** What `app.tokens` does. */
export interface Tokens {
  /** The `iss`. */
  readonly issuer: string
  /** The `aud`. */
  readonly audience: string
  /** Whether requests without client credentials are those of a client. */
  readonly hasPublicClient: boolean
  /** The public keys that verify what `issue` signs (RFC 7517 §5); none for HS256. */
  readonly jwks: { readonly keys: readonly PublicSigningJwk[] }
  /** Seconds that the set of keys may be kept. */
  readonly jwksMaxAgeSeconds: number
  /** The same keys for `bearerAuth`, always the present ones. */
  readonly keySource: TokenKeySource
  /** For `bearerAuth.isRevoked`: asks memory alone; throws `unavailable` when the store could not be asked for too long. */
  isRevoked (context: { claims: Claims }): boolean
  /**
   * For a probe of readiness: rejects with `unavailable` while no token can be judged. After an outage it asks the store at
   * once what was revoked, in place of the next poll.
   */
  assertReady (): Promise<void>
  /** For `bearerAuth.loadPrincipal`: the owner by `loadOwner`, or the client that acts for itself. */
  loadPrincipal (context: { claims: Claims }): Promise<PrincipalGrant | null>
  /**
   * Signs an access token (RFC 9068 §2). Throws a `TypeError` for an empty subject or client, or scopes that are none. With
   * `authenticatedAt`, which is its `iat` then, one without a family is refused where the subject was logged out since.
   */
  issue (grant: TokenGrant, context?: LoginContext): IssuedToken
  /** Signs an access token and opens a refresh family: what a login ends with. `invalid_grant` for a subject that was logged out since `authenticatedAt`. */
  open (grant: TokenGrant, context?: LoginContext): Promise<IssuedTokens>
  /** The next tokens of a family, narrowed to what its owner and client have now; throws the errors of RFC 6749 §5.2. */
  refresh (request: RefreshRequest): Promise<IssuedTokens>
  /** What a token is (RFC 7662), told to that client. */
  introspect (token: string, clientId: string): Promise<Introspection>
  /** Ends a token of that client (RFC 7009), a refresh token with its family; whatever else it is changes nothing. */
  revoke (token: string, clientId: string, origin?: TokenOrigin): Promise<void>
  /** Ends a refresh family and its access tokens; whether it was there and not ended before. `origin` is told in the audit log. */
  revokeFamily (id: string, options?: { origin?: TokenOrigin | undefined }): Promise<boolean>
  /**
   * Logs a subject out everywhere: ends its refresh families, but for one, and its live access tokens, at once in this
   * process. With `stores`, those of a transaction, it is kept with the change that is the reason, or not at all.
   */
  revokeSubject (subject: string, options?: RevokeSubjectOptions): Promise<void>
  /** Ends a client, its tokens and the API keys that they made; whether it was there and not ended before. */
  revokeClient (clientId: string, options?: { origin?: TokenOrigin | undefined }): Promise<boolean>
  /** A confidential client; its secret is told this once. */
  createClient (client: { name: string; grants: readonly string[]; scopes: readonly string[]; origin?: TokenOrigin | undefined }): Promise<{ client: Client; secret: string }>
  /** Who asks (RFC 6749 §2.3): by Basic or form, or the public client; throws `invalid_client` and `invalid_request`, and `quota_exceeded` past 100 wrong secrets of a client in a minute. */
  authenticateClient (credentials: ClientCredentials): Promise<AuthenticatedClient>
  /** A new signing key, published now and used after `keyLeadSeconds`; its `kid`. */
  rotateKeys (options?: RotateKeysOptions): Promise<string>
}

declare module 'fastify' {
  interface FastifyInstance {
    tokens: Tokens
  }
}

async function tokensPlugin (app: FastifyInstance, options: TokensOptions): Promise<void> {
  const settings = resolveTokensOptions(options)
  const { issuer, audience, keyFile, createKey, lifetimeSeconds, keyLeadSeconds } = settings
  const { stores, log } = app
  const [{ loadKeyFile, loadOrCreateKeyFile }, { createTokenReader }] = await Promise.all([import('../credentials/key-file.ts'), import('./tokens-introspection.ts')])
  const keys = await openTokenKeys({ store: stores.signingKeys, onAdded }, await (createKey ? loadOrCreateKeyFile(keyFile) : loadKeyFile(keyFile)), settings)
  const revocation = await openTokenRevocation(stores, settings)
  const owners = createTokenOwners(stores, settings)
  const clients = createTokenClients(stores, settings, createClientLimit(log, app.hasDecorator('gatehouseRedis') ? sharedCountsOn(app.gatehouseRedis) : null))
  const reader = await createTokenReader({ stores, settings, keys, owners, revocation })

  function issue ({ subject, clientId, scopes, familyId }: TokenGrant, { authenticatedAt }: Pick<LoginContext, 'authenticatedAt'> = {}): IssuedToken {
    if (subject === '' || clientId === '' || !scopes.every(isScope)) throw new TypeError('a token needs a subject, a client and well-formed scopes')
    const now = secondsOf(Date.now())
    // A token without a family is refused by its date alone: it is as old as its proof.
    const iat = authenticatedAt === undefined ? now : Math.min(now, secondsOf(authenticatedAt.getTime()))
    const exp = iat + lifetimeSeconds
    const accessToken = keys.sign({
      iss: issuer, sub: subject, aud: audience, client_id: clientId, iat, exp, jti: randomUUID(),
      ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
      ...(familyId === undefined ? {} : { sid: familyId })
    })
    return { accessToken, expiresInSeconds: exp - now }
  }

  async function onAdded (kid: string): Promise<void> {
    await stores.audit.append({ event: 'gatehouse_key_rotated', outcome: 'success', target: kid })
  }

  /** Nothing but the token itself is made: there is no change to write the event with. */
  function issueAlone (grant: TokenGrant, { origin, ...context }: LoginContext = {}): IssuedToken {
    const issued = issue(grant, context)
    tellEvent(app.server, { ...origin, event: 'authn_token_created', outcome: 'success', actor: grant.subject, details: { kind: 'access_token', client_id: grant.clientId, scopes: grant.scopes } })
    return issued
  }

  async function authenticateClient (credentials: ClientCredentials): Promise<AuthenticatedClient> {
    try {
      return await clients.authenticate(credentials)
    } catch (error) {
      const name = credentials.clientId
      if (isOauthError(error) && error.code === 'invalid_client') tellEvent(app.server, { ...credentials.origin, event: 'authn_login_fail', outcome: 'failure', actor: name === undefined ? null : hashOfName(name), scheme: 'client', reason: error.code })
      throw error
    }
  }

  const tellRefused = (event: RefusedRefresh): void => { tellEvent(app.server, { ...event, event: 'authn_login_fail', outcome: 'failure', scheme: 'refresh_token' }) }
  const { open, refresh } = createTokenGrants({ stores, settings, owners, revocation, issue, log, tellRefused })
  app.decorate('tokens', Object.freeze<Tokens>({
    issuer,
    audience,
    hasPublicClient: settings.publicClient !== null,
    get jwks () { return { keys: keys.published() } },
    jwksMaxAgeSeconds: keyLeadSeconds,
    keySource: Object.freeze({ get: keys.find }),
    isRevoked: ({ claims }) => revocation.has(revocableOf(claims)),
    assertReady: revocation.assertKnown,
    loadPrincipal: ({ claims }) => owners.principal(claims),
    issue: issueAlone,
    open,
    refresh,
    introspect: reader.introspect,
    revoke: reader.revoke,
    revokeFamily: (id, { origin = {} } = {}) => revocation.revokeFamily(id, { ...origin, event: 'authn_token_revoked', details: { kind: 'refresh_token' } }),
    revokeSubject: revocation.revokeSubject,
    revokeClient: revocation.revokeClient,
    createClient: clients.create,
    authenticateClient,
    rotateKeys: keys.rotate
  }))
  tellLifetimes(app, 'tokens', {
    accessTokenSeconds: lifetimeSeconds, refreshIdleSeconds: settings.refreshIdleSeconds, refreshAbsoluteSeconds: settings.refreshAbsoluteSeconds,
    replaySeconds: settings.replaySeconds, signingKeySeconds: settings.rotateKeysSeconds, algorithm: settings.algorithm
  })
  const upkeep = createTokenUpkeep({ stores, settings, keys, revocation, log })
  app.addHook('onClose', () => upkeep.stop())
}

function secondsOf (milliseconds: number): number {
  return Math.floor(milliseconds / 1000)
}

/**
 * Decorates `app.tokens`; needs `stores`. Throws `GATEHOUSE_OPTION_INVALID`, and `GATEHOUSE_KEY_FILE_INVALID` for a file
 * that is absent, open to others, no key, or not the one that the kept signing keys were wrapped with. @see {@link TokensOptions}
 */
export const tokens = fp(tokensPlugin, { name: 'gatehouse-tokens', fastify: '5.x', dependencies: ['gatehouse-stores'] })

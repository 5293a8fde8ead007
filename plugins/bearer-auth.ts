// OAuth 2.0 bearer tokens (RFC 6750) that are JWT access tokens (RFC 9068), verified as RFC 8725 asks:
// every key has one algorithm before the first token arrives, and a token has one reading or none.
// A bad token is always the same answer; why it was bad goes to the log alone.
import fp from 'fastify-plugin'
import { assertDates, assertType, memberAt, readRegisteredClaims } from '../credentials/jwt-claims.ts'
import { createKeyBinder, createKeyring } from '../credentials/jwt-keyring.ts'
import { parseClaims, parseJwt } from '../credentials/jwt-parse.ts'
import { refusal } from '../errors.ts'
import { readAuthorization } from '../guards/authorization-header.ts'
import { chain } from '../guards/awaitable.ts'
import { formatChallenge } from '../guards/challenge.ts'
import { readGrant } from '../guards/grant.ts'
import { readRoles, readScopes } from '../guards/scope.ts'
import { fetchKeys } from './bearer-auth-issuer.ts'
import { resolveBearerOptions } from './bearer-auth-options.ts'
import { createRemoteKeys } from './bearer-auth-remote-keys.ts'
import { useGuards } from './guards.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RegisteredClaims } from '../credentials/jwt-claims.ts'
import type { RingKey } from '../credentials/jwt-keyring.ts'
import type { Claims, JwtHeader, UnverifiedJwt } from '../credentials/jwt-parse.ts'
import type { RefusalCode } from '../errors.ts'
import type { CheckedGrant } from '../guards/grant.ts'
import type { BearerGuard } from '../guards/guard.ts'
import type { Awaitable, BearerPrincipal } from '../guards/principal.ts'
import type { ChallengeContext, Scheme } from '../guards/scheme.ts'
import type { BearerAuthOptions, BearerAuthSettings, BearerKeys } from './bearer-auth-options.ts'

export type { Algorithm } from '../credentials/jwt-algorithms.ts'
export type { VerificationKey } from '../credentials/jwt-keys.ts'
export type { Claims } from '../credentials/jwt-parse.ts'
export type { BearerAuthOptions, KeyCacheOptions, KeySource } from './bearer-auth-options.ts'

declare module 'fastify' {
  interface FastifyInstance {
    bearer: BearerGuard
  }
}

// RFC 6750 §2.1
const B64TOKEN = /^[A-Za-z0-9._~+/-]+=*$/

function assertToken (credentials: string, maxTokenBytes: number): void {
  if (!B64TOKEN.test(credentials)) throw refusal('invalid_request', { reason: 'the Bearer credentials are no b64token' })
  if (credentials.length > maxTokenBytes) throw refusal('invalid_token', { reason: 'the token is too long' })
}

type FindKey = (header: Pick<JwtHeader, 'kid' | 'algorithm'>) => Awaitable<RingKey | null>

/** A token whose form, signature and standing claims are good: what is left to judge changes with time. */
interface VerifiedToken {
  readonly header: JwtHeader
  readonly key: RingKey
  readonly claims: Claims
  readonly registered: RegisteredClaims
  /** The principal, where nobody is asked for it; every part of it is frozen. */
  readonly principal: BearerPrincipal | null
}

async function createFindKey (app: FastifyInstance, keys: BearerKeys): Promise<FindKey> {
  const { createCheck, createFixedCheck } = await import('../credentials/jwt-verifiers.ts')
  if ('publisher' in keys) {
    const { publisher, algorithms, cache } = keys
    const { start, find, close } = createRemoteKeys({ settings: cache, createCheck, log: app.log.child({ publisher }), fetchKeys: (signal) => fetchKeys(publisher, algorithms, signal) })
    app.addHook('onReady', function startFetching (done) {
      start()
      done()
    })
    app.addHook('onClose', function stopFetching (_app, done) {
      close()
      done()
    })
    return find
  }
  if ('source' in keys) {
    const { source, algorithms } = keys
    const bindKey = createKeyBinder(algorithms, createCheck)
    return ({ kid }) => chain(source.get(kid), bindKey)
  }
  return createKeyring(await Promise.all(keys.fixed.map(async (key) => ({ ...key, check: await createFixedCheck(key) }))))
}

function assertSignature (jwt: UnverifiedJwt, key: RingKey | null): asserts key is RingKey {
  if (key === null) throw refusal('invalid_token', { reason: 'no key of that name' })
  if (key.algorithm !== jwt.header.algorithm) throw refusal('invalid_token', { reason: "the algorithm is not the key's" })
  key.check(jwt.token)
}

function principalOf (claims: Claims, registered: RegisteredClaims, loaded: CheckedGrant | null, settings: BearerAuthSettings): BearerPrincipal {
  const subject = loaded?.subject ?? registered.subject
  if (subject === null) throw refusal('invalid_token', { reason: 'sub is missing' })
  const granted = readScopes(memberAt(claims, settings.scopeClaim), { lists: settings.scopeLists })
  const narrowed = loaded?.scopes
  return Object.freeze({
    kind: 'bearer',
    scheme: settings.name,
    subject,
    scopes: narrowed ? Object.freeze(granted.filter((scope) => narrowed.includes(scope))) : granted,
    roles: loaded?.roles ?? readRoles(memberAt(claims, settings.rolesClaim)),
    attributes: loaded?.attributes ?? noAttributes,
    issuer: registered.issuer,
    clientId: registered.clientId,
    tokenId: registered.tokenId,
    expiresAt: registered.expiresAt,
    claims
  })
}

const noAttributes = Object.freeze({})

// RFC 6750 §3.1. What is not listed, such as a disabled account, has no challenge.
const challengeErrors: Partial<Record<RefusalCode, string>> = {
  invalid_request: 'invalid_request',
  invalid_token: 'invalid_token',
  insufficient_scope: 'insufficient_scope',
  insufficient_role: 'insufficient_scope',
  access_denied: 'insufficient_scope'
}

function challengeFor ({ realm, resourceMetadata }: BearerAuthSettings, { error, scopes }: ChallengeContext): string | null {
  const scope = scopes.length === 0 ? undefined : scopes.join(' ')
  const metadata = { resource_metadata: resourceMetadata }
  if (error === undefined || error.code === 'credentials_required') return formatChallenge('Bearer', { realm, scope, ...metadata })
  const code = challengeErrors[error.code]
  if (code === undefined) return null
  return formatChallenge('Bearer', {
    realm,
    error: code,
    error_description: code === 'invalid_token' ? 'The access token is invalid' : undefined,
    scope: code === 'insufficient_scope' ? scope : undefined,
    ...metadata
  })
}

async function registerBearerAuth (app: FastifyInstance, options: BearerAuthOptions): Promise<void> {
  const settings = resolveBearerOptions(options)
  useGuards(app, options.guards)
  const findKey = await createFindKey(app, settings.keys)
  const { rules, maxTokenBytes, isRevoked, loadPrincipal } = settings
  const { createVerifiedTokens, digestOfToken, weightOf } = await import('../credentials/verified-tokens.ts')
  const verifiedTokens = createVerifiedTokens<VerifiedToken>(settings.maxVerifiedTokens)

  function judge ({ claims, registered, principal }: VerifiedToken, request: FastifyRequest): Awaitable<BearerPrincipal> {
    assertDates(registered, rules, Date.now() / 1000)
    if (isRevoked === undefined) return principal ?? load(claims, registered, request)
    return chain(isRevoked({ claims }), (revoked) => {
      if (typeof revoked !== 'boolean') throw new TypeError('bearerAuth.isRevoked must return a boolean')
      if (revoked) throw refusal('invalid_token', { reason: 'the token was revoked' })
      return principal ?? load(claims, registered, request)
    })
  }

  function load (claims: Claims, registered: RegisteredClaims, request: FastifyRequest): Awaitable<BearerPrincipal> {
    if (loadPrincipal === undefined) return principalOf(claims, registered, null, settings)
    return chain(loadPrincipal({ claims, request }), (answer) => {
      const loaded = readGrant(answer, 'bearerAuth.loadPrincipal')
      if (loaded === null) throw refusal('invalid_token', { reason: 'there is no principal for the token' })
      if (loaded.disabled) throw refusal('account_disabled', { reason: 'the principal of the token is disabled' })
      return principalOf(claims, registered, loaded, settings)
    })
  }

  function readClaims (jwt: UnverifiedJwt): { claims: Claims; registered: RegisteredClaims } {
    const claims = parseClaims(jwt)
    return { claims, registered: readRegisteredClaims(claims, rules) }
  }

  /** Only a token that would be good, if its signature were, is worth a question to the issuer: never another one's. */
  function readBefore (jwt: UnverifiedJwt): ReturnType<typeof readClaims> {
    const read = readClaims(jwt)
    assertDates(read.registered, rules, Date.now() / 1000)
    return read
  }

  function verify (token: string, digest: string, request: FastifyRequest): Awaitable<BearerPrincipal> {
    assertToken(token, maxTokenBytes)
    const jwt = parseJwt(token)
    assertType(jwt.header, rules)
    const before = 'publisher' in settings.keys ? readBefore(jwt) : null
    return chain(findKey(jwt.header), (key) => {
      assertSignature(jwt, key)
      const { claims, registered } = before ?? readClaims(jwt)
      const principal = loadPrincipal === undefined ? principalOf(claims, registered, null, settings) : null
      const verified = { header: jwt.header, key, claims, registered, principal }
      const judged = judge(verified, request)
      if (verifiedTokens.comesAgain(digest)) verifiedTokens.set(digest, verified, weightOf(claims), registered.expiresAt + rules.clockToleranceSeconds - Date.now() / 1000)
      return judged
    })
  }

  const scheme: Scheme<BearerPrincipal> = {
    name: settings.name,
    definition: settings.definition,
    carrier: { in: 'header', name: 'Authorization' },
    ambient: false,
    ...settings.scopes,
    authenticate (request) {
      const credentials = readAuthorization(request, 'Bearer')
      if (credentials === null) return null
      const digest = digestOfToken(credentials)
      const verified = verifiedTokens.get(digest)
      if (verified === undefined) return verify(credentials, digest, request)
      // A key that is gone, or another one under its name, takes what it verified with it.
      return chain(findKey(verified.header), (key) => key === verified.key ? judge(verified, request) : verify(credentials, digest, request))
    },
    challenge (context) {
      return challengeFor(settings, context)
    }
  }
  app.defineScheme(scheme)
}

/**
 * Bearer tokens that are JWTs (RFC 6750, 7519, 8725, 9068): decorates `app.bearer`, or the name given as `as`.
 *
 * No credentials: 401 with a bare `Bearer` challenge. Not a b64token, or `Authorization` repeated: 400
 * `invalid_request`. Any bad token: 401 `invalid_token`. Principal disabled: 403 `account_disabled`. A key source or
 * callback that throws: 503. Tokens in the query or in a body are as if absent.
 * Registering fails with `GATEHOUSE_OPTION_INVALID` for unknown, wrong-typed or contradictory options and weak keys.
 *
 * @example
 * await app.register(bearerAuth, { jwks, issuer: 'https://id.example', audience: 'https://api.example' })
 * app.get('/me', { onRequest: app.bearer }, (request) => ({ subject: app.bearer.principal(request).subject }))
 */
export const bearerAuth = fp(registerBearerAuth, { name: 'gatehouse-bearer-auth', fastify: '5.x' })

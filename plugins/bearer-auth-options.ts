// The options of `bearerAuth`, and from them what it works with. Every key is bound to its one algorithm here, before
// the first token arrives (RFC 8725 §3.1); what contradicts itself does not start.
import { asymmetricAlgorithms, isAlgorithm, isSymmetric } from '../credentials/jwt-algorithms.ts'
import { normalizeType } from '../credentials/jwt-parse.ts'
import { publicJwkKey, publicPemKey, secretKey } from '../credentials/jwt-keys.ts'
import { assertCallback, assertInteger, assertKnownOptions, assertText, invalid, isRecord, resolveSchemeOptions } from '../guards/scheme-options.ts'
import { defectOfUrl, metadataUrls } from './bearer-auth-issuer.ts'
import type { FastifyRequest } from 'fastify'
import type { Algorithm } from '../credentials/jwt-algorithms.ts'
import type { ClaimRules } from '../credentials/jwt-claims.ts'
import type { NamedKey, VerificationKey } from '../credentials/jwt-keys.ts'
import type { Claims } from '../credentials/jwt-parse.ts'
import type { Awaitable, PrincipalGrant } from '../guards/principal.ts'
import type { SecuritySchemeObject } from '../guards/scheme.ts'
import type { SchemeOptions, SchemeSettings } from '../guards/scheme-options.ts'
import type { Publisher } from './bearer-auth-issuer.ts'
import type { KeyCacheSettings } from './bearer-auth-remote-keys.ts'
import type { GuardsOptions } from './guards.ts'

/** Where keys come from that are not known at start. */
export interface KeySource {
  /**
   * The key that `kid` names, or `null` when there is none. It is asked with every token, so it should cache; `kid`
   * is 1 to 256 printable ASCII characters that a stranger chose, so use it as nothing but an exact name.
   * A key that breaks the rules for keys, like a throw, is answered with 503.
   */
  get (kid: string | undefined): Awaitable<VerificationKey | null>
}

/** How the keys of someone else's issuer are kept. */
export interface KeyCacheOptions {
  /**
   * After how many seconds keys are fetched again, 1 to 3600: how long a withdrawn key may still verify.
   * @defaultValue `600`
   */
  maxAgeSeconds?: number
  /**
   * How many seconds keys may verify that could not be fetched again, up to 3600; after that tokens are answered with 503.
   * @defaultValue `3600`
   */
  maxStaleSeconds?: number
  /**
   * How many seconds lie between two attempts at least, 1 to 300, however many unknown keys are named meanwhile.
   * @defaultValue `30`
   */
  cooldownSeconds?: number
  /**
   * How many seconds one attempt may take as a whole, 1 to 8.
   * @defaultValue `5`
   */
  timeoutSeconds?: number
}

/**
 * Options of {@link bearerAuth}: `issuer`, `audience` and exactly one of `secret`, `publicKey`, `jwks`, `jwksUri`,
 * `discover` and `keySource`.
 */
export interface BearerAuthOptions extends SchemeOptions {
  /** A shared secret: at least 32 random bytes for HS256, 48 for HS384, 64 for HS512 (RFC 7518 §3.2). */
  secret?: string | Uint8Array
  /** One public key, as PEM; needs `algorithms` with one entry. */
  publicKey?: string
  /** A JSON Web Key Set (RFC 7517 §5) of public keys, each with an `alg` or with one that `algorithms` picks. */
  jwks?: { readonly keys: readonly object[] }
  /** Where the issuer publishes its JSON Web Key Set: an https URL. It is fetched when the service is ready, and again. */
  jwksUri?: string
  /**
   * `true`: the place of the key set is in the metadata of `issuer`, one https URL (OpenID Connect Discovery 1.0 §4, else
   * RFC 8414 §3). They have to name this very issuer and a key set of its origin; for keys that stand elsewhere there is
   * `jwksUri`. Unless another URL is given for OpenAPI, `openIdConnectUrl` is that of the metadata.
   */
  discover?: true
  /** How the keys of `jwksUri` or `discover` are kept. */
  keyCache?: KeyCacheOptions
  /** Keys that come later. */
  keySource?: KeySource
  /**
   * What keys may be used with, symmetric or asymmetric, never both.
   * @defaultValue `['HS256']` for `secret`, each key's `alg` for `jwks`, every asymmetric one for `keySource`; for `jwksUri` and `discover` one for each type of key: RS256, ES256, ES384, ES512, EdDSA
   */
  algorithms?: readonly Algorithm[]
  /** The exact `iss`, or several; `null` says that it is not checked. */
  issuer: string | readonly string[] | null
  /** What this API is called in `aud`, or several names; `null` says that it is not checked. */
  audience: string | readonly string[] | null
  /**
   * The header's `typ` (RFC 9068 §2.1); `null`: not checked, so that an ID token may pass for an access token.
   * @defaultValue `'at+jwt'`
   */
  type?: string | null
  /**
   * How far clocks may differ, in seconds, up to 300.
   * @defaultValue `5`
   */
  clockToleranceSeconds?: number
  /**
   * The longest token that is looked at.
   * @defaultValue `8192`
   */
  maxTokenBytes?: number
  /**
   * How many verified tokens are remembered, in about 2 KiB each, so that a signature is verified once and not with
   * every request; dates, revocation, keys and `loadPrincipal` are judged with every one. 0 remembers none.
   * @defaultValue `10_000`
   */
  maxVerifiedTokens?: number
  /**
   * The claim that holds scopes. One that is named here, such as `scp` or `permissions`, may hold an array as well;
   * unless it is named, only a string of names counts (RFC 9068 §2.2.3). A list is a path into nested claims.
   * @defaultValue `'scope'`, as a string
   */
  scopeClaim?: string | readonly string[]
  /**
   * The claim that holds roles: an array of strings. A list is a path into nested claims: `['realm_access', 'roles']`.
   * @defaultValue `'roles'`
   */
  rolesClaim?: string | readonly string[]
  /** Asked on every request whether a good token was revoked. */
  isRevoked?: (context: { claims: Claims }) => Awaitable<boolean>
  /**
   * Asked on every request for the principal behind a good token. It names the subject, may replace roles and
   * attributes and narrow the token's scopes; `null` is 401, `disabled: true` is 403 `account_disabled`.
   */
  loadPrincipal?: (context: { claims: Claims; request: FastifyRequest }) => Awaitable<PrincipalGrant | null>
  /** The URL of the metadata that says who issues tokens for this API: every challenge names it (RFC 9728 §5.1). */
  resourceMetadata?: string
  /** For OpenAPI: the token endpoint; alone it documents the password flow. */
  tokenUrl?: string
  /** For OpenAPI: where tokens are refreshed. */
  refreshUrl?: string
  /** For OpenAPI: with `tokenUrl` it documents the authorization code flow. */
  authorizationUrl?: string
  /** For OpenAPI: the discovery document; stands alone. */
  openIdConnectUrl?: string
  /** Options of the core, as for the `guards` plugin. */
  guards?: GuardsOptions
}

/** Keys that are there at start, an issuer that publishes them, or a source that is asked with every token. */
export type BearerKeys =
  | { readonly fixed: readonly NamedKey[] }
  | { readonly publisher: Publisher; readonly algorithms: readonly Algorithm[]; readonly cache: KeyCacheSettings }
  | { readonly source: KeySource; readonly algorithms: readonly Algorithm[] }

/** The options, resolved. */
export interface BearerAuthSettings extends SchemeSettings {
  readonly keys: BearerKeys
  readonly rules: ClaimRules
  readonly definition: SecuritySchemeObject
  readonly maxTokenBytes: number
  readonly maxVerifiedTokens: number
  /** The names that lead to the claim, outermost first. */
  readonly scopeClaim: readonly string[]
  /** Whether the claim may be an array. */
  readonly scopeLists: boolean
  readonly rolesClaim: readonly string[]
  readonly resourceMetadata: string | undefined
  readonly isRevoked: BearerAuthOptions['isRevoked']
  readonly loadPrincipal: BearerAuthOptions['loadPrincipal']
}

const keySources = ['secret', 'publicKey', 'jwks', 'jwksUri', 'discover', 'keySource'] as const
const urls = ['tokenUrl', 'refreshUrl', 'authorizationUrl', 'openIdConnectUrl'] as const
const names = [
  ...keySources, ...urls, 'keyCache', 'algorithms', 'issuer', 'audience', 'type', 'clockToleranceSeconds', 'maxTokenBytes',
  'maxVerifiedTokens', 'scopeClaim', 'rolesClaim', 'resourceMetadata', 'isRevoked', 'loadPrincipal'
]
const MAX_KEYS = 100
// Keys of others often have no `alg` (RFC 7517 §4.4), so by default each type and curve has one.
const remoteAlgorithms: readonly Algorithm[] = Object.freeze(['RS256', 'ES256', 'ES384', 'ES512', 'EdDSA'])

/** @throws `GATEHOUSE_OPTION_INVALID` with the path of the option. */
export function resolveBearerOptions (options: BearerAuthOptions): BearerAuthSettings {
  const shared = resolveSchemeOptions('bearerAuth', options, { defaultName: 'bearer', names })
  const { type = 'at+jwt', clockToleranceSeconds = 5, maxTokenBytes = 8192, maxVerifiedTokens = 10_000 } = options
  const { scopeClaim = 'scope', rolesClaim = 'roles' } = options
  if (type !== null) assertText('bearerAuth.type', type)
  assertInteger('bearerAuth.clockToleranceSeconds', clockToleranceSeconds, { min: 0, max: 300 })
  assertInteger('bearerAuth.maxTokenBytes', maxTokenBytes, { min: 128, max: 65_536 })
  assertInteger('bearerAuth.maxVerifiedTokens', maxVerifiedTokens, { min: 0, max: 10_000_000 })
  if (options.resourceMetadata !== undefined) assertMetadataUrl(options.resourceMetadata)
  if (options.isRevoked !== undefined) assertCallback('bearerAuth.isRevoked', options.isRevoked)
  if (options.loadPrincipal !== undefined) assertCallback('bearerAuth.loadPrincipal', options.loadPrincipal)
  return Object.freeze({
    ...shared,
    keys: resolveKeys(options),
    rules: Object.freeze({
      issuers: resolveMatchers('bearerAuth.issuer', options.issuer),
      audiences: resolveMatchers('bearerAuth.audience', options.audience),
      type: type === null ? null : normalizeType(type),
      clockToleranceSeconds
    }),
    definition: Object.freeze({ ...resolveDefinition(options), ...shared.description }),
    maxTokenBytes,
    maxVerifiedTokens,
    scopeClaim: resolvePath('bearerAuth.scopeClaim', scopeClaim),
    scopeLists: options.scopeClaim !== undefined,
    rolesClaim: resolvePath('bearerAuth.rolesClaim', rolesClaim),
    resourceMetadata: options.resourceMetadata,
    isRevoked: options.isRevoked,
    loadPrincipal: options.loadPrincipal
  })
}

function resolveKeys (options: BearerAuthOptions): BearerKeys {
  const [source, second] = keySources.filter((name) => options[name] !== undefined)
  if (source === undefined || second !== undefined) throw invalid('bearerAuth', `needs exactly one of ${keySources.join(', ')}`)
  const algorithms = resolveAlgorithms(options.algorithms)
  if (options.keyCache !== undefined && source !== 'jwksUri' && source !== 'discover') throw invalid('bearerAuth.keyCache', 'is for jwksUri and discover')
  switch (source) {
    case 'secret': return { fixed: [resolveSecret(options.secret, algorithms)] }
    case 'publicKey': return { fixed: [resolvePublicKey(options.publicKey, algorithms)] }
    case 'jwks': return { fixed: resolveJwks(options.jwks, algorithms) }
    case 'jwksUri': return resolvePublisher({ jwksUri: resolveJwksUri(options) }, algorithms, options.keyCache)
    case 'discover': return resolvePublisher({ issuer: resolveDiscovered(options) }, algorithms, options.keyCache)
    case 'keySource': return { source: resolveSource(options.keySource), algorithms: algorithms ?? asymmetricAlgorithms }
  }
}

function resolveAlgorithms (algorithms: unknown): readonly Algorithm[] | null {
  if (algorithms === undefined) return null
  if (!Array.isArray(algorithms) || algorithms.length === 0) throw invalid('bearerAuth.algorithms', 'must be a list of at least one algorithm')
  const known = algorithms.filter(isAlgorithm)
  if (known.length < algorithms.length) throw invalid('bearerAuth.algorithms', 'names an algorithm that is not supported; unsigned tokens never are')
  if (new Set(known.map(isSymmetric)).size > 1) throw invalid('bearerAuth.algorithms', 'names symmetric beside asymmetric algorithms')
  return Object.freeze([...new Set(known)])
}

function resolveSecret (secret: unknown, algorithms: readonly Algorithm[] | null): NamedKey {
  if (typeof secret !== 'string' && !(secret instanceof Uint8Array)) throw invalid('bearerAuth.secret', 'must be a string or bytes')
  const [algorithm, second] = algorithms ?? ['HS256']
  if (algorithm === undefined || second !== undefined || !isSymmetric(algorithm)) throw invalid('bearerAuth.algorithms', 'must name one of HS256, HS384 and HS512 for a secret')
  return { ...keyFrom('bearerAuth.secret', () => secretKey(secret, algorithm)), kid: null }
}

function resolvePublicKey (publicKey: unknown, algorithms: readonly Algorithm[] | null): NamedKey {
  assertText('bearerAuth.publicKey', publicKey)
  const [algorithm, second] = algorithms ?? []
  if (algorithm === undefined || second !== undefined || isSymmetric(algorithm)) throw invalid('bearerAuth.algorithms', 'must name exactly one asymmetric algorithm for a public key')
  return { ...keyFrom('bearerAuth.publicKey', () => publicPemKey(publicKey, algorithm)), kid: null }
}

function resolveJwks (jwks: unknown, algorithms: readonly Algorithm[] | null): readonly NamedKey[] {
  const members = isRecord(jwks) ? jwks.keys : undefined
  if (!Array.isArray(members) || members.length === 0 || members.length > MAX_KEYS) throw invalid('bearerAuth.jwks', `must be a JSON Web Key Set of 1 to ${String(MAX_KEYS)} keys`)
  const keys = members.map((jwk: unknown, index) => {
    const option = `bearerAuth.jwks.keys[${String(index)}]`
    if (!isRecord(jwk)) throw invalid(option, 'must be an object')
    return keyFrom(option, () => publicJwkKey(jwk, algorithms))
  })
  // A nameless key is found by its algorithm, so two of one algorithm would never be found.
  const identities = new Set(keys.map(({ kid, algorithm }) => kid === null ? `algorithm ${algorithm}` : `kid ${kid}`))
  if (identities.size < keys.length) throw invalid('bearerAuth.jwks', 'has two keys of one kid, or two of one algorithm without a kid')
  return keys
}

function resolvePublisher (publisher: Publisher, algorithms: readonly Algorithm[] | null, cache: unknown): BearerKeys {
  if (algorithms?.some(isSymmetric) === true) throw invalid('bearerAuth.algorithms', 'names a symmetric algorithm; its key is nothing that could be published')
  return { publisher: Object.freeze(publisher), algorithms: algorithms ?? remoteAlgorithms, cache: resolveKeyCache(cache) }
}

function resolveJwksUri ({ jwksUri, issuer }: BearerAuthOptions): string {
  const defect = defectOfUrl(jwksUri)
  if (defect !== null || jwksUri === undefined) throw invalid('bearerAuth.jwksUri', defect ?? 'is missing')
  if (issuer === null) throw invalid('bearerAuth.issuer', 'must name the issuer whose keys are fetched')
  return jwksUri
}

/** RFC 8414 §2: an issuer has neither a query nor a fragment. */
function resolveDiscovered ({ discover, issuer }: BearerAuthOptions): string {
  if ((discover as unknown) !== true) throw invalid('bearerAuth.discover', 'must be true')
  const defect = defectOfUrl(issuer)
  if (defect !== null || typeof issuer !== 'string') throw invalid('bearerAuth.issuer', `is where the metadata stand, so it ${defect ?? 'must be one URL'}`)
  const { pathname, search } = new URL(issuer)
  if (search !== '') throw invalid('bearerAuth.issuer', 'must not have a query')
  if (pathname.includes('/.well-known/')) throw invalid('bearerAuth.issuer', 'must be the issuer, not the URL of its metadata: leave out /.well-known/…')
  return issuer
}

function resolveKeyCache (cache: unknown = {}): KeyCacheSettings {
  if (!isRecord(cache)) throw invalid('bearerAuth.keyCache', 'must be an object')
  assertKnownOptions('bearerAuth.keyCache', cache, ['maxAgeSeconds', 'maxStaleSeconds', 'cooldownSeconds', 'timeoutSeconds'])
  const { maxAgeSeconds = 600, maxStaleSeconds = 3600, cooldownSeconds = 30, timeoutSeconds = 5 } = cache
  assertInteger('bearerAuth.keyCache.maxAgeSeconds', maxAgeSeconds, { min: 1, max: 3600 })
  assertInteger('bearerAuth.keyCache.maxStaleSeconds', maxStaleSeconds, { min: maxAgeSeconds, max: 3600 })
  assertInteger('bearerAuth.keyCache.cooldownSeconds', cooldownSeconds, { min: 1, max: 300 })
  assertInteger('bearerAuth.keyCache.timeoutSeconds', timeoutSeconds, { min: 1, max: 8 })
  return Object.freeze({ maxAgeSeconds, maxStaleSeconds, cooldownSeconds, timeoutSeconds })
}

function resolvePath (option: string, value: unknown): readonly string[] {
  const names: unknown[] = Array.isArray(value) ? value : [value]
  if (names.length === 0 || !names.every((name) => typeof name === 'string' && name !== '')) throw invalid(option, 'must be the name of a claim, or a list of names that leads into it')
  return Object.freeze([...names as string[]])
}

function resolveSource (source: unknown): KeySource {
  if (typeof source !== 'object' || source === null || !('get' in source)) throw invalid('bearerAuth.keySource', 'must be an object with get(kid)')
  assertCallback('bearerAuth.keySource.get', source.get)
  return source as KeySource
}

function keyFrom<K> (option: string, read: () => K): K {
  try {
    return read()
  } catch (error) {
    throw error instanceof TypeError ? invalid(option, error.message) : error
  }
}

/** Exact strings only: a pattern with `g` or nested quantifiers is how others were bypassed or stalled. */
function resolveMatchers (option: string, value: unknown): ReadonlySet<string> | null {
  if (value === null) return null
  const texts: unknown[] = Array.isArray(value) ? value : [value]
  if (texts.length === 0 || !texts.every((text) => typeof text === 'string' && text !== '')) throw invalid(option, 'must be a non-empty string, a list of them, or null to say that it is not checked')
  return new Set(texts as string[])
}

function resolveDefinition (options: BearerAuthOptions): SecuritySchemeObject {
  for (const name of urls) if (options[name] !== undefined) assertUrl(`bearerAuth.${name}`, options[name])
  const { tokenUrl, refreshUrl, authorizationUrl, openIdConnectUrl } = options
  const refresh = refreshUrl === undefined ? {} : { refreshUrl }
  const scopes = { ...options.scopes }
  if (openIdConnectUrl !== undefined) {
    if (tokenUrl !== undefined || refreshUrl !== undefined || authorizationUrl !== undefined) throw invalid('bearerAuth.openIdConnectUrl', 'stands alone: discovery tells the other URLs')
    return { type: 'openIdConnect', openIdConnectUrl }
  }
  if (tokenUrl === undefined) {
    if (authorizationUrl !== undefined || refreshUrl !== undefined) throw invalid('bearerAuth.tokenUrl', 'is needed beside authorizationUrl and refreshUrl')
    if (options.discover === true) return { type: 'openIdConnect', openIdConnectUrl: metadataUrls(resolveDiscovered(options))[0] }
    return { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' }
  }
  if (authorizationUrl === undefined) return { type: 'oauth2', flows: { password: { tokenUrl, ...refresh, scopes } } }
  return { type: 'oauth2', flows: { authorizationCode: { authorizationUrl, tokenUrl, ...refresh, scopes } } }
}

/** RFC 9728 §5.1 has an absolute URL; quoted in a header, it has to be written in ASCII. */
function assertMetadataUrl (value: unknown): void {
  assertText('bearerAuth.resourceMetadata', value)
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol) || new URL(value).href !== value) throw invalid('bearerAuth.resourceMetadata', 'must be an absolute, normalised http(s) URL')
}

/** Absolute, or relative to the API; the docs page links to it, so it must not be `javascript:`. */
function assertUrl (option: string, value: unknown): void {
  assertText(option, value)
  if (!URL.canParse(value, 'https://api.example') || !/^https?:$/.test(new URL(value, 'https://api.example').protocol)) throw invalid(option, 'must be an http(s) URL, or a path')
}

// API keys in one place of the request: a header, or by choice the query or a cookie.
// A key in any other place is as if it were absent; a key sent twice is refused, never "first wins".
// The key itself is handed to `verify` alone and stands in no message.
import fp from 'fastify-plugin'
import { refusal } from '../errors.ts'
import { readHeader } from '../guards/authorization-header.ts'
import { chain } from '../guards/awaitable.ts'
import { formatChallenge } from '../guards/challenge.ts'
import { cookieValues } from '../guards/cookie-header.ts'
import { readGrant } from '../guards/grant.ts'
import { assertCallback, invalid, resolveSchemeOptions } from '../guards/scheme-options.ts'
import { createKeyLimits, readKeyLimit } from './api-key-limits.ts'
import { useGuards } from './guards.ts'
import { takeName } from './rate-limit-names.ts'
import { sharedCountsOn } from './rate-limit-shared.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiKeyGuard } from '../guards/guard.ts'
import type { ApiKeyPrincipal, Awaitable, PrincipalGrant } from '../guards/principal.ts'
import type { GuardedRequest, Scheme } from '../guards/scheme.ts'
import type { SchemeOptions, SchemeSettings } from '../guards/scheme-options.ts'
import type { KeyLimit } from './api-key-limits.ts'
import type { GuardsOptions } from './guards.ts'

export type { KeyLimit } from './api-key-limits.ts'

/** What `verify` tells of a key: its owner as `subject`, and the key's own id. */
export interface ApiKeyGrant extends PrincipalGrant {
  /** Which of the owner's keys it was; never the key. */
  keyId?: string
  /** The key's own limit; needs `keyId`, and `limits: true`. */
  limit?: KeyLimit
}

/** Judges a key: the principal's own part, or `null` to refuse. A throw is answered with 503. */
export type VerifyApiKey = (context: { key: string; request: FastifyRequest }) => Awaitable<ApiKeyGrant | null>

/** Options of {@link apiKeyAuth}. */
export interface ApiKeyAuthOptions extends SchemeOptions {
  /**
   * Where the key travels. A key in the query ends up in logs and histories; a cookie needs CSRF protection.
   * @defaultValue `'header'`
   */
  in?: 'header' | 'query' | 'cookie'
  /**
   * The name of the header, query parameter or cookie.
   * @defaultValue `'X-API-Key'`
   */
  name?: string
  /** Judges the key. `disabled: true` is 403 `account_disabled`. */
  verify: VerifyApiKey
  /**
   * Whether keys have limits of their own, which `verify` tells; past it they get 429 `quota_exceeded`. Counted by this
   * process, on every route of the scheme, under the scheme's name.
   * @defaultValue `false`
   */
  limits?: boolean
  /** Options of the core, as for the `guards` plugin. */
  guards?: GuardsOptions
}

declare module 'fastify' {
  interface FastifyInstance {
    apiKey: ApiKeyGuard
  }
}

type Place = 'header' | 'query' | 'cookie'

interface ApiKeyAuthSettings extends SchemeSettings {
  readonly place: Place
  readonly carrierName: string
  readonly verify: VerifyApiKey
  readonly limits: boolean
}

// RFC 9110 §5.6.2, which RFC 6265 §4.1.1 takes over for cookie names.
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const KEY = /^[\x21-\x7e]{1,512}$/
const headersOfOthers = ['authorization', 'proxy-authorization', 'cookie']
const none: readonly string[] = Object.freeze([])

function resolveOptions (options: ApiKeyAuthOptions): ApiKeyAuthSettings {
  const shared = resolveSchemeOptions('apiKeyAuth', options, { defaultName: 'apiKey', names: ['in', 'name', 'verify', 'limits'] })
  const { in: place = 'header', name = 'X-API-Key', verify, limits = false } = options
  if (!Object.hasOwn(readers, place)) throw invalid('apiKeyAuth.in', "must be 'header', 'query' or 'cookie'")
  if (typeof name !== 'string' || !TOKEN.test(name)) throw invalid('apiKeyAuth.name', 'must be a token (RFC 9110 §5.6.2)')
  if (place === 'header' && headersOfOthers.includes(name.toLowerCase())) throw invalid('apiKeyAuth.name', `cannot be ${name}, which other credentials travel in`)
  assertCallback('apiKeyAuth.verify', verify)
  if (typeof limits !== 'boolean') throw invalid('apiKeyAuth.limits', 'must be true or false')
  return Object.freeze({ ...shared, place, carrierName: name, verify, limits })
}

type Reader = (request: GuardedRequest, name: string) => string | null

/** The key that was presented, one reader a place. */
const readers: Readonly<Record<Place, Reader>> = {
  header: (request, name) => readHeader(request, name.toLowerCase()),
  query ({ raw: { url = '' } }, name) {
    const start = url.indexOf('?')
    return start === -1 ? null : onlyOne(new URLSearchParams(url.slice(start + 1)).getAll(name))
  },
  cookie ({ headers: { cookie = '' } }, name) {
    return onlyOne(cookieValues(cookie, name))
  }
}

function onlyOne (values: readonly string[]): string | null {
  const [value, second] = values
  if (second !== undefined) throw refusal('invalid_request', { reason: 'the API key is repeated' })
  return value ?? null
}

async function registerApiKeyAuth (app: FastifyInstance, options: ApiKeyAuthOptions): Promise<void> {
  const settings = resolveOptions(options)
  const registry = useGuards(app, options.guards)
  const { name, place, carrierName, verify } = settings
  const read = readers[place]
  const keyLimits = settings.limits
    ? createKeyLimits(takeName(registry, { name: undefined, derivedName: name }), () => { app.log.warn({ scheme: name }, 'the table of the limits of API keys is full of exhausted keys') }, app.hasDecorator('gatehouseRedis') ? sharedCountsOn(app.gatehouseRedis) : null)
    : null
  const challenge = formatChallenge('ApiKey', { realm: settings.realm, in: place, name: carrierName })

  function principalOf (answer: ApiKeyGrant | null, request: object): ApiKeyPrincipal {
    const grant = readGrant(answer, 'apiKeyAuth.verify')
    if (grant === null) throw refusal('invalid_credentials', { reason: 'unknown API key' })
    if (grant.disabled) throw refusal('account_disabled', { reason: 'the owner of the API key is disabled' })
    const { subject, scopes, roles, attributes } = grant
    const keyId = keyIdOf(answer)
    const limit = readKeyLimit(answer?.limit)
    if (limit !== null) {
      // A limit that nobody counts, or that belongs to no key, would be a promise that is not kept.
      if (keyLimits === null || keyId === null) throw new TypeError('apiKeyAuth.verify returned a limit, which needs keyId, and limits: true')
      keyLimits.note(request, keyId, limit)
    }
    return Object.freeze({ kind: 'apiKey', scheme: name, subject, scopes: scopes ?? none, roles: roles ?? none, attributes, keyId })
  }

  const scheme: Scheme<ApiKeyPrincipal> = {
    name,
    definition: { type: 'apiKey', in: place, name: carrierName, ...settings.description },
    carrier: { in: place, name: carrierName },
    ambient: place === 'cookie',
    ...settings.scopes,
    ...(keyLimits === null ? {} : { limit: keyLimits.limit }),
    authenticate (request) {
      const key = read(request, carrierName)
      if (key === null) return null
      if (!KEY.test(key)) throw refusal('invalid_credentials', { reason: 'malformed API key' })
      return chain(verify({ key, request }), (answer) => principalOf(answer, request))
    },
    challenge ({ error }) {
      return error === undefined || error.statusCode === 401 ? challenge : null
    }
  }
  app.defineScheme(scheme)
}

function keyIdOf (answer: ApiKeyGrant | null): string | null {
  const keyId: unknown = answer?.keyId ?? null
  if (keyId !== null && typeof keyId !== 'string') throw new TypeError('apiKeyAuth.verify must return keyId as a string')
  return keyId
}

/**
 * API keys: decorates `app.apiKey`, or the name given as `as`. One registration reads one place; a key that may
 * come in several is several registrations under `app.anyOf`.
 *
 * Missing, malformed (not 1 to 512 visible ASCII characters) or refused: 401 with
 * `ApiKey realm="…", in="header", name="X-API-Key"`; sent twice: 400 `invalid_request`; owner disabled: 403.
 * Registering fails with `GATEHOUSE_OPTION_INVALID` for unknown, wrong-typed or contradictory options.
 *
 * @example
 * await app.register(apiKeyAuth, { verify: ({ key }) => findKey(key) })
 * app.get('/items', { onRequest: app.apiKey }, (request) => listItems(app.apiKey.principal(request).subject))
 */
export const apiKeyAuth = fp(registerApiKeyAuth, { name: 'gatehouse-api-key-auth', fastify: '5.x' })

// HTTP Basic (RFC 7617): a username and a password on every request, in UTF-8.
// @fastify/basic-auth takes the credentials apart; what its decoder would let through, such as base64url,
// bad UTF-8 or non-canonical base64, is refused before it is asked.
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { hashOfName } from '../credentials/attempted-names.ts'
import { isCanonicalBase64, isUserId } from '../credentials/basic-credentials.ts'
import { createPasswordCheck } from '../credentials/static-users.ts'
import { refusal } from '../errors.ts'
import { readAuthorization } from '../guards/authorization-header.ts'
import { chain } from '../guards/awaitable.ts'
import { formatChallenge } from '../guards/challenge.ts'
import { readGrant } from '../guards/grant.ts'
import { assertCallback, invalid, isRecord, resolveSchemeOptions } from '../guards/scheme-options.ts'
import { useGuards } from './guards.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { BasicGuard } from '../guards/guard.ts'
import type { CheckedGrant } from '../guards/grant.ts'
import type { Awaitable, BasicPrincipal, PrincipalGrant } from '../guards/principal.ts'
import type { Scheme } from '../guards/scheme.ts'
import type { SchemeOptions, SchemeSettings } from '../guards/scheme-options.ts'
import type { GuardsOptions } from './guards.ts'

interface BasicCredentials {
  username: string
  password: string
}

/** Judges a username and password: the principal's own part, or `null` to refuse. A throw is answered with 503. */
export type VerifyPassword = (context: BasicCredentials & { request: FastifyRequest }) => Awaitable<PrincipalGrant | null>

/** Options of {@link basicAuth}: exactly one of `verify` and `users`. */
export interface BasicAuthOptions extends SchemeOptions {
  /** Judges the credentials. `disabled: true` is the same 401 as a wrong password. */
  verify?: VerifyPassword
  /** A fixed list of usernames and passwords, for a tool or a demo; the subject is the username. */
  users?: Readonly<Record<string, string>>
  /** Options of the core, as for the `guards` plugin. */
  guards?: GuardsOptions
}

declare module 'fastify' {
  interface FastifyInstance {
    basic: BasicGuard
  }
}

interface BasicAuthSettings extends SchemeSettings {
  readonly verify: VerifyPassword
}

function resolveOptions (options: BasicAuthOptions): BasicAuthSettings {
  const shared = resolveSchemeOptions('basicAuth', options, { defaultName: 'basic', names: ['verify', 'users'] })
  const { verify, users } = options
  if ((verify === undefined) === (users === undefined)) throw invalid('basicAuth', 'needs exactly one of verify and users')
  if (verify !== undefined) assertCallback('basicAuth.verify', verify)
  return Object.freeze({ ...shared, verify: verify ?? verifyAgainst(users) })
}

function verifyAgainst (users: unknown): VerifyPassword {
  if (!isRecord(users) || Object.keys(users).length === 0) throw invalid('basicAuth.users', 'must be an object of at least one username and password')
  for (const [username, password] of Object.entries(users)) {
    if (!isUserId(username)) throw invalid('basicAuth.users', 'has a username that is empty or holds a colon or control character')
    if (typeof password !== 'string' || password === '') throw invalid('basicAuth.users', 'must hold a non-empty password for every username')
  }
  const isPasswordOf = createPasswordCheck(users as Record<string, string>)
  return ({ username, password }) => isPasswordOf(username, password) ? { subject: username } : null
}

/** What the official plugin reads of a request, and where its `validate` leaves what it found. */
interface Presented {
  headers: { authorization: string }
  found: BasicCredentials | null
}

/** The official parser, hosted where it decorates nobody's instance. */
async function loadParser (): Promise<(credentials: string) => BasicCredentials | null> {
  const { fastifyBasicAuth } = await import('@fastify/basic-auth')
  const host = Fastify()
  await host.register(fastifyBasicAuth, {
    validate (username, password, request, _reply, done) {
      (request as unknown as Presented).found = { username, password }
      done()
    }
  })
  await host.ready()
  const parse = host.basicAuth as unknown as (presented: Presented, reply: null, done: () => void) => void
  return function parseCredentials (credentials) {
    const presented: Presented = { headers: { authorization: `Basic ${credentials}` }, found: null }
    parse(presented, null, () => undefined)
    return presented.found
  }
}

async function registerBasicAuth (app: FastifyInstance, options: BasicAuthOptions): Promise<void> {
  const settings = resolveOptions(options)
  useGuards(app, options.guards)
  const parseCredentials = await loadParser()
  const challenge = formatChallenge('Basic', { realm: settings.realm, charset: 'UTF-8' })

  function principalOf (grant: CheckedGrant | null, username: string): BasicPrincipal {
    if (grant === null || grant.disabled) {
      throw refusal('invalid_credentials', { actor: hashOfName(username), reason: grant === null ? 'unknown user or wrong password' : 'the account is disabled' })
    }
    const { subject, scopes, roles, attributes } = grant
    return Object.freeze({ kind: 'basic', scheme: settings.name, subject, scopes: scopes ?? none, roles: roles ?? none, attributes })
  }

  const scheme: Scheme<BasicPrincipal> = {
    name: settings.name,
    definition: { type: 'http', scheme: 'basic', ...settings.description },
    carrier: { in: 'header', name: 'Authorization' },
    ambient: true,
    ...settings.scopes,
    authenticate (request) {
      const credentials = readAuthorization(request, 'Basic')
      if (credentials === null) return null
      const found = isCanonicalBase64(credentials) ? parseCredentials(credentials) : null
      if (found === null) throw refusal('invalid_credentials', { reason: 'malformed Basic credentials' })
      return chain(settings.verify({ ...found, request }), (grant) => principalOf(readGrant(grant, 'basicAuth.verify'), found.username))
    },
    challenge ({ error }) {
      return error === undefined || error.statusCode === 401 ? challenge : null
    }
  }
  app.defineScheme(scheme)
}

const none: readonly string[] = Object.freeze([])

/**
 * HTTP Basic authentication (RFC 7617): decorates `app.basic`, or the name given as `as`.
 *
 * Malformed, unknown, wrong and disabled are one answer: 401 `invalid_credentials` with
 * `Basic realm="…", charset="UTF-8"`. `verify` is responsible for equal work on unknown names; `users` does it.
 * Registering fails with `GATEHOUSE_OPTION_INVALID` for unknown, wrong-typed or contradictory options.
 *
 * @example
 * await app.register(basicAuth, { users: { alice: 'secret' } })
 * app.get('/me', { onRequest: app.basic }, (request) => ({ username: app.basic.principal(request).subject }))
 */
export const basicAuth = fp(registerBasicAuth, { name: 'gatehouse-basic-auth', fastify: '5.x' })

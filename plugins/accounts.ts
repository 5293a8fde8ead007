// People, their passwords and their keys: registration, login, API keys, and what a role allows.
// Unknown, wrong and disabled are one answer after one hash; effective rights are what credential and owner share.
import fp from 'fastify-plugin'
import { createApiKey, matchesDigest, parseApiKey } from '../credentials/api-keys.ts'
import { refusal } from '../errors.ts'
import { assertKnownOptions, invalid, isRecord } from '../guards/scheme-options.ts'
import { isScope } from '../guards/scope.ts'
import type { FastifyInstance } from 'fastify'
import type { Principal, PrincipalGrant } from '../guards/principal.ts'
import type { ApiKey, NewUser, User } from '../stores/ports.ts'

/** Options of {@link accounts}. */
export interface AccountsOptions {
  /** The scopes that each role stands for. */
  roles: Readonly<Record<string, readonly string[]>>
  /** The roles that a new account gets. */
  defaultRoles: readonly string[]
}

/** What somebody tells who wants an account. */
export interface Registration {
  username: string
  email: string
  password: string
  full_name?: string | undefined
}

/** What `app.accounts` does. */
export interface Accounts {
  /** A new account; `conflict` when the name is taken, `validation` when the password is not acceptable. */
  register (registration: Registration, roles?: readonly string[]): Promise<User>
  /** Whoever the password belongs to; `null` for unknown, wrong and disabled alike, after one hash each. */
  login (credentials: { username: string; password: string }): Promise<User | null>
  /** What the roles of an account allow. */
  scopesOf (user: Pick<User, 'roles'>): readonly string[]
  /** The account behind a subject as a principal's part, with the rights it has now; `null` when it is gone. */
  grantFor (subject: string): Promise<PrincipalGrant | null>
  /** A new API key of the principal; it never gets a scope that the principal lacks (`insufficient_scope`). */
  createApiKey (principal: Principal, request: { name: string; scopes: readonly string[]; expiresInDays?: number | undefined }): Promise<{ apiKey: ApiKey; key: string }>
  /** Whom a presented API key belongs to; `null` for malformed, unknown, expired and revoked alike. */
  verifyApiKey (key: string): Promise<PrincipalGrant & { keyId: string } | null>
}

declare module 'fastify' {
  interface FastifyInstance {
    accounts: Accounts
  }
}

declare module '../guards/principal.ts' {
  interface PrincipalAttributes {
    username?: string
  }
}

type RoleTable = ReadonlyMap<string, readonly string[]>

function resolve (options: AccountsOptions): { roles: RoleTable; defaultRoles: readonly string[] } {
  assertKnownOptions('accounts', options, ['roles', 'defaultRoles'])
  const { roles, defaultRoles } = options
  if (!isRecord(roles)) throw invalid('accounts.roles', 'must be an object of role names and lists of scopes')
  const table = new Map(Object.entries(roles).map(([name, scopes]) => {
    if (!isList(scopes) || !scopes.every(isScope)) throw invalid(`accounts.roles.${name}`, 'must be a list of scopes')
    return [name, Object.freeze([...scopes])] as const
  }))
  if (!isList(defaultRoles)) throw invalid('accounts.defaultRoles', 'must be a list of roles')
  const missing = defaultRoles.find((name) => !table.has(name))
  if (missing !== undefined) throw invalid('accounts.defaultRoles', `${missing} is no role`)
  return { roles: table, defaultRoles: Object.freeze([...defaultRoles]) }
}

function isList (value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string')
}

const DAY_MILLISECONDS = 86_400_000

async function accountsPlugin (app: FastifyInstance, options: AccountsOptions): Promise<void> {
  const { roles, defaultRoles } = resolve(options)
  const { passwords, stores } = app

  const scopesOf: Accounts['scopesOf'] = (user) => [...new Set(user.roles.flatMap((role) => roles.get(role) ?? []))]

  function grantOf (user: User): PrincipalGrant {
    return { subject: user.id, scopes: scopesOf(user), roles: user.roles, attributes: { username: user.username }, disabled: user.disabled }
  }

  app.decorate('accounts', Object.freeze<Accounts>({
    scopesOf,

    async register ({ username, email, password, full_name }, given = defaultRoles) {
      await passwords.assertAcceptable(password, { username, email })
      const user: NewUser = { username, email, full_name: full_name ?? null, passwordHash: await passwords.hash(password), roles: given }
      return stores.users.create(user)
    },

    async login ({ username, password }) {
      const found = await stores.users.findCredentials(username)
      const matches = await passwords.verify(found?.passwordHash ?? null, password)
      if (found === null || !matches || found.user.disabled) return null
      if (passwords.needsRehash(found.passwordHash)) {
        await stores.users.replacePasswordHash(found.user.id, { from: found.passwordHash, to: await passwords.hash(password) })
      }
      return found.user
    },

    async grantFor (subject) {
      const user = await stores.users.findById(subject)
      return user === null ? null : grantOf(user)
    },

    async createApiKey (principal, { name, scopes, expiresInDays = 90 }) {
      const excess = scopes.filter((scope) => !principal.scopes.includes(scope))
      if (excess.length > 0) throw refusal('insufficient_scope', { detail: 'A key cannot have a scope that you do not have.' })
      const { id, key, digest, hint } = createApiKey()
      const expiresAt = new Date(Date.now() + expiresInDays * DAY_MILLISECONDS)
      return { key, apiKey: await stores.apiKeys.create({ id, owner: principal.subject, name, scopes, digest, hint, expiresAt }) }
    },

    async verifyApiKey (key) {
      const presented = parseApiKey(key)
      if (presented === null) return null
      const found = await stores.apiKeys.findActive(presented.id)
      if (!matchesDigest(presented.digest, found?.digest ?? null) || found === null) return null
      const owner = await stores.users.findById(found.apiKey.owner)
      if (owner === null) return null
      const grant = grantOf(owner)
      const allowed = new Set(grant.scopes)
      return { ...grant, scopes: found.apiKey.scopes.filter((scope) => allowed.has(scope)), keyId: found.apiKey.id }
    }
  }))
}

/** Decorates `app.accounts`; needs `stores` and `passwords`. @see {@link AccountsOptions} */
export const accounts = fp(accountsPlugin, { name: 'gatehouse-accounts', fastify: '5.x', dependencies: ['gatehouse-stores', 'gatehouse-passwords'] })

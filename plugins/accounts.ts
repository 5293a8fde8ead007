// People, their passwords and their keys: registration, login, API keys, and what a role allows.
// Unknown, wrong, disabled and locked are one answer after one hash; effective rights are what credential and owner share.
import fp from 'fastify-plugin'
import { hashOfName } from '../credentials/attempted-names.ts'
import { refusal } from '../errors.ts'
import { tellEvent } from '../guards/events.ts'
import { tellLifetimes } from '../guards/lifetimes.ts'
import { createKeyUses } from './accounts-key-uses.ts'
import { resolveAccountsOptions } from './accounts-options.ts'
import type { FastifyInstance } from 'fastify'
import type { EventOrigin } from '../guards/events.ts'
import type { Principal, PrincipalGrant } from '../guards/principal.ts'
import type { NewAuditEvent, NewUser, StoreSet, User, UserChange, UserProfile } from '../stores/ports.ts'
import type { ApiKeyAccounts } from './accounts-api-keys.ts'
import type { LoginRefusal } from './accounts-logins.ts'
import type { AccountsOptions } from './accounts-options.ts'

export type { ApiKeyAccounts, ApiKeyRequest, ApiKeyRotationRequest, IssuedApiKey } from './accounts-api-keys.ts'
export type { AccountsOptions } from './accounts-options.ts'

/** What somebody tells who wants an account. */
export interface Registration {
  username: string
  email: string
  password: string
  full_name?: string | undefined
  /** Told in the audit log: `app.eventOrigin(request)`. */
  origin?: EventOrigin | undefined
}

/** What `app.accounts` does. */
export interface Accounts extends ApiKeyAccounts {
  /** A new account; `conflict` when the name is taken, `validation` when the password is not acceptable. */
  register (registration: Registration, roles?: readonly string[]): Promise<User>
  /**
   * Whoever the password belongs to; `null` for unknown, wrong, disabled, waiting and locked alike, after one hash each.
   * After three failures in a row an account waits a second, twice as long after each that follows, up to a quarter of
   * an hour: what is tried meanwhile is refused, right or wrong, and makes it wait no longer. After 100 it is locked until
   * `unlock`. Success forgets them. `within` writes what the login leaves behind, and is called only while the password
   * still holds and the account is still on: whoever changes that at the same time sees what was written.
   */
  login (credentials: { username: string; password: string; origin?: EventOrigin | undefined }, within?: (user: User, stores: StoreSet) => Promise<void>): Promise<User | null>
  /** The same for a password that comes with every request: what was right a moment ago is not hashed again. */
  verifyPassword (credentials: { username: string; password: string; origin?: EventOrigin | undefined }): Promise<PrincipalGrant | null>
  /** What the roles of an account allow. */
  scopesOf (user: Pick<User, 'roles'>): readonly string[]
  /** What people change of their own account; `null` when the principal has none. */
  updateProfile (principal: Principal, profile: UserProfile, options?: { origin?: EventOrigin | undefined }): Promise<User | null>
  /** The account behind a subject as a principal's part, with the rights it has now; `null` when it is gone. */
  grantFor (subject: string): Promise<PrincipalGrant | null>
  /**
   * Another password for the principal's account, and the end of its other logins: refresh families, live access tokens
   * and sessions, except the one that asks. API keys stay. `validation` for a wrong current password, or for a new
   * one that is not acceptable; wrong ones make it wait and are locked out as those of `login`, in a count of their own,
   * so that guessing at logins keeps nobody from it. `conflict` when somebody else changed it meanwhile. `within` writes what is part of it.
   */
  changePassword (principal: Principal, passwords: { currentPassword: string; newPassword: string; origin?: EventOrigin | undefined }, within?: (stores: StoreSet) => Promise<void>): Promise<void>
  /**
   * Turns an account on or off, or gives it other roles; `null` when there is none. Turning it off ends all that speaks
   * for it, API keys too, and turning it on brings nothing back; other roles end its sessions. `conflict` for the last holder of the role
   * `keepOne`, `validation` for a role that is not in the table.
   */
  update (id: string, change: UserChange, options?: { origin?: EventOrigin | undefined }): Promise<User | null>
  /** Which of these accounts are locked for 100 failures in a row. Their sessions, tokens and keys go on. */
  lockedAmong (ids: readonly string[]): Promise<ReadonlySet<string>>
  /** Forgets the failed logins of an account, so that it neither waits nor is locked; whether there is such an account. `origin` says who does it, for the event. */
  unlock (id: string, options?: { origin?: EventOrigin | undefined }): Promise<boolean>
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

const USES_INTERVAL_MS = 5000
const DAY_SECONDS = 86_400

async function accountsPlugin (app: FastifyInstance, options: AccountsOptions): Promise<void> {
  const { roles, defaultRoles, keepOne, verifiedKeySeconds, verifiedPasswordSeconds } = resolveAccountsOptions(options)
  const [{ createApiKeyAccounts, STANDARD_DAYS }, { createLoginDefence }, { createVerifiedPasswords }] = await Promise.all([
    import('./accounts-api-keys.ts'), import('./accounts-logins.ts'), import('../credentials/verified-passwords.ts')
  ])
  const { passwords, stores } = app
  const logins = createLoginDefence(stores, app.log)
  const verifiedPasswords = createVerifiedPasswords(verifiedPasswordSeconds)
  const uses = createKeyUses((batch) => stores.apiKeys.touch(batch), {
    intervalMs: USES_INTERVAL_MS,
    onError: (error) => { app.log.warn({ err: error }, 'when API keys were used is not written yet') }
  })
  app.addHook('onClose', () => uses.close())
  tellLifetimes(app, 'apiKeys', { standardSeconds: STANDARD_DAYS * DAY_SECONDS, verifiedSeconds: verifiedKeySeconds })

  const scopesOf: Accounts['scopesOf'] = (user) => [...new Set(user.roles.flatMap((role) => roles.get(role) ?? []))]

  function grantOf (user: User): PrincipalGrant {
    return { subject: user.id, scopes: scopesOf(user), roles: user.roles, attributes: { username: user.username }, disabled: user.disabled }
  }

  /** Whom the password lets in, with the hash that it fits, a new one where it was due; or why nobody. */
  async function accept (found: { user: User; passwordHash: string } | null, { username, password, origin }: Credentials): Promise<Accepted | Refused> {
    const matches = await passwords.verify(found?.passwordHash ?? null, password)
    const isRight = matches && found?.user.disabled === false
    const refused = await logins.admit({ id: found?.user.id ?? null, username, origin }, isRight)
    if (found === null) return { user: null, reason: 'unknown_account', target: null }
    const { user, passwordHash } = found
    if (refused !== null) return { user: null, reason: user.disabled ? 'account_disabled' : refused, target: user.id }
    if (!passwords.needsRehash(passwordHash)) return { user, hash: passwordHash }
    const change = { from: passwordHash, to: await passwords.hash(password) }
    return { user, hash: await stores.users.replacePasswordHash(user.id, change) ? change.to : change.from }
  }

  function tellFailed ({ reason, target }: Refused, { username, origin = {} }: Pick<Credentials, 'username' | 'origin'>): null {
    tellEvent(app.server, { ...origin, event: 'authn_login_fail', outcome: 'failure', actor: hashOfName(username), target, scheme: 'password', reason })
    return null
  }

  async function endSessions (inside: StoreSet, subject: string, { except, origin, reason }: LoginsEnd): Promise<void> {
    for (const target of await inside.sessions.removeBySubject(subject, { except: except?.session })) {
      await inside.audit.append({ ...origin, event: 'session_expired', outcome: 'success', target, reason })
    }
  }

  async function endLogins (inside: StoreSet, subject: string, end: LoginsEnd): Promise<void> {
    const { except, origin, reason } = end
    if (app.hasDecorator('tokens')) await app.tokens.revokeSubject(subject, { stores: inside, exceptFamily: except?.family, origin, reason })
    await endSessions(inside, subject, end)
  }

  app.decorate('accounts', Object.freeze<Accounts>({
    ...createApiKeyAccounts(stores, { grantOf, uses, verifiedSeconds: verifiedKeySeconds }),
    scopesOf,

    async register ({ username, email, password, full_name, origin = {} }, given = defaultRoles) {
      await passwords.assertAcceptable(password, { username, email })
      const user: NewUser = { username, email, full_name: full_name ?? null, passwordHash: await passwords.hash(password), roles: given }
      return await stores.transaction(async (inside) => {
        const made = await inside.users.create(user)
        await inside.audit.append({ ...origin, event: 'user_created', outcome: 'success', target: made.id, details: { roles: made.roles } })
        return made
      })
    },

    async login ({ username, password, origin = {} }, within) {
      const accepted = await accept(await stores.users.findCredentials(username), { username, password, origin })
      if (accepted.user === null) return tellFailed(accepted, { username, origin })
      const { user: { id }, hash } = accepted
      const event = { ...origin, event: 'authn_login_success', outcome: 'success', actor: id, scheme: 'password' } as const
      if (within === undefined) {
        await stores.audit.append(event)
        return accepted.user
      }
      return await stores.transaction(async (inside) => {
        // Written to stand in line: whoever changes the password or turns the account off was before, and is seen, or
        // comes after, and ends what this login writes.
        const stands = await inside.users.replacePasswordHash(id, { from: hash, to: hash })
        const user = stands ? await inside.users.findById(id) : null
        if (user === null || user.disabled) return null
        await inside.audit.append(event)
        await within(user, inside)
        return user
      })
    },

    async verifyPassword ({ username, password, origin }) {
      const found = await stores.users.findCredentials(username)
      if (found !== null && !found.user.disabled && verifiedPasswords.has(password, found.passwordHash)) return grantOf(found.user)
      const { user } = await accept(found, { username, password, origin })
      if (user === null || found === null) return null
      verifiedPasswords.add(password, found.passwordHash)
      return grantOf(user)
    },

    async grantFor (subject) {
      const user = await stores.users.findById(subject)
      return user === null ? null : grantOf(user)
    },

    async updateProfile (principal, profile, { origin = {} } = {}) {
      return await stores.transaction(async (inside) => {
        const user = await inside.users.updateProfile(principal.subject, profile)
        if (user !== null) await inside.audit.append({ ...origin, event: 'user_updated', outcome: 'success', actor: user.id, target: user.id, scheme: principal.scheme, details: { members: Object.keys(profile) } })
        return user
      })
    },

    async changePassword (principal, { currentPassword, newPassword, origin = {} }, within) {
      const user = await stores.users.findById(principal.subject)
      if (user === null) throw refusal('not_found')
      await passwords.assertAcceptable(newPassword, { username: user.username, email: user.email, pointer: '/new_password' })
      const found = await stores.users.findCredentials(user.username)
      const event = { ...origin, actor: user.id, target: user.id, scheme: principal.scheme }
      const isRight = await passwords.verify(found?.passwordHash ?? null, currentPassword)
      const refused = await logins.admitChange({ id: user.id, origin }, isRight)
      if (refused !== null || found === null) {
        tellEvent(app.server, { ...event, event: 'authn_password_change_fail', outcome: 'failure', reason: refused })
        throw refusal('validation', { errors: [{ pointer: '/current_password', in: 'body', detail: 'is not your password' }] })
      }
      const to = await passwords.hash(newPassword)
      await stores.transaction(async (inside) => {
        const isReplaced = await inside.users.replacePasswordHash(user.id, { from: found.passwordHash, to })
        if (!isReplaced) throw refusal('conflict', { detail: 'The password was changed meanwhile.' })
        await endLogins(inside, user.id, { except: loginOf(principal), origin: { ...origin, actor: user.id, scheme: principal.scheme }, reason: 'password_changed' })
        await inside.audit.append({ ...event, event: 'authn_password_change', outcome: 'success' })
        await within?.(inside)
      })
    },

    async update (id, change, { origin = {} } = {}) {
      const unknown = change.roles?.findIndex((role) => !roles.has(role)) ?? -1
      if (unknown !== -1) throw refusal('validation', { errors: [{ pointer: `/roles/${String(unknown)}`, in: 'body', detail: 'is no role' }] })
      return await stores.transaction(async (inside) => {
        const before = await inside.users.findById(id)
        const user = await inside.users.update(id, change, { keepOne })
        if (user === 'last') throw refusal('conflict', { detail: `The last account with the role ${String(keepOne)} keeps it.` })
        if (user !== null && change.disabled === true) {
          await endLogins(inside, id, { origin, reason: 'account_disabled' })
          await inside.apiKeys.revokeByOwner(id)
        } else if (user !== null && before !== null && !sameNames(before.roles, user.roles)) {
          // An id that was handed out for some rights is never one of others.
          await endSessions(inside, id, { origin, reason: 'roles_changed' })
        }
        if (user !== null && before !== null) {
          for (const event of eventsOf(before, user)) await inside.audit.append({ ...origin, ...event, outcome: 'success', target: id })
        }
        return user
      })
    },

    lockedAmong: (ids) => logins.lockedAmong(ids),

    async unlock (id, { origin } = {}) {
      if (await stores.users.findById(id) === null) return false
      await logins.unlock(id, origin)
      return true
    }
  }))
}

/** What a change of an account is, in words of the audit log. */
function eventsOf (before: User, after: User): Pick<NewAuditEvent, 'event' | 'details'>[] {
  return [
    ...(sameNames(before.roles, after.roles) ? [] : [{ event: 'authz_change', details: { from: before.roles, to: after.roles } }]),
    ...(before.disabled === after.disabled ? [] : [{ event: after.disabled ? 'user_archived' : 'gatehouse_user_restored' }])
  ]
}

function sameNames (left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name) => right.includes(name))
}

interface Credentials { username: string; password: string; origin?: EventOrigin | undefined }
interface Accepted { user: User; hash: string }
/** Why nobody is let in, and the account that has the name: for the audit log alone. */
interface Refused { user: null; reason: LoginRefusal | 'unknown_account' | 'account_disabled'; target: string | null }

/** What a principal is logged in by: a session, or the refresh family that `tokens` names in its tokens. */
interface Login { family?: string; session?: string }
/** Why logins end, and the one that stays. */
interface LoginsEnd { except?: Login | undefined; origin: EventOrigin; reason: string }

function loginOf (principal: Principal): Login {
  if (principal.kind === 'session') return { session: principal.sessionId }
  const family = principal.kind === 'bearer' ? principal.claims['sid'] : undefined
  return typeof family === 'string' ? { family } : {}
}

/** Decorates `app.accounts`; needs `stores` and `passwords`, and ends tokens where `tokens` is registered. @see {@link AccountsOptions} */
export const accounts = fp(accountsPlugin, { name: 'gatehouse-accounts', fastify: '5.x', dependencies: ['gatehouse-stores', 'gatehouse-passwords'] })

// The options of `accounts`, and from them what it works with.
import { assertInteger, assertKnownOptions, invalid, isRecord } from '../guards/scheme-options.ts'
import { isScope } from '../guards/scope.ts'

/** Options of {@link accounts}. */
export interface AccountsOptions {
  /** The scopes that each role stands for. */
  roles: Readonly<Record<string, readonly string[]>>
  /** The roles that a new account gets. */
  defaultRoles: readonly string[]
  /**
   * The role that never loses its last holder: who is the only account with it that is not disabled keeps both.
   * @defaultValue none
   */
  keepOne?: string
  /**
   * Seconds in which an API key that was verified needs no look-up, 60 at most; 0 turns it off. What this process
   * changes of a key, its owner or its client counts at once, what another one changes within this time, and sooner where
   * `redis` tells of it.
   * @defaultValue `1`
   */
  verifiedKeySeconds?: number
  /**
   * Seconds in which a password that `verifyPassword` accepted needs no hash, 60 at most; 0 turns it off. A changed
   * password or a disabled account counts at once, whichever process changed it.
   * @defaultValue `60`
   */
  verifiedPasswordSeconds?: number
}

export type RoleTable = ReadonlyMap<string, readonly string[]>

export interface AccountsSettings {
  readonly roles: RoleTable
  readonly defaultRoles: readonly string[]
  readonly keepOne: string | undefined
  readonly verifiedKeySeconds: number
  readonly verifiedPasswordSeconds: number
}

const LONGEST_SECONDS = 60

export function resolveAccountsOptions (options: AccountsOptions): AccountsSettings {
  assertKnownOptions('accounts', options, ['roles', 'defaultRoles', 'keepOne', 'verifiedKeySeconds', 'verifiedPasswordSeconds'])
  const { roles, defaultRoles, keepOne, verifiedKeySeconds = 1, verifiedPasswordSeconds = 60 } = options
  if (!isRecord(roles)) throw invalid('accounts.roles', 'must be an object of role names and lists of scopes')
  const table = new Map(Object.entries(roles).map(([name, scopes]) => {
    if (!isList(scopes) || !scopes.every(isScope)) throw invalid(`accounts.roles.${name}`, 'must be a list of scopes')
    return [name, Object.freeze([...scopes])] as const
  }))
  if (!isList(defaultRoles)) throw invalid('accounts.defaultRoles', 'must be a list of roles')
  const missing = defaultRoles.find((name) => !table.has(name))
  if (missing !== undefined) throw invalid('accounts.defaultRoles', `${missing} is no role`)
  if (keepOne !== undefined && !table.has(keepOne)) throw invalid('accounts.keepOne', 'must be a role')
  assertInteger('accounts.verifiedKeySeconds', verifiedKeySeconds, { min: 0, max: LONGEST_SECONDS })
  assertInteger('accounts.verifiedPasswordSeconds', verifiedPasswordSeconds, { min: 0, max: LONGEST_SECONDS })
  return Object.freeze({ roles: table, defaultRoles: Object.freeze([...defaultRoles]), keepOne, verifiedKeySeconds, verifiedPasswordSeconds })
}

function isList (value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string')
}

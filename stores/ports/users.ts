// Accounts.
import type { Page, SearchQuery } from './pages.ts'

/** An account, without anything that proves who is using it. */
export interface User {
  /** UUIDv7. */
  id: string
  /** As it was written; two names are one if `fold` makes them one. */
  username: string
  /** Neither unique nor an identifier. */
  email: string
  /** What people call them. */
  full_name: string | null
  /** Whether its credentials are refused. */
  disabled: boolean
  /** The names of its roles, in the order that they were given. */
  roles: string[]
  /** RFC 3339, UTC. */
  created_at: string
}

/** An account to make. */
export interface NewUser {
  /** At most 256 UTF-16 units, no control characters. */
  username: string
  /** Kept as it is. */
  email: string
  /** @defaultValue null */
  full_name?: string | null | undefined
  /** A PHC string. */
  passwordHash: string
  /** The names of its roles; a name that stands twice is kept once. */
  roles: readonly string[]
}

/** What people change of their own account. */
export interface UserProfile {
  /** @defaultValue as it is */
  email?: string | undefined
  /** @defaultValue as it is */
  full_name?: string | null | undefined
}

/** What an administrator changes of an account. */
export interface UserChange {
  /** @defaultValue as it is */
  disabled?: boolean | undefined
  /** @defaultValue as they are */
  roles?: readonly string[] | undefined
}

/** Accounts. */
export interface UserStore {
  /** Throws `conflict` when the name is taken (names are one if `fold` makes them one), `validation` over 256 UTF-16 units or with a control character. */
  create (user: NewUser): Promise<User>
  /** By id, disabled or not. */
  findById (id: string): Promise<User | null>
  /** By name, disabled or not. */
  findByName (username: string): Promise<User | null>
  /** For login only: the one read that gives a password hash. */
  findCredentials (username: string): Promise<{ user: User; passwordHash: string } | null>
  /** All of them; `q` is looked for in name, e-mail and full name. */
  list (query?: SearchQuery): Promise<Page<User>>
  /** How many accounts that are not disabled have the role. */
  countByRole (role: string): Promise<number>
  /** The account as it is then. */
  updateProfile (id: string, profile: UserProfile): Promise<User | null>
  /**
   * The account as it is then. With `keepOne`, `'last'`, and nothing is written, when no account that is not disabled
   * would be left with that role: of two that demote each other at once, one stays. Callers that leave it out are not counted on.
   */
  update (id: string, change: UserChange, options?: { keepOne?: string | undefined }): Promise<User | 'last' | null>
  /** `false`, and nothing is written, when the stored hash is not `from` any more: somebody changed the password. */
  replacePasswordHash (id: string, change: { from: string; to: string }): Promise<boolean>
}

// Whoever was authenticated. A union discriminated on `kind`; every value is frozen before a handler sees it.

/** Facts about a principal that are yours to define: augment this interface and `attributes` is typed. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- an interface is what users can augment
export interface PrincipalAttributes {}

interface PrincipalBase<K extends string> {
  /** Which sort of credentials was presented; discriminates the union. */
  readonly kind: K
  /** The OpenAPI name of the scheme that authenticated it. */
  readonly scheme: string
  /** Who it is (RFC 7519 §4.1.2): a user, or a client that acts for itself. */
  readonly subject: string
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
  readonly attributes: Readonly<PrincipalAttributes>
}

export type BasicPrincipal = PrincipalBase<'basic'>

export interface BearerPrincipal extends PrincipalBase<'bearer'> {
  readonly issuer: string | null
  readonly clientId: string | null
  /** The token's `jti`. */
  readonly tokenId: string | null
  /** Seconds since the epoch. */
  readonly expiresAt: number
  readonly claims: Readonly<Record<string, unknown>>
}

export interface ApiKeyPrincipal extends PrincipalBase<'apiKey'> {
  readonly keyId: string | null
}

export interface SessionPrincipal extends PrincipalBase<'session'> {
  /** The hash of the session's id, never the id. */
  readonly sessionId: string
  /** Seconds since the epoch. */
  readonly authenticatedAt: number
}

export type CustomPrincipal = PrincipalBase<'custom'>

export type Principal = BasicPrincipal | BearerPrincipal | ApiKeyPrincipal | SessionPrincipal | CustomPrincipal

/** What a callback such as `verify` tells of a principal; the scheme adds the rest. */
export interface PrincipalGrant {
  subject: string
  scopes?: readonly string[]
  roles?: readonly string[]
  attributes?: PrincipalAttributes
  /** The credentials are good but the account is off: 403 `account_disabled` (for Basic, the same 401 as a wrong password). */
  disabled?: boolean
}

/** A value now or later; a callback that answers at once costs the request no promise. */
export type Awaitable<T> = T | Promise<T>

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
  /** What the credentials allow (RFC 6749 §3.3); empty where they say nothing. */
  readonly scopes: readonly string[]
  /** What the owner is; empty where nobody said. */
  readonly roles: readonly string[]
  /** Whatever else the callback told of it. */
  readonly attributes: Readonly<PrincipalAttributes>
}

/** Whoever a username and a password belong to. */
export type BasicPrincipal = PrincipalBase<'basic'>

/** Whoever a token speaks for, and what the token says. */
export interface BearerPrincipal extends PrincipalBase<'bearer'> {
  /** Who issued the token; `null` where `iss` is absent and not checked. */
  readonly issuer: string | null
  /** The client that the token was issued to (RFC 9068 §2.2); `null` where `client_id` is absent. */
  readonly clientId: string | null
  /** The token's `jti`. */
  readonly tokenId: string | null
  /** Seconds since the epoch. */
  readonly expiresAt: number
  /** Every claim, as it was signed; frozen. */
  readonly claims: Readonly<Record<string, unknown>>
}

/** The owner of an API key. */
export interface ApiKeyPrincipal extends PrincipalBase<'apiKey'> {
  /** Which of the owner's keys it was; `null` where `verify` did not say. */
  readonly keyId: string | null
}

/** Whoever a session belongs to. */
export interface SessionPrincipal extends PrincipalBase<'session'> {
  /** The hash of the session's id, never the id. */
  readonly sessionId: string
  /** Seconds since the epoch. */
  readonly authenticatedAt: number
}

/** Whoever a scheme of your own authenticated. */
export type CustomPrincipal = PrincipalBase<'custom'>

/** Whoever was authenticated; narrow it on `kind`. */
export type Principal = BasicPrincipal | BearerPrincipal | ApiKeyPrincipal | SessionPrincipal | CustomPrincipal

/** What a callback such as `verify` tells of a principal; the scheme adds the rest. */
export interface PrincipalGrant {
  /** Who it is; not empty. */
  subject: string
  /** What it may do. */
  scopes?: readonly string[]
  /** What it is. */
  roles?: readonly string[]
  /** Whatever a handler should know besides; copied and frozen. */
  attributes?: PrincipalAttributes
  /** The credentials are good but the account is off: 403 `account_disabled` (for Basic, the same 401 as a wrong password). */
  disabled?: boolean
}

/** A value now or later; a callback that answers at once costs the request no promise. */
export type Awaitable<T> = T | Promise<T>

// What ends access tokens before they expire.

/** What live access tokens are refused for. */
export interface Revocation {
  /** One token by its `jti`, those of a refresh family, of a subject, or of a client. */
  kind: 'token' | 'family' | 'subject' | 'client'
  /** The `jti`, or the id. */
  id: string
  /** Only tokens that were issued before it; `null` means all. */
  issuedBefore: Date | null
  /** When no such token can be alive any more. */
  expiresAt: Date
}

/** What an access token can be refused by. */
export interface RevocableToken {
  /** Its `jti`. */
  tokenId: string
  /** The refresh family that it came with. */
  familyId: string | null
  /** Its `sub`. */
  subject: string
  /** Its `client_id`. */
  clientId: string | null
  /** Its `iat`. */
  issuedAt: Date
}

/** What access tokens are refused for before they expire. */
export interface RevocationStore {
  /** The same again changes nothing. */
  add (revocations: readonly Revocation[]): Promise<void>
  /**
   * What was added since the cursor was handed out (`null`: everything) and has not expired at `now`. Whatever was
   * committed before this call began is in this answer or in an earlier one, in whatever order transactions end; some
   * of it may come twice.
   */
  since (cursor: string | null, now: Date): Promise<{ revocations: Revocation[]; cursor: string }>
  /** For those who cannot keep them all at hand: whether this very token is refused. */
  isRevoked (token: RevocableToken, now: Date): Promise<boolean>
  /** Forgets what expired, at most 1000 a call; how many. */
  prune (now: Date): Promise<number>
}

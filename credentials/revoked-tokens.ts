// What access tokens are refused for, kept in memory: a look-up costs a request no round trip.

/** What tokens are refused for, and how long. */
export interface RevokedTokensEntry {
  /** As in {@link RevokedToken}, which is refused by any of its parts. */
  readonly kind: 'token' | 'family' | 'subject' | 'client'
  readonly id: string
  /** Only tokens that were issued before it; `null` means all. */
  readonly issuedBefore: Date | null
  readonly expiresAt: Date
}

/** The parts of a token that it can be refused by; dates in milliseconds. */
export interface RevokedToken {
  readonly tokenId: string | null
  readonly familyId: string | null
  readonly subject: string | null
  readonly clientId: string | null
  readonly issuedAt: number
}

/** Entries by what they refuse. */
export interface RevokedTokens {
  /** Of two for one thing, the one that refuses more stays, and the one that stays longer. */
  add (entries: readonly RevokedTokensEntry[]): void
  /** Whether a token is refused at `now`, in milliseconds. */
  has (token: RevokedToken, now: number): boolean
  /** Forgets what no live token can match. */
  prune (now: number): void
}

interface Kept {
  readonly issuedBefore: number
  readonly expiresAt: number
}

/** An empty table. */
export function createRevokedTokens (): RevokedTokens {
  const kept = new Map<string, Kept>()

  function refuses (kind: RevokedTokensEntry['kind'], id: string | null, { issuedAt }: RevokedToken, now: number): boolean {
    const entry = id === null ? undefined : kept.get(`${kind} ${id}`)
    return entry !== undefined && entry.expiresAt > now && entry.issuedBefore > issuedAt
  }

  return {
    add (entries) {
      for (const { kind, id, issuedBefore, expiresAt } of entries) {
        const name = `${kind} ${id}`
        const known = kept.get(name)
        kept.set(name, {
          issuedBefore: Math.max(known?.issuedBefore ?? 0, issuedBefore?.getTime() ?? Infinity),
          expiresAt: Math.max(known?.expiresAt ?? 0, expiresAt.getTime())
        })
      }
    },

    has (token, now) {
      if (kept.size === 0) return false
      // A token of a family goes with its family: whoever logs a subject out names the families that end, and one may stay.
      return refuses('token', token.tokenId, token, now) || refuses('family', token.familyId, token, now) ||
        refuses('client', token.clientId, token, now) || (token.familyId === null && refuses('subject', token.subject, token, now))
    },

    prune (now) {
      for (const [name, { expiresAt }] of kept) if (expiresAt <= now) kept.delete(name)
    }
  }
}

/** The parts of an access token that it can be refused by. */
export function revocableOf ({ jti, sid, sub, client_id: clientId, iat }: Readonly<Record<string, unknown>>): RevokedToken {
  return { tokenId: textOf(jti), familyId: textOf(sid), subject: textOf(sub), clientId: textOf(clientId), issuedAt: typeof iat === 'number' ? iat * 1000 : 0 }
}

function textOf (value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

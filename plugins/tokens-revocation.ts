// What ends access tokens before they expire: written to the store, known in this process at once and in others by the
// next poll, so that a request asks memory alone.
import { createRevokedTokens } from '../credentials/revoked-tokens.ts'
import { refusal } from '../errors.ts'
import { LONGEST_LIFE_SECONDS } from './tokens-options.ts'
import type { EventOrigin } from '../guards/events.ts'
import type { RevokedToken } from '../credentials/revoked-tokens.ts'
import type { NewAuditEvent, Revocation, Stores, StoreSet } from '../stores/ports.ts'
import type { TokensSettings } from './tokens-options.ts'

/** What may be told of the request that is the reason: `app.eventOrigin(request)`. */
export type TokenOrigin = EventOrigin

/** How {@link Tokens.revokeSubject} goes about it. */
export interface RevokeSubjectOptions {
  /** The family that stays, such as the one that the request came with. @defaultValue none */
  exceptFamily?: string | undefined
  /** What {@link Stores.transaction} hands out. @defaultValue `app.stores` */
  stores?: StoreSet | undefined
  /** Told in the audit log with each family that ends: `app.eventOrigin(request)`. */
  origin?: TokenOrigin | undefined
  /** Told with it, as a code. @defaultValue `'logged_out'` */
  reason?: string | undefined
}

/** What the audit log keeps with a revocation. */
export type RevocationEvent = Pick<NewAuditEvent, 'event'> & Partial<NewAuditEvent>

/** Revocation as the other parts of `tokens` need it. */
export interface TokenRevocation {
  has (token: RevokedToken): boolean
  /** Reads what other processes revoked; after three polls that failed nothing is known any more. */
  poll (): Promise<void>
  /** Reads it where nothing is known any more. */
  assertKnown (): Promise<void>
  revokeToken (tokenId: string, event?: RevocationEvent): Promise<void>
  /** Tells `event` only where it was this call that ended it. */
  revokeFamily (id: string, event: RevocationEvent): Promise<boolean>
  /** The access tokens of a family that has ended in the transaction whose stores these are. */
  endAccessTokens (set: StoreSet, family: string, event: RevocationEvent): Promise<void>
  revokeSubject (subject: string, options?: RevokeSubjectOptions): Promise<void>
  revokeClient (clientId: string, options?: { origin?: TokenOrigin | undefined }): Promise<boolean>
}

type Reason = Pick<Revocation, 'kind' | 'id'> & { issuedBefore?: Date }

const POLLS_MISSED = 4
/** What a transaction may still take back is believed as long as one takes, and until a poll after its end confirms it. */
const LONGEST_TRANSACTION_SECONDS = 30

/** Reads all that is revoked now. */
export async function openTokenRevocation (stores: Stores, { pollSeconds }: TokensSettings): Promise<TokenRevocation> {
  const revoked = createRevokedTokens()
  const blindAfterSeconds = POLLS_MISSED * pollSeconds
  const unconfirmedSeconds = LONGEST_TRANSACTION_SECONDS + blindAfterSeconds
  let cursor: string | null = null
  let polledAt = 0

  async function poll (): Promise<void> {
    const [now, startedAt] = [new Date(), performance.now()]
    const { revocations, cursor: next } = await stores.revocations.since(cursor, now)
    revoked.add(revocations)
    revoked.prune(now.getTime())
    cursor = next
    // By a clock that nobody sets: one that is put back would hide how long ago this was.
    polledAt = startedAt
  }

  function isBlind (): boolean {
    return performance.now() - polledAt > blindAfterSeconds * 1000
  }

  function entriesOf (reasons: readonly Reason[]): Revocation[] {
    const expiresAt = new Date(Date.now() + LONGEST_LIFE_SECONDS * 1000)
    return reasons.map(({ kind, id, issuedBefore }) => ({ kind, id, issuedBefore: issuedBefore ?? null, expiresAt }))
  }

  async function write (set: StoreSet, reasons: readonly Reason[]): Promise<void> {
    const entries = entriesOf(reasons)
    await set.revocations.add(entries)
    const until = new Date(Date.now() + unconfirmedSeconds * 1000)
    revoked.add(set === stores ? entries : entries.map((entry) => ({ ...entry, expiresAt: until })))
  }

  async function endAccessTokens (set: StoreSet, id: string, event: RevocationEvent): Promise<void> {
    await write(set, [{ kind: 'family', id }])
    await set.audit.append({ outcome: 'success', target: id, ...event })
  }

  async function confirmed<T> (work: (set: StoreSet) => Promise<T>): Promise<T> {
    const result = await stores.transaction(work)
    await poll()
    return result
  }

  await poll()
  return {
    poll,

    async assertKnown () {
      if (isBlind()) await poll()
    },

    has (token) {
      if (isBlind()) throw refusal('unavailable', { reason: 'what was revoked is not known', retryAfterSeconds: pollSeconds })
      return revoked.has(token, Date.now())
    },

    async revokeToken (id, event) {
      await confirmed(async (set) => {
        await write(set, [{ kind: 'token', id }])
        if (event !== undefined) await set.audit.append({ outcome: 'success', target: id, ...event })
      })
    },

    async revokeFamily (id, event) {
      return await confirmed(async (set) => {
        const ended = await set.refreshTokens.revokeFamily(id)
        await write(set, [{ kind: 'family', id }])
        if (ended) await set.audit.append({ outcome: 'success', target: id, ...event })
        return ended
      })
    },

    endAccessTokens,

    async revokeSubject (subject, { exceptFamily, stores: given, origin = {}, reason = 'logged_out' } = {}) {
      const revoke = async (set: StoreSet): Promise<void> => {
        const families = await set.refreshTokens.revokeBySubject(subject, { exceptFamily })
        // Dates in tokens are whole seconds: one that was issued in this very second is refused as well.
        await write(set, [{ kind: 'subject', id: subject, issuedBefore: new Date() }, ...families.map((id) => ({ kind: 'family' as const, id }))])
        for (const target of families) await set.audit.append({ ...origin, event: 'authn_token_revoked', outcome: 'success', target, reason, details: { kind: 'refresh_token' } })
      }
      await (given === undefined || given === stores ? confirmed(revoke) : revoke(given))
    },

    async revokeClient (clientId, { origin = {} } = {}) {
      return await confirmed(async (set) => {
        const ended = await set.clients.revoke(clientId)
        if (!ended) return false
        await write(set, [{ kind: 'client', id: clientId }])
        await set.audit.append({ ...origin, event: 'gatehouse_client_revoked', outcome: 'success', target: clientId })
        return true
      })
    }
  }
}

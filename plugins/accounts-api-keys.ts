// API keys: made, rotated, and verified without a look-up where that was done a moment ago. What is kept of a key is
// dropped by any change of it, of its owner or of its client in this process, or that another one tells of; what nobody
// tells of counts after `verifiedSeconds`.
import { LRUCache } from 'lru-cache'
import { createApiKey, matchesDigest, parseApiKey } from '../credentials/api-keys.ts'
import { refusal } from '../errors.ts'
import { onStoreChange } from './store-changes.ts'
import type { PresentedApiKey } from '../credentials/api-keys.ts'
import type { EventOrigin } from '../guards/events.ts'
import type { Awaitable, Principal, PrincipalGrant } from '../guards/principal.ts'
import type { ApiKey, NewAuditEvent, Stores, User } from '../stores/ports.ts'
import type { ApiKeyGrant } from './api-key-auth.ts'
import type { KeyLimit } from './api-key-limits.ts'
import type { KeyUses } from './accounts-key-uses.ts'
import type { StoreChange } from './store-changes.ts'

/** An API key to make. */
export interface ApiKeyRequest {
  /** What it is for. */
  name: string
  /** What it may do; never more than whoever makes it. */
  scopes: readonly string[]
  /** @defaultValue 90 */
  expiresInDays?: number | undefined
  /** How often it may be used. @defaultValue without a limit of its own */
  limit?: KeyLimit | undefined
  /** Told in the audit log: `app.eventOrigin(request)`. */
  origin?: EventOrigin | undefined
}

/** Which API key takes the place of which. */
export interface ApiKeyRotationRequest {
  /** The key that is to be replaced. */
  id: string
  /** How long both work. @defaultValue 86400 */
  overlapSeconds?: number | undefined
  /** Told in the audit log. */
  origin?: EventOrigin | undefined
}

/** A new API key: `key` is shown once, the rest again. */
export interface IssuedApiKey {
  /** The key itself. */
  key: string
  /** What may be shown again. */
  apiKey: ApiKey
}

/** The part of `app.accounts` that is about keys. */
export interface ApiKeyAccounts {
  /** A new API key of the principal; it never gets a scope that the principal lacks (`insufficient_scope`), no key makes one (`access_denied`), and nobody who was turned off meanwhile (`account_disabled`). */
  createApiKey (principal: Principal, request: ApiKeyRequest): Promise<IssuedApiKey>
  /** A key in the place of another, which works on for the overlap; `null` where the principal has no such key, or it was rotated or ended. Refuses as `createApiKey` does. */
  rotateApiKey (principal: Principal, rotation: ApiKeyRotationRequest): Promise<IssuedApiKey | null>
  /** Ends an API key of the principal; whether it had such a key and it was not ended before. */
  revokeApiKey (principal: Principal, revocation: { id: string; origin?: EventOrigin | undefined }): Promise<boolean>
  /** Whom a presented API key belongs to; `null` for malformed, unknown, expired and revoked alike. */
  verifyApiKey (key: string): Awaitable<ApiKeyGrant | null>
}

/** What is kept of a key that was verified. */
interface KnownKey {
  readonly digest: string
  readonly owner: string
  readonly clientId: string | null
  readonly expiresAt: number
  /** Before the look-up began: what was true at least until then. */
  readonly knownAt: number
  readonly grant: ApiKeyGrant
}

/** How long a key lives where nobody says so. */
export const STANDARD_DAYS = 90
const DAY_MS = 86_400_000
const DAY_SECONDS = 86_400
const MOST_KNOWN = 10_000

export function createApiKeyAccounts (stores: Stores, { grantOf, uses, verifiedSeconds }: { grantOf: (owner: User) => PrincipalGrant; uses: KeyUses; verifiedSeconds: number }): ApiKeyAccounts {
  const known = new LRUCache<string, KnownKey>({ max: MOST_KNOWN })
  let changes = 0

  onStoreChange(stores, (change) => {
    if (change.kind === 'revocations' || change.kind === 'signingKeys') return
    changes += 1
    if (change.kind === 'apiKey') known.delete(change.id)
    else for (const [id, key] of [...known]) if (isReached(key, change)) known.delete(id)
  })

  function accept ({ id, digest }: PresentedApiKey, key: KnownKey): ApiKeyGrant | null {
    if (!matchesDigest(digest, key.digest) || key.expiresAt <= Date.now()) return null
    if (key.grant.disabled !== true) uses.note(id)
    return key.grant
  }

  async function lookUp (presented: PresentedApiKey): Promise<ApiKeyGrant | null> {
    const [knownAt, changesBefore] = [performance.now(), changes]
    const found = await stores.apiKeys.findActive(presented.id)
    if (!matchesDigest(presented.digest, found?.digest ?? null) || found === null) return null
    const owner = await stores.users.findById(found.apiKey.owner)
    if (owner === null) return null
    const key = knownKey(found, grantOf(owner), knownAt)
    // What was read before a change may be what it changed.
    if (verifiedSeconds > 0 && changes === changesBefore) known.set(presented.id, key)
    return accept(presented, key)
  }

  return {
    async createApiKey (principal, { name, scopes, expiresInDays = STANDARD_DAYS, limit, origin }) {
      assertMayMake(principal, scopes)
      const { id, key, digest, hint } = createApiKey()
      const apiKey = await stores.transaction(async (inside) => {
        const made = await inside.apiKeys.create({
          id, owner: principal.subject, clientId: clientOf(principal), name, scopes, digest, hint,
          limit: limit === undefined ? null : { max: limit.max, window_seconds: limit.windowSeconds },
          expiresAt: new Date(Date.now() + expiresInDays * DAY_MS)
        })
        await inside.audit.append(eventOf('authn_token_created', { principal, origin, id, scopes }))
        return made
      })
      return { key, apiKey }
    },

    async rotateApiKey (principal, { id, overlapSeconds = DAY_SECONDS, origin }) {
      const found = await stores.apiKeys.findActive(id)
      if (found?.apiKey.owner !== principal.subject) return null
      assertMayMake(principal, found.apiKey.scopes)
      await assertSameClient(stores, principal, found.apiKey)
      const { id: nextId, key, digest, hint } = createApiKey()
      const apiKey = await stores.transaction(async (inside) => {
        const next = await inside.apiKeys.rotate(id, principal.subject, { id: nextId, digest, hint, overlapSeconds })
        if (next !== null) await inside.audit.append({ ...eventOf('authn_token_created', { principal, origin, id: nextId, scopes: next.scopes }), reason: 'rotation' })
        return next
      })
      return apiKey === null ? null : { key, apiKey }
    },

    async revokeApiKey (principal, { id, origin }) {
      return await stores.transaction(async (inside) => {
        const isEnded = await inside.apiKeys.revoke(id, principal.subject)
        if (isEnded) await inside.audit.append(eventOf('authn_token_revoked', { principal, origin, id }))
        return isEnded
      })
    },

    verifyApiKey (text) {
      const presented = parseApiKey(text)
      if (presented === null) return null
      const key = known.get(presented.id)
      const isFresh = key !== undefined && performance.now() - key.knownAt < verifiedSeconds * 1000
      return isFresh ? accept(presented, key) : lookUp(presented)
    }
  }
}

/** What became of a key, in words of the audit log. */
function eventOf (event: string, { principal: { subject, scheme }, origin, id, scopes }: { principal: Principal; origin: EventOrigin | undefined; id: string; scopes?: readonly string[] }): NewAuditEvent {
  return { ...origin, event, outcome: 'success', actor: subject, scheme, target: id, details: { kind: 'api_key', ...(scopes === undefined ? {} : { scopes }) } }
}

function knownKey ({ apiKey, digest }: { apiKey: ApiKey; digest: string }, owner: PrincipalGrant, knownAt: number): KnownKey {
  const { id, client_id: clientId, expires_at: expiresAt, limit } = apiKey
  const scopes = apiKey.scopes.filter((scope) => owner.scopes?.includes(scope))
  const grant: ApiKeyGrant = { ...owner, scopes, keyId: id, ...(limit === null ? {} : { limit: { max: limit.max, windowSeconds: limit.window_seconds } }) }
  return { digest, owner: apiKey.owner, clientId, expiresAt: Date.parse(expiresAt), knownAt, grant: Object.freeze(grant) }
}

function isReached ({ owner, clientId }: KnownKey, { kind, id }: StoreChange): boolean {
  return kind === 'client' ? clientId === id : owner === id
}

function clientOf (principal: Principal): string | null {
  return principal.kind === 'bearer' ? principal.clientId : null
}

function assertMayMake (principal: Principal, scopes: readonly string[]): void {
  if (principal.kind === 'apiKey') throw refusal('access_denied', { detail: 'A key cannot make keys.' })
  if (!scopes.every((scope) => principal.scopes.includes(scope))) throw refusal('insufficient_scope', { detail: 'A key cannot have a scope that you do not have.' })
}

/** A new key ends with the client of the old one; through the token of another client, it would outlive that one. */
async function assertSameClient (stores: Stores, principal: Principal, { client_id: clientId }: ApiKey): Promise<void> {
  const client = clientOf(principal)
  if (client === null || client === clientId || await stores.clients.findActive(client) === null) return
  throw refusal('access_denied', { detail: 'The key was not made through this client.' })
}

// Refresh tokens (RFC 6749 §6) with rotation and the detection of reuse (RFC 9700 §4.14.2): of any number of parallel uses
// one mints, a repetition within moments gets that answer again, and a used token that comes back later ends its family.
import { createRefreshToken, digestOfRefreshToken, isRefreshToken, openReplay, sealReplay } from '../credentials/refresh-tokens.ts'
import { oauthError } from '../errors.ts'
import type { FastifyBaseLogger } from 'fastify'
import type { RefreshFamily, RefreshOutcome, RefreshRotation, Stores, StoreSet } from '../stores/ports.ts'
import type { TokenOwners } from './tokens-owners.ts'
import type { TokensSettings } from './tokens-options.ts'
import type { TokenOrigin, TokenRevocation } from './tokens-revocation.ts'

/** What a token says of whom. */
export interface TokenGrant {
  /** The `sub`: a user, or a client that acts for itself. */
  subject: string
  /** The `client_id`: whoever asked for the token. */
  clientId: string
  /** The `scope`; the claim is left out where there is none. */
  scopes: readonly string[]
  /** The `sid`: the refresh family that it ends with. @defaultValue none */
  familyId?: string | undefined
}

/** A token, and how long it lives. */
export interface IssuedToken {
  /** The signed token, in compact form. */
  accessToken: string
  /** Seconds until it expires, as `expires_in` has them. */
  expiresInSeconds: number
}

/** An access token, with the refresh token that gets the next one. */
export interface IssuedTokens extends IssuedToken {
  /** Opaque; good for one use. */
  refreshToken: string
  /** What the access token may do. */
  scopes: readonly string[]
}

/** A refresh token that was presented. */
export interface RefreshRequest {
  /** As it came. */
  refreshToken: string
  /** The client that presented it. */
  clientId: string
  /** What that client may have. @defaultValue all */
  allowed?: readonly string[] | undefined
  /** A part of what was granted, for the access token alone. @defaultValue all of it */
  scopes?: readonly string[] | undefined
  /** Told in the audit log. */
  origin?: TokenOrigin | undefined
}

/** What is known of the login that a token is for. */
export interface LoginContext {
  /**
   * When the proof began to be checked: a subject that was logged out everywhere since then gets no tokens.
   * @defaultValue now
   */
  authenticatedAt?: Date | undefined
  /** Told in the audit log. */
  origin?: TokenOrigin | undefined
}

/** What {@link createTokenGrants} joins. */
export interface TokenGrantsParts {
  readonly stores: Stores
  readonly settings: TokensSettings
  readonly owners: TokenOwners
  readonly revocation: TokenRevocation
  readonly issue: (grant: TokenGrant) => IssuedToken
  readonly log: FastifyBaseLogger
  tellRefused (event: RefusedRefresh): void
}

/** What is told of a refresh token that was refused. */
export type RefusedRefresh = TokenOrigin & { readonly reason: string; readonly target: string | null; readonly details: { readonly client_id: string } }

/** Opens refresh families, and goes on with them. */
export interface TokenGrants {
  open (grant: TokenGrant, context?: LoginContext): Promise<IssuedTokens>
  refresh (request: RefreshRequest): Promise<IssuedTokens>
}

/** The refresh half of `tokens`. */
export function createTokenGrants ({ stores, settings, owners, revocation, issue, log, tellRefused }: TokenGrantsParts): TokenGrants {
  const { refreshIdleSeconds, refreshAbsoluteSeconds, replaySeconds } = settings

  /** Uses a token up; where it was used before, the family, its access tokens and the event are written together. */
  async function rotate (rotation: RefreshRotation, { active, origin = {} }: { active: boolean; origin?: TokenOrigin | undefined }): Promise<RefreshOutcome> {
    const end = async (set: StoreSet, { id, subject, client_id: clientId }: RefreshFamily): Promise<void> => {
      await revocation.endAccessTokens(set, id, { ...origin, event: 'authn_token_reuse', outcome: 'failure', actor: subject, reason: 'refresh_token_reuse', details: { client_id: clientId } })
      log.warn({ family: id }, 'a refresh token came back after its use; its family was revoked')
    }
    if (active && replaySeconds > 0) {
      const result = await stores.refreshTokens.rotate(rotation)
      // It was good a moment ago: others have used it up meanwhile, and its successor too.
      if (result.outcome === 'reused') await stores.transaction((set) => end(set, result.family))
      return result
    }
    return await stores.transaction(async (set) => {
      const result = await set.refreshTokens.rotate(rotation)
      if (result.outcome === 'reused') await end(set, result.family)
      return result
    })
  }

  return {
    async open ({ subject, clientId, scopes }, { authenticatedAt = new Date(), origin = {} } = {}) {
      const refreshToken = createRefreshToken()
      const now = Date.now()
      const absoluteExpiresAt = new Date(now + refreshAbsoluteSeconds * 1000)
      const idleExpiresAt = new Date(now + Math.min(refreshIdleSeconds, refreshAbsoluteSeconds) * 1000)
      const family = await stores.transaction(async (set) => {
        const opened = await set.refreshTokens.create({ digest: digestOfRefreshToken(refreshToken), clientId, subject, scopes, idleExpiresAt, absoluteExpiresAt })
        // Whoever logs the subject out from here on finds this family; whoever did before could not.
        const loggedOut = await set.revocations.isRevoked({ tokenId: '', familyId: null, subject, clientId: null, issuedAt: authenticatedAt }, new Date())
        if (loggedOut) throw oauthError('invalid_grant')
        await set.audit.append({ ...origin, event: 'authn_token_created', outcome: 'success', actor: subject, target: opened.id, details: { kind: 'refresh_token', client_id: clientId, scopes } })
        return opened
      })
      return { ...issue({ subject, clientId, scopes, familyId: family.id }), refreshToken, scopes }
    },

    async refresh ({ refreshToken, clientId, allowed, scopes: asked, origin = {} }) {
      const refused = (reason: string, family?: RefreshFamily): Error => {
        log.info({ reason, family: family?.id }, 'a refresh token was refused')
        // The reuse is told where the family ends.
        if (reason !== 'reused') tellRefused({ ...origin, actor: family?.subject ?? null, reason, target: family?.id ?? null, details: { client_id: clientId } })
        return oauthError('invalid_grant')
      }
      if (!isRefreshToken(refreshToken)) throw refused('not a refresh token')
      const digest = digestOfRefreshToken(refreshToken)
      const found = await stores.refreshTokens.findByDigest(digest)
      if (found === null) throw refused('unknown')
      const { family } = found
      if (family.client_id !== clientId) throw refused('wrong_client', family)
      const owner = await owners.load(family.subject)
      if (owner === 'gone') throw refused('owner_gone', family)

      const next = createRefreshToken()
      const rotation: RefreshRotation = {
        digest, clientId, successorDigest: digestOfRefreshToken(next), replay: null, now: new Date(), idleSeconds: refreshIdleSeconds, replaySeconds
      }
      let minted: IssuedTokens | null = null
      if (found.active) {
        const scopes = [owner.scopes, allowed, asked].reduce((left: readonly string[], right) => right === undefined ? left : left.filter((scope) => right.includes(scope)), family.scopes)
        // Before the token is used up: whoever asked for too much may ask again.
        if (scopes.length === 0) throw oauthError('invalid_scope')
        minted = { ...issue({ subject: family.subject, clientId, scopes, familyId: family.id }), refreshToken: next, scopes }
        if (replaySeconds > 0) rotation.replay = sealReplay(refreshToken, JSON.stringify(minted))
      }
      const result = await rotate(rotation, { active: found.active, origin })
      if (result.outcome === 'rotated' && minted !== null) return minted
      const answer = result.outcome === 'replayed' ? openReplay(refreshToken, result.replay) : null
      if (answer === null) throw refused(result.outcome, family)
      return JSON.parse(answer) as IssuedTokens
    }
  }
}

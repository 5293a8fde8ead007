// Tokens that somebody else asks about or hands in: introspection (RFC 7662) and revocation (RFC 7009) read them by the
// same rules as a guard does, and say nothing of what is wrong with one.
import { askHook } from '../credentials/hooks.ts'
import { createKeyBinder } from '../credentials/jwt-keyring.ts'
import { assertDates, assertType, readRegisteredClaims } from '../credentials/jwt-claims.ts'
import { parseClaims, parseJwt } from '../credentials/jwt-parse.ts'
import { digestOfRefreshToken, isRefreshToken } from '../credentials/refresh-tokens.ts'
import { revocableOf } from '../credentials/revoked-tokens.ts'
import { isRefusal } from '../errors.ts'
import { readGrant } from '../guards/grant.ts'
import { readScopes } from '../guards/scope.ts'
import type { RegisteredClaims } from '../credentials/jwt-claims.ts'
import type { Claims } from '../credentials/jwt-parse.ts'
import type { RevocableToken, Stores } from '../stores/ports.ts'
import type { TokenKeys } from './tokens-keys.ts'
import type { TokensSettings } from './tokens-options.ts'
import type { TokenOwners } from './tokens-owners.ts'
import type { TokenOrigin, TokenRevocation } from './tokens-revocation.ts'

/** What a token is, in the words of RFC 7662 §2.2; of one that is not active nothing more is said. */
export type Introspection = { readonly active: false } | {
  readonly active: true
  readonly scope: string
  readonly client_id: string
  readonly sub: string
  readonly exp: number
  readonly iat: number
  readonly iss: string
  readonly aud?: string
  readonly jti?: string
  readonly token_type?: 'Bearer'
}

/** What {@link createTokenReader} joins. */
export interface TokenReaderParts {
  readonly stores: Stores
  readonly settings: TokensSettings
  readonly keys: TokenKeys
  readonly owners: TokenOwners
  readonly revocation: TokenRevocation
}

/** Reads tokens of either kind. */
export interface TokenReader {
  introspect (token: string, clientId: string): Promise<Introspection>
  revoke (token: string, clientId: string, origin?: TokenOrigin): Promise<void>
}

interface AccessToken { readonly claims: Claims; readonly registered: RegisteredClaims }

const INACTIVE = Object.freeze({ active: false })

/** The asking half of `tokens`. */
export async function createTokenReader ({ stores, settings, keys, owners, revocation }: TokenReaderParts): Promise<TokenReader> {
  const { issuer, audience, algorithm } = settings
  const { createCheck } = await import('../credentials/jwt-verifiers.ts')
  const bind = createKeyBinder(algorithm === 'HS256' ? ['HS256'] : ['ES256', 'EdDSA', 'RS256'], createCheck)
  const rules = { issuers: new Set([issuer]), audiences: new Set([audience]), type: 'at+jwt', clockToleranceSeconds: 0 }

  /** `null` for whatever is not an access token of ours that has not expired. */
  function readAccessToken (token: string): AccessToken | null {
    try {
      const jwt = parseJwt(token)
      assertType(jwt.header, rules)
      const key = bind(keys.find(jwt.header.kid))
      if (key?.algorithm !== jwt.header.algorithm) return null
      key.check(token)
      const claims = parseClaims(jwt)
      const registered = readRegisteredClaims(claims, rules)
      assertDates(registered, rules, Date.now() / 1000)
      return { claims, registered }
    } catch (error) {
      if (isRefusal(error) && error.code === 'invalid_token') return null
      throw error
    }
  }

  async function accessAnswer ({ claims, registered: { subject, clientId, tokenId, expiresAt, issuedAt } }: AccessToken): Promise<Introspection> {
    const owner = await askHook('tokens.loadOwner', async () => readGrant(await owners.principal(claims), 'tokens.loadOwner'))
    if (owner === null || owner.disabled || subject === null || clientId === null || tokenId === null || issuedAt === null) return INACTIVE
    const granted = readScopes(claims['scope'], { lists: false })
    const scope = granted.filter((name) => owner.scopes?.includes(name) ?? true).join(' ')
    return { active: true, scope, client_id: clientId, sub: subject, exp: expiresAt, iat: issuedAt, iss: issuer, aud: audience, jti: tokenId, token_type: 'Bearer' }
  }

  async function refreshAnswer (token: string, clientId: string): Promise<Introspection> {
    const found = await stores.refreshTokens.findByDigest(digestOfRefreshToken(token))
    // Another client has no business with it: knowing that it lives would tell who has it (RFC 7662 §4).
    if (found?.active !== true || found.family.client_id !== clientId) return INACTIVE
    const { family, issued_at: issuedAt, expires_at: expiresAt } = found
    if (await owners.load(family.subject) === 'gone') return INACTIVE
    return { active: true, scope: family.scopes.join(' '), client_id: family.client_id, sub: family.subject, exp: secondsOf(expiresAt), iat: secondsOf(issuedAt), iss: issuer }
  }

  return {
    // The form tells which kind it is, whatever a hint says.
    async introspect (token, clientId) {
      if (isRefreshToken(token)) return await refreshAnswer(token, clientId)
      const found = readAccessToken(token)
      return found === null || revocation.has(revocableOf(found.claims)) ? INACTIVE : await accessAnswer(found)
    },

    async revoke (token, clientId, origin = {}) {
      const event = { ...origin, event: 'authn_token_revoked', details: { client_id: clientId } }
      const foreign = async (target: string | null): Promise<void> => {
        await stores.audit.append({ ...event, outcome: 'failure', target, reason: 'wrong_client' })
      }
      if (isRefreshToken(token)) {
        const found = await stores.refreshTokens.findByDigest(digestOfRefreshToken(token))
        if (found === null) return
        if (found.family.client_id !== clientId) await foreign(found.family.id)
        else if (found.family.revoked_at === null) await revocation.revokeFamily(found.family.id, { ...event, actor: found.family.subject })
        return
      }
      const found = readAccessToken(token)
      // The store is asked: what this process has in mind may be a revocation that was never kept, and is not to be acknowledged.
      if (found === null || await stores.revocations.isRevoked(storedTokenOf(found), new Date())) return
      const { tokenId, subject, clientId: owner } = found.registered
      if (tokenId === null) return
      if (owner !== clientId) await foreign(tokenId)
      else await revocation.revokeToken(tokenId, { ...event, actor: subject ?? null })
    }
  }
}

/** A token of a family goes with its family: the rest of its subject's tokens may have ended without it. */
function storedTokenOf ({ claims }: AccessToken): RevocableToken {
  const { tokenId, familyId, subject, clientId, issuedAt } = revocableOf(claims)
  return { tokenId: tokenId ?? '', familyId, subject: familyId === null ? subject ?? '' : '', clientId, issuedAt: new Date(issuedAt) }
}

function secondsOf (time: string): number {
  return Math.floor(Date.parse(time) / 1000)
}

// The options of `tokens`, and from them what it works with; what contradicts itself does not start.
import { isSigningAlgorithm, signingAlgorithms } from '../credentials/signing-keys.ts'
import { assertCallback, assertInteger, assertKnownOptions, assertText, invalid } from '../guards/scheme-options.ts'
import type { SigningAlgorithm } from '../credentials/signing-keys.ts'
import type { Awaitable, PrincipalGrant } from '../guards/principal.ts'

/** Options of {@link tokens}. */
export interface TokensOptions {
  /** The `iss` of every token: the service's own URL. */
  issuer: string
  /** The `aud` of every token. @defaultValue the issuer */
  audience?: string
  /** The file of the key that wraps signing keys: 32 random bytes in base64, closed to others. */
  keyFile: string
  /** Whether that file is made when it is not there. @defaultValue `false` */
  createKey?: boolean
  /** What signs: `ES256`, `EdDSA`, `RS256`, or `HS256`, whose keys cannot be published. @defaultValue `'ES256'` */
  algorithm?: SigningAlgorithm
  /** Seconds that an access token lives, 3600 at most. @defaultValue 900 */
  lifetimeSeconds?: number
  /** Seconds that a refresh token lives unless it is used. @defaultValue 1_209_600: 14 days */
  refreshIdleSeconds?: number
  /** Seconds that the tokens of one login live, however they are used. @defaultValue 7_776_000: 90 days */
  refreshAbsoluteSeconds?: number
  /** Seconds in which a used refresh token gets the same answer again, 60 at most; 0 turns it off. @defaultValue 10 */
  replaySeconds?: number
  /** Seconds that a key signs before the next one does. @defaultValue 2_592_000: 30 days */
  rotateKeysSeconds?: number
  /**
   * Seconds that a key is published before it signs, at least twice `pollSeconds` and 3600 at most; so long may the set of
   * keys be cached. @defaultValue 3600
   */
  keyLeadSeconds?: number
  /** Seconds between the questions to the store what other processes revoked and rotated, 60 at most. Where `redis` is registered, others tell as well. @defaultValue 1 */
  pollSeconds?: number
  /** The `client_id` of requests without client credentials; without it there is no public client. */
  publicClient?: string
  /** The owner of a token as they are now; `null` when they are gone. One that fails is 503. Without it scopes stay as they were granted. */
  loadOwner?: (subject: string) => Awaitable<PrincipalGrant | null>
}

/** The options, resolved. */
export type TokensSettings = Readonly<Required<Omit<TokensOptions, 'loadOwner' | 'publicClient'>>> & {
  readonly loadOwner: TokensOptions['loadOwner']
  readonly publicClient: string | null
}

/** No access token of any configuration lives longer, nor is taken later than this after its end. */
export const LONGEST_LIFE_SECONDS = 3600 + 300

const DAY = 86_400
const names = [
  'issuer', 'audience', 'keyFile', 'createKey', 'algorithm', 'lifetimeSeconds', 'refreshIdleSeconds', 'refreshAbsoluteSeconds',
  'replaySeconds', 'rotateKeysSeconds', 'keyLeadSeconds', 'pollSeconds', 'publicClient', 'loadOwner'
]
const seconds = {
  lifetimeSeconds: { standard: 900, min: 1, max: 3600 },
  refreshIdleSeconds: { standard: 14 * DAY, min: 1, max: 365 * DAY },
  refreshAbsoluteSeconds: { standard: 90 * DAY, min: 1, max: 365 * DAY },
  replaySeconds: { standard: 10, min: 0, max: 60 },
  rotateKeysSeconds: { standard: 30 * DAY, min: 3600, max: 365 * DAY },
  keyLeadSeconds: { standard: 3600, min: 2, max: 3600 },
  pollSeconds: { standard: 1, min: 1, max: 60 }
} as const

/** @throws `GATEHOUSE_OPTION_INVALID` with the path of the option. */
export function resolveTokensOptions (options: TokensOptions): TokensSettings {
  assertKnownOptions('tokens', options, names)
  const { issuer, audience = issuer, keyFile, createKey = false, algorithm = 'ES256', publicClient, loadOwner } = options
  for (const [name, value] of Object.entries({ issuer, audience, keyFile })) assertText(`tokens.${name}`, value)
  if (typeof createKey !== 'boolean') throw invalid('tokens.createKey', 'must be true or false')
  if (!isSigningAlgorithm(algorithm)) throw invalid('tokens.algorithm', `must be one of ${signingAlgorithms.join(', ')}`)
  if (publicClient !== undefined && (typeof publicClient !== 'string' || !/^[\x21-\x7e]{1,64}$/.test(publicClient))) throw invalid('tokens.publicClient', 'must be 1 to 64 printable characters')
  // Confidential clients have such ids: a public one could be taken for one of them.
  if (publicClient?.startsWith('client_') === true) throw invalid('tokens.publicClient', 'must not begin with client_')
  if (loadOwner !== undefined) assertCallback('tokens.loadOwner', loadOwner)
  const durations = Object.fromEntries(Object.entries(seconds).map(([name, { standard, min, max }]) => {
    const value = options[name as keyof typeof seconds] ?? standard
    assertInteger(`tokens.${name}`, value, { min, max })
    return [name, value]
  })) as Record<keyof typeof seconds, number>
  if (durations.refreshIdleSeconds > durations.refreshAbsoluteSeconds && options.refreshIdleSeconds !== undefined) throw invalid('tokens.refreshIdleSeconds', 'must not be longer than refreshAbsoluteSeconds')
  if (durations.keyLeadSeconds < 2 * durations.pollSeconds) throw invalid('tokens.keyLeadSeconds', 'must be at least twice pollSeconds, or other processes meet keys that they do not know')
  return Object.freeze({ issuer, audience, keyFile, createKey, algorithm, publicClient: publicClient ?? null, loadOwner, ...durations })
}

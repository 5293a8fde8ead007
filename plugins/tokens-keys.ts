// The keys that sign and verify access tokens: kept in the store, at hand in memory, each replaced before it is too old.
// A successor is published before it signs, so that whoever holds the set, another process too, knows it by then.
import { fault, refusal } from '../errors.ts'
import { generateSigningKey, isSigningAlgorithm, publishedJwk, unwrapSigningKey, verificationKeyOf, wrapSigningKey } from '../credentials/signing-keys.ts'
import { LONGEST_LIFE_SECONDS } from './tokens-options.ts'
import type { VerificationKey } from '../credentials/jwt-keys.ts'
import type { PublicSigningJwk } from '../credentials/signing-keys.ts'
import type { SigningKey, SigningKeyStore } from '../stores/ports.ts'
import type { TokensSettings } from './tokens-options.ts'

/** How {@link Tokens.rotateKeys} goes about it. */
export interface RotateKeysOptions {
  /** Whether earlier keys verify until their last token has expired; `false`, for a key that leaked, ends them at once. @defaultValue `true` */
  overlap?: boolean | undefined
}

/** The keys as the other parts of `tokens` need them. */
export interface TokenKeys {
  sign (claims: object): string
  /** The key of that name, as long as it verifies. */
  find (kid: string | undefined): VerificationKey | null
  published (): readonly PublicSigningJwk[]
  /** Reads what the store has, and replaces the newest key where it is time. */
  refresh (): Promise<void>
  rotate (options?: RotateKeysOptions): Promise<string>
}

interface RingKey {
  readonly stored: SigningKey
  readonly verification: VerificationKey
  readonly sign: (claims: object) => string
}

const ALL = new Date(0)

/** Opens the keys of the store; the first process of all makes the first one. */
export async function openTokenKeys ({ store, onAdded }: { store: SigningKeyStore; onAdded: (kid: string) => Promise<void> }, wrappingKey: Buffer, settings: TokensSettings): Promise<TokenKeys> {
  const { algorithm, rotateKeysSeconds, keyLeadSeconds, lifetimeSeconds } = settings
  const { createTokenSigner } = await import('../credentials/jwt-signers.ts')
  let ring: ReadonlyMap<string, RingKey> = new Map()
  let [begun, shown] = [0, 0]

  function open (stored: SigningKey): RingKey {
    const known = ring.get(stored.kid)
    if (known !== undefined) return { ...known, stored }
    const key = unwrapSigningKey(stored, wrappingKey)
    if (key === null || !isSigningAlgorithm(stored.algorithm)) throw fault('GATEHOUSE_KEY_FILE_INVALID', `${settings.keyFile} does not open the signing keys that are kept`)
    return { stored, verification: verificationKeyOf(stored, key), sign: createTokenSigner({ kid: stored.kid, algorithm: stored.algorithm }, key) }
  }

  /** The newest first, as the store has them. */
  async function read (): Promise<void> {
    const turn = ++begun
    const stored = await store.list(new Date())
    // Of two reads the one that began later stands, whichever ends last: it knows which keys have ended.
    if (turn < shown) return
    shown = turn
    ring = new Map(stored.map((key) => [key.kid, open(key)]))
  }

  async function add (activeFrom: Date, current: string | null): Promise<boolean> {
    const made = await generateSigningKey(algorithm)
    const retireAt = later(activeFrom, rotateKeysSeconds)
    const isAdded = await store.insertIfCurrent({
      kid: made.kid,
      algorithm,
      publicJwk: made.publicJwk,
      wrappedPrivateKey: wrapSigningKey(made, wrappingKey),
      createdAt: new Date(),
      activeFrom,
      retireAt,
      expiresAt: later(retireAt, LONGEST_LIFE_SECONDS)
    }, current)
    if (isAdded) await onAdded(made.kid)
    return isAdded
  }

  async function newest (): Promise<SigningKey | undefined> {
    return (await store.list(ALL))[0]
  }

  async function addNext (activeFrom: Date): Promise<boolean> {
    return await add(activeFrom, (await newest())?.kid ?? null)
  }

  /** Whoever loses the race to add a key takes what the winner added. */
  async function replaceInTime (): Promise<void> {
    const last = [...ring.values()][0]?.stored ?? await newest()
    const now = new Date()
    if (last === undefined) await add(now, null)
    else if (last.algorithm !== algorithm || last.retireAt <= now) await add(now, last.kid)
    else if (last.retireAt <= later(now, keyLeadSeconds)) await add(last.retireAt, last.kid)
    else return
    await read()
  }

  async function refresh (): Promise<void> {
    await read()
    await replaceInTime()
  }

  function current (): RingKey {
    const now = new Date()
    for (const key of ring.values()) {
      // A successor that did not come in time is no reason to stop, as long as what is signed can be verified to its end.
      if (key.stored.algorithm === algorithm && key.stored.activeFrom <= now && later(now, lifetimeSeconds) < key.stored.expiresAt) return key
    }
    throw refusal('unavailable', { reason: 'there is no key that may sign', retryAfterSeconds: settings.pollSeconds })
  }

  await refresh()
  return {
    refresh,
    sign: (claims) => current().sign(claims),

    find (kid) {
      const key = kid === undefined ? undefined : ring.get(kid)
      if (key === undefined || key.stored.expiresAt <= new Date()) return null
      // Secrets and public keys never stand beside each other: a key of before the change verifies no more.
      return (key.stored.algorithm === 'HS256') === (algorithm === 'HS256') ? key.verification : null
    },

    published () {
      const now = new Date()
      return [...ring.values()].filter(({ stored }) => stored.algorithm !== 'HS256' && stored.expiresAt > now).map(({ stored }) => publishedJwk(stored.publicJwk))
    },

    async rotate ({ overlap = true } = {}) {
      const now = new Date()
      const activeFrom = overlap ? later(now, keyLeadSeconds) : now
      // Of several that rotate at once one does, however late the others get to the store: what is replaced is the newest
      // key known here. A key that leaked has to go all the same.
      const known = [...ring.keys()][0] ?? (await newest())?.kid ?? null
      const added = overlap ? await add(activeFrom, known) : await addNext(activeFrom) || await addNext(activeFrom)
      if (!added && !overlap) throw refusal('conflict', { detail: 'The keys are being rotated by somebody else.' })
      const [last, ...earlier] = await store.list(now)
      const at = overlap ? later(activeFrom, LONGEST_LIFE_SECONDS) : now
      if (added) for (const { kid } of earlier) await store.end(kid, at)
      await read()
      return last?.kid ?? ''
    }
  }
}

function later (date: Date, seconds: number): Date {
  return new Date(date.getTime() + seconds * 1000)
}

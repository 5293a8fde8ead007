// Passwords at rest: argon2id (RFC 9106, OWASP Password Storage), the same work whether or not the user exists.
import { randomBytes } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { createHashQueue } from './hash-queue.ts'
import { createLegacyVerifier } from './legacy-hashes.ts'
import { resolvePasswordOptions } from './password-options.ts'
import type { PasswordOptions } from './password-options.ts'
import { createPasswordRules, normalisePassword, unusable } from './password-rules.ts'
import type { AssertAcceptable } from './password-rules.ts'
import { costOf, formatPhc, SALT_BYTES, TAG_BYTES } from './phc.ts'
import type { HashCost } from './phc.ts'

/** Tells of every argon2 hash that is computed: a {@link HashCost}, nothing of whose it is. */
export const PASSWORD_HASH_CHANNEL = 'gatehouse:passwords:hash'

/** What `app.passwords` does. */
export interface Passwords {
  /**
   * The PHC string to store. Throws `validation` for what can never be a password (over `maxLength`, not Unicode),
   * before any work, and `unavailable` when too many hashes wait.
   */
  hash (password: string): Promise<string>
  /**
   * Whether `password` is the one that was hashed. `null` is for an unknown user: the same work, then `false`; so is
   * a stored hash that cannot be read. What {@link Passwords.hash} would refuse is `false` without work, for every user.
   * Throws `unavailable` when too many hashes wait, or `verifyLegacy` fails.
   */
  verify (passwordHash: string | null, password: string): Promise<boolean>
  /** Whether a stored hash is not argon2id with the configured parameters; then hash again at the next login. */
  needsRehash (passwordHash: string): boolean
  /** Throws `validation` with every reason why this may not be a new password; `unavailable` if `isBreached` fails. */
  assertAcceptable: AssertAcceptable
}

export interface PasswordEvents {
  /** Nobody can read a stored hash, or its cost is out of bounds: the record is damaged or was tampered with. */
  onUnreadableHash?: () => void
}

/** Held as long as the process lives: what nobody holds, Node collects, and subscribers of its name may get another. */
const hashes = channel(PASSWORD_HASH_CHANNEL)

/** Loads argon2 and the lists of common passwords. Throws `GATEHOUSE_OPTION_INVALID`. */
export async function createPasswords (options: PasswordOptions = {}, events: PasswordEvents = {}): Promise<Passwords> {
  const settings = resolvePasswordOptions(options)
  const { cost, maxLength } = settings
  const [argon2, assertAcceptable] = await Promise.all([import('argon2'), createPasswordRules(settings)])
  const queue = createHashQueue(settings.queue)
  const verifyLegacy = createLegacyVerifier(settings.verifyLegacy, () => { events.onUnreadableHash?.() })
  // The hash of no password: verifying against it takes what a real one takes.
  const dummy = formatPhc(cost, { salt: randomBytes(SALT_BYTES), tag: randomBytes(TAG_BYTES) })

  function spend<T> (at: HashCost, work: () => Promise<T>): Promise<T> {
    return queue.run(() => {
      hashes.publish({ ...at })
      return work()
    })
  }

  return {
    assertAcceptable,

    async hash (password) {
      const normal = normalisePassword(password, maxLength)
      if (normal === null) throw unusable(maxLength)
      return await spend(cost, () => argon2.hash(normal, {
        type: argon2.argon2id,
        memoryCost: cost.memoryKiB,
        timeCost: cost.timeCost,
        parallelism: cost.parallelism,
        salt: randomBytes(SALT_BYTES),
        hashLength: TAG_BYTES
      }))
    },

    async verify (passwordHash, password) {
      const normal = normalisePassword(password, maxLength)
      if (normal === null) return false
      const storedCost = passwordHash === null ? null : costOf(passwordHash)
      const ours = storedCost === null ? null : passwordHash
      const theirs = storedCost === null ? passwordHash : null
      // Both for everybody, whichever of them counts: the time tells neither who exists nor whose hash is of which kind.
      return await spend(storedCost ?? cost, async () => {
        const matches = await argon2.verify(ours ?? dummy, normal)
        const matchesLegacy = await verifyLegacy(theirs, password)
        return ours === null ? matchesLegacy : matches
      })
    },

    needsRehash (passwordHash) {
      // Stronger ones too: only equal work keeps a known user from differing from an unknown one.
      const stored = costOf(passwordHash)
      return stored?.memoryKiB !== cost.memoryKiB || stored.timeCost !== cost.timeCost ||
        stored.parallelism !== cost.parallelism
    }
  }
}

// Hashes that another system made, until their owners log in. bcrypt reads 72 bytes and stops at a NUL, so what it
// would cut is never tried against one (ASVS 6.2.8); its cost is bounded as that of our own hashes is.
import { askHook } from './hooks.ts'
import type { VerifyLegacy } from './password-options.ts'

const OURS = '$argon2id$'
// Any version but 2x, which a bug made weak. Cost 10 is OWASP's minimum; each step doubles the time, and 15 takes seconds.
const BCRYPT = /^\$2[aby]\$1[0-5]\$[./A-Za-z0-9]{53}$/
const ANY_BCRYPT = '$2'
const BCRYPT_BYTES = 72

/**
 * Whether `password` is that of a stored hash which is not ours; `null` stands for none such: the same work, then
 * `false`. Throws `unavailable` when the hook fails.
 */
export type LegacyVerifier = (stored: string | null, password: string) => Promise<boolean>

/** Over the hook of the service; without one no hash can be read. `onUnreadable` tells of each that is not. */
export function createLegacyVerifier (hook: VerifyLegacy | null, onUnreadable: () => void): LegacyVerifier {
  return async function verify (stored, password) {
    const readable = stored !== null && hook !== null && isReadable(stored)
    if (stored !== null && !readable) onUnreadable()
    if (hook === null) return false

    const passwordHash = readable && reads(stored, password) ? stored : null
    const answer = await askHook('passwords.verifyLegacy', async () => assertAnswer(await hook({ passwordHash, password })))
    if (passwordHash !== null && answer === null) onUnreadable()
    return passwordHash !== null && answer === true
  }
}

function isReadable (stored: string): boolean {
  return !stored.startsWith(OURS) && (BCRYPT.test(stored) || !stored.startsWith(ANY_BCRYPT))
}

/** Whether all of `password` would count. */
function reads (stored: string, password: string): boolean {
  return !stored.startsWith(ANY_BCRYPT) || (Buffer.byteLength(password) <= BCRYPT_BYTES && !password.includes('\0'))
}

// A promise that nobody awaited, or the user that was found, must not pass for a yes.
function assertAnswer (answer: unknown): boolean | null {
  if (answer !== null && typeof answer !== 'boolean') throw new TypeError('the answer is neither true, false nor null')
  return answer
}

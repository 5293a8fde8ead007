// What a new password must not be (NIST 800-63B-4 §3.1.1.2): too short, common, made of what everybody knows, breached.
// Nothing else is asked: no composition rules, no expiry.
import { createHash } from 'node:crypto'
import { refusal } from '../errors.ts'
import { fold } from './fold.ts'
import type { PasswordSettings } from './password-options.ts'

const BREACH_TIMEOUT_MS = 5000
// No name or address is longer, and folding costs the square of its length at worst.
const MAX_WORD_LENGTH = 512

export interface PasswordContext {
  username?: string | undefined
  email?: string | null | undefined
  /**
   * Where the password stands in the body, for the refusal.
   * @defaultValue `/password`
   */
  pointer?: string | undefined
}

/**
 * The form that is hashed and counted, or `null` when there is none: over `maxLength` code points, or not Unicode
 * (lone surrogates all encode to the same bytes, so two different passwords would match).
 */
export function normalisePassword (password: string, maxLength: number): string | null {
  // Normalising a run of combining marks takes time in its square, so it is bounded first. Decomposed text is longer
  // than its normal form, but never by this much.
  if (password.length > maxLength * 8 || /\p{Surrogate}/u.test(password)) return null
  const normal = password.normalize('NFKC')
  return codePoints(normal) > maxLength ? null : normal
}

/** The refusal of a password that {@link normalisePassword} has no form for. */
export function unusable (maxLength: number, pointer = '/password'): Error {
  return invalid([`must be Unicode text of at most ${maxLength} characters`], pointer)
}

/** Throws `validation` with every reason why this may not be a new password; `unavailable` if `isBreached` fails. */
export type AssertAcceptable = (password: string, context?: PasswordContext) => Promise<void>

/** Loads the lists of common passwords and gives the check over them. */
export async function createPasswordRules (settings: PasswordSettings): Promise<AssertAcceptable> {
  const common = await loadCommonPasswords(settings.minLength)

  return async function assertAcceptable (password, { username, email, pointer = '/password' } = {}) {
    const normal = normalisePassword(password, settings.maxLength)
    if (normal === null) throw unusable(settings.maxLength, pointer)

    const reasons: string[] = []
    // The smaller count: one code point such as U+FDFA is eighteen in its normal form.
    if (Math.min(codePoints(password), codePoints(normal)) < settings.minLength) {
      reasons.push(`must have at least ${settings.minLength} characters`)
    }
    const folded = fold(normal)
    if (common.has(folded)) reasons.push('is a commonly used password')
    if (isMadeOf(folded, [username, email, email?.split('@')[0], settings.serviceName])) {
      reasons.push('is made of the user name, the e-mail address or the name of the service')
    }
    if (reasons.length === 0 && settings.isBreached !== null && await isKnown(normal, settings.isBreached)) {
      reasons.push('is known from a data breach')
    }
    if (reasons.length > 0) throw invalid(reasons, pointer)
  }
}

function codePoints (text: string): number {
  return Array.from(text).length
}

// Only entries a password could equal are kept: shorter ones are refused for their length.
async function loadCommonPasswords (minLength: number): Promise<ReadonlySet<string>> {
  const languages = await Promise.all([import('@zxcvbn-ts/language-common'), import('@zxcvbn-ts/language-en')])
  const entries = languages.flatMap(({ dictionary }) => Object.values(dictionary).flat())
  return new Set(entries.filter((entry) => entry.length >= minLength).map(fold))
}

// The whole password is compared, with its words taken out: nothing but digits and punctuation may not be all that is left.
function isMadeOf (folded: string, context: readonly (string | null | undefined)[]): boolean {
  const words = context.filter((word) => typeof word === 'string')
    .filter((word) => word !== '' && word.length <= MAX_WORD_LENGTH).map(fold)
  if (words.includes(folded)) return true
  const rest = words.filter((word) => /\p{L}/u.test(word)).sort((a, b) => b.length - a.length)
    .reduce((text, word) => text.replaceAll(word, ''), folded)
  return rest !== folded && !/\p{L}/u.test(rest)
}

async function isKnown (password: string, isBreached: NonNullable<PasswordSettings['isBreached']>): Promise<boolean> {
  const sha1 = createHash('sha1').update(password).digest('hex').toUpperCase()
  const suffix = sha1.slice(5)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(reject, BREACH_TIMEOUT_MS, new Error(`no answer in ${BREACH_TIMEOUT_MS} ms`))
  })
  try {
    // An async function, so that a hook that throws at once is caught as well.
    const asked = (async () => await isBreached({ sha1Prefix: sha1.slice(0, 5) }))()
    for (const known of await Promise.race([asked, late])) {
      if (known.toUpperCase() === suffix) return true
    }
    return false
  } catch (cause) {
    throw refusal('unavailable', { retryAfterSeconds: 1, reason: 'passwords.isBreached failed', cause })
  } finally {
    clearTimeout(timer)
  }
}

function invalid (reasons: readonly string[], pointer: string): Error {
  return refusal('validation', { errors: reasons.map((detail) => ({ pointer, in: 'body', detail })) })
}

// What a new password must not be (NIST 800-63B-4 §3.1.1.2): too short, common, made of what everybody knows, breached.
// Nothing else is asked unless the service must: no composition rules, no expiry.
import { createHash } from 'node:crypto'
import { refusal } from '../errors.ts'
import { fold } from './fold.ts'
import { askHook } from './hooks.ts'
import type { CharacterClass, PasswordSettings } from './password-options.ts'

// No name or address is longer, and folding costs the square of its length at worst.
const MAX_WORD_LENGTH = 512
const BREACH_SUFFIX = /^[0-9A-F]{35}$/i

const CLASSES: Readonly<Record<CharacterClass, { pattern: RegExp; reason: string }>> = {
  lowercase: { pattern: /\p{Ll}/u, reason: 'must have a lower-case letter' },
  uppercase: { pattern: /\p{Lu}/u, reason: 'must have an upper-case letter' },
  digit: { pattern: /\p{Nd}/u, reason: 'must have a digit' },
  symbol: { pattern: /[^\p{L}\p{M}\p{N}]/u, reason: 'must have a character that is neither a letter nor a digit' }
}

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
    for (const { pattern, reason } of settings.requiredClasses.map((name) => CLASSES[name])) {
      if (!pattern.test(normal)) reasons.push(reason)
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
  return await askHook('passwords.isBreached', async () => {
    for (const known of await isBreached({ sha1Prefix: sha1.slice(0, 5) })) {
      // The text of the corpus instead of its suffixes, or its lines with their counts, would never match.
      if (!BREACH_SUFFIX.test(known)) throw new TypeError('an entry is not 35 hex digits')
      if (known.toUpperCase() === suffix) return true
    }
    return false
  })
}

function invalid (reasons: readonly string[], pointer: string): Error {
  return refusal('validation', { errors: reasons.map((detail) => ({ pointer, in: 'body', detail })) })
}

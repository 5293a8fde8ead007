// What passwords are hashed with and what is asked of them. Too weak, too dear or contradictory: no boot.
import { availableParallelism } from 'node:os'
import { fault } from '../errors.ts'
import type { HashQueueLimits } from './hash-queue.ts'
import { COST_LIMITS, isBounded } from './phc.ts'
import type { HashCost } from './phc.ts'

/** What passwords are hashed with, and what is asked of new ones. */
export interface PasswordOptions {
  /**
   * Memory of a hash, in KiB (argon2 `m`), at most 1 GiB.
   * @defaultValue 19456
   */
  memoryKiB?: number
  /**
   * Passes of a hash (argon2 `t`), at most 10.
   * @defaultValue 2
   */
  timeCost?: number
  /**
   * Lanes of a hash (argon2 `p`), at most 16.
   * @defaultValue 1
   */
  parallelism?: number
  /**
   * Code points a new password must have: 8 at the least, 15 where the password is the only factor (NIST 800-63B-4).
   * @defaultValue 15
   */
  minLength?: number
  /**
   * Code points a password may have, from 64 to 1024; a longer one is refused before any hashing.
   * @defaultValue 128
   */
  maxLength?: number
  /**
   * A word no password may be made of.
   * @defaultValue none
   */
  serviceName?: string
  /**
   * Kinds of characters a new password must have, for services that are bound to ask for them. Against
   * NIST 800-63B-4 §3.1.1.2, which forbids it: people answer with `Password1!`, and scripts without case cannot.
   * @defaultValue none
   */
  requiredClasses?: readonly ('lowercase' | 'uppercase' | 'digit' | 'symbol')[]
  /**
   * Asks a breach corpus by k-anonymity: gets the first 5 upper-case hex digits of the password's SHA-1,
   * returns the suffixes (35 digits) known under it. If it throws, returns anything else or takes over 5 s, the
   * password is not judged: 503.
   * @defaultValue none: nothing is asked
   */
  isBreached?: (range: { sha1Prefix: string }) => Iterable<string> | Promise<Iterable<string>>
  /**
   * Whether `password`, as it was sent, is that of a stored hash which is not argon2id; `null` for a hash that it cannot
   * read, which is logged. Asked at every verification, so that unknown names and new hashes take the same time:
   * `passwordHash` is `null` there, and the hook spends what a hash takes on one of nobody's. Asked for bcrypt only
   * with a cost from 10 to 15 and a password of at most 72 bytes without NUL; any other cost is for the hook to bound.
   * If it throws, answers anything else or takes over 5 s: 503.
   * @defaultValue none: only argon2id hashes are read
   */
  verifyLegacy?: (login: { passwordHash: string | null; password: string }) => boolean | null | Promise<boolean | null>
  /**
   * Hashes computed at once.
   * @defaultValue `max(1, cores - 1)`
   */
  maxConcurrent?: number
  /**
   * Hashes that may wait; one more is 503.
   * @defaultValue 32
   */
  maxQueued?: number
  /**
   * How long a hash may wait before it is 503.
   * @defaultValue 5
   */
  maxWaitSeconds?: number
}

export type CharacterClass = NonNullable<PasswordOptions['requiredClasses']>[number]
export type VerifyLegacy = NonNullable<PasswordOptions['verifyLegacy']>

export interface PasswordSettings {
  readonly cost: Readonly<HashCost>
  readonly queue: Readonly<HashQueueLimits>
  readonly minLength: number
  readonly maxLength: number
  readonly serviceName: string | null
  readonly requiredClasses: readonly CharacterClass[]
  readonly isBreached: NonNullable<PasswordOptions['isBreached']> | null
  readonly verifyLegacy: VerifyLegacy | null
}

// OWASP Password Storage Cheat Sheet, argon2id: equal defence, memory traded for passes.
const OWASP_MINIMA = [
  { memoryKiB: 47104, timeCost: 1 },
  { memoryKiB: 19456, timeCost: 2 },
  { memoryKiB: 12288, timeCost: 3 },
  { memoryKiB: 9216, timeCost: 4 },
  { memoryKiB: 7168, timeCost: 5 }
] as const

// Every number: its default and its bounds. That the cost is enough is judged over the pair below.
const NUMBERS = {
  memoryKiB: { default: 19456, min: 8, max: COST_LIMITS.memoryKiB },
  timeCost: { default: 2, min: 1, max: COST_LIMITS.timeCost },
  parallelism: { default: 1, min: 1, max: COST_LIMITS.parallelism },
  minLength: { default: 15, min: 8, max: 64 },
  maxLength: { default: 128, min: 64, max: 1024 },
  maxConcurrent: { default: Math.max(1, availableParallelism() - 1), min: 1, max: 1024 },
  maxQueued: { default: 32, min: 0, max: 100_000 },
  maxWaitSeconds: { default: 5, min: 1, max: 60 }
} as const

type NumberName = keyof typeof NUMBERS
const HOOKS = ['isBreached', 'verifyLegacy'] as const
const NAMES: readonly string[] = [...Object.keys(NUMBERS), ...HOOKS, 'serviceName', 'requiredClasses']
const CLASSES: readonly unknown[] = ['lowercase', 'uppercase', 'digit', 'symbol'] satisfies CharacterClass[]

/** Settings from options; throws `GATEHOUSE_OPTION_INVALID`, also for a cost below the OWASP minimum. */
export function resolvePasswordOptions (options: PasswordOptions): PasswordSettings {
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name)) throw invalid(name, 'is not an option')
  }
  const { serviceName, requiredClasses = [], isBreached, verifyLegacy } = options
  if (serviceName !== undefined && (typeof serviceName !== 'string' || serviceName === '')) {
    throw invalid('serviceName', 'must be a text that is not empty')
  }
  if (!Array.isArray(requiredClasses) || !requiredClasses.every((name) => CLASSES.includes(name))) {
    throw invalid('requiredClasses', `must be a list of ${CLASSES.join(', ')}`)
  }
  for (const name of HOOKS) {
    if (options[name] !== undefined && typeof options[name] !== 'function') throw invalid(name, 'must be a function')
  }

  const cost = Object.freeze({
    memoryKiB: number('memoryKiB', options),
    timeCost: number('timeCost', options),
    parallelism: number('parallelism', options)
  })
  if (!OWASP_MINIMA.some((minimum) => cost.memoryKiB >= minimum.memoryKiB && cost.timeCost >= minimum.timeCost)) {
    throw invalid('memoryKiB', 'and timeCost are below the OWASP minimum for argon2id, such as 19456 KiB and 2')
  }
  if (!isBounded(cost)) throw invalid('parallelism', 'needs at least 8 KiB of memory a lane')
  return Object.freeze({
    cost,
    queue: Object.freeze({
      maxConcurrent: number('maxConcurrent', options),
      maxQueued: number('maxQueued', options),
      maxWaitSeconds: number('maxWaitSeconds', options)
    }),
    minLength: number('minLength', options),
    maxLength: number('maxLength', options),
    serviceName: serviceName ?? null,
    requiredClasses: Object.freeze([...new Set(requiredClasses)]),
    isBreached: isBreached ?? null,
    verifyLegacy: verifyLegacy ?? null
  })
}

function number (name: NumberName, options: PasswordOptions): number {
  const { default: fallback, min, max } = NUMBERS[name]
  const value = options[name]
  if (value === undefined) return fallback
  if (!Number.isInteger(value) || value < min || value > max) {
    throw invalid(name, `must be a whole number from ${min} to ${max}`)
  }
  return value
}

function invalid (name: string, text: string): Error {
  return fault('GATEHOUSE_OPTION_INVALID', `passwords.${name} ${text}`)
}

// What an engine must not let through, and what it must not say.
import { isRefusal, refusal } from '../errors.ts'

/**
 * Throws `validation` where a text holds U+0000. The SQLite driver binds text up to its first NUL and says nothing:
 * another name, or the half of what was acknowledged; PostgreSQL has no such text at all.
 */
export function assertBindable (parameters: readonly unknown[]): void {
  if (!parameters.some((parameter) => typeof parameter === 'string' && parameter.includes('\0'))) return
  throw refusal('validation', { detail: 'No text may contain the character U+0000' })
}

/** The error for an engine that failed, whatever it was asked: an outage; its own words are for the log. */
export function outage (engine: string, cause: unknown): Error {
  return isRefusal(cause) ? cause : refusal('unavailable', { retryAfterSeconds: 1, reason: `the ${engine} store failed`, cause })
}

/** Hears whether an engine does what it is there for: after every answer, and after every failure with its cause. */
export type TellState = (isUp: boolean, cause?: unknown) => void

/** For stores whose state nobody asks for. */
export const unheard: TellState = () => undefined

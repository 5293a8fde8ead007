// What ends a command: one line for people, and a code for scripts.
import { CommanderError } from 'commander'
import { isRefusal, problemOf } from '../errors.ts'
import { explain } from '../explain.ts'

/** The command did what it was asked, and the answer is no; or it could not do it. The message is the line to print. */
export class CommandFailure extends Error {
  override name = 'CommandFailure'
}

/** The command was asked wrongly, or there is nothing where it was sent. */
export class UsageFailure extends CommandFailure {
  override name = 'UsageFailure'
}

/** 0 for help and version, 2 for a wrong use, else 1. */
export function exitCodeOf (error: unknown): number {
  if (error instanceof UsageFailure) return 2
  if (!(error instanceof CommanderError)) return 1
  return error.exitCode === 0 ? 0 : 2
}

/** One line, without a stack. */
export function lineOf (error: unknown): string {
  if (error instanceof CommandFailure) return error.message
  if (!isRefusal(error) || error.code === 'unavailable') return explain(error)
  const [first] = error.errors ?? []
  if (first === undefined) return error.detail ?? problemOf(error.code, null).title
  const name = first.parameter ?? first.pointer?.slice(1) ?? ''
  return name === '' ? first.detail : `${name} ${first.detail}`
}

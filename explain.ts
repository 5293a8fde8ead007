// An error of the process as one line for whoever started it: which variable to look at, and what is wrong.
import { ConfigurationError } from './config.ts'

/** What to look at, by the code of what went wrong; the message alone does not name it. */
const subjects = new Map([
  ['EADDRINUSE', 'HOST and PORT'],
  ['EADDRNOTAVAIL', 'HOST'],
  ['ENOTFOUND', 'HOST'],
  ['GATEHOUSE_KEY_FILE_INVALID', 'TOKEN_KEY_FILE']
])

/** What the driver says of a database that does not answer, of several addresses for the first; `null` for anything else. */
function outageIn (error: unknown): string | null {
  if (!(error instanceof Error)) return null
  if (!('code' in error && error.code === 'unavailable')) return outageIn(error.cause)
  const [first = error.cause] = error.cause instanceof AggregateError ? error.cause.errors as unknown[] : []
  return first instanceof Error && first.message !== '' ? first.message : 'the database does not answer'
}

/** One line on what went wrong, without a stack. */
export function explain (error: unknown): string {
  return sentenceOf(error).split('\n', 1).join()
}

function sentenceOf (error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const outage = outageIn(error)
  if (outage !== null) return `${process.env['DATABASE_URL'] ? 'DATABASE_URL' : 'DATA_DIR'}: ${outage}`
  if (error instanceof ConfigurationError || !('code' in error)) return error.message
  return `${subjects.get(String(error.code)) ?? String(error.code)}: ${error.message}`
}

// Names that somebody tried, as events tell of them.
import { createHmac, randomBytes } from 'node:crypto'
import { fold } from './fold.ts'

const key = randomBytes(32)

/**
 * The hash of a name that was tried: it tells two of them apart as long as this process lives, and nothing of them, for
 * what is typed into the field of a name is a password now and then.
 */
export function hashOfName (name: string): string {
  return `name:${createHmac('sha256', key).update(fold(name)).digest('hex').slice(0, 32)}`
}

// Session ids: 256 random bits that say nothing. At rest there is their digest; the secret that a CSRF token is bound to
// follows from the id, so a store, a log or a list of sessions tells neither.
import { createHash, createHmac, randomBytes } from 'node:crypto'

const SESSION_ID = /^[A-Za-z0-9_-]{43}$/
const CSRF_PURPOSE = 'gatehouse csrf'

/** A new id, for the cookie alone. */
export function createSessionId (): string {
  return randomBytes(32).toString('base64url')
}

/** Whether a text has the form of a session id, so that a store is worth asking. */
export function isSessionId (text: string): boolean {
  return SESSION_ID.test(text)
}

/** What a session is kept under: SHA-256, base64url. */
export function digestOfSessionId (id: string): string {
  return createHash('sha256').update(id).digest('base64url')
}

/** What the CSRF tokens of a session are made with: another id, another secret. */
export function csrfSecretOf (id: string): string {
  return createHmac('sha256', id).update(CSRF_PURPOSE).digest('base64url')
}

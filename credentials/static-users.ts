// A short list of users kept in the configuration. Every look-up costs the same, whether the name exists or not.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

export type PasswordCheck = (username: string, password: string) => boolean

/** Whether a username and password are those of `users`; only SHA-256 digests are kept and compared. */
export function createPasswordCheck (users: Readonly<Record<string, string>>): PasswordCheck {
  const digests = new Map(Object.entries(users).map(([username, password]) => [username, digest(password)]))
  // No password has this digest: nobody chose it.
  const nobody = randomBytes(32)
  return function isPasswordOf (username, password) {
    return timingSafeEqual(digest(password), digests.get(username) ?? nobody)
  }
}

function digest (password: string): Buffer {
  return createHash('sha256').update(password).digest()
}

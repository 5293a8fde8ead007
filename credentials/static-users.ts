// A short list of users kept in the configuration. Every look-up costs the same, whether the name exists or not.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

export type PasswordCheck = (username: string, password: string) => boolean

/** Whether a username and password are those of `users`; only SHA-256 digests are kept and compared. */
export function createPasswordCheck (users: Readonly<Record<string, string>>): PasswordCheck {
  const digests = new Map(Object.entries(users).map(([username, password]) => [username, digest(password)]))
  const nobody = randomBytes(32)
  return function isPasswordOf (username, password) {
    const matches = timingSafeEqual(digest(password), digests.get(username) ?? nobody)
    return matches && digests.has(username)
  }
}

function digest (password: string): Buffer {
  return createHash('sha256').update(password).digest()
}

// Hashes passwords, verifies them and says which ones are accepted, with bounded work: argon2id,
// NIST 800-63B-4, OWASP Password Storage.
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { createPasswords } from '../credentials/passwords.ts'
import type { Passwords } from '../credentials/passwords.ts'
import type { PasswordOptions } from '../credentials/password-options.ts'

export type { Passwords }

/** Options of `passwords`. */
export type PasswordsOptions = PasswordOptions

declare module 'fastify' {
  interface FastifyInstance {
    passwords: Passwords
  }
}

async function passwordsPlugin (app: FastifyInstance, options: PasswordsOptions): Promise<void> {
  app.decorate('passwords', Object.freeze(await createPasswords(options, {
    onUnreadableHash: () => { app.log.error('a stored password hash cannot be read or its cost is out of bounds: nobody logs in with it') }
  })))
}

/**
 * Decorates `app.passwords`: `hash`, `verify`, `needsRehash`, `assertAcceptable`.
 * Throws `GATEHOUSE_OPTION_INVALID` at boot, also for a cost below the OWASP minimum.
 *
 * @example
 * ```ts
 * await app.register(passwords, { serviceName: 'Items' })
 * await app.passwords.assertAcceptable(password, { username, email })
 * const passwordHash = await app.passwords.hash(password)
 * ```
 */
export const passwords = fp(passwordsPlugin, { name: 'gatehouse-passwords', fastify: '5.x' })

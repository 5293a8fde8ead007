// People move in from a service that kept bcrypt hashes, as FastAPI with passlib does: each logs in with the password
// they have, and their first login replaces the hash with argon2id. When no `$2b$` is left, `verifyLegacy` can go.
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
// It computes on the event loop, in steps of up to 100 ms; `bcrypt` has the same functions in native code on threads.
import bcrypt from 'bcryptjs'
import Fastify from 'fastify'
import { accounts, basicAuth, passwords, problems, rateLimit, stores } from '../index.ts'
import type { FastifyInstance } from 'fastify'

const COST = 12

/** A row of the old table. */
export interface OldUser {
  username: string
  email: string
  disabled: boolean
  /** As passlib writes it: `$2b$12$…`. */
  hashed_password: string
}

/** Takes over those who are not here yet, their hashes as they are: it may run twice. */
export async function importUsers (app: FastifyInstance, oldUsers: readonly OldUser[]): Promise<void> {
  const { users } = app.stores
  for (const { username, email, disabled, hashed_password: passwordHash } of oldUsers) {
    if (await users.findByName(username) !== null) continue
    const { id } = await users.create({ username, email, passwordHash, roles: ['member'] })
    if (disabled) await users.update(id, { disabled: true })
  }
}

/** The new service over a database file. */
export async function buildApp (file: string): Promise<FastifyInstance> {
  // For unknown names and for those who have moved: a hash of nobody's that takes as long as those of the old table.
  const nobodys = await bcrypt.hash(randomUUID(), COST)
  const app = Fastify()
  await app.register(problems)
  await app.register(rateLimit)
  await app.register(stores, { file })
  await app.register(passwords, {
    verifyLegacy: ({ passwordHash, password }) => bcrypt.compare(password, passwordHash ?? nobodys)
  })
  await app.register(accounts, { roles: { member: [] }, defaultRoles: ['member'] })
  await app.register(basicAuth, {
    verify: async (credentials) => {
      const user = await app.accounts.login(credentials)
      return user === null ? null : app.accounts.grantFor(user.id)
    }
  })
  const failures = app.limit({ name: 'failures', max: 20, timeWindow: '1 minute', by: 'address', counts: 'failures', whenFull: 'closed' })
  app.get('/me', { onRequest: [failures, app.basic] }, (request) => ({ username: app.basic.principal(request).attributes.username }))
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = await buildApp(':memory:')
  const hashed_password = await bcrypt.hash('secret', COST)
  await importUsers(app, [{ username: 'johndoe', email: 'johndoe@example.com', disabled: false, hashed_password }])
  process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/me -u johndoe:secret\n`)
}

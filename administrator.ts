// The first administrator: the configured one, or in development `admin` with a password that is shown once.
import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { ConfigurationError } from './config.ts'
import type { Configuration } from './config.ts'
import { isRefusal } from './errors.ts'

/** Makes the first administrator where there is none; its generated password, or `null` where none was generated. */
export async function ensureAdministrator (app: FastifyInstance, { administrator, development }: Configuration): Promise<{ username: string; password: string } | null> {
  if (administrator !== null) {
    if (await app.stores.users.findByName(administrator.username) === null) await create(app, administrator)
    return null
  }
  if (await app.stores.users.findByName('admin') !== null) return null
  if (!development) throw new ConfigurationError('ADMIN_USERNAME and ADMIN_PASSWORD are required in production until there is an administrator')
  const generated = { username: 'admin', password: randomBytes(18).toString('base64url') }
  await create(app, generated)
  return generated
}

async function create (app: FastifyInstance, { username, password }: { username: string; password: string }): Promise<void> {
  try {
    await app.accounts.register({ username, password, email: `${username}@localhost` }, ['admin'])
  } catch (error) {
    if (isRefusal(error) && error.code === 'conflict') return
    if (isRefusal(error) && error.code === 'validation') throw new ConfigurationError(`ADMIN_PASSWORD: ${error.errors?.[0]?.detail ?? 'is not acceptable'}`)
    throw error
  }
}

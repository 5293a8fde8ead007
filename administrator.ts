// The first administrator: the configured one, or in development `admin` with a password that is shown once.
import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { ConfigurationError } from './config.ts'
import type { Configuration } from './config.ts'
import { isRefusal } from './errors.ts'

const ROLE = 'admin'

interface Credentials {
  readonly username: string
  readonly password: string
}

/**
 * Makes the configured administrator, or in development `admin`, unless it is there; in development the generated
 * password comes back, else `null`. Throws {@link ConfigurationError} where the service would be left without any.
 */
export async function ensureAdministrator (app: FastifyInstance, { administrator, development }: Pick<Configuration, 'administrator' | 'development'>): Promise<Credentials | null> {
  if (administrator !== null) {
    const known = await app.stores.users.findByName(administrator.username)
    if (known === null) await create(app, administrator)
    else if ((known.disabled || !known.roles.includes(ROLE)) && !await hasAdministrator(app)) throw taken()
    return null
  }
  if (await hasAdministrator(app)) return null
  if (!development) throw new ConfigurationError('ADMIN_USERNAME and ADMIN_PASSWORD are required in production until there is an administrator')
  const generated = { username: 'admin', password: randomBytes(18).toString('base64url') }
  return await create(app, generated) ? generated : null
}

async function hasAdministrator (app: FastifyInstance): Promise<boolean> {
  return await app.stores.users.countByRole(ROLE) > 0
}

/** Whether it was made here; of several processes that start at once one makes it. */
async function create (app: FastifyInstance, { username, password }: Credentials): Promise<boolean> {
  try {
    await app.accounts.register({ username, password, email: 'admin@localhost' }, [ROLE])
    return true
  } catch (error) {
    if (isRefusal(error) && error.code === 'conflict') {
      const other = await app.stores.users.findByName(username)
      if (other === null || other.disabled || !other.roles.includes(ROLE)) throw taken()
      return false
    }
    if (isRefusal(error) && error.code === 'validation') throw new ConfigurationError(`ADMIN_PASSWORD: ${error.errors?.[0]?.detail ?? 'is not acceptable'}`)
    throw error
  }
}

function taken (): ConfigurationError {
  return new ConfigurationError('ADMIN_USERNAME: the name is taken by an account that is no administrator, or a disabled one')
}

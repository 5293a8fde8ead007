// `gatehouse users`: accounts, by the rules of the service.
import { Registration } from '../schemas/users.ts'
import { CommandFailure } from './failure.ts'
import { show, tableOf } from './output.ts'
import { readSecret } from './secret.ts'
import { assertValid, findUser, withService } from './service.ts'
import type { User } from '../stores/ports.ts'

interface NewUser {
  readonly json?: boolean
  readonly email: string
  readonly fullName?: string
  readonly role?: readonly string[]
}

export async function createUser (username: string, { json = false, email, fullName, role }: NewUser): Promise<void> {
  const { ROLES } = await import('../app.ts')
  const unknown = role?.find((name) => !Object.hasOwn(ROLES, name))
  if (unknown !== undefined) throw new CommandFailure(`${unknown} is no role; there are ${Object.keys(ROLES).join(', ')}`)
  const registration = { username, email, ...(fullName === undefined ? {} : { full_name: fullName }), password: await readSecret('The password') }
  assertValid(Registration, registration)
  const user = await withService(async (app) => await app.accounts.register(registration, role))
  show(json, user, () => tableOf([rowOf(user)]))
}

export async function disableUser (username: string, { json = false }: { json?: boolean }): Promise<void> {
  const user = await withService(async (app) => {
    const { id } = await findUser(app, username)
    return await app.accounts.update(id, { disabled: true })
  })
  if (user === null) throw new CommandFailure(`there is no user ${username}`)
  show(json, user, () => `${user.username} is disabled: its logins, tokens and keys ended`)
}

export async function unlockUser (username: string, { json = false }: { json?: boolean }): Promise<void> {
  await withService(async (app) => await app.accounts.unlock((await findUser(app, username)).id))
  show(json, { username, unlocked: true }, () => `${username} neither waits nor is locked`)
}

export async function listUsers ({ json = false, limit, cursor, search }: { json?: boolean; limit: number; cursor?: string; search?: string }): Promise<void> {
  const found = await withService(async (app) => await app.stores.users.list({ limit, cursor, q: search }))
  show(json, found, () => [tableOf(found.items.map(rowOf)), ...(found.next === undefined ? [] : [`more: --cursor ${found.next}`])].join('\n'))
}

function rowOf ({ id, username, email, roles, disabled, created_at: createdAt }: User): Record<string, string> {
  return { id, username, email, roles: roles.join(', '), state: disabled ? 'disabled' : 'on', created: createdAt }
}

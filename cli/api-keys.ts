// `gatehouse api-keys`: keys of users, made with the rights that their owners have.
import { ApiKeyParams, NewApiKey } from '../schemas/api-keys.ts'
import { CommandFailure } from './failure.ts'
import { show } from './output.ts'
import { assertValid, findUser, withService } from './service.ts'
import type { CustomPrincipal } from '../guards/principal.ts'

interface NewKey {
  readonly json?: boolean
  readonly user: string
  readonly name: string
  readonly scope: string[]
  readonly expiresInDays?: number
}

export async function createKey ({ json = false, user, name, scope, expiresInDays }: NewKey): Promise<void> {
  assertValid(NewApiKey, { name, scopes: scope, ...(expiresInDays === undefined ? {} : { expires_in_days: expiresInDays }) })
  const { key, apiKey } = await withService(async (app) => {
    const owner = await findUser(app, user)
    return await app.accounts.createApiKey({ ...principalOf(owner.id), scopes: app.accounts.scopesOf(owner), roles: owner.roles }, { name, scopes: scope, expiresInDays })
  })
  show(json, { key, id: apiKey.id, expires_at: apiKey.expires_at }, () => `id: ${apiKey.id}\nkey: ${key}  (shown once)\nexpires: ${apiKey.expires_at}`)
}

export async function revokeKey (id: string, { json = false }: { json?: boolean }): Promise<void> {
  assertValid(ApiKeyParams, { id })
  const isRevoked = await withService(async (app) => {
    const found = await app.stores.apiKeys.findActive(id)
    return found !== null && await app.accounts.revokeApiKey(principalOf(found.apiKey.owner), { id })
  })
  if (!isRevoked) throw new CommandFailure(`there is no key ${id}, or it has ended`)
  show(json, { id, revoked: true }, () => `${id} is revoked`)
}

/** Whoever runs the command acts for the owner. */
function principalOf (subject: string): CustomPrincipal {
  return { kind: 'custom', scheme: 'command', subject, scopes: [], roles: [], attributes: {} }
}

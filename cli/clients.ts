// `gatehouse clients`: client applications.
import { NewClient } from '../schemas/clients.ts'
import { show, tableOf } from './output.ts'
import { assertValid, withService } from './service.ts'

export async function createClient ({ json = false, name, grant, scope }: { json?: boolean; name: string; grant: string[]; scope: string[] }): Promise<void> {
  const wanted = { name, grants: grant, scopes: scope }
  assertValid(NewClient, wanted)
  const { client, secret } = await withService(async (app) => await app.tokens.createClient(wanted))
  const made = { client_id: client.client_id, client_secret: secret }
  show(json, made, () => `client_id: ${made.client_id}\nclient_secret: ${made.client_secret}  (shown once)`)
}

export async function listClients ({ json = false, limit, cursor }: { json?: boolean; limit: number; cursor?: string }): Promise<void> {
  const found = await withService(async (app) => await app.stores.clients.list({ limit, cursor }))
  const rows = found.items.map(({ client_id: id, name, grants, scopes, created_at: created, revoked_at: revoked }) => ({ client_id: id, name, grants: grants.join(', '), scopes: scopes.join(', '), created, revoked: revoked ?? '' }))
  show(json, found, () => [tableOf(rows), ...(found.next === undefined ? [] : [`more: --cursor ${found.next}`])].join('\n'))
}

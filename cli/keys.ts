// `gatehouse keys`: the keys that sign access tokens.
import { show, tableOf } from './output.ts'
import { withService } from './service.ts'

export async function listKeys ({ json = false }: { json?: boolean }): Promise<void> {
  const now = new Date()
  const found = await withService(async (app) => await app.stores.signingKeys.list(now))
  const keys = found.map(({ kid, algorithm, createdAt, activeFrom, retireAt, expiresAt }) => ({
    kid, algorithm, created_at: createdAt.toISOString(), signs_from: activeFrom.toISOString(), signs_until: retireAt.toISOString(), verifies_until: expiresAt.toISOString()
  }))
  show(json, keys, () => tableOf(keys))
}

export async function rotateKeys ({ json = false, overlap }: { json?: boolean; overlap: boolean }): Promise<void> {
  const kid = await withService(async (app) => await app.tokens.rotateKeys({ overlap }))
  show(json, { kid }, () => kid)
}

// Whom tokens belong to, as they are now: a user, whom the service knows, or a client that acts for itself.
import { askHook } from '../credentials/hooks.ts'
import { readGrant } from '../guards/grant.ts'
import type { PrincipalGrant } from '../guards/principal.ts'
import type { Stores } from '../stores/ports.ts'
import type { TokensSettings } from './tokens-options.ts'

/** Who owns tokens. */
export interface TokenOwners {
  /** What the owner may do now, `undefined` where nobody says so; `'gone'` for one who may have no tokens. Throws `unavailable` when `loadOwner` fails. */
  load (subject: string): Promise<{ scopes: readonly string[] | undefined } | 'gone'>
  /** The principal of a token, for a guard, which waits and judges; `null` when there is none any more. */
  principal (claims: Readonly<Record<string, unknown>>): Promise<PrincipalGrant | null>
}

const SOURCE = 'tokens.loadOwner'

/** Asks the store of clients, and whoever knows users. */
export function createTokenOwners (stores: Stores, { loadOwner }: TokensSettings): TokenOwners {
  async function clientGrant (clientId: string): Promise<PrincipalGrant | null> {
    const found = await stores.clients.findActive(clientId)
    return found === null ? null : { subject: clientId, scopes: found.client.scopes }
  }

  return {
    async load (subject) {
      if (loadOwner === undefined) return { scopes: undefined }
      const grant = await askHook(SOURCE, async () => readGrant(await loadOwner(subject), SOURCE))
      return grant === null || grant.disabled ? 'gone' : { scopes: grant.scopes ?? undefined }
    },

    async principal ({ sub, client_id: clientId }) {
      if (typeof sub !== 'string') return null
      if (sub === clientId) return await clientGrant(sub)
      return loadOwner === undefined ? { subject: sub } : await loadOwner(sub)
    }
  }
}

// What a process changes in its own stores, told to those who keep copies: a key that is revoked, an account that is
// disabled, a client that ends. Whoever changes it need not know who keeps what.
import type { ApiKeyStore, AuditEvent, AuditStore, ClientStore, Stores, StoreSet, UserStore } from '../stores/ports.ts'

/** What is not as it was: an account by its id, an API key, all keys of an owner, or all of a client. */
export interface StoreChange {
  readonly kind: 'user' | 'apiKey' | 'apiKeyOwner' | 'client'
  readonly id: string
}

type Tell = (change: StoreChange) => void

const listeners = new WeakMap<object, Set<Tell>>()

/** Calls `tell` after every change that is made through `stores`, as far as {@link observed} made them. */
export function onStoreChange (stores: Stores, tell: Tell): void {
  listeners.get(stores)?.add(tell)
}

/** The same stores, whose changes are told: after the write, or after the transaction that it is part of; `tellKept` hears of the events that were kept. */
export function observed (stores: Stores, tellKept: (event: AuditEvent) => void = () => undefined): Stores {
  const told = new Set<Tell>()
  const tellAll: Tell = (change) => { for (const tell of told) tell(change) }
  const watched: Stores = Object.freeze({
    ...watch(stores, tellAll, tellKept),
    async transaction<T> (work: (stores: StoreSet) => Promise<T>): Promise<T> {
      const changes: StoreChange[] = []
      const kept: AuditEvent[] = []
      try {
        const result = await stores.transaction((inner) => work(Object.freeze(watch(inner, (change) => { changes.push(change) }, (event) => { kept.push(event) }))))
        kept.forEach(tellKept)
        return result
      } finally {
        // After a failure too: nobody knows what became of a commit whose answer was lost.
        changes.forEach(tellAll)
      }
    },
    ping: () => stores.ping(),
    close: () => stores.close()
  })
  listeners.set(watched, told)
  return watched
}

function watch ({ users, apiKeys, clients, audit, ...others }: StoreSet, tell: Tell, tellKept: (event: AuditEvent) => void): StoreSet {
  async function telling<T> (kind: StoreChange['kind'], id: string, work: Promise<T>): Promise<T> {
    try {
      return await work
    } finally {
      tell({ kind, id })
    }
  }
  return {
    ...others,
    users: {
      ...users,
      update: (id, change, options) => telling('user', id, users.update(id, change, options)),
      replacePasswordHash: (id, change) => telling('user', id, users.replacePasswordHash(id, change))
    } satisfies UserStore,
    apiKeys: {
      ...apiKeys,
      rotate: (id, owner, rotation) => telling('apiKey', id, apiKeys.rotate(id, owner, rotation)),
      revoke: (id, owner) => telling('apiKey', id, apiKeys.revoke(id, owner)),
      revokeByOwner: (owner) => telling('apiKeyOwner', owner, apiKeys.revokeByOwner(owner)),
      revokeByClient: (clientId) => telling('client', clientId, apiKeys.revokeByClient(clientId))
    } satisfies ApiKeyStore,
    clients: {
      ...clients,
      revoke: (id) => telling('client', id, clients.revoke(id))
    } satisfies ClientStore,
    audit: {
      ...audit,
      async append (event) {
        const kept = await audit.append(event)
        tellKept(kept)
        return kept
      }
    } satisfies AuditStore
  }
}

// What is changed in the stores, told to those who keep copies: a key that is revoked, an account that is disabled, a
// client that ends. Whoever changes it need not know who keeps what, nor in which process.
import type { ApiKeyStore, AuditEvent, AuditStore, ClientStore, RevocationStore, SigningKeyStore, Stores, StoreSet, UserStore } from '../stores/ports.ts'

/** What is not as it was: an account by its id, an API key, all keys of an owner or of a client; revoked tokens and signing keys have none. */
export interface StoreChange {
  readonly kind: 'user' | 'apiKey' | 'apiKeyOwner' | 'client' | 'revocations' | 'signingKeys'
  readonly id: string
}

/** `here` for what this process changed, `elsewhere` for what another one told of. */
type Tell = (change: StoreChange, origin: 'here' | 'elsewhere') => void

/** Both sides of the changes of some stores. */
interface Changes {
  /** Tells every listener of what was changed elsewhere. */
  tell (change: StoreChange): void
  /** Calls `tell` with what this process changed, the changes of one transaction together. */
  onOwn (tell: (changes: readonly StoreChange[]) => void): void
}

interface Observed extends Changes { readonly listeners: Set<Tell> }

const kinds: Readonly<Record<StoreChange['kind'], true>> = { user: true, apiKey: true, apiKeyOwner: true, client: true, revocations: true, signingKeys: true }
const LONGEST_ID = 256
const observations = new WeakMap<object, Observed>()

/** Calls `tell` after every change that is made through `stores`, as far as {@link observed} made them, or that another process tells of. */
export function onStoreChange (stores: Stores, tell: Tell): void {
  observations.get(stores)?.listeners.add(tell)
}

/** The changes of stores that {@link observed} made. */
export function observedBy (stores: Stores): Changes {
  const found = observations.get(stores)
  if (found === undefined) throw new TypeError('nobody observes these stores')
  return found
}

/** Whether something that came from elsewhere is one. */
export function isStoreChange (value: unknown): value is StoreChange {
  if (typeof value !== 'object' || value === null) return false
  const { kind, id } = value as Partial<StoreChange>
  return typeof kind === 'string' && Object.hasOwn(kinds, kind) && typeof id === 'string' && id.length <= LONGEST_ID
}

/** The same stores, whose changes are told: after the write, or after the transaction that it is part of; `tellKept` hears of the events that were kept. */
export function observed (stores: Stores, tellKept: (event: AuditEvent) => void = () => undefined): Stores {
  const listeners = new Set<Tell>()
  const publishers = new Set<(changes: readonly StoreChange[]) => void>()
  const tell: Tell = (change, origin) => { for (const listener of listeners) listener(change, origin) }

  function tellAll (changes: readonly StoreChange[]): void {
    if (changes.length === 0) return
    for (const change of changes) tell(change, 'here')
    for (const publish of publishers) publish(changes)
  }

  const watched: Stores = Object.freeze({
    ...watch(stores, (change) => { tellAll([change]) }, tellKept),
    async transaction<T> (work: (stores: StoreSet) => Promise<T>): Promise<T> {
      const changes: StoreChange[] = []
      const kept: AuditEvent[] = []
      try {
        const result = await stores.transaction((inner) => work(Object.freeze(watch(inner, (change) => { changes.push(change) }, (event) => { kept.push(event) }))))
        kept.forEach(tellKept)
        return result
      } finally {
        // After a failure too: nobody knows what became of a commit whose answer was lost.
        tellAll(changes)
      }
    },
    ping: () => stores.ping(),
    close: () => stores.close()
  })
  observations.set(watched, { listeners, tell: (change) => { tell(change, 'elsewhere') }, onOwn: (publish) => { publishers.add(publish) } })
  return watched
}

function watch ({ users, apiKeys, clients, revocations, signingKeys, audit, ...others }: StoreSet, tell: (change: StoreChange) => void, tellKept: (event: AuditEvent) => void): StoreSet {
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
    revocations: {
      ...revocations,
      add: (entries) => telling('revocations', '', revocations.add(entries))
    } satisfies RevocationStore,
    signingKeys: {
      ...signingKeys,
      insertIfCurrent: (key, current) => telling('signingKeys', '', signingKeys.insertIfCurrent(key, current)),
      end: (kid, at) => telling('signingKeys', '', signingKeys.end(kid, at))
    } satisfies SigningKeyStore,
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

// What goes on by itself: reading what other processes revoked and rotated, replacing keys, forgetting what has ended.
import type { FastifyBaseLogger } from 'fastify'
import { onStoreChange } from './store-changes.ts'
import { pruneAll } from './store-pruning.ts'
import type { Stores } from '../stores/ports.ts'
import type { TokenKeys } from './tokens-keys.ts'
import type { TokensSettings } from './tokens-options.ts'
import type { TokenRevocation } from './tokens-revocation.ts'

/** What {@link createTokenUpkeep} looks after. */
export interface TokenUpkeepParts {
  readonly stores: Stores
  readonly settings: TokensSettings
  readonly keys: TokenKeys
  readonly revocation: TokenRevocation
  readonly log: FastifyBaseLogger
}

const PRUNE_EVERY_SECONDS = 60

/** Starts it; `stop` resolves when nothing of it is going on any more. */
export function createTokenUpkeep ({ stores, settings, keys, revocation, log }: TokenUpkeepParts): { stop (): Promise<void> } {
  let stopped = false
  let failing = false
  let told = false
  let prunedAt = Date.now()
  let looking: Promise<void> | null = null
  let pruning: Promise<void> = Promise.resolve()

  async function read (): Promise<void> {
    try {
      await revocation.poll()
      await keys.refresh()
      failing = false
    } catch (error) {
      if (!failing && !stopped) log.error({ err: error }, 'the store cannot be asked what was revoked')
      failing = true
    }
  }

  /** One look at a time; what is told during one is looked for after it, however often it is told. */
  function look (): void {
    if (stopped) return
    if (looking !== null) {
      told = true
      return
    }
    told = false
    looking = read().finally(() => {
      looking = null
      if (told) look()
    })
  }

  async function prune (): Promise<void> {
    for (const store of [stores.revocations, stores.refreshTokens, stores.signingKeys]) await pruneAll(store, () => stopped)
  }

  /** Beside the looks: they are not to wait until all of it is forgotten. */
  function pruneInTime (): void {
    if (Date.now() - prunedAt < PRUNE_EVERY_SECONDS * 1000) return
    prunedAt = Date.now()
    pruning = pruning.then(prune).catch((error: unknown) => { log.warn({ err: error }, 'tokens that ended are not forgotten yet') })
  }

  const timer = setInterval(() => {
    look()
    pruneInTime()
  }, settings.pollSeconds * 1000).unref()
  onStoreChange(stores, ({ kind }, origin) => { if (origin === 'elsewhere' && (kind === 'revocations' || kind === 'signingKeys')) look() })
  return {
    async stop () {
      stopped = true
      clearInterval(timer)
      await looking
      await pruning
    }
  }
}

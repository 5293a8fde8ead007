// What goes on by itself: reading what other processes revoked and rotated, replacing keys, forgetting what has ended.
import type { FastifyBaseLogger } from 'fastify'
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
  let prunedAt = Date.now()
  let running: Promise<void> = Promise.resolve()

  async function round (): Promise<void> {
    await revocation.poll()
    await keys.refresh()
    if (Date.now() - prunedAt < PRUNE_EVERY_SECONDS * 1000) return
    prunedAt = Date.now()
    for (const store of [stores.revocations, stores.refreshTokens, stores.signingKeys]) await pruneAll(store)
  }

  /** A store forgets so much at a time: more comes in than that where many log in. */
  async function pruneAll (store: { prune (now: Date): Promise<number> }): Promise<void> {
    const now = new Date()
    let isMore = true
    while (isMore && !stopped) isMore = await store.prune(now) > 0
  }

  function next (): NodeJS.Timeout {
    return setTimeout(() => {
      running = round().then(() => { failing = false }, (error: unknown) => {
        if (!failing && !stopped) log.error({ err: error }, 'the store cannot be asked what was revoked')
        failing = true
      }).then(() => { if (!stopped) timer = next() })
    }, settings.pollSeconds * 1000).unref()
  }

  let timer = next()
  return {
    async stop () {
      stopped = true
      clearTimeout(timer)
      await running
    }
  }
}

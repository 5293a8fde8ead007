// When sessions were used, written off the path of a request, and now and then; and what has ended, forgotten.
import { pruneAll } from './store-pruning.ts'
import type { FastifyBaseLogger } from 'fastify'
import type { Session, Stores } from '../stores/ports.ts'

/** What {@link createSessionUpkeep} needs. */
export interface SessionUpkeepParts {
  readonly stores: Stores
  readonly settings: { readonly idleMs: number; readonly touchMs: number }
  readonly log: FastifyBaseLogger
}

const PRUNE_EVERY_MS = 300_000

export interface SessionUpkeep {
  /** Notes a use, unless one was noted a moment ago. */
  use (session: Session): void
  /** Resolves when nothing is being written any more. */
  stop (): Promise<void>
}

export function createSessionUpkeep ({ stores, settings: { idleMs, touchMs }, log }: SessionUpkeepParts): SessionUpkeep {
  const writing = new Map<string, Promise<unknown>>()
  let stopped = false

  function write (key: string, work: () => Promise<unknown>, failed: string): void {
    if (writing.has(key)) return
    writing.set(key, work().catch((error: unknown) => { log.warn({ err: error }, failed) }).finally(() => writing.delete(key)))
  }

  const timer = setInterval(() => { write('prune', () => pruneAll(stores.sessions, () => stopped), 'sessions that ended are not forgotten yet') }, PRUNE_EVERY_MS).unref()

  return {
    use ({ id, last_seen_at: lastSeenAt }) {
      const now = Date.now()
      if (now - Date.parse(lastSeenAt) < touchMs) return
      // Its condition is that the session lives: one that ends meanwhile does not come back.
      write(id, () => stores.sessions.touch(id, { at: new Date(now), idleExpiresAt: new Date(now + idleMs) }), 'when a session was used is not written')
    },
    async stop () {
      stopped = true
      clearInterval(timer)
      await Promise.all(writing.values())
    }
  }
}

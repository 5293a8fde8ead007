// When API keys were last used: noted in memory, written in batches, never on a request's path. A process that dies
// loses what it noted since the last batch, and nothing else.
import type { ApiKeyStore } from '../stores/ports.ts'

/** Uses of keys that are not written yet. */
export interface KeyUses {
  note (id: string): void
  /** Writes what is left, and stops. */
  close (): Promise<void>
}

/** Each key is one entry, however often it is used; more keys than this in one interval are written before it ends. */
const MOST = 10_000

/** Writes every `intervalMs` what was noted; what the store does not take stays for the next time. */
export function createKeyUses (touch: ApiKeyStore['touch'], { intervalMs, onError }: { intervalMs: number; onError: (error: unknown) => void }): KeyUses {
  let noted = new Map<string, number>()
  let writing: Promise<void> | null = null

  async function write (uses: ReadonlyMap<string, number>): Promise<void> {
    try {
      await touch([...uses].map(([id, at]) => ({ id, at: new Date(at) })))
    } catch (error) {
      onError(error)
      // Later uses of the same keys win; in an outage no more is kept than a batch has.
      if (noted.size < MOST) noted = new Map([...uses, ...noted])
    }
  }

  function flush (): void {
    if (noted.size === 0 || writing !== null) return
    const uses = noted
    noted = new Map()
    writing = write(uses).finally(() => { writing = null })
  }

  const timer = setInterval(flush, intervalMs)
  timer.unref()
  return {
    note (id) {
      noted.set(id, Date.now())
      if (noted.size >= MOST) flush()
    },
    async close () {
      clearInterval(timer)
      await writing
      flush()
      await writing
    }
  }
}

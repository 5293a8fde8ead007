// Failures that come again and again, as two records: the first one at once, and how many followed when the window ends.
import type { SecurityEvent } from '../guards/events.ts'
import type { Told } from './audit-records.ts'

interface Fold {
  readonly event: SecurityEvent
  readonly endsAt: number
  count: number
  readonly first: number
  last: number
}

/** Folds; bounded by `maxFolds`, of which the oldest ends early. */
export interface Folding {
  /** Whether this is to be written now; else it is counted. */
  admit (told: Told): boolean
  /** What was counted in windows that have ended by `now`; `Infinity` ends all. */
  end (now: number): Told[]
}

const NEVER: Folding = { admit: () => true, end: () => [] }

export function createFolding (foldSeconds: number, maxFolds = 10_000): Folding {
  if (foldSeconds === 0) return NEVER
  const folds = new Map<string, Fold>()
  let ended: Told[] = []

  function finish (key: string, { event, count, first, last }: Fold): void {
    folds.delete(key)
    // The request was another one each time.
    const { request_id: _, ...same } = event
    if (count > 0) ended.push({ at: last, event: { ...same, details: { ...event.details, count, first_at: new Date(first).toISOString(), last_at: new Date(last).toISOString() } } })
  }

  return {
    admit ({ event, at }) {
      if (event.outcome !== 'failure') return true
      const key = `${event.event}\n${event.actor ?? ''}\n${event.ip ?? ''}\n${event.scheme ?? ''}\n${event.reason ?? ''}\n${event.route ?? ''}\n${event.method ?? ''}\n${event.target ?? ''}`
      const fold = folds.get(key)
      if (fold !== undefined && at < fold.endsAt) {
        fold.count += 1
        fold.last = at
        return false
      }
      if (fold !== undefined) finish(key, fold)
      else if (folds.size >= maxFolds) for (const [oldest, of] of folds) { finish(oldest, of); break }
      folds.set(key, { event, endsAt: at + foldSeconds * 1000, count: 0, first: at, last: at })
      return true
    },
    end (now) {
      // In the order of insertion, which is that of their ends.
      for (const [key, fold] of folds) {
        if (fold.endsAt > now) break
        finish(key, fold)
      }
      const told = ended
      ended = []
      return told
    }
  }
}

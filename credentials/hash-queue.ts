// Bounds the work of hashing, so that a flood of logins cannot take all memory and cores (ASVS 15.2.2).
import { refusal } from '../errors.ts'

export interface HashQueueLimits {
  /** How many run at once. */
  maxConcurrent: number
  /** How many may wait; the next one is refused at once. */
  maxQueued: number
  /** How long one may wait. */
  maxWaitSeconds: number
}

export interface HashQueue {
  /** What `work` gives, once a place is free; rejects with `unavailable` (503) when there is none in time. */
  run<T> (work: () => Promise<T>): Promise<T>
}

/** A first-in, first-out queue in front of a fixed number of places. */
export function createHashQueue ({ maxConcurrent, maxQueued, maxWaitSeconds }: HashQueueLimits): HashQueue {
  const waiting = new Set<() => void>()
  let running = 0

  function place (): Promise<void> {
    if (running < maxConcurrent) {
      running++
      return Promise.resolve()
    }
    if (waiting.size >= maxQueued) return Promise.reject(busy('the queue for password hashing is full'))
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        waiting.delete(enter)
        reject(busy('the wait for password hashing was too long'))
      }, maxWaitSeconds * 1000)
      waiting.add(enter)
    })
  }

  // The place is handed over, not freed and taken again: nobody can slip in between.
  function leave (): void {
    const [next] = waiting
    if (next === undefined) {
      running--
      return
    }
    waiting.delete(next)
    next()
  }

  return {
    async run (work) {
      await place()
      try {
        return await work()
      } finally {
        leave()
      }
    }
  }
}

function busy (reason: string): Error {
  return refusal('unavailable', { retryAfterSeconds: 1, reason })
}

// Forgetting what has ended: all of it, since more comes in than a store forgets at a time where many log in.
import { setImmediate } from 'node:timers/promises'

/** Prunes until nothing is left or `isStopped`. Between two times requests have their turn: SQLite keeps the process while it works. */
export async function pruneAll (store: { prune (now: Date): Promise<number> }, isStopped: () => boolean): Promise<void> {
  const now = new Date()
  while (!isStopped() && await store.prune(now) > 0) await setImmediate()
}

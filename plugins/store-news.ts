// What one process changed in the stores, told to the others: a hint to drop copies and to look, and nothing that anybody
// could gain by: a message that is forged makes a process ask its store, one that is lost is made up for by its next look.
import { randomUUID } from 'node:crypto'
import { isStoreChange, observedBy } from './store-changes.ts'
import type { Stores } from '../stores/ports.ts'
import type { SharedRedis } from './redis.ts'
import type { StoreChange } from './store-changes.ts'

const CHANNEL = 'changes'
const LONGEST_MESSAGE = 100_000

/** Publishes what is changed through `stores`, and tells their listeners what others have published. */
export function shareChanges (stores: Stores, redis: SharedRedis): void {
  const own = randomUUID()
  const changes = observedBy(stores)
  changes.onOwn((told) => { redis.publish(CHANNEL, JSON.stringify({ from: own, changes: told })) })
  redis.subscribe(CHANNEL, (message) => {
    const news = read(message)
    if (news !== null && news.from !== own) for (const change of news.changes) changes.tell(change)
  })
}

function read (message: string): { from: string; changes: StoreChange[] } | null {
  if (message.length > LONGEST_MESSAGE) return null
  try {
    const { from, changes } = JSON.parse(message) as { from?: unknown; changes?: unknown }
    return typeof from === 'string' && Array.isArray(changes) && changes.every(isStoreChange) ? { from, changes } : null
  } catch {
    return null
  }
}

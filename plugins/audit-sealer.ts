// Gives every record its place in the chain within a second of its being kept. Each process tries; the store lets one at a time.
import type { FastifyBaseLogger } from 'fastify'
import type { AuditStore } from '../stores/ports.ts'

const EVERY_MS = 500

/** Starts it; `stop` seals what is there and resolves when nothing of it is going on any more. */
export function createAuditSealer (store: Pick<AuditStore, 'seal'>, log: FastifyBaseLogger): { stop (): Promise<void> } {
  let stopped = false
  let failing = false
  let running: Promise<void> = Promise.resolve()

  async function sealAll (): Promise<void> {
    try {
      let isMore = true
      while (isMore) isMore = await store.seal() > 0
      failing = false
    } catch (error) {
      if (!failing) log.error({ err: error }, 'security events are not sealed yet')
      failing = true
    }
  }

  function next (): NodeJS.Timeout {
    return setTimeout(() => {
      running = sealAll().then(() => { if (!stopped) timer = next() })
    }, EVERY_MS).unref()
  }

  let timer = next()
  return {
    async stop () {
      stopped = true
      clearTimeout(timer)
      await running
      await sealAll()
    }
  }
}

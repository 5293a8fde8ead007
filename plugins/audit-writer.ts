// Writes records off the path of a request: in batches, in bounded memory, and again where the store did not answer.
import { recordOf } from './audit-records.ts'
import type { FastifyBaseLogger } from 'fastify'
import type { AuditStore } from '../stores/ports.ts'
import type { AuditSettings } from './audit-options.ts'
import type { AuditRecord, AuditSink, Told } from './audit-records.ts'

/** What {@link createAuditWriter} needs. */
export interface AuditWriterParts {
  readonly settings: AuditSettings
  /** `null`: nothing is kept. */
  readonly store: Pick<AuditStore, 'appendAll'> | null
  readonly log: FastifyBaseLogger
  levelOf (event: string): 'info' | 'warn'
  /** Told when there is room again. */
  onDropped (count: number): void
}

/** Takes what happened, and writes it a moment later. */
export interface AuditWriter {
  /** `kept`: the store has it already. */
  push (told: Told, kept: boolean): void
  /** Resolves when what was pushed is written; rejects where the store does not take it. */
  flush (): Promise<void>
}

const SOON_MS = 50
const AGAIN_MS = 1000
const BATCH = 500

export function createAuditWriter ({ settings: { toLog, toStore, sinks, maxQueued }, store, log, levelOf, onDropped }: AuditWriterParts): AuditWriter {
  let incoming: { told: Told; kept: boolean }[] = []
  const waiting: (AuditRecord & { at: Date })[] = []
  let dropped = 0
  let failing = false
  let sinkFailing = false
  let timer: NodeJS.Timeout | null = null
  let writing: Promise<void> | null = null

  function schedule (milliseconds: number): void {
    timer ??= setTimeout(() => {
      timer = null
      // What went wrong is in the log, and is tried again.
      write().catch(() => undefined)
    }, milliseconds).unref()
  }

  /** That something was dropped is not dropped in turn, or there would be no end to it. */
  function drop ({ event }: AuditRecord): void {
    if (event !== 'gatehouse_events_dropped') dropped += 1
  }

  /** A sink that throws keeps nothing from the others, nor from the store. */
  function send (sink: AuditSink, record: AuditRecord): void {
    try {
      if (typeof sink === 'function') sink(record)
      else if (sink.writableNeedDrain) drop(record)
      else sink.write(`${JSON.stringify(record)}\n`)
    } catch (error) {
      drop(record)
      if (!sinkFailing) log.error({ err: error }, 'a sink of security events fails')
      sinkFailing = true
    }
  }

  function spread (): void {
    const batch = incoming
    incoming = []
    for (const { told, kept } of batch) {
      const record = recordOf(told)
      if (toLog) log[levelOf(record.event)]({ audit: record }, record.event)
      for (const sink of sinks) send(sink, record)
      if (toStore && !kept) waiting.push({ ...record, at: new Date(told.at) })
    }
  }

  async function keep (): Promise<void> {
    while (store !== null && waiting.length > 0) {
      const batch = waiting.slice(0, BATCH)
      await store.appendAll(batch)
      waiting.splice(0, batch.length)
    }
  }

  async function write (): Promise<void> {
    // One at a time, or a batch would be written twice.
    writing ??= attempt().finally(() => { writing = null })
    await writing
  }

  async function attempt (): Promise<void> {
    spread()
    try {
      await keep()
      failing = false
    } catch (error) {
      if (!failing) log.error({ err: error, waiting: waiting.length }, 'security events are not kept yet')
      failing = true
      schedule(AGAIN_MS)
      throw error
    }
    if (dropped === 0) return
    const count = dropped
    dropped = 0
    onDropped(count)
  }

  return {
    push (told, kept) {
      if (incoming.length + waiting.length >= maxQueued) dropped += 1
      else incoming.push({ told, kept })
      schedule(SOON_MS)
    },
    async flush () {
      do await write()
      while (incoming.length > 0)
    }
  }
}

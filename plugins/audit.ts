// The audit log (ASVS 16, OWASP Logging): every security event that this service tells, as a record in its log, in its
// store, and wherever else it is wanted. What goes with a change is written by the change; the rest in batches.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import fp from 'fastify-plugin'
import { fault } from '../errors.ts'
import { isUnsafe } from '../guards/csrf.ts'
import { EVENT_CHANNEL, eventOrigin, isRecorded, levelOf, publishEvent, tellEvent } from '../guards/events.ts'
import { stateOf } from '../guards/state.ts'
import { createFolding } from './audit-folding.ts'
import { resolveAuditOptions } from './audit-options.ts'
import { createAuditSealer } from './audit-sealer.ts'
import { createAuditWriter } from './audit-writer.ts'
import { useGuards } from './guards.ts'
import type { FastifyInstance } from 'fastify'
import type { SecurityEvent, SecurityEventMessage } from '../guards/events.ts'
import type { CheckpointJwk } from '../credentials/audit-checkpoints.ts'
import type { AuditOptions } from './audit-options.ts'

export type { CheckpointJwk } from '../credentials/audit-checkpoints.ts'
export type { AuditOptions } from './audit-options.ts'
export type { AuditRecord, AuditSink } from './audit-records.ts'

/** A signed checkpoint, and the key that verifies it. */
export interface AuditCheckpoint {
  /** A compact JWS (RFC 7515) that says `seq`, `hash` and `iat`. */
  readonly checkpoint: string
  /** Keep it with the first checkpoint; it stays the same as long as the key file does. */
  readonly publicJwk: CheckpointJwk
}

/** What `app.audit` does. */
export interface Audit {
  /** Tells an event of your own, as plugins tell theirs; spread `app.eventOrigin(request)` into it where a request is the cause. Never put a secret in. */
  record (event: SecurityEvent): void
  /** Resolves when what was told so far is written; rejects where the store does not take it. */
  flush (): Promise<void>
  /** Where the chain stands, signed. Throws `GATEHOUSE_OPTION_INVALID` without `keyFile`. */
  checkpoint (): Promise<AuditCheckpoint>
}

declare module 'fastify' {
  interface FastifyInstance {
    audit: Audit
  }
  interface FastifyContextConfig {
    /** Whether uses of this route are recorded. @defaultValue as `audit.access` says */
    audit?: boolean
  }
}

async function auditPlugin (app: FastifyInstance, options: AuditOptions): Promise<void> {
  const hasStores = app.hasDecorator('stores')
  const settings = resolveAuditOptions(options, { hasStores })
  useGuards(app, options.guards)
  const { server, log } = app
  const store = hasStores ? app.stores.audit : null
  const sealer = store === null ? null : createAuditSealer(store, log)
  const folding = createFolding(settings.foldSeconds)
  const writer = createAuditWriter({
    settings, store, log, levelOf,
    onDropped: (count) => { tellEvent(server, { event: 'gatehouse_events_dropped', outcome: 'failure', details: { count } }) }
  })

  function hear (message: unknown): void {
    const { server: of, event, keptAs } = message as SecurityEventMessage
    if (of !== server || !isRecorded(event.event)) return
    const told = { event, at: Date.now() }
    if (keptAs !== null) writer.push(told, true)
    else if (folding.admit(told)) writer.push(told, false)
  }

  function unfold (now: number): void {
    for (const told of folding.end(now)) writer.push(told, false)
  }

  subscribe(EVENT_CHANNEL, hear)
  const unfolding = setInterval(() => { unfold(Date.now()) }, 1000).unref()

  // Told as they end, with their status; what the guards refused is an event already.
  app.addHook('onResponse', (request, reply, done) => {
    const { config } = request.routeOptions
    const isUsed = config.audit ?? (settings.access === 'all' || (settings.access === 'writes' && isUnsafe(request.method)))
    if (isUsed && !request.is404 && stateOf(request)?.passed !== false) {
      const { statusCode } = reply
      tellEvent(server, { ...eventOrigin(request), event: 'gatehouse_endpoint_used', outcome: statusCode < 400 ? 'success' : 'failure', details: { status: statusCode } })
    }
    done()
  })
  app.addHook('onRoute', ({ config, method, url }) => {
    const recorded: unknown = config?.audit
    if (recorded !== undefined && typeof recorded !== 'boolean') throw fault('GATEHOUSE_OPTION_INVALID', `${String(method)} ${url}: config.audit must be true or false`)
  })
  app.addHook('onReady', (done) => {
    tellEvent(server, { event: 'sys_startup', outcome: 'success' })
    done()
  })
  app.addHook('onClose', async () => {
    tellEvent(server, { event: 'sys_shutdown', outcome: 'success' })
    clearInterval(unfolding)
    unfold(Infinity)
    await writer.flush().catch((error: unknown) => { log.error({ err: error }, 'security events are lost') })
    unsubscribe(EVENT_CHANNEL, hear)
    await sealer?.stop()
  })

  const { keyFile } = settings
  const signer = keyFile === null ? null : await openSigner(keyFile)
  app.decorate('audit', Object.freeze<Audit>({
    record (event) { publishEvent({ server, event, keptAs: null }) },
    async flush () { await writer.flush() },
    async checkpoint () {
      if (signer === null || store === null) throw fault('GATEHOUSE_OPTION_INVALID', 'audit.keyFile is needed for checkpoints')
      const { head } = await store.chain()
      return { checkpoint: signer.sign(head), publicJwk: signer.publicJwk }
    }
  }))
}

async function openSigner (keyFile: string) {
  const [{ loadKeyFile }, { createCheckpointSigner }] = await Promise.all([import('../credentials/key-file.ts'), import('../credentials/audit-checkpoints.ts')])
  return await createCheckpointSigner(await loadKeyFile(keyFile))
}

/**
 * Decorates `app.audit`, and records every event that this service tells: in its log, and in `app.stores.audit` where `stores`
 * is registered before it. There records are numbered and hashed in a chain within a second (`verifyChain` reads it).
 * Register it after `stores` and before your routes.
 *
 * What happens to state is written in the transaction that changes it: it does not happen unrecorded. Other events are written a
 * moment later, at most `maxQueued` wait, and what is dropped is counted and recorded as `gatehouse_events_dropped`.
 * Registering fails with `GATEHOUSE_OPTION_INVALID`, and `GATEHOUSE_KEY_FILE_INVALID` for a key file that is none.
 *
 * @example
 * ```ts
 * await app.register(audit, { access: 'writes' })
 * app.get('/report', { onRequest: app.bearer, config: { audit: true } }, () => 'a report')
 * ```
 */
export const audit = fp(auditPlugin, { name: 'gatehouse-audit', fastify: '5.x' })

// Attacks that no single event shows, found in the stream of events of this process (ASVS 16.3): each is an event itself.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import fp from 'fastify-plugin'
import { EVENT_CHANNEL, tellEvent } from '../guards/events.ts'
import { assertKnownOptions } from '../guards/scheme-options.ts'
import type { FastifyInstance } from 'fastify'
import type { SecurityEventMessage } from '../guards/events.ts'

/** `detections` takes none. */
export type DetectionsOptions = Record<never, never>

async function detectionsPlugin (app: FastifyInstance, options: DetectionsOptions): Promise<void> {
  assertKnownOptions('detections', options, [])
  const { impossibleTravel, passwordSpraying, successAfterFailures, sweep } = await import('./detections-rules.ts')
  const rules = [passwordSpraying(), successAfterFailures(), sweep(), impossibleTravel()]
  const { server } = app

  function hear (message: unknown): void {
    const { server: of, event } = message as SecurityEventMessage
    if (of !== server) return
    const now = Date.now()
    for (const rule of rules) {
      const found = rule(event, now)
      if (found !== null) {
        app.log.warn({ event: found.event }, 'an attack may be going on')
        tellEvent(server, found)
      }
    }
  }

  subscribe(EVENT_CHANNEL, hear)
  app.addHook('onClose', (_app, done) => {
    unsubscribe(EVENT_CHANNEL, hear)
    done()
  })
}

/**
 * Watches the events of this service, and tells of four things: `gatehouse_password_spraying`, ten accounts that fail from one
 * address within ten minutes; `authn_login_successafterfail`, a login to an account that failed ten times within an hour;
 * `malicious_excess_404`, 30 requests in a minute from one address for what is not there, as `problems` tells;
 * `authn_impossible_travel`, one principal from two networks (/16, or /32 of IPv6) of the Internet within a minute.
 * Each process watches its own events, and keeps 10,000 addresses or accounts of each kind. Nobody is refused.
 *
 * @example
 * ```ts
 * await app.register(detections)
 * ```
 */
export const detections = fp(detectionsPlugin, { name: 'gatehouse-detections', fastify: '5.x' })

// Attempts through `inject`: no socket, an address of one's own each time, and a sight of whether the handler was entered.
import { setImmediate } from 'node:timers/promises'
import { subscribe } from 'node:diagnostics_channel'
import { EVENT_CHANNEL } from '../../guards/events.ts'
import type { FastifyInstance, FastifyRequest, InjectOptions } from 'fastify'
import type { SecurityEventMessage } from '../../guards/events.ts'
import type { AttackRequest, AttackResponse, AttackTransport } from './types.ts'

/** What Fastify tells of a handler (`tracing:fastify.request.handler:start` and `:error`). */
interface Entry { readonly request: FastifyRequest; readonly route: { readonly url: string }; readonly error?: unknown }

const entries = new WeakMap<object, string>()
/** What services told of refusals, by the id of the request. */
const told = new WeakMap<object, Map<string, string[]>>()
let isListening = false

function listen (server: object): void {
  told.set(server, told.get(server) ?? new Map<string, string[]>())
  if (isListening) return
  isListening = true
  subscribe('tracing:fastify.request.handler:start', (message) => {
    const { request, route } = message as Entry
    entries.set(request.raw, `${request.method} ${route.url}`)
  })
  // It begins with what the schema refused, too, and then is never entered.
  subscribe('tracing:fastify.request.handler:error', (message) => {
    const { request, error } = message as Entry
    if (typeof error === 'object' && error !== null && 'validation' in error) entries.delete(request.raw)
  })
  subscribe(EVENT_CHANNEL, note)
}

function note (message: unknown): void {
  const { server, event: { event, outcome, request_id: id } } = message as SecurityEventMessage
  if (outcome === 'failure' && typeof id === 'string') told.get(server)?.set(id, [...(told.get(server)?.get(id) ?? []), event])
}

/** What was told of the request that this answers, where the answer is a problem, which names it. */
function eventsOf (server: object, body: string): string[] | undefined {
  const [, id] = /"instance":"urn:request:([^"]+)"/.exec(body) ?? []
  if (id === undefined) return undefined
  const events = told.get(server)?.get(id) ?? []
  told.get(server)?.delete(id)
  return events
}

export function injectTransport (app: FastifyInstance): AttackTransport {
  listen(app.server)
  return {
    choosesAddress: true,
    async send ({ method, url, headers = {}, body, address }: AttackRequest): Promise<AttackResponse> {
      const options = { method, url, headers, ...(body === undefined ? {} : { payload: body }), ...(address === undefined ? {} : { remoteAddress: address }) }
      // A service that never gets back to its event loop would shed its load.
      await setImmediate()
      const response = await app.inject(options as InjectOptions)
      const events = eventsOf(app.server, response.body)
      return {
        status: response.statusCode,
        headers: Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, typeof value === 'number' ? String(value) : value])),
        body: response.body,
        entered: entries.get(response.raw.req) ?? null,
        ...(events === undefined ? {} : { events })
      }
    }
  }
}

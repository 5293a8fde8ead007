// Attempts through `inject`: no socket, an address of one's own each time, and a sight of whether the handler was entered.
import { subscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, FastifyRequest, InjectOptions } from 'fastify'
import type { AttackRequest, AttackResponse, AttackTransport } from './types.ts'

/** What Fastify tells of a handler (`tracing:fastify.request.handler:start` and `:error`). */
interface Entry { readonly request: FastifyRequest; readonly route: { readonly url: string }; readonly error?: unknown }

const entries = new WeakMap<object, string>()
let isListening = false

function listen (): void {
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
}

export function injectTransport (app: FastifyInstance): AttackTransport {
  listen()
  return {
    choosesAddress: true,
    async send ({ method, url, headers = {}, body, address }: AttackRequest): Promise<AttackResponse> {
      const options = { method, url, headers, ...(body === undefined ? {} : { payload: body }), ...(address === undefined ? {} : { remoteAddress: address }) }
      const response = await app.inject(options as InjectOptions)
      return {
        status: response.statusCode,
        headers: Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, typeof value === 'number' ? String(value) : value])),
        body: response.body,
        entered: entries.get(response.raw.req) ?? null
      }
    }
  }
}

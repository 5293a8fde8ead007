// Attempts over the network, byte for byte as they are meant: `fetch` would tidy up paths and join headers. At a bounded rate.
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { setTimeout as wait } from 'node:timers/promises'
import type { IncomingMessage } from 'node:http'
import type { AttackRequest, AttackResponse, AttackTransport } from './types.ts'

/** How an address is attacked. */
export interface NetworkOptions {
  /** Requests a second, one after the other. @defaultValue 20 */
  readonly perSecond?: number
  /** Seconds that an answer may take. @defaultValue 10 */
  readonly timeoutSeconds?: number
}

const MOST_BYTES = 1_048_576

/** A transport to `origin`, such as `http://127.0.0.1:3000`. It follows no redirect and sends one request at a time. */
export function networkTransport (origin: string, { perSecond = 20, timeoutSeconds = 10 }: NetworkOptions = {}): AttackTransport {
  const { protocol, hostname, port } = new URL(origin)
  const send = protocol === 'https:' ? requestHttps : requestHttp
  let next = 0
  let queue: Promise<unknown> = Promise.resolve()

  async function take ({ method, url, headers = {}, body }: AttackRequest): Promise<AttackResponse> {
    await wait(Math.max(0, next - performance.now()))
    next = performance.now() + 1000 / perSecond
    return await new Promise((resolve, reject) => {
      const asked = send({ hostname, port, method, path: url, headers: headers as Record<string, string | string[]>, agent: false, signal: AbortSignal.timeout(timeoutSeconds * 1000) }, (response) => {
        read(response).then((text) => { resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }) }, reject)
      })
      asked.on('error', reject)
      asked.end(body)
    })
  }

  return {
    choosesAddress: false,
    send (request) {
      const sent = queue.then(() => take(request))
      queue = sent.catch(() => undefined)
      return sent
    }
  }
}

async function read (response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length <= MOST_BYTES) chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

// Attempts over the network, byte for byte as they are meant: `fetch` would tidy up paths and join headers. At a bounded rate.
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { setTimeout as wait } from 'node:timers/promises'
import { Skipped } from './attempt.ts'
import type { IncomingMessage } from 'node:http'
import type { AttackRequest, AttackResponse, AttackTransport } from './types.ts'

/** How an address is attacked. */
export interface NetworkOptions {
  /** Requests a second, one after the other. @defaultValue 20 */
  readonly perSecond?: number
  /** Seconds that an answer may take. @defaultValue 10 */
  readonly timeoutSeconds?: number
  /** The longest `Retry-After` in seconds that is waited for; behind a longer one the attempt is skipped. @defaultValue 0 */
  readonly waitSeconds?: number
}

const MOST_BYTES = 1_048_576
/** Requests without an answer, one after the other, behind which nobody is there any more. */
const MOST_UNANSWERED = 5
/** Nobody is there at all. */
const absent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

/**
 * A transport to `target`, such as `http://127.0.0.1:3000`, whose path stands before that of each request. It follows no
 * redirect and sends one request at a time.
 */
export function networkTransport (target: string, { perSecond = 20, timeoutSeconds = 10, waitSeconds = 0 }: NetworkOptions = {}): AttackTransport {
  const { protocol, hostname, port, pathname } = new URL(target)
  const place = { hostname: hostname.replace(/^\[|\]$/g, ''), port, agent: false }
  const prefix = pathname.replace(/\/$/, '')
  const send = protocol === 'https:' ? requestHttps : requestHttp
  let next = 0
  let unanswered = 0
  let queue: Promise<unknown> = Promise.resolve()

  async function ask ({ method, url, headers = {}, body }: AttackRequest): Promise<AttackResponse> {
    await wait(Math.max(0, next - performance.now()))
    next = performance.now() + 1000 / perSecond
    return await new Promise((resolve, reject) => {
      const asked = send({ ...place, method, path: `${prefix}${url}`, headers: headers as Record<string, string | string[]>, signal: AbortSignal.timeout(timeoutSeconds * 1000) }, (response) => {
        read(response).then((text) => { resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }) }, reject)
      })
      asked.on('error', reject)
      asked.end(body)
    })
  }

  /** That nobody answers one request says nothing of whether it was let in; that nobody answers any more ends it. */
  async function answerTo (request: AttackRequest): Promise<AttackResponse> {
    try {
      const response = await ask(request)
      unanswered = 0
      return response
    } catch (error) {
      unanswered += 1
      const code = codeOf(error)
      if (absent.has(code) || unanswered >= MOST_UNANSWERED) throw error
      throw new Skipped(`no answer: ${code}`)
    }
  }

  async function take (request: AttackRequest): Promise<AttackResponse> {
    const response = await answerTo(request)
    const seconds = pauseOf(response)
    if (seconds === null) return response
    if (seconds > waitSeconds) throw new Skipped(`the service takes no more requests for now: ${String(response.status)}`)
    await wait(seconds * 1000)
    const second = await answerTo(request)
    if (pauseOf(second) !== null) throw new Skipped(`the service takes no more requests for now: ${String(second.status)}`)
    return second
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

/** The seconds to wait where it says so (RFC 9110 §10.2.3); a limit met on the way says nothing of what was asked. */
function pauseOf ({ status, headers }: AttackResponse): number | null {
  const told = [headers['retry-after'] ?? []].flat()[0]
  if ((status !== 429 && status !== 503) || told === undefined) return null
  const seconds = /^\d{1,9}$/.test(told) ? Number(told) : (Date.parse(told) - Date.now()) / 1000
  return Number.isNaN(seconds) ? null : Math.max(0, seconds)
}

function codeOf (error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
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

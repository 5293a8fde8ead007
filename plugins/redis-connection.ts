// One connection to Redis that nobody waits for longer than agreed. It is up while Redis takes writes in time, which it
// proves once a second; whatever is asked of one that is down fails at once, and a connection that hangs is replaced.
import { setImmediate as afterInput } from 'node:timers'
import type { Redis, RedisOptions } from 'ioredis'
import { fault, refusal } from '../errors.ts'
import type { RedisSettings } from './redis-options.ts'

/** What {@link openConnection} needs beside the settings. */
export interface ConnectionParts {
  /** What proves that the connection is of use. */
  probe (client: Redis): Promise<unknown>
  /** Called when it comes up, and again each time that it does. */
  onUp (): void
  /** Called when it goes down, with what the driver said; at the start too, where nobody answers. */
  onDown (reason: string): void
}

export interface Connection {
  readonly client: Redis
  isUp (): boolean
  /** The answer to `ask`; rejects with `unavailable` where Redis is down, fails or does not answer in time. */
  run<T> (ask: (client: Redis) => Promise<T>): Promise<T>
  close (): void
}

const PROBE_EVERY_MS = 1000
const LONGEST_PAUSE_MS = 1000

/** Opens it, and waits for the first answer or for the first failure; it goes on trying by itself. */
export async function openConnection ({ url, timeoutMilliseconds }: RedisSettings, { probe, onUp, onDown }: ConnectionParts): Promise<Connection> {
  const client = new (await loadDriver())(url, driverOptions(timeoutMilliseconds))
  let [up, closing, silentTicks] = [false, false, 0]
  let reason = 'no connection'
  let proving: Promise<void> | null = null

  function fall (error?: unknown): void {
    if (error !== undefined) reason = textOf(error)
    up = false
    if (!closing) onDown(reason)
  }

  async function tryProbe (): Promise<void> {
    try {
      await inTime(probe(client), timeoutMilliseconds)
      if (!up && !closing) {
        up = true
        onUp()
      }
    } catch (error) {
      fall(error)
      // Nothing that is still to come on it can be waited for.
      if (error instanceof TimeoutError && !closing) client.disconnect(true)
    }
  }

  async function prove (): Promise<void> {
    if (client.status !== 'ready') return
    proving ??= tryProbe().finally(() => { proving = null })
    await proving
  }

  /** A server that takes a connection and says nothing on it has no time-out in the driver. */
  function tick (): void {
    silentTicks = client.status === 'ready' ? 0 : silentTicks + 1
    if (silentTicks * PROBE_EVERY_MS > 2 * timeoutMilliseconds) {
      silentTicks = 0
      client.disconnect(true)
    }
    void prove()
  }

  client.on('error', (error: unknown) => { reason = textOf(error) })
  client.on('close', () => { fall() })
  client.on('ready', () => { void prove() })
  const timer = setInterval(tick, PROBE_EVERY_MS).unref()
  // Of a first attempt that hangs there is nothing to hear but the time.
  await inTime(client.connect(), timeoutMilliseconds).then(prove, fall)

  return {
    client,
    isUp: () => up,

    async run (ask) {
      if (!up) throw unavailable(reason)
      try {
        return await inTime(ask(client), timeoutMilliseconds)
      } catch (error) {
        fall(error)
        throw unavailable(textOf(error))
      }
    },

    close () {
      closing = true
      clearInterval(timer)
      client.disconnect()
    }
  }
}

function driverOptions (timeoutMilliseconds: number) {
  return {
    lazyConnect: true,
    connectTimeout: timeoutMilliseconds,
    disconnectTimeout: timeoutMilliseconds,
    connectionName: 'gatehouse',
    // Nothing waits for a connection, and what may have been counted already is not sent again.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
    retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 10), LONGEST_PAUSE_MS)
  } satisfies RedisOptions
}

class TimeoutError extends Error {
  override name = 'TimeoutError'
}

function inTime<T> (answer: Promise<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    // What came in while this process was busy is read before the verdict: that was not Redis' fault.
    const timer = setTimeout(() => { afterInput(() => { reject(new TimeoutError('no answer in time')) }) }, milliseconds)
    answer.then(resolve, reject).finally(() => { clearTimeout(timer) })
  })
}

/** The driver's errors carry the command that failed with its arguments, which may be a password: the text alone is passed on. */
function textOf (error: unknown): string {
  if (!(error instanceof Error)) return 'the driver failed'
  const { code } = error as { code?: unknown }
  return error.message !== '' ? error.message : typeof code === 'string' ? code : error.name
}

function unavailable (text: string): Error {
  return refusal('unavailable', { retryAfterSeconds: 1, reason: `Redis: ${text}` })
}

async function loadDriver (): Promise<typeof Redis> {
  try {
    return (await import('ioredis')).Redis
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') throw fault('GATEHOUSE_PEER_MISSING', 'redis needs it: npm install ioredis')
    throw error
  }
}

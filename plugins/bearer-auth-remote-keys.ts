// The keys of an issuer that may be slow, down or gone: they are fetched apart from requests, so that a known key is
// found at once. A set replaces the one before it as a whole; an unknown name makes one request to the issuer, then
// none for a while; and keys that could not be confirmed verify no longer than a stated time.
import { createKeyring } from '../credentials/jwt-keyring.ts'
import { refusal } from '../errors.ts'
import type { FastifyBaseLogger } from 'fastify'
import type { PublishedKeys } from '../credentials/jwt-key-set.ts'
import type { RingKey } from '../credentials/jwt-keyring.ts'
import type { NamedKey, VerificationKey } from '../credentials/jwt-keys.ts'
import type { JwtHeader } from '../credentials/jwt-parse.ts'
import type { SignatureCheck } from '../credentials/jwt-verifiers.ts'
import type { Awaitable } from '../guards/principal.ts'

/** How long what was fetched counts, and how long fetching may take, in seconds. */
export interface KeyCacheSettings {
  readonly maxAgeSeconds: number
  readonly maxStaleSeconds: number
  readonly cooldownSeconds: number
  readonly timeoutSeconds: number
}

/** Keys that somebody else publishes, as they were last seen. */
export interface RemoteKeys {
  /**
   * The key that the header means, at once where it is known; `null` where the issuer has no such key.
   * @throws `unavailable` where the issuer could not be asked for it.
   */
  find (header: Pick<JwtHeader, 'kid' | 'algorithm'>): Awaitable<RingKey | null>
  /** Fetches the keys, and goes on doing so; nobody waits for it. */
  start (): void
  /** Ends all requests, and makes no more. */
  close (): void
}

export interface RemoteKeysOptions {
  readonly settings: KeyCacheSettings
  readonly log: FastifyBaseLogger
  fetchKeys (signal: AbortSignal): Promise<PublishedKeys>
  createCheck (key: VerificationKey): SignatureCheck
}

type FindKey = ReturnType<typeof createKeyring>

export function createRemoteKeys ({ settings, log, fetchKeys, createCheck }: RemoteKeysOptions): RemoteKeys {
  let known: ReadonlyMap<string, RingKey> = new Map()
  let findKnown: FindKey = () => null
  let [confirmedAt, triedAt, failed] = [-Infinity, -Infinity, true]
  let refreshing: Promise<void> | null = null
  let abort: AbortController | null = null
  let timer: NodeJS.Timeout | undefined
  let closed = false

  // By a clock that nobody sets back.
  const isWithin = (since: number, seconds: number): boolean => performance.now() - since < seconds * 1000

  async function fetchOnce (): Promise<void> {
    triedAt = performance.now()
    const controller = abort = new AbortController()
    const limit = setTimeout(() => { controller.abort(new Error(`no answer in ${String(settings.timeoutSeconds)} s`)) }, settings.timeoutSeconds * 1000)
    try {
      replace(await fetchKeys(controller.signal))
    } catch (err) {
      failed = true
      if (!closed) log.warn({ err, usable: isWithin(confirmedAt, settings.maxStaleSeconds) }, 'the keys of the issuer could not be fetched')
    } finally {
      clearTimeout(limit)
    }
  }

  /** A key that is still there stays the same object: what it has verified is not verified again. */
  function replace ({ keys, ignored }: PublishedKeys): void {
    const next = new Map(keys.map((key) => {
      const identity = identityOf(key)
      return [identity, known.get(identity) ?? { kid: key.kid, algorithm: key.algorithm, check: createCheck(key) }] as const
    }))
    const changed = next.size !== known.size || [...next.keys()].some((identity) => !known.has(identity))
    if (failed || changed) log.info({ kids: keys.map(({ kid }) => kid), ignored }, 'the issuer publishes these keys')
    known = next
    findKnown = createKeyring([...next.values()])
    confirmedAt = triedAt
    failed = false
  }

  function refresh (): Promise<void> {
    refreshing ??= fetchOnce().finally(() => {
      refreshing = null
      clearTimeout(timer)
      if (!closed) timer = setTimeout(() => { void refresh() }, (failed ? settings.cooldownSeconds : settings.maxAgeSeconds) * 1000).unref()
    })
    return refreshing
  }

  function conclude (header: Pick<JwtHeader, 'kid' | 'algorithm'>): RingKey | null {
    const key = isWithin(confirmedAt, settings.maxStaleSeconds) ? findKnown(header) : null
    if (key === null && failed) throw refusal('unavailable', { retryAfterSeconds: settings.cooldownSeconds, reason: 'the keys of the issuer could not be had' })
    return key
  }

  return {
    find (header) {
      if (isWithin(confirmedAt, settings.maxStaleSeconds)) {
        const key = findKnown(header)
        if (key !== null) return key
      }
      if (closed || (refreshing === null && isWithin(triedAt, settings.cooldownSeconds))) return conclude(header)
      return refresh().then(() => conclude(header))
    },
    start () { void refresh() },
    close () {
      closed = true
      clearTimeout(timer)
      abort?.abort()
    }
  }
}

function identityOf ({ kid, algorithm, key }: NamedKey): string {
  return JSON.stringify([kid, algorithm, key.export({ type: 'spki', format: 'der' }).toString('base64')])
}

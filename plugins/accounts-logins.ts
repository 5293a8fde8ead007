// Whether a password that was right may be told so (NIST SP 800-63B 3.2.2, OWASP Authentication): an account whose
// password was wrong several times waits, ever longer, and is closed at last. It is judged after the hash, by the write that
// counts it: who waits costs the same hash and gets the same answer, and of guesses in parallel no more are told than
// one after the other.
import { createHmac, randomBytes } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { EventOrigin } from '../guards/events.ts'
import type { LoginDelay, Stores } from '../stores/ports.ts'

/** Failures in a row after which nothing but an administrator opens an account. */
export const LOCK_AFTER = 100
/** From the third failure on 1 second, doubled by each that follows, up to a quarter of an hour. */
const DELAYS: readonly LoginDelay[] = Array.from({ length: 11 }, (_, doublings) => ({ from: 3 + doublings, seconds: Math.min(2 ** doublings, 900) }))
/** Names that nobody has share so many keys: they cost the same, and no number of them makes the table grow. */
const NOBODIES = 1024
/** Failures over all accounts, in this process and a minute, that are told of. */
export const MANY_FAILURES = 300
const WINDOW_SECONDS = 60

/** A login that was tried. */
export interface LoginTry {
  /** Of the account that has the name; `null` where none has. */
  readonly id: string | null
  readonly username: string
  /** Of the request, for the events. */
  readonly origin?: EventOrigin | undefined
}

/** Why a login is refused: told in the audit log, never to whoever tries. */
export type LoginRefusal = 'wrong_password' | 'account_waiting' | 'account_locked'

export interface LoginDefence {
  /** Counts a login; `null` where it may be let in, which takes a password that was right. */
  admit (login: LoginTry, right: boolean): Promise<LoginRefusal | null>
  /** The same for the current password of whoever is logged in already: apart, so that strangers cannot keep them from changing it. */
  admitChange (change: { id: string; origin?: EventOrigin | undefined }, right: boolean): Promise<LoginRefusal | null>
  /** Which of these accounts are locked, for logins or for changes. */
  lockedAmong (ids: readonly string[]): Promise<ReadonlySet<string>>
  /** Lets an account try at once, whatever happened before. */
  unlock (id: string, origin?: EventOrigin): Promise<void>
}

/** What keeps guessers of passwords from accounts, over `stores`. */
export function createLoginDefence (stores: Stores, log: FastifyBaseLogger): LoginDefence {
  const bucketKey = randomBytes(32)
  let window = { endsAt: 0, failures: 0 }

  function bucketOf (username: string): string {
    const bucket = createHmac('sha256', bucketKey).update(username).digest().readUInt32BE() % NOBODIES
    return `nobody ${String(bucket)}`
  }

  /** Nobody is locked out by it. */
  async function noteFailure (origin: EventOrigin): Promise<void> {
    const now = Date.now()
    if (now >= window.endsAt) window = { endsAt: now + WINDOW_SECONDS * 1000, failures: 0 }
    window.failures += 1
    if (window.failures !== MANY_FAILURES) return
    log.warn({ failures: MANY_FAILURES, windowSeconds: WINDOW_SECONDS }, 'many logins fail')
    await stores.audit.append({ ...origin, event: 'authn_login_fail_max', outcome: 'failure', details: { failures: MANY_FAILURES, window_seconds: WINDOW_SECONDS } })
  }

  async function lock (key: string, { id, origin }: { id: string; origin: EventOrigin }): Promise<void> {
    const isLocked = await stores.transaction(async ({ loginAttempts, audit }) => {
      if (!await loginAttempts.lock(key, { failures: LOCK_AFTER })) return false
      await audit.append({ ...origin, event: 'authn_login_lock', outcome: 'failure', target: id, reason: 'max_failures', details: { failures: LOCK_AFTER } })
      return true
    })
    if (isLocked) log.warn({ subject: id, failures: LOCK_AFTER }, 'an account is locked')
  }

  async function settle (key: string, { id, origin = {} }: Omit<LoginTry, 'username'>, right: boolean): Promise<LoginRefusal | null> {
    const { counts, failures, locked } = await stores.loginAttempts.settle({ key, right, now: new Date(), delays: DELAYS })
    if (counts && right) return null
    if (counts && id !== null && failures >= LOCK_AFTER) await lock(key, { id, origin })
    await noteFailure(origin)
    return counts ? 'wrong_password' : locked ? 'account_locked' : 'account_waiting'
  }

  return {
    admit: (login, right) => settle(login.id ?? bucketOf(login.username), login, right),

    admitChange: (change, right) => settle(changeOf(change.id), change, right),

    async lockedAmong (ids) {
      const found = await stores.loginAttempts.find(ids.flatMap((id) => [id, changeOf(id)]))
      const locked = new Set(found.filter((attempts) => attempts.locked).map(({ key }) => key))
      return new Set(ids.filter((id) => locked.has(id) || locked.has(changeOf(id))))
    },

    async unlock (id, origin) {
      await stores.transaction(async ({ loginAttempts, audit }) => {
        const reset = [await loginAttempts.reset(id), await loginAttempts.reset(changeOf(id))]
        if (reset.includes(true)) await audit.append({ ...origin, event: 'authn_login_unlock', outcome: 'success', target: id })
      })
    }
  }
}

/** What the guesses at a change of the password are counted by. */
function changeOf (id: string): string {
  return `change ${id}`
}

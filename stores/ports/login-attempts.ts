// Failed logins in a row.

/** How long a key waits. */
export interface LoginDelay {
  /** After so many failures in a row, and more. */
  from: number
  /** Until an attempt counts again; where several apply, the longest. */
  seconds: number
}

/** What a password turned out to be, before anybody is told. */
export interface LoginVerdict {
  /** Whose attempts are counted together. */
  key: string
  /** Whether it lets in. */
  right: boolean
  /** The moment that everything is judged by. */
  now: Date
  /** How long the key waits after failures in a row. */
  delays: readonly LoginDelay[]
}

/** What became of a verdict. */
export interface LoginOutcome {
  /** Whether it may be told; where not, right is refused as wrong is. */
  counts: boolean
  /** In a row, with this one. */
  failures: number
  /** Whether it does not count because the key is locked. */
  locked: boolean
}

/** What is known of a key since its last success. */
export interface LoginAttempts {
  /** Whose attempts they are. */
  key: string
  /** All that were made, those that did not count too; it stops at a million. */
  attempts: number
  /** Those that counted, and were wrong. */
  failures: number
  /** Whether only `reset` lets it try again. */
  locked: boolean
  /** RFC 3339, UTC: when the last delay ends, or ended. */
  retry_at: string | null
}

/** Failed logins in a row, by whatever names them. */
export interface LoginAttemptStore {
  /**
   * Counts an attempt and says whether its verdict may be told, in one conditional write. A key that waits or is locked
   * keeps its failures and its delay. Else wrong is one failure more, and right ends them all. Of any number of parallel
   * callers each is counted, and none learns a verdict that did not count.
   */
  settle (verdict: LoginVerdict): Promise<LoginOutcome>
  /** Whether this call locked the key: one that was not locked and has so many failures. */
  lock (key: string, options: { failures: number }): Promise<boolean>
  /** Forgets what a key is known for, and unlocks it; whether there was anything. */
  reset (key: string): Promise<boolean>
  /** Of these keys, those with an attempt since their last success. */
  find (keys: readonly string[]): Promise<LoginAttempts[]>
}

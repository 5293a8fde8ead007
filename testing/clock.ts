// A clock that a test moves: everything that asks `Date` for the time, in this process, sees it.

/** What {@link testClock} answers with. */
export interface TestClock {
  /** Moves the clock forward. */
  advance (seconds: number): void
  /** Puts the clock back to what it was; call it when the test ends. */
  restore (): void
}

/**
 * Takes the place of `Date` in this process; it begins now and runs on, or stands still between two calls of `advance` where
 * it is `stopped`. Tokens, sessions, keys and the windows of limits
 * expire when it is moved. Timers are not touched, so nothing that waits is woken and nothing hangs; mocked timers of a
 * runner freeze what a service has to wait for.
 *
 * @example
 * ```ts
 * const clock = testClock()
 * try {
 *   clock.advance(3600)
 * } finally {
 *   clock.restore()
 * }
 * ```
 */
export function testClock ({ stopped = false }: { stopped?: boolean } = {}): TestClock {
  const Real = Date
  const start = Real.now()
  const now = (): number => (stopped ? start : Real.now()) + ahead
  let ahead = 0
  class Moved extends Real {
    constructor (...given: unknown[]) {
      super(...(given.length === 0 ? [now()] : given) as [number])
    }

    static override now (): number {
      return now()
    }
  }
  globalThis.Date = Moved as DateConstructor
  return {
    advance (seconds) { ahead += seconds * 1000 },
    restore () { globalThis.Date = Real }
  }
}

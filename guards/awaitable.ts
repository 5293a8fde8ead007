// Now or later, without a promise where the answer is there already.
import type { Awaitable } from './principal.ts'

/** Whether a callback's answer comes later; any thenable counts, as query builders return their own. */
export function isPromise<T> (value: Awaitable<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** What `next` makes of `value`: at once when `value` is there, else as a promise. */
export function chain<T, U> (value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return isPromise(value) ? value.then(next) : next(value)
}

// Now or later, without a promise where the answer is there already.
import type { Awaitable } from './principal.ts'

/** Whether a callback's answer comes later; any thenable counts, as query builders are ones. */
export function isPromise<T> (value: Awaitable<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/**
 * What `next` makes of `value`: at once when `value` is there, else as a promise. A foreign thenable is made a promise
 * first: what its own `then` returns, and how often it calls back, is nothing to build on.
 */
export function chain<T, U> (value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return isPromise(value) ? Promise.resolve(value).then(next) : next(value)
}

// What a service depends on, up or down: one event and one line in the log at each change.
import { channel } from 'node:diagnostics_channel'
import type { FastifyBaseLogger } from 'fastify'
import type { TellState } from '../stores/outage.ts'

/** What is published on the channel `gatehouse:dependency` of `node:diagnostics_channel`. */
export interface DependencyChange {
  /** `postgresql`, `sqlite` or `redis`. */
  readonly name: string
  /** `down` where it does not answer, or where nothing can be written; a service starts with what is `up`. */
  readonly state: 'up' | 'down'
}

const changes = channel('gatehouse:dependency')
const states = new Map<string, DependencyChange['state']>()

/** Tells whoever counts outages. */
export function publishDependency (change: DependencyChange): void {
  states.set(change.name, change.state)
  changes.publish(change)
}

/** What this process depends on, as it was told last: whoever listens from now on has missed what was told before. */
export function knownDependencies (): DependencyChange[] {
  return [...states].map(([name, state]) => ({ name, state }))
}

/** What begins is up until it is told to be down; that is no change to tell. */
export function expectDependency (name: string): void {
  states.set(name, 'up')
}

/** Takes what is heard of a dependency, and tells what changed. */
export function watchDependency (name: string, log: FastifyBaseLogger): TellState {
  let isUp = true
  expectDependency(name)
  return function tell (isUpNow, cause) {
    if (isUpNow === isUp) return
    isUp = isUpNow
    const change: DependencyChange = { name, state: isUp ? 'up' : 'down' }
    if (isUp) log.info(change, 'a dependency works again')
    else log.error({ ...change, err: cause }, 'a dependency fails')
    publishDependency(change)
  }
}

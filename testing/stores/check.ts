// What the checks of the stores share; they stand on node:assert, so that any runner can run them.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createApiKey } from '../../credentials/api-keys.ts'
import type { NewStoredApiKey, NewUser, Page, Stores } from '../../stores/ports.ts'

/** One thing that stores must do. */
export interface StoreCheck {
  /** What it is; it begins with the requirement that it holds, where there is one. */
  title: string
  /**
   * Rejects when `stores`, which are empty, do not do it. `others` are more connections to the same database: parallel
   * calls are dealt out to all of them, so that a race is one between connections.
   */
  check (stores: Stores, others?: readonly Stores[]): Promise<void>
}

export function storeCheck (title: string, body: (stores: Stores, all: readonly Stores[]) => Promise<void>): StoreCheck {
  return { title, check: (stores, others = []) => body(stores, [stores, ...others]) }
}

export const HASH = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$dGFn'
export const ABSENT = '01900000-0000-7000-8000-000000000000'
export const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
export const DAY_MS = 24 * 60 * 60 * 1000

export const userOf = (username: string, roles: readonly string[] = ['editor']): NewUser =>
  ({ username, email: `${username}@mail.example`, passwordHash: HASH, roles })

export function keyOf (owner: string, more: Partial<NewStoredApiKey> = {}): NewStoredApiKey {
  const { id, digest, hint } = createApiKey()
  return { id, digest, hint, owner, name: 'ci', scopes: ['items:read'], ...more }
}

/** As a token or a session is kept. */
export const digestOf = (text: string = randomBytes(32).toString('hex')): string => createHash('sha256').update(text).digest('base64url')

export const inSeconds = (seconds: number, from: Date = new Date()): Date => new Date(from.getTime() + seconds * 1000)

/** Follows `next` to the end. */
export async function allOf<T> (list: (cursor?: string) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = []
  let cursor: string | undefined
  do {
    const page: Page<T> = await list(cursor)
    items.push(...page.items)
    cursor = page.next
  } while (cursor !== undefined)
  return items
}

/** Runs `count` calls at once, over all connections. */
export async function inParallel<T> (all: readonly Stores[], count: number, call: (stores: Stores, index: number) => Promise<T>): Promise<T[]> {
  return await Promise.all(Array.from({ length: count }, (_, index) => {
    const stores = all[index % all.length]
    assert.ok(stores)
    return call(stores, index)
  }))
}

/** That the call is refused, with these members. */
export async function assertRefused (call: Promise<unknown>, expected: Record<string, unknown>, title?: string): Promise<void> {
  const error: unknown = await call.then(() => null, (error: unknown) => error)
  assert.ok(error instanceof Error, title ?? 'it is refused')
  for (const [name, value] of Object.entries(expected)) assert.deepEqual(Reflect.get(error, name), value, `${title ?? error.message}: ${name}`)
}

/** That the refusal is a `validation` of one field, wherever that stands. */
export async function assertInvalid (call: Promise<unknown>, where: Record<string, string>, title?: string): Promise<void> {
  const error: unknown = await call.then(() => null, (error: unknown) => error)
  assert.ok(error instanceof Error && 'errors' in error && 'code' in error && Array.isArray(error.errors), title ?? 'it is refused with its errors')
  assert.equal(error.code, 'validation', title)
  const { detail, ...place } = error.errors[0] as Record<string, unknown>
  assert.deepEqual(place, where, title)
  assert.equal(typeof detail, 'string')
}

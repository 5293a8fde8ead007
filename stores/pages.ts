// Lists in pages: a cursor is the id of the last row, so that a page costs the same however far down it is.
import { sql } from 'kysely'
import type { Expression, RawBuilder, SqlBool } from 'kysely'
import { refusal } from '../errors.ts'
import type { Page } from './ports.ts'

const DEFAULT_LIMIT = 20
const MAX_LIMIT = 100

/** How many rows one statement deletes at most: others wait for it. */
export const PRUNED_AT_ONCE = 1000

/** `limit`, or its default; throws `validation` outside 1 to 100. */
export function limitOf (limit: number = DEFAULT_LIMIT): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit
  throw wrongParameter('limit', `must be a whole number from 1 to ${MAX_LIMIT}`)
}

/** The id in a cursor; throws `validation` when it is not one that `form` allows, written as we write it. */
export function cursorId (cursor: string, form: RegExp): string {
  const id = Buffer.from(cursor, 'base64url').toString('latin1')
  if (form.test(id) && cursorOf(id) === cursor) return id
  throw wrongParameter('cursor', 'must be the "next" of another page')
}

/** That a row stands after another one, newest first: `last` selects `created_at` and `id` of that one, whose id is random. */
export function isAfter (last: Expression<{ created_at: string; id: string }>): RawBuilder<SqlBool> {
  return sql<SqlBool>`(created_at, id) < ${last}`
}

/** The page in `rows`, of which one more than `limit` was asked for. */
export function pageOf<Row extends { id: string }, T> (rows: readonly Row[], limit: number, read: (row: Row) => T): Page<T> {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const items = shown.map(read)
  return last === undefined || rows.length <= limit ? { items } : { items, next: cursorOf(last.id) }
}

/** Whether one of the columns contains `text`, in which `%` and `_` mean themselves. */
export function contains (columns: readonly Expression<unknown>[], text: string): RawBuilder<SqlBool> {
  // Of the cases only those of ASCII are one: `lower` of our columns knows no others on either engine.
  const pattern = `%${text.replace(/[\\%_]/g, '\\$&').replace(/[A-Z]/g, (letter) => letter.toLowerCase())}%`
  return sql<SqlBool>`(${sql.join(columns.map((column) => sql`lower(${column}) like ${pattern} escape '\\'`), sql` or `)})`
}

function cursorOf (id: string): string {
  return Buffer.from(id, 'latin1').toString('base64url')
}

function wrongParameter (parameter: string, detail: string): Error {
  return refusal('validation', { errors: [{ parameter, in: 'query', detail }] })
}

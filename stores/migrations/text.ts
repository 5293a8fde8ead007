import { sql } from 'kysely'
import type { Kysely, RawBuilder } from 'kysely'
import { isPostgres } from '../engine.ts'

/** Text that is ordered by its bytes: a database's own order may take two of our ids for one another's neighbours. */
export function textOf (db: Kysely<unknown>): RawBuilder<unknown> {
  return isPostgres(db) ? sql`text collate "C"` : sql`text`
}

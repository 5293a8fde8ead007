// What happened, in SQL. An id begins with its time, so that the newest first, and a span of time, are a walk along the ids.
// Events come in any order and are never changed; the chain over them is written a moment later, by one writer at a time.
import { sql } from 'kysely'
import type { Kysely, Selectable } from 'kysely'
import { CHAIN_START, hashOfRecord } from '../credentials/audit-chain.ts'
import { atomically } from './engine.ts'
import { cursorId, limitOf, pageOf, PRUNED_AT_ONCE } from './pages.ts'
import type { AuditChainState, AuditCut, AuditEvent, AuditQuery, AuditStore, NewAuditEvent, SealedAuditEvent } from './ports.ts'
import type { AuditEventTable, Database } from './tables.ts'
import { firstUuidV7, pastUuidsV7, timeOfUuidV7, UUID_V7, uuidV7 } from './uuid-v7.ts'

const COLUMNS = ['id', 'event', 'outcome', 'actor', 'scheme', 'target', 'ip', 'method', 'route', 'request_id', 'reason', 'details'] as const
const SEALED_AT_ONCE = 500
const ADDED_AT_ONCE = 500

export function createAuditStore (db: Kysely<Database>): AuditStore {
  async function find ({ event, actor, request_id, from, to, cursor }: AuditQuery, size: number, target?: string): Promise<EventRow[]> {
    let query = db.selectFrom('audit_events').select(COLUMNS).orderBy('id', 'desc').limit(size + 1)
    if (cursor !== undefined) query = query.where('id', '<', cursorId(cursor, UUID_V7))
    if (event !== undefined) query = query.where('event', '=', event)
    if (actor !== undefined) query = query.where('actor', '=', actor)
    if (target !== undefined) query = query.where('target', '=', target)
    if (request_id !== undefined) query = query.where('request_id', '=', request_id)
    if (from !== undefined) query = query.where('id', '>=', firstUuidV7(from))
    if (to !== undefined) query = query.where('id', '<', firstUuidV7(to))
    return await query.execute()
  }

  return {
    async append (event) {
      const row = rowOf(uuidV7(), event)
      await db.insertInto('audit_events').values(row).execute()
      return eventOf(row)
    },

    async appendAll (events) {
      const ids = pastUuidsV7(events.map(({ at }) => at.getTime()))
      const rows = events.map((event, index) => rowOf(ids[index] ?? '', event))
      await atomically(db, async (inside) => {
        for (let start = 0; start < rows.length; start += ADDED_AT_ONCE) await inside.insertInto('audit_events').values(rows.slice(start, start + ADDED_AT_ONCE)).execute()
      })
    },

    async list ({ subject, limit, ...query } = {}) {
      const size = limitOf(limit)
      if (subject === undefined) return pageOf(await find(query, size), size, eventOf)
      // Each is a walk along its own index; together they would be a sort.
      const [done, suffered] = [query.actor === undefined || query.actor === subject ? await find({ ...query, actor: subject }, size) : [], await find(query, size, subject)]
      const found = new Map([...done, ...suffered].map((row) => [row.id, row]))
      const rows = [...found.values()].sort((one, other) => one.id < other.id ? 1 : -1).slice(0, size + 1)
      return pageOf(rows, size, eventOf)
    },

    async seal () {
      const open = await db.selectFrom('audit_events').select('id').where('seq', 'is', null).limit(1).executeTakeFirst()
      if (open === undefined) return 0
      return await atomically(db, async (inside) => {
        // Written first, so that of several processes one goes on and the others wait for what it leaves.
        const start = { id: 1, ...CHAIN_START }
        const head = await inside.insertInto('audit_chain').values(start)
          .onConflict((conflict) => conflict.column('id').doUpdateSet({ id: 1 })).returning(['seq', 'hash']).executeTakeFirstOrThrow()
        const rows = await inside.selectFrom('audit_events').select(COLUMNS).where('seq', 'is', null).orderBy('id').limit(SEALED_AT_ONCE).execute()
        let last = { seq: Number(head.seq), hash: head.hash }
        const seals = rows.map((row) => {
          last = { seq: last.seq + 1, hash: hashOfRecord(last, eventOf(row)) }
          return sql`(${row.id}, ${last.seq}, ${last.hash})`
        })
        if (seals.length === 0) return 0
        await sql`with seals (id, seq, hash) as (values ${sql.join(seals)})
          update audit_events set seq = cast(seals.seq as bigint), hash = seals.hash from seals
          where audit_events.id = seals.id and audit_events.seq is null`.execute(inside)
        await inside.updateTable('audit_chain').set(last).where('id', '=', 1).execute()
        return seals.length
      })
    },

    async sealed ({ after, limit }) {
      const all = db.selectFrom('audit_events').select([...COLUMNS, 'seq', 'hash']).orderBy('seq').limit(limitOf(limit))
      const rows = await (after === -Infinity ? all.where('seq', 'is not', null) : all.where('seq', '>', after)).execute()
      return rows.map((row): SealedAuditEvent => ({ ...eventOf(row), seq: Number(row.seq), hash: row.hash ?? '' }))
    },

    async prune ({ seq, hash, signature }) {
      return await atomically(db, async (inside) => {
        await sql`insert into audit_pruning (id, seq, hash, signature)
          select 1, seq, hash, cast(${signature} as text) from audit_events where seq = ${seq} and hash = ${hash}
          on conflict (id) do update set seq = excluded.seq, hash = excluded.hash, signature = excluded.signature where audit_pruning.seq < excluded.seq`.execute(inside)
        const pruned = await prunedIn(inside)
        if (pruned === null || seq > pruned.seq) return 0
        const oldest = inside.selectFrom('audit_events').select('id').where('seq', '<=', seq).orderBy('seq').limit(PRUNED_AT_ONCE)
        return Number((await inside.deleteFrom('audit_events').where('id', 'in', oldest).executeTakeFirst()).numDeletedRows)
      })
    },

    async chain () {
      const head = await db.selectFrom('audit_chain').select(['seq', 'hash']).where('id', '=', 1).executeTakeFirst()
      const open = await db.selectFrom('audit_events').select(({ fn }) => [fn.countAll<string | number>().as('count'), fn.min('id').as('oldest')]).where('seq', 'is', null).executeTakeFirstOrThrow()
      return {
        head: head === undefined ? CHAIN_START : { seq: Number(head.seq), hash: head.hash },
        pruned: await prunedIn(db),
        unsealed: { count: Number(open.count), oldest: timeOf(open.oldest) }
      } satisfies AuditChainState
    }
  }
}

async function prunedIn (db: Kysely<Database>): Promise<AuditCut | null> {
  const row = await db.selectFrom('audit_pruning').select(['seq', 'hash', 'signature']).where('id', '=', 1).executeTakeFirst()
  return row === undefined ? null : { ...row, seq: Number(row.seq) }
}

type EventRow = Pick<Selectable<AuditEventTable>, typeof COLUMNS[number]>

function rowOf (id: string, { event, outcome, actor = null, scheme = null, target = null, ip = null, method = null, route = null, request_id = null, reason = null, details = {} }: NewAuditEvent): EventRow {
  return { id, event, outcome, actor, scheme, target, ip, method, route, request_id, reason, details: JSON.stringify(details) }
}

function timeOf (id: unknown): string | null {
  return typeof id === 'string' ? timeOfUuidV7(id).toISOString() : null
}

function eventOf ({ id, event, outcome, actor, scheme, target, ip, method, route, request_id, reason, details }: EventRow): AuditEvent {
  return {
    id, time: timeOfUuidV7(id).toISOString(), event, outcome, actor, scheme, target, ip, method, route, request_id, reason,
    details: JSON.parse(details) as Record<string, unknown>
  }
}

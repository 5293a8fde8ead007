// What happened, in SQL. An id begins with its time, so that the newest first, and a span of time, are a walk along the ids.
import type { Kysely, Selectable } from 'kysely'
import { cursorId, limitOf, pageOf } from './pages.ts'
import type { AuditEvent, AuditStore } from './ports.ts'
import type { AuditEventTable, Database } from './tables.ts'
import { firstUuidV7, timeOfUuidV7, UUID_V7, uuidV7 } from './uuid-v7.ts'

const COLUMNS = ['id', 'event', 'outcome', 'actor', 'target', 'ip', 'method', 'route', 'request_id', 'reason', 'details'] as const

export function createAuditStore (db: Kysely<Database>): AuditStore {
  return {
    async append ({ event, outcome, actor = null, target = null, ip = null, method = null, route = null, request_id = null, reason = null, details = {} }) {
      const row = { id: uuidV7(), event, outcome, actor, target, ip, method, route, request_id, reason, details: JSON.stringify(details) }
      await db.insertInto('audit_events').values(row).execute()
      return eventOf(row)
    },

    async list ({ event, actor, from, to, limit, cursor } = {}) {
      const size = limitOf(limit)
      let query = db.selectFrom('audit_events').select(COLUMNS).orderBy('id', 'desc').limit(size + 1)
      if (cursor !== undefined) query = query.where('id', '<', cursorId(cursor, UUID_V7))
      if (event !== undefined) query = query.where('event', '=', event)
      if (actor !== undefined) query = query.where('actor', '=', actor)
      if (from !== undefined) query = query.where('id', '>=', firstUuidV7(from))
      if (to !== undefined) query = query.where('id', '<', firstUuidV7(to))
      return pageOf(await query.execute(), size, eventOf)
    }
  }
}

function eventOf ({ details, ...row }: Selectable<AuditEventTable>): AuditEvent {
  return {
    id: row.id,
    time: timeOfUuidV7(row.id).toISOString(),
    event: row.event,
    outcome: row.outcome,
    actor: row.actor,
    target: row.target,
    ip: row.ip,
    method: row.method,
    route: row.route,
    request_id: row.request_id,
    reason: row.reason,
    details: JSON.parse(details) as Record<string, unknown>
  }
}

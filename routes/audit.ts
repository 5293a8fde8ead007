// What happened, for administrators.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { AuditEvent, AuditPage, AuditQuery } from '../schemas/audit.ts'

/** `/admin/audit`. Needs `app.stores`, `app.bearer`, `app.session` and `scopes`; reading it is recorded where `audit` is registered. */
export const auditRoutes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [AuditEvent, AuditPage]) app.addSchema(schema)
  app.protect(app.anyOf(app.bearer, app.session), app.requireScopes('admin'))

  app.get('/admin/audit', {
    config: { audit: true },
    schema: {
      operationId: 'listAuditEvents', tags: ['admin'], summary: 'List security events, newest first', querystring: AuditQuery,
      response: { 200: { $ref: 'AuditPage#', description: 'A page of events.' } }
    }
  }, async ({ query: { from, to, ...query } }) => {
    return await app.stores.audit.list({ ...query, from: momentOf(from), to: momentOf(to) })
  })
}

function momentOf (text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text)
}

// What happened, as administrators read it.
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'
import { Cursor, Id, LINE, PageQuery, Timestamp } from './common.ts'

const nullable = (description: string, maxLength = 512) => Type.Union([Type.String({ pattern: LINE, maxLength }), Type.Null()], { description })
const name = Type.String({ pattern: '^[a-z0-9_]+$', minLength: 1, maxLength: 64, description: 'In words of the OWASP logging vocabulary.', examples: ['authn_login_fail'] })

export const AuditEvent = Type.Object({
  id: Id,
  time: Timestamp,
  event: Type.String({ pattern: LINE, maxLength: 512, description: 'In words of the OWASP logging vocabulary.', examples: ['authn_login_fail'] }),
  outcome: Type.Union([Type.Literal('success'), Type.Literal('failure')], { description: 'How it ended.' }),
  actor: nullable('Who did it: a subject, or the hash of a name that was tried.'),
  scheme: nullable('The scheme that the credentials were presented to.'),
  target: nullable('To whom or what it was done.'),
  ip: nullable('The address of the client.'),
  method: nullable('The method of the request.'),
  route: nullable('The pattern of the route.', 2048),
  request_id: nullable('The id that the log has.'),
  reason: nullable('Why, as a code.'),
  details: Type.Object({}, { additionalProperties: true, description: 'What else there is to say.' })
}, { $id: 'AuditEvent', additionalProperties: false, description: 'Something that happened.' })
export type AuditEvent = Static<typeof AuditEvent>

export const AuditPage = Type.Object({
  items: Type.Array(Type.Ref('AuditEvent'), { maxItems: 100 }),
  next: Type.Optional(Cursor)
}, { $id: 'AuditPage', additionalProperties: false, description: 'Events, newest first.' })

const moment = (description: string) => Type.String({ format: 'date-time', maxLength: 40, description })

export const AuditQuery = Type.Object({
  ...PageQuery.properties,
  event: Type.Optional(name),
  subject: Type.Optional(Type.String({ pattern: LINE, minLength: 1, maxLength: 256, description: 'Only what this subject did, or what was done to it.' })),
  request_id: Type.Optional(Type.String({ pattern: LINE, minLength: 1, maxLength: 128, description: 'Only what this request caused.' })),
  from: Type.Optional(moment('Not before it (RFC 3339).')),
  to: Type.Optional(moment('Before it (RFC 3339).'))
}, { additionalProperties: false })

// Logins by cookie as they travel: the id of a session is the digest of what the cookie holds, never that itself.
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'
import { Cursor, Id, LINE, Scope, Timestamp } from './common.ts'

/** Not a narrower one: a name that cannot be is answered as one that is not. */
const ANYTHING = '^[\\s\\S]*$'
const id = Type.String({ pattern: '^[\\w-]{43}$', maxLength: 43, description: 'Which session; it opens nothing.', examples: ['n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg'] })

const members = {
  id,
  created_at: Timestamp,
  authenticated_at: Type.String({ ...Timestamp, description: 'When somebody proved who they are.' }),
  last_seen_at: Type.String({ ...Timestamp, description: 'When it was used, within a minute.' }),
  idle_expires_at: Type.String({ ...Timestamp, description: 'When it ends unless it is used.' }),
  expires_at: Type.String({ ...Timestamp, description: 'When it ends, however it is used.' })
}

/** `POST /session`. */
export const Login = Type.Object({
  username: Type.String({ pattern: ANYTHING, maxLength: 256, description: 'The name of an account.', examples: ['alice'] }),
  password: Type.String({ format: 'password', maxLength: 1024, description: 'Its password.', examples: ['correct horse battery staple'] })
}, { $id: 'Login', additionalProperties: false, description: 'Who somebody is.' })
export type Login = Static<typeof Login>

/** The answer of `POST` and `GET /session`, the only one that holds a CSRF token. */
export const CurrentSession = Type.Object({
  ...members,
  subject: Id,
  username: Type.String({ pattern: LINE, maxLength: 64, description: 'Who is logged in.', examples: ['alice'] }),
  roles: Type.Array(Type.String({ pattern: LINE, maxLength: 64 }), { maxItems: 32, description: 'Names of roles, which stand for scopes.', examples: [['editor']] }),
  scopes: Type.Array(Scope, { maxItems: 64, description: 'What the session may do.', examples: [['me', 'items:read']] }),
  csrf_token: Type.String({ pattern: '^[\\w-]+$', maxLength: 256, description: 'For `X-CSRF-Token`, with every request of this session that changes something.' })
}, { $id: 'CurrentSession', additionalProperties: false, description: 'The session that the cookie stands for.' })
export type CurrentSession = Static<typeof CurrentSession>

export const Session = Type.Object({
  ...members,
  current: Type.Boolean({ description: 'Whether it is the one that asks.' })
}, { $id: 'Session', additionalProperties: false, description: 'A session.' })
export type Session = Static<typeof Session>

export const SessionPage = Type.Object({
  items: Type.Array(Type.Ref('Session'), { maxItems: 100 }),
  next: Type.Optional(Cursor)
}, { $id: 'SessionPage', additionalProperties: false, description: 'Sessions, newest first.' })

export const SessionParams = Type.Object({ id }, { additionalProperties: false })

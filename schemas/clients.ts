// Client applications as administrators see them; the secret stands in one message only.
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'
import { Cursor, LINE, Scope, Timestamp } from './common.ts'

const clientId = Type.String({ pattern: '^client_[0-9A-Za-z]{22}$', maxLength: 29, description: 'The `client_id`.', examples: ['client_4fZk2mQp9XaB4fZk2mQp9X'] })
const name = Type.String({ pattern: LINE, minLength: 1, maxLength: 100, description: 'What people call it.', examples: ['nightly import'] })
const grants = Type.Array(Type.Union([Type.Literal('client_credentials'), Type.Literal('refresh_token'), Type.Literal('password')]), {
  minItems: 1, maxItems: 3, uniqueItems: true, description: 'The grants that it may use.', examples: [['client_credentials']]
})
const scopes = Type.Array(Scope, { minItems: 1, maxItems: 32, uniqueItems: true, description: 'The scopes that it may have.', examples: [['items:read']] })

export const Client = Type.Object({
  client_id: clientId,
  name,
  grants: Type.Array(Type.String({ pattern: LINE, maxLength: 64 }), { maxItems: 8, description: 'The grants that it may use.' }),
  scopes,
  created_at: Timestamp,
  revoked_at: Type.Union([Timestamp, Type.Null()])
}, { $id: 'Client', additionalProperties: false, description: 'A client, without its secret.' })
export type Client = Static<typeof Client>

export const ClientPage = Type.Object({
  items: Type.Array(Type.Ref('Client'), { maxItems: 100 }),
  next: Type.Optional(Cursor)
}, { $id: 'ClientPage', additionalProperties: false, description: 'Clients, newest first.' })

/** `POST /admin/clients`, the only answer that holds a secret. */
export const IssuedClient = Type.Object({
  client_id: clientId,
  client_secret: Type.String({ pattern: '^[\\w-]+$', maxLength: 64, description: 'The secret; it cannot be shown again.' })
}, { $id: 'IssuedClient', additionalProperties: false, description: 'A new client, its secret shown once.' })
export type IssuedClient = Static<typeof IssuedClient>

export const NewClient = Type.Object({ name, grants, scopes }, { $id: 'NewClient', additionalProperties: false, description: 'A client to make.' })
export type NewClient = Static<typeof NewClient>

export const ClientParams = Type.Object({ id: clientId }, { additionalProperties: false })

// API keys as their owner sees them; the key itself stands in one message only.
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'
import { Cursor, LINE, Scope, Timestamp } from './common.ts'

const id = Type.String({ pattern: '^[0-9A-Za-z]{12}$', maxLength: 12, description: 'The public part of the key.', examples: ['4fZk2mQp9XaB'] })
const name = Type.String({ pattern: LINE, minLength: 1, maxLength: 100, description: 'What the key is for.', examples: ['nightly import'] })
const scopes = Type.Array(Scope, { minItems: 1, maxItems: 32, uniqueItems: true, description: 'What the key may do; at most what you may.', examples: [['items:read']] })

const members = {
  id,
  name,
  scopes,
  hint: Type.String({ pattern: '^[0-9A-Za-z]*$', maxLength: 8, description: 'The last characters of the key.', examples: ['x9Qa'] }),
  created_at: Timestamp,
  expires_at: Timestamp,
  revoked_at: Type.Union([Timestamp, Type.Null()])
}

export const ApiKey = Type.Object(members, { $id: 'ApiKey', additionalProperties: false, description: 'An API key, without the key.' })
export type ApiKey = Static<typeof ApiKey>

export const ApiKeyPage = Type.Object({
  items: Type.Array(Type.Ref('ApiKey'), { maxItems: 100 }),
  next: Type.Optional(Cursor)
}, { $id: 'ApiKeyPage', additionalProperties: false, description: 'API keys, newest first.' })

/** `POST /api-keys`, the only answer that holds a key. */
export const IssuedApiKey = Type.Object({
  ...members,
  key: Type.String({ pattern: '^[\\w-]+$', maxLength: 128, description: 'The key itself; it cannot be shown again.', examples: ['gate_4fZk2mQp9XaB_…'] })
}, { $id: 'IssuedApiKey', additionalProperties: false, description: 'A new API key, shown once.' })
export type IssuedApiKey = Static<typeof IssuedApiKey>

export const NewApiKey = Type.Object({
  name,
  scopes,
  expires_in_days: Type.Optional(Type.Integer({ format: 'int32', minimum: 1, maximum: 365, default: 90, description: 'How long it lives.', examples: [90] }))
}, { $id: 'NewApiKey', additionalProperties: false, description: 'An API key to make.' })
export type NewApiKey = Static<typeof NewApiKey>

export const ApiKeyParams = Type.Object({ id }, { additionalProperties: false })

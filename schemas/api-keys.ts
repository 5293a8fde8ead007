// API keys as their owner sees them; the key itself stands in one message only.
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'
import { Cursor, LINE, Scope, Timestamp } from './common.ts'

const id = Type.String({ pattern: '^[0-9A-Za-z]{12}$', maxLength: 12, description: 'The public part of the key.', examples: ['4fZk2mQp9XaB'] })
const name = Type.String({ pattern: LINE, minLength: 1, maxLength: 100, description: 'What the key is for.', examples: ['nightly import'] })
const scopes = Type.Array(Scope, { minItems: 1, maxItems: 32, uniqueItems: true, description: 'What the key may do; at most what you may.', examples: [['items:read']] })

const max = Type.Integer({ format: 'int32', minimum: 1, maximum: 1_000_000_000, description: 'How many requests.', examples: [600] })
const windowSeconds = { format: 'int32', minimum: 1, maximum: 31_536_000, examples: [60] }

/** The limit that a key has. */
const limit = Type.Object({
  max,
  window_seconds: Type.Integer({ ...windowSeconds, description: 'Seconds in which they are counted.' })
}, { additionalProperties: false, description: 'How often the key may be used.' })

/** The limit to give it. A few lengths: each is a table of its own, as exact windows need it. */
const newLimit = Type.Object({
  max,
  window_seconds: Type.Integer({ ...windowSeconds, enum: [1, 60, 3600, 86_400], description: 'Seconds in which they are counted: a second, a minute, an hour or a day.' })
}, { additionalProperties: false, description: 'How often the key may be used.' })

const members = {
  id,
  name,
  scopes,
  hint: Type.String({ pattern: '^[0-9A-Za-z]*$', maxLength: 8, description: 'The last characters of the key.', examples: ['x9Qa'] }),
  created_at: Timestamp,
  expires_at: Timestamp,
  last_used_at: Type.Union([Timestamp, Type.Null()]),
  revoked_at: Type.Union([Timestamp, Type.Null()]),
  client_id: Type.Union([Type.String({ pattern: LINE, maxLength: 128, description: 'The client through whose token it was made; the key ends with it.', examples: ['demo'] }), Type.Null()]),
  limit: Type.Union([limit, Type.Null()]),
  rotated_to: Type.Union([id, Type.Null()], { description: 'The key that takes its place.' })
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
  limit: Type.Optional(newLimit),
  expires_in_days: Type.Optional(Type.Integer({ format: 'int32', minimum: 1, maximum: 365, default: 90, description: 'How long it lives.', examples: [90] }))
}, { $id: 'NewApiKey', additionalProperties: false, description: 'An API key to make.' })
export type NewApiKey = Static<typeof NewApiKey>

/** `POST /api-keys/:id/rotate`. */
export const ApiKeyRotation = Type.Object({
  overlap_seconds: Type.Optional(Type.Integer({ format: 'int32', minimum: 0, maximum: 604_800, default: 86_400, description: 'How long the old key works beside the new one.', examples: [86_400] }))
}, { $id: 'ApiKeyRotation', additionalProperties: false, description: 'How a key gives way to the next.' })
export type ApiKeyRotation = Static<typeof ApiKeyRotation>

export const ApiKeyParams = Type.Object({ id }, { additionalProperties: false })

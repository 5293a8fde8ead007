// The items of the demo.
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'
import { Cursor, Id, Timestamp } from './common.ts'

const title = { minLength: 1, maxLength: 200, description: 'What it is called.', examples: ['A lamp'] }
const description = { maxLength: 4000, description: 'More about it.', examples: ['Brass, 1920s'] }
// No control characters; a description may have lines and tabs.
const LINE = '^\\P{Cc}*$'
const LINES = '^[\\P{Cc}\\t\\n\\r]*$'

export const Item = Type.Object({
  id: Id,
  owner: Type.String({ maxLength: 128, description: 'The subject of whoever made it.' }),
  title: Type.String(title),
  description: Type.Union([Type.String(description), Type.Null()]),
  created_at: Timestamp
}, { $id: 'Item', additionalProperties: false, description: 'An item.' })
export type Item = Static<typeof Item>

export const ItemPage = Type.Object({
  items: Type.Array(Type.Ref('Item'), { maxItems: 100 }),
  next: Type.Optional(Cursor)
}, { $id: 'ItemPage', additionalProperties: false, description: 'Items, newest first.' })

/** `POST /items`. */
export const NewItem = Type.Object({
  title: Type.String({ ...title, pattern: LINE }),
  description: Type.Optional(Type.String({ ...description, pattern: LINES }))
}, { $id: 'NewItem', additionalProperties: false, description: 'An item to make.' })
export type NewItem = Static<typeof NewItem>

export const ItemParams = Type.Object({ id: Id }, { additionalProperties: false })

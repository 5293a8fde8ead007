// The items of the demo.
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'
import { Cursor, Id, LINE, LINES, Timestamp } from './common.ts'

const title = { pattern: LINE, minLength: 1, maxLength: 200, description: 'What it is called.', examples: ['A lamp'] }
const description = { pattern: LINES, maxLength: 4000, description: 'More about it.', examples: ['Brass, 1920s'] }

export const Item = Type.Object({
  id: Id,
  owner: Type.String({ pattern: LINE, maxLength: 128, description: 'The subject of whoever made it.', examples: ['0192f0c1-2345-7abc-8def-0123456789ab'] }),
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
  title: Type.String(title),
  description: Type.Optional(Type.String(description))
}, { $id: 'NewItem', additionalProperties: false, description: 'An item to make.' })
export type NewItem = Static<typeof NewItem>

export const ItemParams = Type.Object({ id: Id }, { additionalProperties: false })

// Small answers of the demo.
import { Type } from '@sinclair/typebox'

export const Health = Type.Object({
  status: Type.Literal('ok')
}, { $id: 'Health', additionalProperties: false, description: 'The process can do its work.' })

export const Message = Type.Object({
  message: Type.String({ maxLength: 256, examples: ['Welcome'] })
}, { $id: 'Message', additionalProperties: false, description: 'A message.' })

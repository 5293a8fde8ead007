// Small answers of the demo.
import { Type } from '@sinclair/typebox'
import { LINE } from './common.ts'

export const Health = Type.Object({
  status: Type.Literal('ok', { description: 'Anything else is an error.' })
}, { $id: 'Health', additionalProperties: false, description: 'The process can do its work.' })

export const Message = Type.Object({
  message: Type.String({ pattern: LINE, maxLength: 256, description: 'For people.', examples: ['Welcome'] })
}, { $id: 'Message', additionalProperties: false, description: 'A message.' })

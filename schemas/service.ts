// Small answers of the demo.
import { Type } from '@sinclair/typebox'
import { LINE } from './common.ts'

export const Health = Type.Object({
  status: Type.Literal('ok', { description: 'Anything else is an error.' })
}, { $id: 'Health', additionalProperties: false, description: 'The process can do its work.' })

export const Readiness = Type.Object({
  status: Type.Union([Type.Literal('ok'), Type.Literal('degraded')], { description: '`degraded`: Redis does not answer. Limits count in this process alone, those of logins refuse.' })
}, { $id: 'Readiness', additionalProperties: false, description: 'The process can do its work, all of it or most.' })

export const Message = Type.Object({
  message: Type.String({ pattern: LINE, maxLength: 256, description: 'For people.', examples: ['Welcome'] })
}, { $id: 'Message', additionalProperties: false, description: 'A message.' })

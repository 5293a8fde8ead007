// The body of every error answer (RFC 9457).
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'
import { LINE } from './common.ts'

const ProblemErrorSchema = Type.Object({
  pointer: Type.Optional(Type.String({ pattern: '^(/.*)?$', maxLength: 1024, description: 'JSON Pointer (RFC 6901) into the body.' })),
  parameter: Type.Optional(Type.String({ pattern: LINE, maxLength: 256, description: 'Name of the query parameter, path parameter or header.' })),
  in: Type.Union([Type.Literal('body'), Type.Literal('query'), Type.Literal('path'), Type.Literal('header')]),
  detail: Type.String({ pattern: LINE, maxLength: 1024, description: 'What is wrong; never the value.' })
}, { additionalProperties: false })

/** RFC 9457 §3, with `code`; further members are allowed (§3.2). */
export const ProblemSchema = Type.Object({
  type: Type.Optional(Type.String({ format: 'uri-reference', maxLength: 2048, description: 'Absent means about:blank.' })),
  title: Type.String({ pattern: LINE, maxLength: 256, description: 'What went wrong, the same sentence for every answer with this code.' }),
  status: Type.Integer({ format: 'int32', minimum: 400, maximum: 599, description: 'The HTTP status.' }),
  code: Type.String({ pattern: '^[a-z][a-z0-9_]*$', maxLength: 64, description: 'What a program should look at.' }),
  detail: Type.Optional(Type.String({ pattern: LINE, maxLength: 1024, description: 'One sentence about this occurrence.' })),
  instance: Type.Optional(Type.String({ format: 'uri', maxLength: 256, description: 'urn:request:<id>, as in the log.' })),
  errors: Type.Optional(Type.Array(ProblemErrorSchema, { maxItems: 100, description: 'With code `validation`: where the request is wrong.' })),
  'violated-policies': Type.Optional(Type.Array(Type.String({ pattern: LINE, maxLength: 256 }), { maxItems: 32, description: 'With code `quota_exceeded`: the names of the limits.' }))
}, {
  $id: 'Problem',
  additionalProperties: true,
  description: 'A problem (RFC 9457).',
  examples: [{ title: 'Credentials are required', status: 401, code: 'credentials_required', instance: 'urn:request:0f1e2d3c' }]
})

/** The static type of {@link ProblemSchema}. */
export type ProblemSchema = Static<typeof ProblemSchema>

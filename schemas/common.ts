// The parts that several messages share.
import { Type } from '@sinclair/typebox'

/** One line of text: no control characters. Not `\p{Cc}`, which tools that read the document may not know. */
export const LINE = '^[^\\x00-\\x1f\\x7f-\\x9f]*$'
/** Text that may have lines and tabs, and no other control characters. */
export const LINES = '^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f]*$'

export const Id = Type.String({ format: 'uuid', maxLength: 36, description: 'A UUIDv7 (RFC 9562).', examples: ['0192f0c1-2345-7abc-8def-0123456789ab'] })

export const Timestamp = Type.String({ format: 'date-time', maxLength: 30, description: 'RFC 3339, UTC.', examples: ['2026-11-22T12:00:00.000Z'] })

/** Without an example, which Swagger UI would send as it is. */
export const Cursor = Type.String({ pattern: LINE, minLength: 1, maxLength: 256, description: 'The `next` of the page before.' })

export const Scope = Type.String({ pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$', minLength: 1, maxLength: 64, description: 'A scope (RFC 6749 §3.3).', examples: ['items:read'] })

const limit = Type.Integer({ format: 'int32', minimum: 1, maximum: 100, default: 20, description: 'How many at most.', examples: [20] })

/** The query of a list without search. */
export const PageQuery = Type.Object({ limit: Type.Optional(limit), cursor: Type.Optional(Cursor) }, { additionalProperties: false })

/** The query of a list with search. */
export const SearchQuery = Type.Object({
  limit: Type.Optional(limit),
  cursor: Type.Optional(Cursor),
  q: Type.Optional(Type.String({ pattern: LINES, minLength: 1, maxLength: 128, description: 'Only what contains this text, such as `lamp`.' }))
}, { additionalProperties: false })

// What a service declares of its security, as administrators read it.
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'
import { LINE } from './common.ts'

const text = (description: string, maxLength = 1024) => Type.String({ pattern: LINE, maxLength, description })
const name = (description: string) => text(description, 256)
const names = (description: string) => Type.Array(Type.String({ pattern: LINE, maxLength: 256 }), { maxItems: 256, description })
const lists = (description: string) => Type.Array(Type.Array(Type.String({ pattern: LINE, maxLength: 256 }), { maxItems: 256 }), { maxItems: 256, description })
const anything = (description: string) => Type.Object({}, { additionalProperties: true, description })
const maybe = (description: string) => Type.Union([text(description), Type.Null()])
const count = (description: string) => Type.Union([Type.Integer({ format: 'int64', minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description }), Type.Null()])

const Route = Type.Object({
  method: name('The HTTP method.'),
  url: text('The pattern of the URL.', 2048),
  constraints: anything('What the route is constrained to, such as a host.'),
  access: Type.Union([Type.Literal('guarded'), Type.Literal('optional'), Type.Literal('public'), Type.Literal('undeclared')]),
  reason: maybe('Why it is public.'),
  guards: Type.Array(Type.Object({ name: text('The guard.', 4096), level: text('The prefix of the context that declares it, or `route`.', 2048) }, { additionalProperties: false }), { maxItems: 256, description: 'In the order in which they decide.' }),
  requirement: Type.Union([Type.Array(anything('Schemes that have to accept together, with their scopes.'), { maxItems: 16 }), Type.Null()]),
  scopes: names('Scopes that all have to be there.'),
  anyScopes: lists('Lists of scopes, one of each of which has to be there.'),
  roles: names('Roles that all have to be there.'),
  anyRoles: lists('Lists of roles, one of each of which has to be there.'),
  policies: names('The names of its policies.'),
  limits: Type.Array(Type.Object({ name: name('The limit.'), by: name('What is counted apart.'), max: count('How many.'), windowSeconds: count('In how many seconds.') }, { additionalProperties: false }), { maxItems: 64 }),
  csrf: maybe('What a request that a browser sent has to prove.'),
  anyOrigin: maybe('Why the pages of every origin may read it.'),
  body: Type.Union([anything('What the body is held to, by the place in its schema.'), Type.Null()]),
  loose: Type.Array(Type.String({ pattern: LINE, maxLength: 2048 }), { maxItems: 1024, description: 'Where the body is loose.' })
}, { additionalProperties: false })

/** `GET /admin/posture`. */
export const Posture = Type.Object({
  version: Type.Integer({ format: 'int32', minimum: 1, maximum: 1, description: 'The version of this form.' }),
  headers: Type.Union([anything('The headers of every answer over https, by name.'), Type.Null()]),
  lifetimes: anything('Seconds that cookies, tokens and keys live, by what they are.'),
  schemes: anything('The security schemes, by name.'),
  routes: Type.Array(Route, { maxItems: 10_000, description: 'Sorted by URL and method.' })
}, { $id: 'Posture', additionalProperties: false, description: 'What the service declares of its security.' })
export type Posture = Static<typeof Posture>

// Accounts as they travel: what a person sends, and what anybody may see.
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'
import { Cursor, Id, LINE, Timestamp } from './common.ts'

/** What a name is made of: no colon, so that Basic can carry it (RFC 7617 §2), and nothing that cannot be seen. */
export const USERNAME = { minLength: 3, maxLength: 64, pattern: /^(?!.*\p{Default_Ignorable_Code_Point})[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]*$/u } as const
const username = Type.String({ ...USERNAME, pattern: USERNAME.pattern.source, description: 'Unique, whatever its case or form of writing.', examples: ['alice'] })
const email = Type.String({ format: 'email', maxLength: 254, description: 'Validated, not unique, never an identifier.', examples: ['alice@example.com'] })
const FULL_NAME = { pattern: LINE, minLength: 1, maxLength: 128, description: 'As people write it.', examples: ['Alice Liddell'] }
const fullName = Type.String(FULL_NAME)

/** An account, without anything that proves who is using it. */
export const User = Type.Object({
  id: Id,
  username: Type.String({ pattern: LINE, maxLength: 64, description: 'The name to log in with.', examples: ['alice'] }),
  email: Type.String({ format: 'email', maxLength: 254, description: 'Where to write to; never an identifier.', examples: ['alice@example.com'] }),
  full_name: Type.Union([Type.String(FULL_NAME), Type.Null()]),
  disabled: Type.Boolean({ description: 'Whether the account is off.' }),
  roles: Type.Array(Type.String({ pattern: LINE, maxLength: 64 }), { maxItems: 32, description: 'Names of roles, which stand for scopes.', examples: [['editor']] }),
  created_at: Timestamp
}, { $id: 'User', additionalProperties: false, description: 'An account.' })
export type User = Static<typeof User>

export const UserPage = Type.Object({
  items: Type.Array(Type.Ref('User'), { maxItems: 100 }),
  next: Type.Optional(Cursor)
}, { $id: 'UserPage', additionalProperties: false, description: 'Accounts, newest first.' })

/** `POST /register`. The rules for passwords are checked beyond the schema, with the reason in the answer. */
export const Registration = Type.Object({
  username,
  email,
  password: Type.String({ format: 'password', minLength: 1, maxLength: 1024, description: '15 to 128 characters, no common password, any Unicode.', examples: ['correct horse battery staple'] }),
  full_name: Type.Optional(fullName)
}, { $id: 'Registration', additionalProperties: false, description: 'A new account.' })
export type Registration = Static<typeof Registration>

/** `PATCH /users/me`. */
export const ProfileChange = Type.Object({
  email: Type.Optional(email),
  full_name: Type.Optional(Type.Union([fullName, Type.Null()]))
}, { $id: 'ProfileChange', additionalProperties: false, minProperties: 1, description: 'What to change of a profile.' })
export type ProfileChange = Static<typeof ProfileChange>

/** `PUT /users/me/password`. The rules for the new one are those of `Registration`. */
export const PasswordChange = Type.Object({
  current_password: Type.String({ format: 'password', minLength: 1, maxLength: 1024, description: 'The one that holds until now.', examples: ['correct horse battery staple'] }),
  new_password: Type.String({ format: 'password', minLength: 1, maxLength: 1024, description: '15 to 128 characters, no common password, any Unicode.', examples: ['a lamp beside the harbour'] })
}, { $id: 'PasswordChange', additionalProperties: false, description: 'A new password.' })
export type PasswordChange = Static<typeof PasswordChange>

/** `PATCH /admin/users/:id`. */
export const UserChange = Type.Object({
  disabled: Type.Optional(Type.Boolean({ description: 'Whether the account is off. Turning it off ends its logins, its tokens and its API keys.' })),
  roles: Type.Optional(Type.Array(Type.String({ pattern: LINE, minLength: 1, maxLength: 64 }), { maxItems: 32, uniqueItems: true, description: 'All its roles from now on.', examples: [['editor']] }))
}, { $id: 'UserChange', additionalProperties: false, minProperties: 1, description: 'What to change of an account.' })
export type UserChange = Static<typeof UserChange>

export const UserParams = Type.Object({ id: Id }, { additionalProperties: false })

/** `GET /basic/me`. */
export const BasicIdentity = Type.Object({
  username: Type.String({ pattern: LINE, maxLength: 64, description: 'The name to log in with.', examples: ['alice'] })
}, { $id: 'BasicIdentity', additionalProperties: false, description: 'Who the Basic credentials belong to.' })

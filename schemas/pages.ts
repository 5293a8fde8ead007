// The forms of the pages, as a browser sends them: every value is a text, a box that is not ticked is absent.
import { Type } from '@sinclair/typebox'
import type { Static, TObject, TProperties } from '@sinclair/typebox'
import { Cursor, Id, LINE, LINES } from './common.ts'

/** `csrf` judges it; that it is absent is for `csrf` to say. */
const csrfToken = Type.Optional(Type.String({ maxLength: 1024 }))
const ticked = Type.Optional(Type.Literal('on'))
const name = Type.String({ pattern: LINE, minLength: 1, maxLength: 100 })
const password = Type.String({ minLength: 1, maxLength: 1024 })
/** As `enum`, which fails with one error where a union fails with one for each member. */
const oneOf = <const V extends string>(values: readonly V[]) => Type.Unsafe<V>({ type: 'string', enum: [...values] })

function formOf<M extends TProperties> (members: M): TObject<M & { csrf_token: typeof csrfToken }> {
  return Type.Object({ ...members, csrf_token: csrfToken }, { additionalProperties: false })
}

/** A form with a box for each of `fields` beside its own members. */
function withBoxes<M extends TProperties> (members: M, fields: readonly string[]): TObject<M & { csrf_token: typeof csrfToken }> {
  // Their names are known when the pages are registered; what is typed is the rest.
  const boxes: object = Object.fromEntries(fields.map((field) => [field, ticked]))
  return formOf({ ...boxes, ...members })
}

export const EmptyForm = formOf({})

export const signInForm = (destinations: readonly string[]) => formOf({
  username: Type.String({ minLength: 1, maxLength: 256 }),
  password,
  next: Type.Optional(oneOf(destinations))
})

export const LIFETIMES = ['7', '30', '90', '365'] as const
export const keyForm = (boxes: readonly string[]) => withBoxes({ name, expires_in_days: oneOf(LIFETIMES) }, boxes)
export const RotationForm = formOf({ overlap: oneOf(['0', '3600', '86400', '604800']) })
export const SessionsForm = formOf({ which: oneOf(['others', 'all']) })
export const PasswordForm = formOf({ username: Type.Optional(Type.String({ maxLength: 256 })), current_password: password, new_password: password })
export const rolesForm = (boxes: readonly string[]) => withBoxes({}, boxes)
export const clientForm = (boxes: readonly string[]) => withBoxes({ name }, boxes)

/** What was done before this page, as a key of a table of sentences. */
const done = Type.Optional(Type.String({ maxLength: 32 }))
const q = Type.Optional(Type.String({ pattern: LINES, maxLength: 128 }))
export const AccountQuery = Type.Object({ done, keys: Type.Optional(Cursor), sessions: Type.Optional(Cursor) }, { additionalProperties: false })
export const ListQuery = Type.Object({ done, cursor: Type.Optional(Cursor) }, { additionalProperties: false })
export const UsersQuery = Type.Object({ done, cursor: Type.Optional(Cursor), q }, { additionalProperties: false })
export type UsersQuery = Static<typeof UsersQuery>

export const SessionParams = Type.Object({ id: Type.String({ pattern: '^[\\w-]{43}$', maxLength: 43 }) }, { additionalProperties: false })
export const UserStateParams = Type.Object({ id: Id, state: oneOf(['disable', 'enable']) }, { additionalProperties: false })

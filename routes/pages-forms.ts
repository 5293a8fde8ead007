// A form that was refused comes back with what was typed, but for passwords, and with what is wrong beside each field.
import { isRefusal, refusal, refusals } from '../errors.ts'
import { parseForm } from '../strict-form.ts'
import { decodeUtf8 } from '../strict-json.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** What is wrong, and the field that it is about, where there is one. */
export interface FormProblem {
  /** The field's id in the page. */
  readonly id: string | null
  /** A sentence. */
  readonly text: string
}

/** How a page looks after its form was refused. */
export interface RefusedForm {
  /** Which form of the page. */
  readonly form: string
  /** What was typed, but for passwords. */
  readonly values: Readonly<Record<string, string>>
  /** What is wrong. */
  readonly errors: readonly FormProblem[]
}

/** A form of a page. */
export interface PageForm {
  /** Which of the forms of its page. */
  readonly name: string | ((request: FastifyRequest) => string)
  /** Its fields as people know them, by the names that stand in pointers. */
  readonly fields: Readonly<Record<string, { readonly id: string; readonly label: string }>>
  /** The page that it stands on. */
  show (request: FastifyRequest, reply: FastifyReply, refused: RefusedForm): Promise<unknown>
}

const FORM = 'application/x-www-form-urlencoded'
const LARGEST = 16_384
const PASSWORDS = ['password', 'current_password', 'new_password']

/** From here on this context takes forms and nothing else. */
export function takeForms (app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(FORM, { parseAs: 'buffer', bodyLimit: LARGEST }, (_request, bytes: Buffer, parsed) => {
    try {
      parsed(null, parseForm(decodeUtf8(bytes), { maxParameters: 100 }))
    } catch {
      parsed(refusal('invalid_request', { detail: 'The form cannot be read.' }))
    }
  })
}

/** What the page of `form` should say of an error; `null` where the error is not about what was sent. */
export function refusedForm (error: unknown, form: PageForm, request: FastifyRequest): RefusedForm | null {
  const errors = problemsOf(error, form)
  if (errors === null) return null
  const body = typeof request.body === 'object' && request.body !== null ? Object.entries(request.body as Record<string, string>) : []
  return {
    form: typeof form.name === 'string' ? form.name : form.name(request),
    values: Object.fromEntries(body.filter(([name]) => !PASSWORDS.includes(name))),
    errors
  }
}

/** What to tell people, who know nothing of tokens. */
const sentences = new Map<string, string>([
  ['csrf_token_invalid', 'This page was open for too long. Nothing was changed: please try again.'],
  ['not_found', 'It is not there any more.'],
  ['insufficient_scope', 'You cannot give away a right that you do not have.']
])

function problemsOf (error: unknown, form: PageForm): FormProblem[] | null {
  const invalid = schemaErrors(error)
  if (invalid !== null) return invalid.map((entry) => problemOf(entry, form))
  if (!isRefusal(error) || error.statusCode === 401 || error.statusCode >= 410) return null
  if (error.errors !== undefined) return error.errors.map(({ pointer = '', detail }) => problemOf({ field: pointer.split('/')[1] ?? '', detail }, form))
  return [{ id: null, text: sentences.get(error.code) ?? error.detail ?? `${refusals[error.code].title}.` }]
}

interface FieldError { readonly field: string; readonly detail: string }

function problemOf ({ field, detail }: FieldError, { fields }: PageForm): FormProblem {
  const known = Object.hasOwn(fields, field) ? fields[field] : undefined
  return known === undefined ? { id: null, text: 'The form holds something that does not belong to it.' } : { id: known.id, text: `${known.label} ${detail}.` }
}

const rules = new Map<unknown, (limit: unknown) => string>([
  ['required', () => 'is missing'],
  ['minLength', () => 'is missing'],
  ['maxLength', (limit) => `is longer than ${String(limit)} characters`],
  ['pattern', () => 'has characters that cannot be used here']
])

/** The failures of a form's schema; `null` for another error. */
function schemaErrors (error: unknown): FieldError[] | null {
  if (!(error instanceof Error) || !('validation' in error) || !Array.isArray(error.validation)) return null
  if (!('validationContext' in error) || error.validationContext !== 'body') return null
  return error.validation.map(({ instancePath = '', keyword, params = {} }: { instancePath?: string; keyword?: string; params?: Record<string, unknown> }) => {
    const missing = params['missingProperty']
    const field = typeof missing === 'string' ? missing : instancePath.split('/')[1] ?? ''
    return { field, detail: rules.get(keyword)?.(params['limit']) ?? 'is none of the choices' }
  })
}

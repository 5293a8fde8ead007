// `application/x-www-form-urlencoded` (WHATWG URL §5) that has one reading: flat, without a prototype, no name twice
// (RFC 6749 §3.2), no byte that is not UTF-8.

/** What is wrong with a form; the sentences are safe to send, they hold nothing of it. */
export const formProblems = {
  encoding: 'is not valid percent-encoded UTF-8',
  parameters: 'has too many parameters',
  repeated: 'has a repeated parameter'
} as const satisfies Record<string, string>

export type FormProblem = keyof typeof formProblems

/** Thrown by {@link parseForm}; its message never quotes the text. */
export class FormError extends Error {
  override readonly name = 'FormError'
  readonly problem: FormProblem

  constructor (problem: FormProblem) {
    super(`the form ${formProblems[problem]}`)
    this.problem = problem
  }
}

export interface FormOptions {
  /** @defaultValue 1000 */
  maxParameters?: number
}

/**
 * The parameters of a form, in a record without a prototype.
 * @throws {@link FormError} for a repeated name, too many parameters or a malformed encoding.
 */
export function parseForm (text: string, { maxParameters = 1000 }: FormOptions = {}): Record<string, string> {
  const form = Object.create(null) as Record<string, string>
  let count = 0
  for (let from = 0; from < text.length;) {
    const ampersand = text.indexOf('&', from)
    const to = ampersand === -1 ? text.length : ampersand
    if (to > from) {
      if (++count > maxParameters) throw new FormError('parameters')
      addParameter(form, text.slice(from, to))
    }
    from = to + 1
  }
  return form
}

function addParameter (form: Record<string, string>, pair: string): void {
  const equals = pair.indexOf('=')
  const name = decode(equals === -1 ? pair : pair.slice(0, equals))
  if (name in form) throw new FormError('repeated')
  form[name] = equals === -1 ? '' : decode(pair.slice(equals + 1))
}

function decode (text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    throw new FormError('encoding')
  }
}

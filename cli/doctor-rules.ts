// What `gatehouse doctor` looks for. Each code has its row on the page of the command.

/** The codes, with how bad each is: an `error` keeps the service from starting, or opens it. */
export const rules = {
  'not-production': 'warning',
  'configuration': 'error',
  'token-key': 'error',
  'certificate': 'error',
  'certificate-ends': 'warning',
  'data-directory': 'error',
  'plain-http': 'error',
  'no-trusted-proxy': 'warning',
  'cors-plain-origin': 'warning',
  'database-plain': 'error',
  'quiet-log': 'warning',
  'password-in-environment': 'warning',
  'route-undeclared': 'error',
  'body-loose': 'warning',
  'headers-missing': 'error',
  'credentials-in-query': 'warning'
} as const satisfies Record<string, 'error' | 'warning'>

export type DoctorCode = keyof typeof rules

export interface DoctorFinding {
  readonly code: DoctorCode
  readonly severity: 'error' | 'warning'
  readonly message: string
}

export function finding (code: DoctorCode, message: string): DoctorFinding {
  return { code, severity: rules[code], message }
}

/** Where the documentation tells of it. */
export function placeOf (code: DoctorCode): string {
  return `docs/command.md#${code}`
}

// What a reader of an operation should know of its guards: the plan that is enforced, as Markdown.
import { describe } from './node.ts'
import type { CsrfProof } from './csrf.ts'
import type { Limit } from './limit.ts'
import type { Plan } from './plan.ts'

const proofs: Readonly<Record<CsrfProof, string>> = {
  token: 'where a session lets a request in, its token in `X-CSRF-Token`; where anything does that a browser sends unasked, evidence that the request comes from this site (`Sec-Fetch-Site`, `Origin`)',
  form: 'where a session lets a request in, its token in the field `csrf_token` of the form; where anything does that a browser sends unasked, evidence that the request comes from this site (`Sec-Fetch-Site`, `Origin`)',
  origin: 'where what a browser sends unasked lets a request in, evidence that it comes from this site (`Sec-Fetch-Site`, `Origin`)',
  'not-cross-site': 'refused where `Sec-Fetch-Site` or `Origin` says that the request comes from another site'
}

/** The guards, rights and limits of an operation as a Markdown list; empty where the route declares none. */
export function operationNotes (plan: Plan, limits: readonly Limit[], csrf: CsrfProof | null): string {
  const guards = plan.guards.flatMap(({ node }) => (node.type === 'limit' || node.type === 'public' || node.type === 'crossSite' ? [] : [describe(node)]))
  return [
    ...(plan.reason === null ? [] : [`- **Public:** ${plan.reason}`]),
    ...line('Guards', guards.map(code)),
    ...(plan.access === 'optional' ? ['- **Credentials:** optional'] : []),
    ...line('Scopes', [...plan.scopes.map(code), ...plan.anyScopes.map(oneOf)]),
    ...line('Roles', [...plan.roles.map(code), ...plan.anyRoles.map(oneOf)]),
    ...line('Policies', plan.policies.map(code)),
    ...(csrf === null ? [] : [`- **CSRF:** ${proofs[csrf]}`]),
    ...line('Limits', limits.map(limitText))
  ].join('\n')
}

function line (title: string, values: readonly string[]): string[] {
  return values.length === 0 ? [] : [`- **${title}:** ${values.join(', ')}`]
}

function oneOf (names: readonly string[]): string {
  return `one of ${names.map(code).join(' or ')}`
}

function limitText ({ name, by, max, windowSeconds }: Limit): string {
  if (max === null || windowSeconds === null) return `${code(name)}: what each API key allows`
  const per = by === 'custom' ? "a key of the service's own" : by
  return `${code(name)}: ${String(max)} in ${windowSeconds === 1 ? '1 second' : `${String(windowSeconds)} seconds`} per ${per}`
}

/** A code span; one that holds a backtick, as a scope may, is fenced by two (CommonMark §6.1). */
function code (text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``
}

// From a route and credentials to a request that the service takes: what each attempt changes one thing of.
import { exampleOf } from './attempt.ts'
import { isSchema, propertiesOf, requiredOf, sample, sampleObject } from './sample.ts'
import type { AttackContext } from './attempt.ts'
import type { AttackedRoute, AttackRequest, MintedCredentials } from './types.ts'

const FORM = 'application/x-www-form-urlencoded'

/** What a request is made of. */
export interface Parts {
  readonly credentials?: readonly MintedCredentials[]
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string | readonly string[]>>
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** A value, or the very text. */
  readonly body?: unknown
  /** Leaves out the evidence and the token of CSRF. */
  readonly withoutCsrf?: boolean
}

/** Parameters of the path, as users or the schema have them. */
export async function paramsOf (context: AttackContext, route: AttackedRoute): Promise<Record<string, string>> {
  const given = await exampleOf(context, route).params?.()
  return { ...Object.fromEntries(Object.entries(route.params === null ? {} : sampleObject(route.params)).map(([name, value]) => [name, String(value)])), ...given }
}

export function pathOf ({ url }: Pick<AttackedRoute, 'url'>, params: Readonly<Record<string, string>>): string {
  // A parameter may have a pattern behind it, as `:id(\\d+)`.
  return url.replace(/\([^()]*\)/g, '').replace(/:(\w+)\??/g, (_all, name: string) => encodeURIComponent(params[name] ?? 'x')).replace('*', 'x')
}

/** A body that the operation takes; `undefined` where it takes none. */
export function bodyFor (context: AttackContext, route: AttackedRoute): Record<string, unknown> | undefined {
  if (route.body === null) return undefined
  return { ...exampleOf(context, route).body ?? (isSchema(route.body.schema) ? sampleObject(route.body.schema) : {}) }
}

/** What a query must have. */
export function queryFor (context: AttackContext, route: AttackedRoute): Record<string, string> {
  const schema = route.query ?? {}
  const required = propertiesOf(schema).filter(([name]) => requiredOf(schema).includes(name)).map(([name, member]) => [name, String(sample(member))])
  return { ...Object.fromEntries(required) as Record<string, string>, ...exampleOf(context, route).query }
}

export function encodeBody (type: string, body: unknown): string {
  if (typeof body === 'string') return body
  if (type !== FORM) return JSON.stringify(body)
  return new URLSearchParams(Object.entries(body as Record<string, unknown>).map(([name, value]): [string, string] => [name, typeof value === 'string' ? value : JSON.stringify(value)])).toString()
}

/** The request, with everything that is good where nothing else is said. */
export async function requestFor (context: AttackContext, route: AttackedRoute, parts: Parts = {}): Promise<AttackRequest> {
  const { credentials = [], withoutCsrf = false } = parts
  const params = parts.params ?? await paramsOf(context, route)
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries({ ...queryFor(context, route), ...Object.assign({}, ...credentials.map(({ query }) => query)) as Record<string, string>, ...parts.query })) {
    for (const one of [value].flat()) query.append(name, one)
  }
  const body = Object.hasOwn(parts, 'body') ? parts.body : bodyFor(context, route)
  const search = query.toString()
  return {
    method: route.method,
    url: `${pathOf(route, params)}${search === '' ? '' : `?${search}`}`,
    headers: {
      ...(body === undefined || route.body === null ? {} : { 'content-type': route.body.type }),
      ...Object.assign({}, ...credentials.map(({ headers, csrf }) => ({ ...headers, ...(withoutCsrf ? {} : csrf) }))) as Record<string, string>,
      ...parts.headers
    },
    ...(body === undefined || route.body === null ? {} : { body: encodeBody(route.body.type, body) })
  }
}

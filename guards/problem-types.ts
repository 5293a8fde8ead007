// Where a problem's `type` leads (RFC 9457 §3.1.1): a page about its code, named once for the whole server, so that what
// guards, handlers and the parser answer links to the same place.
import { invalid } from './scheme-options.ts'
import type { Problem } from '../errors.ts'

/** Any encapsulation context: they all have the server of their root. */
interface Context { readonly server: object }

const bases = new WeakMap<object, string>()

/** From here on every problem of the server has a `type`: the base with its code behind it. */
export function nameTypes ({ server }: Context, base: unknown): void {
  if (typeof base !== 'string' || !isBase(base)) throw invalid('problems.typeBase', 'must be an http or https URL, or a path that begins with /, to which a code is added')
  const known = bases.get(server)
  if (known !== undefined && known !== base) throw invalid('problems.typeBase', 'is another one elsewhere in this service')
  bases.set(server, base)
}

function isBase (base: string): boolean {
  if (base !== base.trim() || base.startsWith('//') || !URL.canParse(base, 'https://service.example')) return false
  return base.startsWith('/') || /^https?:\/\//.test(base)
}

/** The problem with its `type`; one that has a registered type keeps it. */
export function typed (problem: Problem, context: Context | undefined): Problem {
  const base = context === undefined ? undefined : bases.get(context.server)
  return base === undefined || problem.type !== undefined ? problem : { type: base + problem.code, ...problem }
}

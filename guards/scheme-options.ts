// The options that every scheme plugin takes, and the checks that the plugins' own options share.
import { fault } from '../errors.ts'
import { isQuotable } from './challenge.ts'
import { isScope } from './scope.ts'

/** What every scheme plugin takes. */
export interface SchemeOptions {
  /** The OpenAPI name, and the name of the decorator. Each plugin has its own default. */
  as?: string
  /** Published with the OpenAPI scheme. */
  description?: string
  /**
   * Names the protected space in challenges (RFC 9110 §11.5): printable ASCII.
   * @defaultValue `'api'`
   */
  realm?: string
  /** The scopes that this scheme knows, with a text each; a route that requires another is refused at boot. */
  scopes?: Readonly<Record<string, string>>
}

/** The shared options, resolved; an absent text is an absent member, so that it can be spread. */
export interface SchemeSettings {
  readonly name: string
  readonly realm: string
  readonly description: { readonly description?: string }
  readonly scopes: { readonly scopes?: Readonly<Record<string, string>> }
}

const sharedNames = ['as', 'description', 'realm', 'scopes', 'guards']
// OpenAPI 3.1 §4.8.7 component names, beginning with a letter.
const SCHEME_NAME = /^[A-Za-z][A-Za-z0-9._-]*$/

/** The shared options, checked; `own` are the names of the options that only this plugin takes. */
export function resolveSchemeOptions (plugin: string, options: SchemeOptions, own: { defaultName: string; names: readonly string[] }): SchemeSettings {
  assertKnownOptions(plugin, options, [...sharedNames, ...own.names])
  const { as = own.defaultName, description, realm = 'api', scopes } = options
  if (typeof as !== 'string' || !SCHEME_NAME.test(as)) throw invalid(`${plugin}.as`, 'must be a name of letters, digits, ".", "_" and "-"')
  if (typeof realm !== 'string' || !isQuotable(realm) || realm === '') throw invalid(`${plugin}.realm`, 'must be a string of printable ASCII')
  if (description !== undefined) assertText(`${plugin}.description`, description)
  return Object.freeze({
    name: as,
    realm,
    description: description === undefined ? {} : { description },
    scopes: scopes === undefined ? {} : { scopes: resolveScopes(plugin, scopes) }
  })
}

function resolveScopes (plugin: string, scopes: unknown): Readonly<Record<string, string>> {
  if (!isRecord(scopes)) throw invalid(`${plugin}.scopes`, 'must be an object of scope names and texts')
  for (const [name, text] of Object.entries(scopes)) {
    if (!isScope(name)) throw invalid(`${plugin}.scopes`, 'has a name that RFC 6749 §3.3 does not allow')
    if (typeof text !== 'string') throw invalid(`${plugin}.scopes`, `must hold a text for ${name}`)
  }
  return Object.freeze({ ...scopes }) as Readonly<Record<string, string>>
}

/** Refuses an option that nobody reads: a misspelt one would otherwise be a silent default. */
export function assertKnownOptions (plugin: string, options: object, names: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw invalid(`${plugin}.${name}`, `is not an option; there are ${names.join(', ')}`)
  }
}

/** Refuses anything but a non-empty string. */
export function assertText (option: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '') throw invalid(option, 'must be a non-empty string')
}

/** Refuses anything but a function. */
export function assertCallback (option: string, value: unknown): void {
  if (typeof value !== 'function') throw invalid(option, 'must be a function')
}

/** Refuses anything but a whole number within bounds; nothing is rounded or parsed. */
export function assertInteger (option: string, value: unknown, { min, max }: { min: number; max: number }): asserts value is number {
  if (!Number.isInteger(value) || Number(value) < min || Number(value) > max) throw invalid(option, `must be a whole number from ${String(min)} to ${String(max)}`)
}

/** Whether `value` is an object with members of its own, not an array, a map or an instance of something. */
export function isRecord (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** The fault for an option, by its path. The value is never told: it may be a secret. */
export function invalid (option: string, why: string): Error {
  return fault('GATEHOUSE_OPTION_INVALID', `${option} ${why}`)
}

/** Whether every percent-encoding in it is one of UTF-8, as drivers decode what a URL says of credentials. */
export function isDecodable (text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

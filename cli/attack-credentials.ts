// The credentials that `gatehouse attack` is given: read from where nobody looks on, checked against the schemes of the
// document, and handed out for what an attempt asks for.
import { open } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { Type } from '@sinclair/typebox'
import { printable } from '../testing/attack/report.ts'
import { UsageFailure } from './failure.ts'
import { assertValid } from './service.ts'
import type { Static, TObject } from '@sinclair/typebox'
import type { AskedCredentials, AttackCredentials, AttackedRoute, MintedCredentials } from '../testing/attack/types.ts'
import type { DocumentedScheme } from './attack-target.ts'

const strict = { additionalProperties: false }
const secret = Type.String({ minLength: 1, maxLength: 16_384, pattern: '^[\\x21-\\x7e]+$' })
const names = Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 1000 }))
/** What they are good for; all that there is where it is not said. */
const rights = { scopes: names, roles: names }

/** What is given for each kind of scheme. */
const forms = {
  token: Type.Object({ token: secret, ...rights }, strict),
  password: Type.Object({ username: Type.String({ minLength: 1, maxLength: 256, pattern: '^[^:]+$' }), password: Type.String({ minLength: 1, maxLength: 4096 }), ...rights }, strict),
  key: Type.Object({ key: secret, ...rights }, strict),
  cookie: Type.Object({ cookie: secret, csrf: Type.Optional(secret), ...rights }, strict)
} as const satisfies Record<string, TObject>
type FormName = keyof typeof forms
type Entry = { scopes?: string[]; roles?: string[] } & Partial<Static<typeof forms.token> & Static<typeof forms.password> & Static<typeof forms.key> & Static<typeof forms.cookie>>

/** What an attack sends, and what nothing that is written may hold. */
export interface GivenCredentials {
  readonly credentials: Readonly<Record<string, AttackCredentials>>
  readonly secrets: readonly string[]
}

function formOf ({ type, scheme = '', in: place }: DocumentedScheme): FormName | null {
  if (type === 'oauth2' || type === 'openIdConnect') return 'token'
  if (type === 'apiKey') return place === 'cookie' ? 'cookie' : 'key'
  if (type !== 'http') return null
  return ({ bearer: 'token', basic: 'password' } as const)[scheme.toLowerCase()] ?? null
}

/**
 * Reads `source`: a file that is closed to everybody else, `env:NAME`, or `-` for standard input. Throws a `UsageFailure`
 * that names the member that is wrong, and never its value.
 */
export async function readCredentials (source: string, schemes: Readonly<Record<string, DocumentedScheme>>, surface: readonly AttackedRoute[], publicKeys: readonly string[]): Promise<GivenCredentials> {
  const where = source === '-' ? 'standard input' : source
  const given = parsed(await contentOf(source), where)
  const kinds = new Map(Object.keys(given).map((name) => [name, kindOf(name, schemes, where)]))
  check(Type.Object(Object.fromEntries([...kinds].map(([name, { form }]) => [name, Type.Array(forms[form], { minItems: 1, maxItems: 100 })])), strict), given, where)
  const entries = Object.entries(given as Record<string, Entry[]>)
  assertTokens(entries, surface, where)
  const roles = new Set(surface.flatMap((route) => [...route.rights.roles, ...route.rights.anyRoles.flat()]))
  return {
    credentials: Object.fromEntries(entries.map(([name, list]) => {
      const { scheme, form } = kinds.get(name) ?? kindOf(name, schemes, where)
      return [name, { mint: minter(list.map((entry) => ({ entry, minted: presented(entry, scheme) })), roles), ...(form === 'token' ? { publicKeys } : {}) }]
    })),
    secrets: entries.flatMap(([, list]) => list.flatMap(secretsOf))
  }
}

function kindOf (name: string, schemes: Readonly<Record<string, DocumentedScheme>>, where: string): { scheme: DocumentedScheme; form: FormName } {
  const scheme = Object.hasOwn(schemes, name) ? schemes[name] : undefined
  if (scheme === undefined) throw new UsageFailure(`${where}: the document has no scheme ${JSON.stringify(name)}; there are ${printable(Object.keys(schemes).join(', ')) || 'none'}`)
  const form = formOf(scheme)
  if (form === null) throw new UsageFailure(`${where}: credentials of ${name} cannot be given; only tokens, passwords, keys and cookies can`)
  return { scheme, form }
}

async function contentOf (source: string): Promise<string> {
  if (source === '-') return await text(process.stdin)
  if (source.startsWith('env:')) {
    const value = process.env[source.slice(4)]
    if (value === undefined || value === '') throw new UsageFailure(`${source}: the variable is not set`)
    return value
  }
  // eslint-disable-next-line security/detect-non-literal-fs-filename -- whoever runs the command names it
  const handle = await open(source, 'r').catch((error: unknown) => { throw new UsageFailure(`${source} cannot be read`, { cause: error }) })
  try {
    const { mode } = await handle.stat()
    if (process.platform !== 'win32' && (mode & 0o007) !== 0) throw new UsageFailure(`${source} is open to everybody on this machine; chmod 600 it`)
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

/** What the parser says of a text quotes it. */
function parsed (content: string, where: string): object {
  try {
    const given: unknown = JSON.parse(content)
    if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given
  } catch {
    throw new UsageFailure(`${where} is no JSON`)
  }
  throw new UsageFailure(`${where} must be an object whose members are called as the schemes of the document`)
}

function check (schema: TObject, given: object, where: string): void {
  try {
    assertValid(schema, given)
  } catch (error) {
    throw new UsageFailure(`${where}: ${error instanceof Error ? error.message : 'is not valid'}`)
  }
}

/** Without the token of its session a cookie gets no further than the proof of CSRF, and the rest would not be tried. */
function assertTokens (entries: readonly [string, readonly Entry[]][], surface: readonly AttackedRoute[], where: string): void {
  for (const [name, list] of entries) {
    const route = surface.find(({ csrf, alternatives }) => csrf === 'token' && alternatives.some((alternative) => Object.hasOwn(alternative, name)))
    const at = list.findIndex(({ cookie, csrf }) => cookie !== undefined && csrf === undefined)
    if (route !== undefined && at !== -1) throw new UsageFailure(`${where}: ${name} ${String(at)} needs csrf, the X-CSRF-Token of its session: ${route.method} ${route.url} asks for it`)
  }
}

function presented ({ token, username = '', password, key = '', cookie, csrf }: Entry, { in: place, name = '' }: DocumentedScheme): MintedCredentials {
  if (typeof token === 'string') return { headers: { authorization: `Bearer ${token}` } }
  if (typeof password === 'string') return { headers: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` } }
  if (cookie !== undefined) return { headers: { cookie: `${name}=${cookie}` }, csrf: { 'sec-fetch-site': 'same-origin', ...(csrf === undefined ? {} : { 'x-csrf-token': csrf }) } }
  return place === 'query' ? { query: { [name]: key } } : { headers: { [name.toLowerCase()]: key } }
}

function secretsOf ({ token, username = '', password, key, cookie, csrf }: Entry): string[] {
  const pair = password === undefined ? [] : [password, Buffer.from(`${username}:${password}`).toString('base64')]
  return [token, key, cookie, csrf, ...pair].filter((value) => value !== undefined)
}

interface Held { readonly entry: Entry; readonly minted: MintedCredentials }

/** Of those that are good for it, each in its turn; of those that lack what they are to lack, the strongest. */
function minter (held: readonly Held[], roles: ReadonlySet<string>): AttackCredentials['mint'] {
  let turn = 0
  const listOf = ({ scopes, roles: own }: Entry, name: string): readonly string[] | undefined => roles.has(name) ? own : scopes
  return async ({ scopes, roles: asked, lacking }: AskedCredentials) => {
    const strength = ({ entry }: Held): number => [...scopes, ...asked].filter((name) => listOf(entry, name)?.includes(name) !== false).length
    const able = held.filter(({ entry }) => lacking.every((name) => listOf(entry, name)?.includes(name) === false))
    const most = lacking.length > 0 ? Math.max(...able.map(strength)) : scopes.length + asked.length
    const fitting = able.filter((one) => strength(one) === most)
    turn += 1
    return fitting[turn % fitting.length]?.minted ?? null
  }
}

// What a composition decides, measured against a truth table written from DESIGN and against what it publishes.
import Fastify from 'fastify'
import fc from 'fast-check'
import t from 'tap'
import { formatChallenge } from '../../guards/challenge.ts'
import { guards } from '../../plugins/guards.ts'
import { scopes } from '../../plugins/scopes.ts'
import { headerScheme } from '../fixtures/header-scheme.ts'
import type { FastifyInstance } from 'fastify'
import type { AuthorizationGuard, Guard } from '../../guards/guard.ts'
import type { Principal } from '../../guards/principal.ts'
import type { GuardedRoute } from '../../plugins/guards.ts'
import type { HeaderScheme } from '../fixtures/header-scheme.ts'

type Tree =
  | { type: 'scheme'; name: string }
  | { type: 'anyOf' | 'allOf'; members: Tree[] }
  | { type: 'optional'; member: Tree }
type Credentials = Record<string, 'absent' | 'good' | 'bad'>
type AnyGuard = Guard<Principal | null>

const names = ['a', 'b', 'c', 'd']
const leaf = fc.constantFrom(...names).map((name): Tree => ({ type: 'scheme', name }))
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof({ depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('tree'), { minLength: 2, maxLength: 3 }).map((members): Tree => ({ type: 'anyOf', members })),
    fc.array(tie('tree'), { minLength: 1, maxLength: 3 }).map((members): Tree => ({ type: 'allOf', members })),
    tie('tree').map((member): Tree => ({ type: 'optional', member })))
}))
const trees = fc.array(tree, { minLength: 1, maxLength: 3 })
const timing = fc.record(Object.fromEntries(names.map((name) => [name, fc.boolean()])))

// The truth table: predicates, not an evaluation in order.
function identifies (node: Tree, given: Credentials): boolean {
  switch (node.type) {
    case 'scheme': return given[node.name] === 'good'
    case 'anyOf': return node.members.some((member) => identifies(member, given))
    case 'allOf': return accepts(node, given) && node.members.some((member) => identifies(member, given))
    case 'optional': return identifies(node.member, given)
  }
}

/** Whether anything bad was presented; then nobody is let in as a stranger. */
function isBad (node: Tree, given: Credentials): boolean {
  switch (node.type) {
    case 'scheme': return given[node.name] === 'bad'
    case 'optional': return isBad(node.member, given)
    default: return node.members.some((member) => isBad(member, given))
  }
}

function accepts (node: Tree, given: Credentials): boolean {
  switch (node.type) {
    case 'scheme': return given[node.name] === 'good'
    case 'anyOf': return identifies(node, given) || (!isBad(node, given) && node.members.some((member) => accepts(member, given)))
    case 'allOf': return node.members.every((member) => accepts(member, given))
    case 'optional': return accepts(node.member, given) || !isBad(node.member, given)
  }
}

/** The first who is identified, in order of writing; `null` for a stranger. */
function whoIs (list: readonly Tree[], given: Credentials): string | null {
  for (const node of list) {
    if (node.type === 'scheme') {
      if (given[node.name] === 'good') return node.name
      continue
    }
    const members = node.type === 'optional' ? [node.member] : node.members
    if (!identifies(node, given)) continue
    const found = node.type === 'anyOf' ? whoIs(members.filter((member) => identifies(member, given)).slice(0, 1), given) : whoIs(members, given)
    if (found !== null) return found
  }
  return null
}

const allCredentials = names.reduce<Credentials[]>((rows, name) => rows.flatMap((row) =>
  (['absent', 'good', 'bad'] as const).map((state) => ({ ...row, [name]: state }))), [{}])

interface Service { app: FastifyInstance; schemes: Map<string, HeaderScheme> }

async function serviceOf (list: readonly Tree[], later: Record<string, boolean>): Promise<Service> {
  const app = Fastify()
  await app.register(guards)
  const schemes = new Map(names.map((name) => [name, headerScheme(name, { later: later[name] ?? false })]))
  const leaves = new Map([...schemes].map(([name, scheme]) => [name, app.defineScheme(scheme)]))
  function guardOf (node: Tree): AnyGuard {
    switch (node.type) {
      case 'scheme': return leaves.get(node.name) as AnyGuard
      case 'optional': return app.optional(guardOf(node.member))
      case 'anyOf': return app.anyOf(...node.members.map(guardOf) as [AnyGuard, AnyGuard])
      case 'allOf': return app.allOf(...node.members.map(guardOf) as [AnyGuard])
    }
  }
  app.get('/', { onRequest: list.map(guardOf) }, (request) => {
    try {
      return request.principal.scheme
    } catch {
      return 'stranger'
    }
  })
  await app.ready()
  return { app, schemes }
}

function headersFor (given: Credentials): Record<string, string> {
  return Object.fromEntries(Object.entries(given).flatMap(([name, state]) =>
    (state === 'absent' ? [] : [[`x-${name}`, state === 'good' ? 'alice' : 'bad']])))
}

const requirementOf = (app: FastifyInstance): NonNullable<GuardedRoute['requirement']> => app.guardedRoutes()[0]?.requirement ?? []

t.test('R039 R123 every composition decides as the truth table and the published requirement say, and asks each scheme once', async (t) => {
  let tooMany = 0
  await fc.assert(fc.asyncProperty(trees, timing, async (list, later) => {
    const service = await serviceOf(list, later).catch((error: { code?: string }) => error.code)
    if (typeof service !== 'object') {
      if (service !== 'GATEHOUSE_TOO_MANY_ALTERNATIVES') throw new Error(`unexpected ${String(service)}`)
      tooMany += 1
      return
    }
    const { app, schemes } = service
    const requirement = requirementOf(app)
    for (const given of allCredentials) {
      for (const scheme of schemes.values()) scheme.asked = 0
      const response = await app.inject({ url: '/', headers: headersFor(given) })
      const expected = list.every((node) => accepts(node, given))
      const text = JSON.stringify({ list, given, requirement, answer: response.body })
      if ((response.statusCode === 200) !== expected) throw new Error(`the table says ${String(expected)}: ${text}`)
      if (expected && response.body !== (whoIs(list, given) ?? 'stranger')) throw new Error(`another principal: ${text}`)
      if (!expected && (response.statusCode !== 401 || response.headers['www-authenticate'] === undefined)) throw new Error(`no 401 with a challenge: ${text}`)
      if ([...schemes.values()].some(({ asked }) => asked > 1)) throw new Error(`asked twice: ${text}`)
      if (Object.values(given).includes('bad')) continue
      const published = requirement.some((alternative) => Object.keys(alternative).every((name) => given[name] === 'good'))
      if (published !== expected) throw new Error(`the requirement says ${String(published)}: ${text}`)
    }
    await app.close()
  }), { numRuns: 60 })
  t.ok(tooMany < 30, 'most compositions could be tried')
})

async function requirementFor (build: (app: FastifyInstance, guard: (name: string) => Guard) => (AnyGuard | AuthorizationGuard)[]): Promise<GuardedRoute['requirement']> {
  const app = Fastify({ exposeHeadRoutes: false })
  await app.register(scopes)
  const leaves = new Map<string, Guard>()
  const guard = (name: string): Guard => {
    const known = leaves.get(name) ?? app.defineScheme<Principal>(headerScheme(name, name.startsWith('oauth') ? { oauth2: true } : {}))
    leaves.set(name, known)
    return known
  }
  app.get('/', { onRequest: build(app, guard) }, () => 'ok')
  return requirementOf(app)
}

t.test('the disjunctive normal form', async (t) => {
  const rows: [string, Parameters<typeof requirementFor>[0], string[]][] = [
    ['[anyOf(a, b), c]', (app, g) => [app.anyOf(g('a'), g('b')), g('c')], ['a c', 'b c']],
    ['[optional(a), b]', (app, g) => [app.optional(g('a')), g('b')], ['a b', 'b']],
    ['[a, b]', (_app, g) => [g('a'), g('b')], ['a b']],
    ['[a, a]', (_app, g) => [g('a'), g('a')], ['a']],
    ['[optional(a)]', (app, g) => [app.optional(g('a'))], ['a', '']],
    ['[anyOf(allOf(a, b), c)]', (app, g) => [app.anyOf(app.allOf(g('a'), g('b')), g('c'))], ['a b', 'c']],
    ['[anyOf(a, b), anyOf(b, a)]', (app, g) => [app.anyOf(g('a'), g('b')), app.anyOf(g('b'), g('a'))], ['a b', 'a', 'b']],
    ['[anyOf(a, optional(b)), c]', (app, g) => [app.anyOf(g('a'), app.optional(g('b'))), g('c')], ['a c', 'b c', 'c']]
  ]
  for (const [title, build, expected] of rows) {
    t.test(`${title} is ${JSON.stringify(expected)}`, async (t) => {
      const requirement = await requirementFor(build)
      t.same(requirement?.map((alternative) => Object.keys(alternative).join(' ')), expected)
    })
  }
})

t.test('sixteen alternatives are accepted and seventeen are refused', async (t) => {
  const anyOfMany = (count: number): Parameters<typeof requirementFor>[0] => (app, g) =>
    [app.anyOf(...Array.from({ length: count }, (_, index) => g(`s${String(index)}`)) as [Guard, Guard])]
  t.equal((await requirementFor(anyOfMany(16)))?.length, 16)
  await t.rejects(requirementFor(anyOfMany(17)), { code: 'GATEHOUSE_TOO_MANY_ALTERNATIVES', message: /GET \// })
  await t.rejects(requirementFor((app, g) => [app.optional(app.anyOf(...['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p'].map(g) as [Guard, Guard]))]),
    { code: 'GATEHOUSE_TOO_MANY_ALTERNATIVES' }, 'the stranger is an alternative too')
})

t.test('requireAnyScope is one alternative a scope where OpenAPI knows scopes', async (t) => {
  t.same(await requirementFor((app, g) => [g('oauth'), app.requireAnyScope('x', 'y')]), [{ oauth: ['x'] }, { oauth: ['y'] }])
  t.same(await requirementFor((app, g) => [g('oauth'), app.requireScopes('z'), app.requireAnyScope('x', 'y')]), [{ oauth: ['z', 'x'] }, { oauth: ['z', 'y'] }])
  t.same(await requirementFor((app, g) => [g('a'), app.requireAnyScope('x', 'y')]), [{ a: [] }], 'scopes have no meaning under apiKey')
  t.same(await requirementFor((app, g) => [app.anyOf(g('oauth'), g('a')), app.requireScopes('x')]), [{ oauth: ['x'] }, { a: [] }])
})

t.test('alternatives that requireAnyScope makes are bounded too, without being multiplied out', async (t) => {
  const seventeen = Array.from({ length: 17 }, (_, index) => `s${String(index)}`)
  await t.rejects(requirementFor((app, g) => [g('oauth'), app.requireAnyScope(...seventeen)]), { code: 'GATEHOUSE_TOO_MANY_ALTERNATIVES', message: /GET \// })
  const lists = Array.from({ length: 12 }, (_, index) => ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}${String(index)}`))
  await t.rejects(requirementFor((app, g) => [g('oauth'), ...lists.map((list) => app.requireAnyScope(...list))]), { code: 'GATEHOUSE_TOO_MANY_ALTERNATIVES' })
})

/** A reader of challenges, written from RFC 9110 §5.6.4 and §11.2. */
function parseChallenge (text: string): { scheme: string; parameters: [string, string][] } {
  let at = text.indexOf(' ')
  const scheme = text.slice(0, at)
  const parameters: [string, string][] = []
  while (at < text.length) {
    at += text[at] === ',' ? 2 : 1
    const equals = text.indexOf('="', at)
    const name = text.slice(at, equals)
    let value = ''
    for (at = equals + 2; text[at] !== '"'; at++) {
      if (at >= text.length) throw new Error('an open quoted string')
      if (text[at] === '\\') at++
      value += text[at] ?? ''
    }
    at += 1
    parameters.push([name, value])
  }
  return { scheme, parameters }
}

t.test('a challenge says exactly what it was given, whatever characters stand in it', async (t) => {
  const value = fc.array(fc.constantFrom(...' !"#\\,=;abc09~\t\'')).map((characters) => characters.join(''))
  const parameters = fc.uniqueArray(fc.tuple(fc.stringMatching(/^[a-z][a-z-]{0,8}$/), value), { minLength: 1, maxLength: 4, selector: ([name]) => name })
  fc.assert(fc.property(parameters, (written) => {
    const read = parseChallenge(formatChallenge('Test', Object.fromEntries(written)))
    return read.scheme === 'Test' && JSON.stringify(read.parameters) === JSON.stringify(written)
  }))
  for (const value of ['a\nb', 'a\rb', 'a\0b', 'schlüssel', '\u007f']) t.throws(() => formatChallenge('Test', { realm: value }), TypeError)
})

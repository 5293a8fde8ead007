// The requirement that OpenAPI publishes of a list of guards, and when two of them mean the same.
import t from 'tap'
import { requireNames } from '../../guards/authorization.ts'
import { MAX_ALTERNATIVES, alternativesOf, isSecurityRequirement, requirementOf, sameRequirements } from '../../guards/requirement.ts'
import { headerScheme } from '../fixtures/header-scheme.ts'
import type { Authorization, RequirementNode } from '../../guards/node.ts'
import type { SecurityRequirement } from '../../guards/requirement.ts'
import type { Scheme } from '../../guards/scheme.ts'

const place = 'GET /x'
const node = (scheme: Scheme): RequirementNode => ({ type: 'scheme', scheme })
const [a, b, o] = [node(headerScheme('a')), node(headerScheme('b')), node(headerScheme('o', { oauth2: true }))]
const connect = node({ ...headerScheme('connect'), definition: { type: 'openIdConnect', openIdConnectUrl: 'https://issuer.example' } })
const allOf = (...members: RequirementNode[]): RequirementNode => ({ type: 'allOf', members })
const anyOf = (...members: RequirementNode[]): RequirementNode => ({ type: 'anyOf', members })
const optional = (member: RequirementNode): RequirementNode => ({ type: 'optional', member })
const names = (kind: Parameters<typeof requireNames>[0], ...list: string[]): RequirementNode => ({ type: 'authorization', authorization: requireNames(kind, list) })
const policy = (): RequirementNode => ({ type: 'authorization', authorization: { kind: 'policy', names: ['owner'], authorize: () => null } satisfies Authorization })

t.test('R208 the requirement of a list names each scheme, with the scopes that are judged on it', async (t) => {
  const rows: [title: string, members: RequirementNode[], requirement: SecurityRequirement[]][] = [
    ['scopes of a group, then another scheme', [allOf(o, names('scopes', 's')), b], [{ o: ['s'], b: [] }]],
    ['a scheme, then scopes of a group', [b, allOf(o, names('scopes', 's'))], [{ b: [], o: ['s'] }]],
    ['scopes of several guards, each once', [o, names('scopes', 's', 't'), names('scopes', 't', 'u')], [{ o: ['s', 't', 'u'] }]],
    ['any scope is an alternative each', [o, names('anyScope', 's', 't')], [{ o: ['s'] }, { o: ['t'] }]],
    ['any scope and one besides', [o, names('anyScope', 's', 't'), names('scopes', 'u')], [{ o: ['s', 'u'] }, { o: ['t', 'u'] }]],
    ['any of two, twice', [o, names('anyScope', 's', 't'), names('anyScope', 't', 's')], [{ o: ['s', 't'] }, { o: ['s'] }, { o: ['t'] }]],
    ['roles and policies have no place', [o, names('roles', 'r'), names('anyRole', 'q', 'p'), policy()], [{ o: [] }]],
    ['OpenID Connect has scopes', [connect, names('scopes', 's')], [{ connect: ['s'] }]],
    ['an API key has none', [a, names('scopes', 's')], [{ a: [] }]],
    ['a stranger, where it was written', [anyOf(optional(a), b)], [{ a: [] }, {}, { b: [] }]]
  ]
  for (const [title, members, requirement] of rows) t.strictSame(requirementOf(alternativesOf(members, place, false), place), requirement, title)
})

t.test('R039 an alternative that an earlier one contains is left out, and no other', async (t) => {
  const owner = policy()
  const rows: [title: string, members: RequirementNode[], alternatives: string[]][] = [
    ['the same two, twice', [anyOf(a, b), anyOf(a, b)], ['a', 'a b', 'b']],
    ['the same scheme, twice', [anyOf(a, a)], ['a']],
    ['what is optional, twice', [optional(a), optional(a)], ['a', '']],
    ['what is optional beside itself', [anyOf(optional(a), a)], ['a', '']],
    ['the same names, required twice', [anyOf(allOf(a, names('scopes', 's', 't')), allOf(a, names('scopes', 's', 't')))], ['a']],
    ['the same names in other orders of writing', [anyOf(allOf(a, names('scopes', 's'), names('roles', 'r')), allOf(a, names('roles', 'r'), names('scopes', 's')))], ['a']],
    ['other names', [anyOf(allOf(a, names('scopes', 's')), allOf(a, names('scopes', 't')))], ['a', 'a']],
    ['names that only look the same when they are joined', [anyOf(allOf(a, names('roles', 'st')), allOf(a, names('roles', 's', 't')))], ['a', 'a']],
    ['other kinds', [anyOf(allOf(a, names('scopes', 's')), allOf(a, names('anyScope', 's')))], ['a', 'a']],
    ['judged on another', [anyOf(allOf(a, names('scopes', 's'), b), allOf(a, allOf(b, names('scopes', 's'))))], ['a b', 'a b']],
    ['two policies of one name', [anyOf(allOf(a, policy()), allOf(a, policy()))], ['a', 'a']],
    ['one policy, twice', [anyOf(allOf(a, owner), allOf(a, owner))], ['a']],
    ['one policy of two', [anyOf(allOf(a, owner, policy()), allOf(a, owner, policy()))], ['a', 'a']],
    ['what may have been left out is asked for less', [anyOf(allOf(optional(a), b), b)], ['a b', 'b', 'b']],
    ['what may not be left out is asked for more', [anyOf(b, allOf(optional(a), b))], ['b', 'a b']]
  ]
  for (const [title, members, alternatives] of rows) {
    t.strictSame(alternativesOf(members, place, false).map(({ schemes }) => schemes.map(({ name }) => name).sort().join(' ')), alternatives, title)
  }
})

t.test('strangers come last where they are asked for last', async (t) => {
  const order = (strangersLast: boolean): string[] => alternativesOf([anyOf(optional(a), b)], place, strangersLast).map(({ schemes }) => schemes.map(({ name }) => name).join(' '))
  t.strictSame(order(false), ['a', '', 'b'])
  t.strictSame(order(true), ['a', 'b', ''])
})

t.test('there are at most 16 alternatives', async (t) => {
  const several = (count: number): RequirementNode => anyOf(...Array.from({ length: count }, (_, index) => node(headerScheme(`s${String(index)}`))))
  const scopes = (count: number): RequirementNode => names('anyScope', ...Array.from({ length: count }, (_, index) => `s${String(index)}`))
  t.equal(alternativesOf([several(MAX_ALTERNATIVES)], place, false).length, 16)
  t.throws(() => alternativesOf([several(MAX_ALTERNATIVES + 1)], place, false), { code: 'GATEHOUSE_TOO_MANY_ALTERNATIVES', message: /GET \/x/ })
  t.equal(requirementOf(alternativesOf([o, scopes(MAX_ALTERNATIVES)], place, false), place).length, 16)
  t.throws(() => requirementOf(alternativesOf([o, scopes(MAX_ALTERNATIVES + 1)], place, false), place), { code: 'GATEHOUSE_TOO_MANY_ALTERNATIVES', message: /GET \/x/ })
})

t.test('a requirement is an object of lists of names', async (t) => {
  for (const value of [{}, { a: [] }, { a: ['x', 'y'], b: [] }]) t.equal(isSecurityRequirement(value), true, JSON.stringify(value))
  for (const value of [null, undefined, 7, 'a', true, [], [['x']], { a: null }, { a: 'x' }, { a: ['x', 1] }, { a: [], b: {} }, () => {}]) t.equal(isSecurityRequirement(value), false, JSON.stringify(value))
})

t.test('R208 the order of alternatives, schemes and scopes means nothing', async (t) => {
  const rows: [left: SecurityRequirement[], right: SecurityRequirement[], same: boolean][] = [
    [[], [], true], [[{ a: [], b: [], c: [] }], [{ c: [], a: [], b: [] }], true], [[{ b: [], a: [] }], [{ a: [], b: [] }], true], [[{ a: ['x', 'y'] }], [{ a: ['y', 'x'] }], true],
    [[{ a: [] }, { b: [] }], [{ b: [] }, { a: [] }], true], [[{ a: [] }, { a: [] }], [{ a: [] }], true],
    [[{ a: [] }], [{ a: ['x'] }], false], [[{ a: ['x'] }], [{ a: ['y'] }], false], [[{ a: [] }, { b: [] }], [{ a: [], b: [] }], false], [[], [{}], false], [[{ a: [] }], [{ a: [] }, {}], false]
  ]
  for (const [left, right, same] of rows) t.equal(sameRequirements(left, right), same, `${JSON.stringify(left)} and ${JSON.stringify(right)}`)
})

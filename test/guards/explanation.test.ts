// What an explanation tells a developer: each guard with what became of it, what was presented, and why it was refused.
import t from 'tap'
import { limitGuard } from '../../guards/guard.ts'
import { headerScheme } from '../fixtures/header-scheme.ts'
import { service } from '../fixtures/two-schemes.ts'
import type { Guard } from '../../guards/guard.ts'
import type { Carrier } from '../../guards/scheme.ts'
import type { Service } from '../fixtures/two-schemes.ts'

interface Explanation { clauses: { level: string; guard: string; outcome: string }[]; presented: object[]; reasons: string[] }
interface Row {
  guards (made: Service & { carried: (name: string, carrier: Carrier) => Guard }): unknown[]
  url?: string
  headers?: Record<string, string>
  clauses: [guard: string, outcome: string][]
  presented?: object[]
  reasons?: string[]
}

const presentedA = { scheme: 'a', in: 'header', name: 'X-a' }
const few = limitGuard({ name: 'few', by: 'address', max: 3, windowSeconds: 60, consume: () => null })
const rows: Record<string, Row> = {
  'rights that are held and one that is not': {
    guards: ({ app, a }) => [a, app.requireScopes('s'), app.requireRoles('r'), app.requireRoles('q')],
    headers: { 'x-a': 'alice;s' },
    clauses: [['a', 'accepted'], ['requireScopes(s)', 'accepted'], ['requireRoles(r)', 'refused'], ['requireRoles(q)', 'not asked']],
    presented: [presentedA],
    reasons: ['requires all of r']
  },
  'every name that is required': {
    guards: ({ app, a }) => [a, app.requireScopes('s', 't')],
    headers: { 'x-a': 'alice' },
    clauses: [['a', 'accepted'], ['requireScopes(s, t)', 'refused']],
    presented: [presentedA],
    reasons: ['requires all of s t']
  },
  'any name that is required': {
    guards: ({ app, a }) => [a, app.requireAnyScope('s', 't')],
    headers: { 'x-a': 'alice' },
    clauses: [['a', 'accepted'], ['requireAnyScope(s, t)', 'refused']],
    presented: [presentedA],
    reasons: ['requires one of s t']
  },
  'a refusal without a reason': { guards: ({ a }) => [a], headers: { 'x-a': 'disabled' }, clauses: [['a', 'refused']], presented: [presentedA] },
  'what was not asked any more': { guards: ({ a, b }) => [a, b], clauses: [['a', 'absent'], ['b', 'not asked']] },
  'a stranger at the one, nothing for the other': { guards: ({ app, a, b }) => [app.optional(a), b], clauses: [['optional(a)', 'stranger'], ['b', 'absent']] },
  'limits and what is public are no clauses': { guards: ({ a }) => [few, a], clauses: [['a', 'absent']] },
  'an alternative that was refused by a right': {
    guards: ({ app, a, b }) => [app.anyOf(app.allOf(a, app.requireScopes('s')), b)],
    headers: { 'x-a': 'alice' },
    clauses: [['anyOf(allOf(a, requireScopes(s)), b)', 'refused']],
    presented: [presentedA],
    reasons: ['requires all of s']
  },
  'a cookie, any': {
    guards: ({ carried }) => [carried('session', { in: 'cookie', name: 'sid' })],
    headers: { cookie: 'other=1' },
    clauses: [['session', 'absent']],
    presented: [{ scheme: 'session', in: 'cookie', name: 'sid' }]
  },
  'no cookie': { guards: ({ carried }) => [carried('session', { in: 'cookie', name: 'sid' })], clauses: [['session', 'absent']] },
  'a connection says nothing': { guards: ({ carried }) => [carried('certificate', { in: 'connection', name: 'TLS' })], clauses: [['certificate', 'absent']] },
  'a parameter among others': {
    guards: ({ carried }) => [carried('q', { in: 'query', name: 'key' })],
    url: '/x?other=1?2&key=3',
    clauses: [['q', 'absent']],
    presented: [{ scheme: 'q', in: 'query', name: 'key' }]
  },
  'a value that is called as the parameter': { guards: ({ carried }) => [carried('q', { in: 'query', name: 'key' })], url: '/x?other=key', clauses: [['q', 'absent']] },
  'no parameters': { guards: ({ carried }) => [carried('q', { in: 'query', name: 'key' })], clauses: [['q', 'absent']] }
}

t.test('an explanation tells each guard, what was presented, and why it was refused', async (t) => {
  const before = process.env['NODE_ENV']
  process.env['NODE_ENV'] = 'development'
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_ENV']
    else process.env['NODE_ENV'] = before
  })
  for (const [title, { guards, url = '/x', headers = {}, clauses, presented = [], reasons = [] }] of Object.entries(rows)) {
    await t.test(title, async (t) => {
      const made = await service(t)
      const carried = (name: string, carrier: Carrier): Guard => made.app.defineScheme({ ...headerScheme(name), carrier })
      made.app.get('/x', { onRequest: guards({ ...made, carried }) as Guard[] }, made.handler)
      const { explanation } = (await made.app.inject({ url, headers })).json<{ explanation: Explanation }>()
      t.strictSame(explanation, { clauses: clauses.map(([guard, outcome]) => ({ level: 'route', guard, outcome })), presented, reasons })
    })
  }
})

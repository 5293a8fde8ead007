// Limits that somebody else counts, together: one call for neighbours, up to and with the first that is exceeded.
import Fastify from 'fastify'
import t from 'tap'
import { limitGuard } from '../../guards/guard.ts'
import { countingSteps, isBatch } from '../../guards/limit.ts'
import { guards } from '../../plugins/guards.ts'
import { headerScheme } from '../fixtures/header-scheme.ts'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { Limit, LimitState, SharedLimits } from '../../guards/limit.ts'

const room: LimitState = { exceeded: false, remaining: 2, resetSeconds: 60 }
const full: LimitState = { exceeded: true, remaining: 0, resetSeconds: 30 }

function limit (name: string, shared?: SharedLimits, by: Limit['by'] = 'address'): Limit {
  return { name, by, max: 3, windowSeconds: 60, consume: () => room, ...(shared === undefined ? {} : { shared }) }
}

const unused: SharedLimits = { consume: () => Promise.reject(new Error('is not called')) }

t.test('neighbours that are shared by the same are one step, in their order', async (t) => {
  const other = { ...unused }
  const [a, b, c] = [limit('a', unused), limit('b', unused), limit('c', other)]
  const [own, alone] = [limit('own'), limit('alone')]
  const rows: [Limit[], (string | string[])[]][] = [
    [[], []], [[own], ['own']], [[own, alone], ['own', 'alone']], [[a], [['a']]], [[a, b], [['a', 'b']]], [[a, c], [['a'], ['c']]],
    [[a, own, b], [['a'], 'own', ['b']]], [[own, a, b, c, alone], ['own', ['a', 'b'], ['c'], 'alone']]
  ]
  for (const [limits, expected] of rows) {
    const steps = countingSteps(limits)
    t.strictSame(steps.map((step) => isBatch(step) ? step.limits.map(({ name }) => name) : step.name), expected)
    t.ok(steps.every((step) => !isBatch(step) || step.limits.every(({ shared }) => shared === step.shared)))
  }
})

async function service (t: Test, answer: (names: string[]) => Promise<readonly (LimitState | null)[]>): Promise<{ app: FastifyInstance; handled: () => number }> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(guards)
  const shared: SharedLimits = { consume: async (limits) => await answer(limits.map(({ name }) => name)) }
  let handled = 0
  const a = app.defineScheme(headerScheme('a'))
  app.get('/x', { onRequest: [limitGuard(limit('first', shared)), limitGuard(limit('second', shared)), a, limitGuard(limit('third', shared, 'principal'))] }, () => {
    handled += 1
    return 'ok'
  })
  return { app, handled: () => handled }
}

const credentials = { 'x-a': 'alice' }

t.test('they are counted before and after somebody is known, and told', async (t) => {
  const asked: string[][] = []
  const { app, handled } = await service(t, async (names) => { asked.push(names); return names.map(() => room) })
  const response = await app.inject({ url: '/x', headers: credentials })
  t.equal(response.statusCode, 200)
  t.strictSame(asked, [['first', 'second'], ['third']])
  t.equal(response.headers['ratelimit'], '"first";r=2;t=60, "second";r=2;t=60, "third";r=2;t=60')
  t.equal(handled(), 1)
})

const refused: [title: string, answer: (names: string[]) => Promise<readonly (LimitState | null)[]>, status: number, headers: Record<string, string>, told: string | undefined][] = [
  ['the first is exceeded, and nothing is told of what was not counted', async () => [full], 429, credentials, '"first";r=0;t=30'],
  ['the second is exceeded', async () => [room, full], 429, credentials, '"first";r=2;t=60, "second";r=0;t=30'],
  ['the one after authentication is exceeded', async (names) => names.includes('third') ? [full] : [room, room], 429, credentials, '"first";r=2;t=60, "second";r=2;t=60, "third";r=0;t=30'],
  ['whoever counts fails', () => Promise.reject(new Error('away')), 503, credentials, undefined],
  ['whoever counts answers with nothing', async () => null as unknown as [], 503, credentials, undefined],
  ['there is room, but nobody is known', async (names) => names.map(() => room), 401, {}, '"first";r=2;t=60, "second";r=2;t=60']
]
t.test('what is exceeded or cannot be counted is refused, and the handler does not run', async (t) => {
  for (const [title, answer, status, headers, told] of refused) {
    await t.test(title, async (t) => {
      const { app, handled } = await service(t, answer)
      const response = await app.inject({ url: '/x', headers })
      t.equal(response.statusCode, status)
      t.equal(response.headers['ratelimit'], told)
      t.equal(response.headers['www-authenticate'], status === 401 ? 'Test realm="a"' : undefined)
      if (status === 429) t.equal(response.headers['retry-after'], '30')
      t.equal(handled(), 0)
    })
  }
})

t.test('one that is counted alone asks nobody for credentials, at once and by promise', async (t) => {
  const rows: [consume: Limit['consume'], status: number][] = [
    [() => full, 429], [() => Promise.resolve(full), 429], [() => { throw new Error('away') }, 503], [() => Promise.reject(new Error('away')), 503]
  ]
  for (const [consume, status] of rows) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(guards)
    app.get('/x', { onRequest: [limitGuard({ ...limit('alone'), consume }), app.defineScheme(headerScheme('a'))] }, () => 'ok')
    const response = await app.inject({ url: '/x', headers: credentials })
    t.equal(response.statusCode, status)
    t.equal(response.headers['www-authenticate'], undefined)
  }
})

t.test('a limit that has nothing to say of a request lets it go on, and is not told', async (t) => {
  const { app } = await service(t, async (names) => names.map(() => null))
  const response = await app.inject({ url: '/x', headers: credentials })
  t.equal(response.statusCode, 200)
  t.equal(response.headers['ratelimit'], undefined)
})

// The demo attacks itself and finds nothing; and the attack finds whatever is taken away from the demo: each guard, each
// limit, each half of CSRF, each header, each bound of a schema. Faults of different routes stand in one service.
import '../fixtures/test-environment.ts'
import t from 'tap'
import { buildAttackedDemo } from '../fixtures/attacked-demo.ts'
import { boundsOf, hooksOf, isSchema, loosened, onEachRoute, onProtect, removable, without, withoutCsrf, withoutHeaders } from '../fixtures/faults.ts'
import { attack, runAttempts, surfaceOf } from '../../testing/index.ts'
import type { Test } from 'tap'
import type { Tamper } from '../fixtures/attacked-demo.ts'
import type { Bound } from '../fixtures/faults.ts'
import type { Attempt, AttackedRoute, AttackKind, AttackResult } from '../../testing/index.ts'

// A service of its own for each batch of faults.
t.setTimeout(600_000)

let surface: readonly AttackedRoute[] = []
/** What can be taken away from each route, by its name. */
const guards = new Map<string, string[]>()
const levels = new Map<string, string[]>()
const bounds = new Map<string, Bound[]>()

const note = onEachRoute((route, name) => {
  guards.set(name, removable(hooksOf(route)))
  const { schema } = route
  const parts = (['body', 'querystring', 'params'] as const).flatMap((part) => isSchema(schema?.[part]) ? boundsOf(part, schema[part]) : [])
  // A form has texts alone, whatever their type is called.
  const isForm = schema?.consumes?.includes('application/x-www-form-urlencoded') === true
  if (schema?.hide !== true && !name.startsWith('HEAD ')) bounds.set(name, parts.filter(({ part, keyword }) => !(isForm && part === 'body' && keyword === 'type')))
})

/** What is found in the demo with these faults, by the attempts that are about them. */
async function findings (t: Test, tamper: Tamper, { kinds, routes = surface, isMeant = () => true }: { kinds: readonly AttackKind[]; routes?: readonly AttackedRoute[]; isMeant?: (attempt: Attempt) => boolean }): Promise<AttackResult[]> {
  const { app, options } = await buildAttackedDemo(t, tamper)
  const results = await runAttempts((await attack(app, { ...options, surface: routes, kinds })).filter(isMeant))
  await app.close()
  return results.filter(({ outcome }) => outcome === 'found')
}

function routesNamed (names: readonly string[]): AttackedRoute[] {
  return surface.filter(({ method, url }) => names.includes(`${method} ${url}`))
}

t.test('R127 the demo holds against every attempt', async (t) => {
  const { app, options } = await buildAttackedDemo(t, (app) => {
    note(app)
    onProtect(app, (hooks, level) => {
      levels.set(level, removable(hooks))
      return [...hooks]
    })
  })
  surface = await surfaceOf(app)
  const results = await runAttempts(await attack(app, options))
  t.strictSame(results.filter(({ outcome }) => outcome === 'found').map(({ title, problems }) => [title, ...problems]), [])
  t.comment(`${String(results.length)} attempts, ${String(results.filter(({ outcome }) => outcome === 'skipped').length)} skipped`)
})

const kindsOf = (name = ''): AttackKind[] => name.startsWith('limit(') ? ['limit'] : name === 'refuseCrossSite' ? ['csrf'] : name === 'authentication' ? ['credentials'] : ['rights']

t.test('without a guard of a route', async (t) => {
  // Where strangers get in too, nobody gets further without it.
  const optional = new Set(surface.filter(({ access }) => access === 'optional').map(({ method, url }) => `${method} ${url}`))
  const most = Math.max(...[...guards.values()].map(({ length }) => length))
  t.ok(most > 1)
  for (let at = 0; at < most; at++) {
    const taken = new Map([...guards].flatMap(([name, list]) => list.slice(at, at + 1).filter((guard) => guard !== 'authentication' || !optional.has(name)).map((guard) => [name, guard] as const)))
    const tamper = onEachRoute((route, name) => {
      const fault = taken.get(name)
      if (fault !== undefined) route.onRequest = without(hooksOf(route), fault)
    })
    const kinds = [...new Set([...taken.values()].flatMap((name) => kindsOf(name)))]
    const found = await findings(t, tamper, { kinds, routes: routesNamed([...taken.keys()]), isMeant: ({ route, kind }) => kindsOf(taken.get(route)).includes(kind) })
    for (const [name, fault] of taken) {
      t.ok(found.some(({ route, kind }) => route === name && kindsOf(fault).includes(kind)), `${name} without ${fault}`)
    }
  }
})

t.test('without a guard of a context', async (t) => {
  const names = new Set([...levels.values()].flat())
  t.ok(names.has('authentication') && names.has('requireScopes(admin)'))
  for (const name of names) {
    const found = await findings(t, (app) => { onProtect(app, (hooks) => without(hooks, name)) }, { kinds: kindsOf(name), routes: surface.filter(({ url }) => url.startsWith('/admin')) })
    for (const { method, url } of surface.filter(({ url }) => url.startsWith('/admin'))) t.ok(found.some(({ route }) => route === `${method} ${url}`), `${method} ${url} without ${name}`)
  }
})

t.test('without a half of CSRF', async (t) => {
  for (const half of ['proveOrigin', 'proveToken'] as const) {
    const asked = surface.filter(({ csrf }) => csrf === 'token' || (half === 'proveOrigin' && csrf === 'form'))
    const found = await findings(t, withoutCsrf(half), { kinds: ['csrf'], routes: asked })
    t.not(asked.length, 0)
    for (const { method, url } of asked) t.ok(found.some(({ route }) => route === `${method} ${url}`), `${method} ${url} without ${half}`)
  }
})

t.test('without a header', async (t) => {
  const names = ['x-content-type-options', 'content-security-policy', 'cache-control', 'referrer-policy', 'x-frame-options', 'cross-origin-resource-policy', 'cross-origin-opener-policy']
  const found = await findings(t, withoutHeaders(names), { kinds: ['headers'] })
  for (const name of names) {
    const told = found.filter(({ problems }) => problems.some((problem) => problem.startsWith(`${name} `))).map(({ route }) => route)
    t.strictSame(surface.map(({ method, url }) => `${method} ${url}`).filter((route) => !told.includes(route)), [], name)
  }
})

/** Bounds behind which another of the same place refuses the same: a length beside a format or a pattern that has one, a least number beside a list. */
const shadowed: readonly string[] = [
  ...['DELETE /users/me/sessions/:id', 'POST /api-keys/:id/rotate', 'DELETE /api-keys/:id', 'GET /items/:id', 'DELETE /items/:id', 'PATCH /admin/users/:id', 'POST /admin/users/:id/unlock', 'DELETE /admin/clients/:id'].map((name) => `${name} params /id maxLength`),
  'POST /api-keys body /scopes/0 minLength',
  'GET /admin/audit querystring /event minLength',
  'GET /admin/audit querystring /from maxLength',
  'GET /admin/audit querystring /to maxLength',
  ...['minimum', 'maximum', 'type'].map((keyword) => `POST /api-keys body /limit/window_seconds ${keyword}`),
  'POST /admin/clients body /scopes/0 minLength',
  'POST /admin/clients body /grants maxItems'
]

t.test('without a bound of a schema', async (t) => {
  const places = (name: string): Map<string, Bound[]> => {
    const grouped = new Map<string, Bound[]>()
    for (const bound of bounds.get(name) ?? []) {
      const place = `${bound.part} ${bound.pointer}`
      grouped.set(place, [...(grouped.get(place) ?? []), bound])
    }
    return grouped
  }
  const most = Math.max(...[...bounds.keys()].flatMap((name) => [...places(name).values()].map(({ length }) => length)))
  for (let at = 0; at < most; at++) {
    const taken = new Map([...bounds.keys()].map((name) => [name, [...places(name).values()].flatMap((list) => list[at] ?? [])]))
    const tamper = onEachRoute((route, name) => {
      const schema = { ...route.schema } as Record<string, unknown>
      for (const part of ['body', 'querystring', 'params'] as const) {
        const faults = (taken.get(name) ?? []).filter((bound) => bound.part === part)
        if (faults.length > 0 && isSchema(schema[part])) schema[part] = loosened(schema[part], faults)
      }
      route.schema = schema
    })
    const found = await findings(t, tamper, {
      kinds: ['body', 'parameters'],
      routes: routesNamed([...taken].flatMap(([name, faults]) => faults.length > 0 ? [name] : [])),
      isMeant: ({ route, title }) => taken.get(route)?.some((bound) => isAbout(title, bound)) === true
    })
    for (const [name, faults] of taken) {
      for (const bound of faults) {
        const fault = `${name} ${bound.part} ${bound.pointer} ${bound.keyword}${bound.name === undefined ? '' : ` ${bound.name}`}`
        t.equal(found.some(({ route, title }) => route === name && isAbout(title, bound)), !shadowed.includes(fault), fault)
      }
    }
  }
})

function isAbout (title: string, { part, pointer, keyword, name }: Bound): boolean {
  const what = `: ${keyword}${name === undefined ? '' : ` ${name}`} of `
  if (part === 'body') return title.endsWith(`${what}${pointer === '' ? 'the body' : pointer}`)
  if (pointer === '') return title.endsWith(': an unknown query parameter')
  return title.endsWith(`${what}the ${part === 'params' ? 'path' : 'query'} parameter ${pointer.slice(1)}`)
}

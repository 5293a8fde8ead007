// The count of routes: whatever the core saw must never be taken for unseen, and one unseen route must always be found.
import Fastify from 'fastify'
import fc from 'fast-check'
import t from 'tap'
import { guards } from '../../plugins/guards.ts'
import type { FastifyInstance, HTTPMethods, RouteOptions } from 'fastify'

const route = fc.record({
  prefix: fc.constantFrom('', '/p', '/p/', '/q/r', '/:tenant'),
  url: fc.constantFrom('', '/', '/x', '/x/', '/X', '//y', '*', '/*', '/:id', '/:id?', '/o/:id?', '/o/:a-:b', '/re/:n(^\\d+$)', '/f/:n.png', '/a::b', '/x%20y', '/é'),
  methods: fc.constantFrom<HTTPMethods[]>(['GET'], ['POST'], ['HEAD'], ['GET', 'POST'], ['GET', 'HEAD'], ['PUT', 'DELETE']),
  exposeHeadRoute: fc.boolean(),
  prefixTrailingSlash: fc.constantFrom('both' as const, 'slash' as const, 'no-slash' as const),
  constraints: fc.constantFrom({}, { version: '1.0.0' }, { host: 'a.example' }, { host: /x/, version: '2.0.0' })
})
const routerOptions = fc.record({ ignoreTrailingSlash: fc.boolean(), ignoreDuplicateSlashes: fc.boolean(), caseSensitive: fc.boolean() })
type Declared = typeof route extends fc.Arbitrary<infer R> ? R : never

function declare (app: FastifyInstance, { methods, ...rest }: Omit<Declared, 'prefix' | 'url'> & { url: string }, hooks: Pick<RouteOptions, 'onRequest'>): void {
  app.route({ ...rest, ...hooks, method: [...methods], handler: () => 'ok' })
}

t.test('R010 exactly the routes that the core has not seen are found, among any others', async (t) => {
  let booted = 0
  await fc.assert(fc.asyncProperty(fc.array(route, { minLength: 1, maxLength: 6 }), route, routerOptions, fc.boolean(), async (routes, unseen, options, isBlind) => {
    const app = Fastify({ routerOptions: options })
    let blind: FastifyInstance | undefined
    await app.register(async (child) => { blind = child })
    await app.register(guards, { defaultAccess: 'deny' })
    try {
      for (const { prefix, ...declared } of routes) {
        await app.register(async (child) => { declare(child, declared, { onRequest: app.publicAccess('test') }) }, { prefix })
      }
      if (isBlind && blind !== undefined) declare(blind, { ...unseen, url: `/blind${unseen.url}` }, {})
    } catch {
      return // Fastify's own refusal of a duplicate
    }
    booted += 1
    const code = await Promise.resolve(app.ready()).then(() => null, (error: { code?: string }) => error.code)
    if (code !== (isBlind ? 'GATEHOUSE_EARLIER_ROUTES' : null)) throw new Error(`${String(code)} for ${app.printRoutes()}`)
    await app.close()
  }), { numRuns: 200 })
  t.ok(booted > 100, 'most sets of routes could be tried')
})

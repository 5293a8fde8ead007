// What grows in a service, and what a request costs then: routes, guards, alternatives, scopes, keys, principals.
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import Fastify from 'fastify'
import { apiKeyAuth } from '../plugins/api-key-auth.ts'
import { bearerAuth } from '../plugins/bearer-auth.ts'
import { guards } from '../plugins/guards.ts'
import { scopes } from '../plugins/scopes.ts'
import { audience, issuer, material, scopeNames, tokenMaker } from './material.ts'
import { different, repeated, row } from './rows.ts'
import { registerBearer, respond, service } from './services.ts'
import type { Guard } from '../guards/guard.ts'
import type { Row } from './rows.ts'
import type { Service } from './services.ts'

function routes (amount: number): Service {
  return async () => {
    const app = Fastify()
    await registerBearer(app, 'HS256')
    app.get('/', { onRequest: app.bearer }, respond)
    for (let number = 1; number < amount; number += 1) app.get(`/routes/${String(number)}/:id`, { onRequest: app.bearer }, respond)
    return app
  }
}

function manyGuards (amount: number): Service {
  return service(async (app) => {
    await registerBearer(app, 'HS256')
    await app.register(scopes)
    return [app.bearer, ...Array.from({ length: amount - 1 }, (_, number) => app.requirePolicy(`policy ${String(number)}`, () => true))]
  })
}

/** The token is the credential of the last alternative; nothing is presented for the others. */
function alternatives (amount: number): Service {
  return service(async (app) => {
    await registerBearer(app, 'HS256')
    await app.register(guards)
    const keys: Guard[] = []
    for (let number = 1; number < amount; number += 1) {
      const as = `key${String(number)}`
      await app.register(apiKeyAuth, { as, name: `X-Key-${String(number)}`, verify: () => null })
      keys.push(app.getDecorator<Guard>(as))
    }
    return app.anyOf(...keys, app.bearer)
  })
}

function manyScopes (amount: number): { service: Service; headers: Row['headers'] } {
  const names = Array.from({ length: amount }, (_, number) => `items:${String(number)}`)
  const authorization = (): string => `Bearer ${tokenMaker('HS256', { scope: names.join(' ') })(0)}`
  return {
    headers: () => {
      const headers = { authorization: authorization() }
      return () => headers
    },
    service: service(async (app) => {
      await registerBearer(app, 'HS256', { scopes: Object.fromEntries(names.map((name) => [name, name])) })
      await app.register(scopes)
      return [app.bearer, app.requireScopes(...names)]
    })
  }
}

/** A key set in which the token's key is the last, and every token is new: each has to find its key. */
function keySet (amount: number): Service {
  return service(async (app) => {
    const others = Array.from({ length: amount - 1 }, (_, number) => ({
      ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }), alg: 'ES256', kid: `key-${String(number)}`
    }))
    const own = { ...createPublicKey(material().publicKeys.ES256).export({ format: 'jwk' }), alg: 'ES256', kid: 'own' }
    await app.register(bearerAuth, { jwks: { keys: [...others, own] }, issuer, audience, scopes: Object.fromEntries(scopeNames.map((name) => [name, name])) })
    return app.bearer
  })
}

const byToken = { headers: repeated('HS256') }

export interface Growth { readonly name: string; readonly points: readonly number[]; readonly rowOf: (point: number) => Row }

export const growth: readonly Growth[] = [
  { name: 'routes', points: [10, 100, 1000, 5000], rowOf: (point) => row(`routes: ${String(point)}`, routes(point), byToken) },
  { name: 'guards on a route', points: [1, 2, 4, 8], rowOf: (point) => row(`guards: ${String(point)}`, manyGuards(point), byToken) },
  { name: 'alternatives', points: [1, 2, 4, 8, 16], rowOf: (point) => row(`alternatives: ${String(point)}`, alternatives(point), byToken) },
  { name: 'scopes that are required', points: [1, 10, 100], rowOf: (point) => row(`scopes: ${String(point)}`, manyScopes(point).service, { headers: manyScopes(point).headers }) },
  { name: 'keys in the set', points: [1, 10, 100], rowOf: (point) => row(`keys: ${String(point)}`, keySet(point), { ...different('ES256', Infinity), headers: keyed }) },
  { name: 'principals that come again', points: [1, 1000, 10_000, 100_000], rowOf: (point) => row(`principals: ${String(point)}`, service(async (app) => { await registerBearer(app, 'HS256'); return app.bearer }), different('HS256', point)) }
]

function keyed (): (number: number) => { authorization: string } {
  const tokenOf = tokenMaker('ES256', {}, { kid: 'own' })
  return (number) => ({ authorization: `Bearer ${tokenOf(number)}` })
}

export const growthRows: readonly Row[] = growth.flatMap(({ points, rowOf }) => points.map(rowOf))

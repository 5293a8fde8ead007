// The table of what is measured over HTTP: which service, which requests, and the share of bare that it has to reach.
import { material, tokenMaker } from './material.ts'
import { bare, official, origin, ours } from './services.ts'
import type { BenchAlgorithm } from './material.ts'
import type { Service } from './services.ts'

export type RequestHeaders = Readonly<Record<string, string>>

export interface Row {
  readonly name: string
  readonly service: Service
  /** The headers of the request with that number. */
  readonly headers: () => (number: number) => RequestHeaders
  /** How many different requests there are; `Infinity` where none comes twice. */
  readonly distinct: number
  /** The share of bare that this row has to reach. */
  readonly target?: number
  /** The row that this one has to outdo, and how many times. */
  readonly outdoes?: { readonly name: string; readonly times: number }
}

type Extras = Partial<Pick<Row, 'headers' | 'distinct' | 'target' | 'outdoes'>>

export function row (name: string, service: Service, extras: Extras = {}): Row {
  return { name, service, headers: () => () => ({}), distinct: 1, ...extras }
}

export function repeated (algorithm: BenchAlgorithm, more: RequestHeaders = {}): Row['headers'] {
  return () => {
    const headers = { authorization: `Bearer ${tokenMaker(algorithm)(0)}`, ...more }
    return () => headers
  }
}

/** Tokens that differ, as many as `distinct` says. */
export function different (algorithm: BenchAlgorithm, distinct: number): Pick<Row, 'headers' | 'distinct'> {
  return {
    distinct,
    headers: () => {
      const tokenOf = tokenMaker(algorithm)
      return (number) => ({ authorization: `Bearer ${tokenOf(number)}` })
    }
  }
}

const withKey: Row['headers'] = () => () => ({ 'x-api-key': material().apiKey })
const withPassword: Row['headers'] = () => () => ({ authorization: `Basic ${Buffer.from(`alice:${material().apiKey}`).toString('base64')}` })
const fromOrigin: Row['headers'] = () => () => ({ origin })

export const rows: readonly Row[] = [
  row('bare', bare),
  row('a hook that does nothing', official.hook),
  row('public', ours.public, { target: 0.95 }),

  row('@fastify/jwt HS256, with its cache', official.jwt('HS256', true), { headers: repeated('HS256') }),
  row('bearer HS256', ours.bearer('HS256'), { headers: repeated('HS256'), target: 0.8 }),
  row('bearer ES256', ours.bearer('ES256'), { headers: repeated('ES256'), target: 0.8 }),
  row('bearer EdDSA', ours.bearer('EdDSA'), { headers: repeated('EdDSA'), target: 0.8 }),
  row('bearer + scopes', ours.bearerScopes, { headers: repeated('HS256'), target: 0.75 }),

  row('@fastify/jwt HS256, a new token each request', official.jwt('HS256'), different('HS256', Infinity)),
  row('bearer HS256, a new token each request', ours.bearer('HS256'), { ...different('HS256', Infinity), outdoes: { name: '@fastify/jwt HS256, a new token each request', times: 1.3 } }),
  row('@fastify/jwt ES256, a new token each request', official.jwt('ES256'), different('ES256', Infinity)),
  row('bearer ES256, a new token each request', ours.bearer('ES256'), different('ES256', Infinity)),

  row('API key by hand', official.apiKey, { headers: withKey }),
  row('API key', ours.apiKey, { headers: withKey, target: 0.8 }),
  row('@fastify/basic-auth', official.basic, { headers: withPassword }),
  row('Basic, fixed users', ours.basic, { headers: withPassword }),

  row('@fastify/auth: JWT or key', official.auth, { headers: repeated('HS256') }),
  row('anyOf(bearer, apiKey) + scopes, by token', ours.anyOf, { headers: repeated('HS256') }),
  row('anyOf(bearer, apiKey) + scopes, by key', ours.anyOf, { headers: withKey }),
  row('optional(bearer), by a stranger', ours.optional),

  row('@fastify/helmet', official.helmet),
  row('security headers', ours.securityHeaders),
  row('@fastify/cors', official.cors, { headers: fromOrigin }),
  row('CORS', ours.cors, { headers: fromOrigin }),
  row('@fastify/rate-limit', official.rateLimit),
  row('limit by address', ours.limit),

  row('the packages together', official.stack, { headers: repeated('HS256', { origin }) }),
  row('the whole stack', ours.stack, { headers: repeated('HS256', { origin }), target: 0.6, outdoes: { name: 'the packages together', times: 2 } })
]

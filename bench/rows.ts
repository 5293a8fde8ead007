// The table of what is measured over HTTP: which service, which requests, and the share of bare that it has to reach.
import { material, tokenMaker } from './material.ts'
import { bareLogins, boundedLogins, refreshes, storedKey } from './accounts.ts'
import { official, origin, ours } from './services.ts'
import type { BenchAlgorithm } from './material.ts'
import type { Service } from './services.ts'

export type RequestHeaders = Readonly<Record<string, string>>

export interface Row {
  readonly name: string
  readonly service: Service
  /** What sort of request it is; bare is asked the same, so that reading the request is part of nobody's share. */
  readonly request: string
  /** The headers of the request with that number. */
  readonly headers: () => (number: number) => RequestHeaders
  /** How many different requests there are; `Infinity` where none comes twice. */
  readonly distinct: number
  /** The share of bare that this row has to reach. */
  readonly target?: number
  /** The row that this one has to outdo, and how many times. */
  readonly outdoes?: { readonly name: string; readonly times: number }
}

type Extras = Partial<Pick<Row, 'request' | 'headers' | 'distinct' | 'target' | 'outdoes'>>

export function row (name: string, service: Service, extras: Extras = {}): Row {
  return { name, service, request: 'without credentials', headers: () => () => ({}), distinct: 1, ...extras }
}

type Requests = Pick<Row, 'request' | 'headers' | 'distinct'>

function same (request: string, headers: () => RequestHeaders): Requests {
  return {
    request,
    distinct: 1,
    headers: () => {
      const made = headers()
      return () => made
    }
  }
}

export function repeated (algorithm: BenchAlgorithm, more: RequestHeaders = {}): Requests {
  return same(['a token', algorithm, ...Object.keys(more)].join(', '), () => ({ authorization: `Bearer ${tokenMaker(algorithm)(0)}`, ...more }))
}

/** Tokens that differ, as many as `distinct` says. */
export function different (algorithm: BenchAlgorithm, distinct: number): Requests {
  return {
    request: `${String(distinct)} tokens, ${algorithm}`,
    distinct,
    headers: () => {
      const tokenOf = tokenMaker(algorithm)
      return (number) => ({ authorization: `Bearer ${tokenOf(number)}` })
    }
  }
}

const withKey = same('an API key', () => ({ 'x-api-key': material().apiKey }))
const withStoredKey = same('an API key of the store', () => ({ 'x-api-key': material().storedKey.key }))
const withPassword = same('a password', () => ({ authorization: `Basic ${Buffer.from(`alice:${material().apiKey}`).toString('base64')}` }))
const fromOrigin = same('an origin', () => ({ origin }))

/** Rows that differ from others by less than HTTP can show. */
export const hookRows: readonly Row[] = [
  row('optional(bearer), by a stranger', ours.optional),
  row('anyOf(bearer, apiKey) + scopes, by key', ours.anyOf, withKey)
]

/** Services that are asked in other ways than by one request again and again. */
export const accountRows: readonly Row[] = [
  row('logins: 1 at a time', boundedLogins(1)),
  row('logins: 2 at a time', boundedLogins(2)),
  row('logins: argon2', bareLogins),
  row('refreshes', refreshes)
]

export const rows: readonly Row[] = [
  row('public', ours.public, { target: 0.95 }),

  row('@fastify/jwt HS256, with its cache', official.jwt('HS256', true), repeated('HS256')),
  row('bearer HS256', ours.bearer('HS256'), { ...repeated('HS256'), target: 0.8 }),
  row('bearer ES256', ours.bearer('ES256'), { ...repeated('ES256'), target: 0.8 }),
  row('bearer EdDSA', ours.bearer('EdDSA'), { ...repeated('EdDSA'), target: 0.8 }),
  row('bearer + scopes', ours.bearerScopes, { ...repeated('HS256'), target: 0.75 }),

  row('@fastify/jwt HS256, a new token each request', official.jwt('HS256'), different('HS256', Infinity)),
  row('bearer HS256, a new token each request', ours.bearer('HS256'), { ...different('HS256', Infinity), outdoes: { name: '@fastify/jwt HS256, a new token each request', times: 1.3 } }),
  row('@fastify/jwt ES256, a new token each request', official.jwt('ES256'), different('ES256', Infinity)),
  row('bearer ES256, a new token each request', ours.bearer('ES256'), different('ES256', Infinity)),

  row('API key by hand', official.apiKey, withKey),
  row('API key', ours.apiKey, { ...withKey, target: 0.8 }),
  row('API key in a store, verified a moment ago', storedKey, { ...withStoredKey, target: 0.6 }),
  row('@fastify/basic-auth', official.basic, withPassword),
  row('Basic, fixed users', ours.basic, withPassword),

  row('@fastify/auth: JWT or key', official.auth, repeated('HS256')),
  row('anyOf(bearer, apiKey) + scopes, by token', ours.anyOf, repeated('HS256')),

  row('@fastify/helmet', official.helmet),
  row('security headers', ours.securityHeaders),
  row('@fastify/cors', official.cors, fromOrigin),
  row('CORS', ours.cors, fromOrigin),
  row('@fastify/rate-limit', official.rateLimit),
  row('limit by address', ours.limit),

  row('the packages together', official.stack, repeated('HS256', { origin })),
  row('the whole stack', ours.stack, { ...repeated('HS256', { origin }), target: 0.6, outdoes: { name: 'the packages together', times: 2 } })
]

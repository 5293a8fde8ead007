// What the types of the core let through and what they do not. Compiled by `npm run types`, never run.
// A line below `@ts-expect-error` that begins to compile fails the build.
import Fastify from 'fastify'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { ApiKeyGuard, AuthorizationGuard, BearerGuard, Guard, LimitGuard } from '../../guards/guard.ts'
import type { ApiKeyPrincipal, BasicPrincipal, BearerPrincipal, CustomPrincipal, Principal, SessionPrincipal } from '../../guards/principal.ts'
import type { GuardsOptions } from '../../plugins/guards.ts'
import type { ScopesOptions } from '../../plugins/scopes.ts'
import { guards } from '../../plugins/guards.ts'
import { scopes } from '../../plugins/scopes.ts'

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
declare function typeOf<Actual> (value: Actual): { is<Expected> (same: Same<Actual, Expected>): string }

declare const app: FastifyInstance
declare const bearer: BearerGuard
declare const apiKey: ApiKeyGuard
declare const session: Guard<SessionPrincipal>
declare const limit: LimitGuard
declare const authorization: AuthorizationGuard

// Principals are narrowed by the guard.
const either = app.anyOf(bearer, apiKey)
const anyOfThree = app.anyOf(bearer, apiKey, session)
const group = app.allOf(bearer, apiKey, authorization)
const maybe = app.optional(bearer)
const maybeFirst = app.allOf(maybe, apiKey)
const maybeOnly = app.allOf(maybe)
const mixed = app.anyOf(app.allOf(session, authorization), maybe)
typeOf(either).is<Guard<BearerPrincipal | ApiKeyPrincipal>>(true)
typeOf(anyOfThree).is<Guard<BearerPrincipal | ApiKeyPrincipal | SessionPrincipal>>(true)
typeOf(group).is<Guard<BearerPrincipal>>(true)
typeOf(maybe).is<Guard<BearerPrincipal | null>>(true)
typeOf(maybeFirst).is<Guard<BearerPrincipal | ApiKeyPrincipal>>(true)
typeOf(maybeOnly).is<Guard<BearerPrincipal | null>>(true)
typeOf(mixed).is<Guard<SessionPrincipal | BearerPrincipal | null>>(true)

app.get('/narrowed', { onRequest: [either, app.requireScopes('items:read'), limit] }, (request) => {
  const principal = either.principal(request)
  typeOf(principal).is<BearerPrincipal | ApiKeyPrincipal>(true)
  if (principal.kind === 'bearer') return [principal.issuer, principal.claims['sub']]
  typeOf(principal).is<ApiKeyPrincipal>(true)
  // @ts-expect-error -- an API key has no issuer
  return [principal.keyId, principal.issuer]
})

app.get('/exhaustive', { onRequest: bearer }, ({ principal }) => {
  typeOf(principal).is<Principal>(true)
  switch (principal.kind) {
    case 'basic': return typeOf(principal).is<BasicPrincipal>(true)
    case 'bearer': return principal.expiresAt
    case 'apiKey': return principal.keyId
    case 'session': return principal.sessionId
    case 'custom': return typeOf(principal).is<CustomPrincipal>(true)
  }
})

app.get('/wrong', { onRequest: bearer }, (request) => {
  const principal = bearer.principal(request)
  // @ts-expect-error -- only a session has a sessionId
  typeOf(principal.sessionId)
  // @ts-expect-error -- an optional principal may be null
  typeOf(maybe.principal(request).subject)
  // @ts-expect-error -- a principal is frozen
  principal.subject = 'root'
  // @ts-expect-error -- and so are its lists
  principal.scopes.push('admin')
  // @ts-expect-error -- request.principal cannot be put there by hand
  request.principal = principal
  // @ts-expect-error -- an authorization guard has no principal of its own
  void authorization.principal(request)
  return maybe.principal(request)?.subject
})

// Compositions take what they can mean.
// @ts-expect-error -- a limit is not an alternative
void app.anyOf(bearer, limit)
// @ts-expect-error -- an alternative needs another
void app.anyOf(bearer)
// @ts-expect-error -- an authorization guard authenticates nobody
void app.anyOf(bearer, authorization)
// @ts-expect-error -- an authorization guard needs an authenticating one before it
void app.allOf(authorization, bearer)
// @ts-expect-error -- a limit stands beside a group, not in it
void app.allOf(bearer, limit)
// @ts-expect-error -- a route is public or it is not
void app.optional(app.publicAccess('free'))
// @ts-expect-error -- optional authorization has no meaning
void app.optional(authorization)
// @ts-expect-error -- a guard, not the decorator that makes it
void app.anyOf(app.optional, bearer)
// @ts-expect-error -- public needs a reason
void app.publicAccess()

app.protect(bearer, maybe, authorization, limit)
app.protect(app.publicAccess('free'))
// @ts-expect-error -- a plain hook says nothing about what it requires
app.protect((_request: object, _reply: object, done: () => void) => { done() })
// @ts-expect-error -- a plugin that was not awaited has no guard yet
app.protect(undefined)

// @ts-expect-error -- names are strings
void app.requireScopes(1)
// @ts-expect-error -- names stand one by one
void app.requireRoles(['admin'])
// @ts-expect-error -- a policy answers true, false or 'hidden'
void app.requirePolicy('owner', () => 'maybe')
void app.requirePolicy('owner', ({ principal, request }) => Promise.resolve(principal.subject === request.id))

// Options.
const options: GuardsOptions = { defaultAccess: 'deny', trustedProxies: ['10.0.0.0/8'], callbackTimeoutSeconds: 5 }
void app.register(guards, options)
// @ts-expect-error -- 'closed' is no default access
void app.register(guards, { defaultAccess: 'closed' })
// @ts-expect-error -- a list of CIDRs, not a hop count
void app.register(guards, { trustedProxies: 1 })
// @ts-expect-error -- unknown options are refused
void app.register(guards, { defaultAcces: 'deny' })
// @ts-expect-error -- a format has to write
void app.register(guards, { refusal: { schema: {}, contentType: 'text/plain' } })
const scopesOptions: ScopesOptions = { guards: options }
void app.register(scopes, scopesOptions)

// Schemes.
const hmac = app.defineScheme<CustomPrincipal>({
  name: 'hmac',
  definition: { type: 'apiKey', in: 'header', name: 'X-Signature' },
  carrier: { in: 'header', name: 'X-Signature' },
  ambient: false,
  authenticate: ({ headers }) => (headers['x-signature'] === undefined ? null : { kind: 'custom', scheme: 'hmac', subject: 's', scopes: [], roles: [], attributes: {} }),
  challenge: () => 'Signature realm="api"'
})
typeOf(hmac).is<Guard<CustomPrincipal>>(true)
void app.defineScheme<CustomPrincipal>({
  name: 'hmac',
  definition: { type: 'apiKey', in: 'header', name: 'X-Signature' },
  carrier: { in: 'header', name: 'X-Signature' },
  ambient: false,
  // @ts-expect-error -- a principal has scopes, roles and attributes
  authenticate: () => ({ kind: 'custom', scheme: 'hmac', subject: 's' }),
  challenge: () => null
})

// Routes with a type provider, and with types of their own.
const typed = Fastify().withTypeProvider<TypeBoxTypeProvider>()
typed.post('/items/:id', {
  onRequest: [either, authorization, limit],
  schema: { params: Type.Object({ id: Type.String() }), body: Type.Object({ title: Type.String() }) }
}, (request) => {
  typeOf(request.params).is<{ id: string }>(true)
  typeOf(request.body).is<{ title: string }>(true)
  return either.principal(request).subject + request.body.title
})
typed.get('/public', { onRequest: app.publicAccess('free'), config: { refusal: { schema: {}, contentType: 'text/plain', write: ({ code }) => code } } }, () => 'ok')
app.get<{ Params: { id: string }; Querystring: { q?: string }; Headers: { 'x-trace': string } }>('/generic/:id', { onRequest: maybe }, (request) => {
  typeOf(request.params.id).is<string>(true)
  return maybe.principal(request)?.claims['sub'] ?? request.params.id
})
app.route<{ Body: { n: number } }>({ method: 'PUT', url: '/generic', onRequest: [bearer], handler: (request) => [bearer.principal(request).tokenId, request.body.n] })

// What a refused request is answered, whatever the service does to its answers and however a callback fails.
import t from 'tap'
import { refusal } from '../../errors.ts'
import { problems } from '../../plugins/problems.ts'
import { SECRET, headerScheme, rubbishNames } from '../fixtures/header-scheme.ts'
import { service as guardedService } from '../fixtures/two-schemes.ts'
import type { FastifyInstance, FastifyServerOptions, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { CustomPrincipal } from '../../guards/principal.ts'
import type { Scheme } from '../../guards/scheme.ts'
import type { GuardsOptions, RefusalFormat } from '../../plugins/guards.ts'
import type { Service } from '../fixtures/two-schemes.ts'

const service = async (t: Test, options: GuardsOptions = {}, serverOptions: FastifyServerOptions = {}): Promise<Service> => await guardedService(t, { callbackTimeoutSeconds: 0.05, ...options }, serverOptions)

function assertRefused (t: Test, response: LightMyRequestResponse, status: number, code: string): void {
  t.equal(response.statusCode, status)
  t.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8')
  t.equal(response.headers['cache-control'], 'no-store')
  const problem = response.json<Record<string, unknown>>()
  t.match(problem, { code, status, instance: /^urn:request:./ })
  t.type(problem['title'], 'string')
  t.notMatch(response.body, /hunter2|\.ts|stack/)
  t.equal(response.headers['www-authenticate'] !== undefined || status !== 401, true, 'a 401 has a challenge')
  t.equal(response.headers['retry-after'] !== undefined, status === 503, 'a 503, and nothing else here, says when to come again')
}

t.test('R001 R005 R007 R039 the status of anyOf is that of what was presented', async (t) => {
  const made = await service(t)
  const { app, a, b, handler } = made
  app.get('/x', { onRequest: app.anyOf(app.allOf(a, app.requireScopes('s')), b) }, handler)
  const bare = { a: 'Test realm="a"', b: 'Test realm="b"' }
  const told = (name: 'a' | 'b', code: string): string => `${bare[name]}, error="${code}"`
  const rows: [a: string | null, b: string | null, status: number, code: string, challenge: string | string[] | undefined][] = [
    [null, null, 401, 'credentials_required', [bare.a, bare.b]],
    ['bad', null, 401, 'invalid_credentials', [told('a', 'invalid_credentials'), bare.b]],
    [null, 'bad', 401, 'invalid_credentials', [bare.a, told('b', 'invalid_credentials')]],
    ['alice', null, 403, 'insufficient_scope', `${told('a', 'insufficient_scope')}, scope="s"`],
    ['alice', 'bad', 403, 'insufficient_scope', `${told('a', 'insufficient_scope')}, scope="s"`],
    ['malformed', null, 400, 'invalid_request', told('a', 'invalid_request')],
    ['malformed', 'bad', 401, 'invalid_credentials', [told('a', 'invalid_request'), told('b', 'invalid_credentials')]],
    ['disabled', null, 403, 'account_disabled', undefined],
    ['disabled', 'bad', 403, 'account_disabled', undefined],
    ['alice', 'disabled', 403, 'insufficient_scope', `${told('a', 'insufficient_scope')}, scope="s"`],
    ['throw', null, 503, 'unavailable', undefined],
    ['throw', 'bad', 503, 'unavailable', undefined],
    ['alice', 'throw', 503, 'unavailable', undefined],
    ['bad', 'hang', 503, 'unavailable', undefined]
  ]
  for (const [first, second, status, code, challenge] of rows) {
    t.test(`a ${first ?? 'absent'}, b ${second ?? 'absent'}: ${String(status)} ${code}`, async (t) => {
      const headers = { ...(first === null ? {} : { 'x-a': first }), ...(second === null ? {} : { 'x-b': second }) }
      const response = await app.inject({ url: '/x', headers })
      assertRefused(t, response, status, code)
      t.same(response.headers['www-authenticate'], challenge)
      t.equal(made.handled, 0)
    })
  }
  t.test('whoever is accepted is let in, however the others fail', async (t) => {
    for (const first of ['bad', 'malformed', 'disabled', 'throw', 'hang', 'alice']) {
      t.equal((await app.inject({ url: '/x', headers: { 'x-a': first, 'x-b': 'bob' } })).statusCode, 200, first)
    }
  })
})

t.test('a list stops at the first that does not accept, and asks for what is missing only', async (t) => {
  const { app, a, b, handler } = await service(t)
  app.get('/x', { onRequest: [a, b] }, handler)
  t.same((await app.inject('/x')).headers['www-authenticate'], ['Test realm="a"', 'Test realm="b"'])
  t.same((await app.inject({ url: '/x', headers: { 'x-a': 'alice' } })).headers['www-authenticate'], 'Test realm="b"')
})

t.test('R039 bad credentials never fall through to a stranger', async (t) => {
  const { app, a, b, handler } = await service(t)
  app.get('/one', { onRequest: app.optional(a) }, handler)
  app.get('/either', { onRequest: app.anyOf(app.optional(a), b) }, handler)
  app.get('/group', { onRequest: app.optional(app.allOf(a, b)) }, handler)
  for (const url of ['/one', '/either', '/group']) {
    t.equal((await app.inject(url)).statusCode, 200, `${url} lets strangers in`)
    for (const [credentials, status] of [['bad', 401], ['malformed', 400], ['disabled', 403], ['throw', 503]] as const) {
      t.equal((await app.inject({ url, headers: { 'x-a': credentials } })).statusCode, status, `${url} with ${credentials}`)
    }
  }
  t.equal((await app.inject({ url: '/group', headers: { 'x-b': 'bad' } })).statusCode, 401, 'the second of a group, though the first is absent')
})

t.test('R007 a callback that throws, hangs or answers rubbish is a 503, never the handler', async (t) => {
  for (const name of ['a', 'b']) {
    for (const credentials of ['throw', 'hang', ...rubbishNames.map((rubbish) => `rubbish ${rubbish}`)]) {
      t.test(`${name === 'a' ? 'at once' : 'by promise'}: ${credentials}`, async (t) => {
        const made = await service(t)
        made.app.get('/x', { onRequest: [made[name as 'a' | 'b'], made.app.requireScopes('items:read')] }, made.handler)
        assertRefused(t, await made.app.inject({ url: '/x', headers: { [`x-${name}`]: credentials } }), 503, 'unavailable')
        t.equal(made.handled, 0)
      })
    }
  }
  const policies: [string, () => unknown][] = [
    ['throws', () => { throw new Error(SECRET) }], ['throws nothing at all', () => { throw undefined as unknown as Error }],
    ['rejects', () => Promise.reject(new Error(SECRET))], ['hangs', () => new Promise(() => {})],
    ['answers undefined', () => undefined], ['answers 1', () => 1], ['answers text', () => 'true'], ['answers an object', () => ({ allowed: true })],
    ['answers undefined later', () => Promise.resolve(undefined)], ['answers 1 later', () => Promise.resolve(1)],
    ['answers a broken thenable', () => ({ then () { throw new Error(SECRET) } })]
  ]
  for (const [title, policy] of policies) {
    t.test(`a policy that ${title}`, async (t) => {
      const made = await service(t)
      made.app.get('/x', { onRequest: [made.a, made.app.requirePolicy('owner', policy as () => boolean)] }, made.handler)
      assertRefused(t, await made.app.inject({ url: '/x', headers: { 'x-a': 'alice' } }), 503, 'unavailable')
      t.equal(made.handled, 0)
    })
  }
})

t.test('R007 a thenable that calls back late, twice and with both does not run the handler twice', async (t) => {
  const made = await service(t)
  const { app, b, handler } = made
  const odd = headerScheme('odd')
  const principal: CustomPrincipal = { kind: 'custom', scheme: 'odd', subject: 'olga', scopes: [], roles: [], attributes: {} }
  odd.authenticate = () => ({ then (found: (value: CustomPrincipal) => void, failed: (error: Error) => void) { setTimeout(() => { found(principal); failed(new Error(SECRET)); found(principal) }, 5) } }) as unknown as Promise<CustomPrincipal>
  app.get('/x', { onRequest: app.anyOf(app.defineScheme(odd), b) }, async () => {
    const answer = handler()
    await new Promise((resolve) => setTimeout(resolve, 20))
    return answer
  })
  t.equal((await app.inject({ url: '/x', headers: { 'x-b': 'bob' } })).statusCode, 200)
  t.equal(made.handled, 1)
})

t.test('an answer that comes after its time is not acted on', async (t) => {
  const made = await service(t)
  const { app, b } = made
  const late = headerScheme('late')
  late.authenticate = () => new Promise((resolve) => setTimeout(resolve, 80, { kind: 'custom', scheme: 'late', subject: 'lea', scopes: [], roles: [], attributes: {} }))
  const seen: string[] = []
  app.get('/x', { onRequest: app.anyOf(app.defineScheme(late), b) }, async (request) => {
    seen.push(request.principal.subject)
    await new Promise((resolve) => setTimeout(resolve, 60))
    return request.principal.subject
  })
  t.equal((await app.inject({ url: '/x', headers: { 'x-b': 'bob' } })).body, 'bob')
  t.equal((await app.inject('/x')).statusCode, 503)
  t.same(seen, ['bob'])
})

t.test('R005 a 503 that a callback throws itself says when to come again', async (t) => {
  const { app, handler } = await service(t)
  const busy = headerScheme('busy')
  busy.authenticate = () => { throw refusal('unavailable') }
  app.get('/x', { onRequest: app.defineScheme(busy) }, handler)
  assertRefused(t, await app.inject('/x'), 503, 'unavailable')
})

t.test('a refusal is logged by its code and reason; what the service failed at is an error, with its cause', async (t) => {
  const log: string[] = []
  const { app, a, b, handler } = await service(t, {}, { logger: { level: 'info', stream: { write: (line: string) => { log.push(line) } } } })
  app.get('/x', { onRequest: app.anyOf(a, b) }, handler)
  const [info, error] = [30, 50]
  const rows: [headers: Record<string, string>, level: number, code: string, reason: string | undefined, cause?: string][] = [
    [{ 'x-a': 'bad' }, info, 'invalid_credentials', 'a is bad'],
    [{ 'x-a': 'disabled' }, info, 'account_disabled', undefined],
    [{ 'x-a': 'throw' }, error, 'unavailable', 'a callback or store failed', SECRET],
    [{ 'x-b': 'throw' }, error, 'unavailable', 'a callback or store failed', SECRET],
    [{ 'x-a': 'rubbish text' }, error, 'unavailable', 'a callback or store failed', 'authenticate() answered with neither a principal nor null'],
    [{ 'x-b': 'hang' }, error, 'unavailable', 'no answer in time']
  ]
  for (const [headers, level, code, reason, cause] of rows) {
    log.length = 0
    const response = await app.inject({ url: '/x', headers })
    t.equal(response.headers['retry-after'], code === 'unavailable' ? '1' : undefined)
    const told = log.map((line) => JSON.parse(line) as { msg: string; level: number; code?: string; reason?: string; err?: { message: string } }).filter(({ msg }) => msg === 'refused')
    t.strictSame(told.map((line) => [line.level, line.code, line.reason, line.err?.message]), [[level, code, reason, cause]], JSON.stringify(headers))
  }
})

t.test('an answer that takes its time, but not too long, is waited for', async (t) => {
  const { app, handler } = await service(t, { callbackTimeoutSeconds: 5 })
  const slow = headerScheme('slow')
  slow.authenticate = () => new Promise((resolve) => setTimeout(resolve, 30, { kind: 'custom', scheme: 'slow', subject: 'sue', scopes: [], roles: [], attributes: {} }))
  app.get('/x', { onRequest: app.defineScheme(slow) }, handler)
  t.equal((await app.inject('/x')).statusCode, 200)
})

const tampering: [string, (app: FastifyInstance) => void][] = [
  ['an error handler', (app) => { app.setErrorHandler((_error, _request, reply) => reply.code(200).send({ handled: true })) }],
  ['a default serializer', (app) => { app.setReplySerializer(() => '"serialized"') }],
  ['a serializer of a hook', (app) => { app.addHook('onRequest', (_request, reply, done) => { reply.serializer(() => '"serialized"'); done() }) }],
  ['a preSerialization hook', (app) => { app.addHook('preSerialization', async () => ({ replaced: true })) }],
  ['an onError hook', (app) => { app.addHook('onError', (_request, reply, _error, done) => { void reply.code(200); done() }) }]
]
t.test('R005 nothing of the service\'s own changes a refusal', async (t) => {
  for (const [title, tamper] of tampering) {
    for (const name of ['a', 'b'] as const) {
      t.test(`${title}, ${name === 'a' ? 'at once' : 'by promise'}`, async (t) => {
        const made = await service(t)
        tamper(made.app)
        const response = { '4xx': { type: 'object', properties: { only: { type: 'string' } } }, '5xx': { type: 'string' } }
        made.app.get('/x', { onRequest: made[name], schema: { response }, errorHandler: (_error, _request, reply) => { void reply.code(200).send('own') } }, made.handler)
        for (const [credentials, status, code] of [['bad', 401, 'invalid_credentials'], ['disabled', 403, 'account_disabled'], ['throw', 503, 'unavailable']] as const) {
          assertRefused(t, await made.app.inject({ url: '/x', headers: { [`x-${name}`]: credentials } }), status, code)
        }
      })
    }
  }
})

const textFormat: RefusalFormat = { schema: { type: 'string' }, contentType: 'text/plain', write: ({ status, code }) => `${String(status)} ${code}` }

t.test('the format of refusals is the service\'s, or the route\'s', async (t) => {
  const { app, a, handler } = await service(t, { refusal: { schema: { type: 'object' }, contentType: 'application/json', write: ({ code }, { url }) => ({ error: code, url }) } })
  app.get('/service', { onRequest: a }, handler)
  app.get('/route', { onRequest: a, config: { refusal: textFormat } }, handler)
  await app.register(async (child) => {
    child.protect(a)
    child.get('/protected', { config: { refusal: textFormat } }, handler)
  })
  const own = await app.inject('/service')
  t.equal(own.headers['content-type'], 'application/json; charset=utf-8')
  t.same(own.json(), { error: 'credentials_required', url: '/service' })
  for (const url of ['/route', '/protected']) {
    const text = await app.inject(url)
    t.equal(text.statusCode, 401)
    t.equal(text.headers['content-type'], 'text/plain')
    t.equal(text.body, '401 credentials_required')
    t.equal(text.headers['www-authenticate'], 'Test realm="a"')
  }
})

t.test('R007 a format that fails leaves the refusal standing, at once, by promise and after a timeout', async (t) => {
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  const form = 'refusal.write must return an object or a string'
  for (const [write, logged] of [[() => { throw new Error(SECRET) }, SECRET], [() => undefined as never, form], [() => null as never, form], [() => circular, /circular/]] as const) {
    const log: string[] = []
    const made = await service(t, { refusal: { schema: {}, contentType: 'text/html', write } }, { logger: { level: 'error', stream: { write: (line: string) => { log.push(line) } } } })
    made.app.get('/a', { onRequest: made.a }, made.handler)
    made.app.get('/b', { onRequest: made.b }, made.handler)
    for (const [url, headers, status, code] of [['/a', {}, 401, 'credentials_required'], ['/b', { 'x-b': 'bad' }, 401, 'invalid_credentials'], ['/b', { 'x-b': 'hang' }, 503, 'unavailable']] as const) {
      assertRefused(t, await made.app.inject({ url, headers }), status, code)
    }
    const told = log.map((line) => JSON.parse(line) as { msg: string; err?: { message: string } }).filter(({ msg }) => msg === 'the format of refusals failed')
    t.equal(told.length, 3)
    for (const { err } of told) t.match(err?.message, logged)
    t.equal(made.handled, 0)
  }
})

t.test('R001 a scheme whose challenge fails still gets its 401 with a challenge', async (t) => {
  const form = 'a challenge must be printable ASCII or null'
  const challenges: [Scheme['challenge'], logged: string | null][] = [[() => { throw new Error(SECRET) }, SECRET], [() => null, null], [() => undefined as never, form], [() => 'Test realm="a\r\nset-cookie: x=1"', form], [() => 'Test realm="ü"', form]]
  for (const [challenge, logged] of challenges) {
    const log: string[] = []
    const made = await service(t, {}, { logger: { level: 'error', stream: { write: (line: string) => { log.push(line) } } } })
    const odd = headerScheme('odd', { later: true })
    odd.challenge = challenge
    made.app.get('/x', { onRequest: made.app.defineScheme(odd) }, made.handler)
    for (const [headers, code] of [[{}, 'credentials_required'], [{ 'x-odd': 'bad' }, 'invalid_credentials']] as const) {
      const response = await made.app.inject({ url: '/x', headers })
      assertRefused(t, response, 401, code)
      t.equal(response.headers['www-authenticate'], 'odd realm="api"')
      t.equal(response.headers['set-cookie'], undefined)
    }
    const told = log.map((line) => JSON.parse(line) as { msg: string; scheme: string; err: { message: string } }).map(({ msg, scheme, err }) => [msg, scheme, err.message])
    t.strictSame(told, logged === null ? [] : Array(2).fill(['the challenge of a scheme failed', 'odd', logged]))
    t.equal(made.handled, 0)
  }
})

t.test('an explanation is given in development only', async (t) => {
  const before = process.env['NODE_ENV']
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_ENV']
    else process.env['NODE_ENV'] = before
  })
  for (const [environment, explains] of [['development', true], ['test', true], ['production', false], ['staging', false], ['', false], [undefined, false]] as const) {
    t.test(String(environment), async (t) => {
      if (environment === undefined) delete process.env['NODE_ENV']
      else process.env['NODE_ENV'] = environment
      const { app, a, b, handler } = await service(t)
      const inQuery: Scheme = { ...headerScheme('q'), carrier: { in: 'query', name: 'key' } }
      await app.register(async (child) => {
        child.protect(a)
        child.get('/x', { onRequest: [app.anyOf(b, app.defineScheme(inQuery)), app.requireScopes('s')] }, handler)
      }, { prefix: '/p' })
      const response = await app.inject({ url: '/p/x?key=k-secret', headers: { 'x-a': 'alice-secret', 'x-b': 'bad' } })
      t.equal(response.statusCode, 401)
      t.notMatch(response.body, /secret/)
      const { explanation } = response.json<{ explanation?: object }>()
      t.same(explanation, !explains
        ? undefined
        : {
            clauses: [{ level: '/p', guard: 'a', outcome: 'accepted' }, { level: 'route', guard: 'anyOf(b, q)', outcome: 'refused' }, { level: 'route', guard: 'requireScopes(s)', outcome: 'not asked' }],
            presented: [{ scheme: 'a', in: 'header', name: 'X-a' }, { scheme: 'b', in: 'header', name: 'X-b' }, { scheme: 'q', in: 'query', name: 'key' }],
            reasons: ['b is bad']
          })
    })
  }
})

t.test('R004 a stranger cannot tell what exists behind a guard', async (t) => {
  const { app, a } = await service(t)
  await app.register(problems)
  app.get('/items/:id', { onRequest: a }, (request) => {
    if ((request.params as { id: string }).id !== '1') throw refusal('not_found')
    return { id: '1' }
  })
  const answers = await Promise.all(['/items/1', '/items/2'].map(async (url) => await app.inject(url)))
  const [present, absent] = answers.map(({ statusCode, headers: { date: _date, ...headers }, body }) => ({ statusCode, headers, body: body.replace(/urn:request:[^"]+/, '') }))
  t.equal(present?.statusCode, 401)
  t.same({ ...absent, headers: { ...absent?.headers, 'content-length': '' } }, { ...present, headers: { ...present?.headers, 'content-length': '' } })
})

t.test('request.principal is whoever was accepted, frozen, and never undefined', async (t) => {
  const { app, a, b } = await service(t)
  const cached: CustomPrincipal = { kind: 'custom', scheme: 'cached', subject: 'carol', scopes: ['s'], roles: [], attributes: {} }
  const caching = app.defineScheme({ ...headerScheme('cached'), authenticate: () => cached })
  const either = app.anyOf(a, b)
  app.get('/both', { onRequest: [app.optional(a), b] }, (request) => [request.principal.subject, app.optional.name])
  app.get('/either', { onRequest: either }, (request) => [either.principal(request).subject, request.principal.subject])
  app.get('/other', { onRequest: app.anyOf(a, b) }, (request) => b.principal(request).subject)
  app.get('/stranger', { onRequest: app.optional(a) }, (request) => request.principal.subject)
  app.get('/none', (request) => request.principal.subject)
  app.get('/foreign', { onRequest: a }, (request) => b.principal(request).subject)
  app.get('/early', { onRequest: [(request, _reply, done) => { done(new Error(request.principal.subject)) }, a] }, () => 'ok')
  app.get('/frozen', { onRequest: caching }, (request) => {
    const principal = caching.principal(request) as unknown as { subject: string; scopes: string[]; attributes: object }
    return [() => { principal.subject = 'root' }, () => { principal.scopes.push('admin') }, () => { Object.assign(principal.attributes, { admin: true }) }].map((change) => {
      try {
        change()
        return 'changed'
      } catch (error) {
        return (error as Error).name
      }
    })
  })
  t.equal((await app.inject({ url: '/both', headers: { 'x-a': 'alice', 'x-b': 'bob' } })).json<string[]>()[0], 'alice')
  t.equal((await app.inject({ url: '/both', headers: { 'x-b': 'bob' } })).json<string[]>()[0], 'bob')
  t.same((await app.inject({ url: '/either', headers: { 'x-b': 'bob' } })).json(), ['bob', 'bob'])
  t.same((await app.inject('/frozen')).json(), ['TypeError', 'TypeError', 'TypeError'])
  t.notOk(Object.isFrozen(cached) || Object.isFrozen(cached.scopes), 'what the scheme keeps is its own')
  for (const [url, headers] of [['/stranger', {}], ['/none', {}], ['/foreign', { 'x-a': 'alice' }], ['/other', { 'x-a': 'alice' }], ['/early', { 'x-a': 'alice' }]] as const) {
    const response = await app.inject({ url, headers })
    t.equal(response.statusCode, 500, url)
    t.match(response.json(), { code: 'GATEHOUSE_NO_PRINCIPAL' }, url)
  }
})

import { once } from 'node:events'
import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { runInNewContext } from 'node:vm'
import Fastify from 'fastify'
import t from 'tap'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { bearerAuth } from '../../plugins/bearer-auth.ts'
import { keepTokensScript } from '../../plugins/openapi-scripts.ts'
import { openapi } from '../../plugins/openapi.ts'
import { securityHeaders } from '../../plugins/security-headers.ts'
import { audience, issuer, secret } from '../fixtures/tokens.ts'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { BearerAuthOptions } from '../../plugins/bearer-auth.ts'
import type { OpenapiOptions } from '../../plugins/openapi.ts'

const info = { title: 'Items', version: '1.0.0' }

async function pages (t: Test, options: Partial<OpenapiOptions> = {}, register: (app: FastifyInstance) => Promise<unknown> = async () => undefined): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(openapi, { info, ...options })
  await register(app)
  await app.ready()
  return app
}

async function policyOf (app: FastifyInstance, url = '/docs'): Promise<Map<string, string>> {
  const policy = String((await app.inject(url)).headers['content-security-policy'])
  return new Map(policy.split('; ').map((directive) => [directive.split(' ', 1).join(), directive.replace(/^\S+ /, '')]))
}

t.test('scripts of the pages come from their own origin, and none is inline', async (t) => {
  const app = await pages(t, { info: { ...info, title: 'Nuts & <bolts>' } })
  for (const url of ['/docs', '/docs/', '/docs/static/swagger-ui-bundle.js', '/docs/static/oauth2-redirect.html']) {
    const policy = await policyOf(app, url)
    for (const [name, sources] of [['default-src', "'none'"], ['script-src', "'self'"], ['connect-src', "'self'"], ['object-src', "'none'"], ['base-uri', "'none'"], ['frame-ancestors', "'none'"]] as const) t.equal(policy.get(name), sources, `${url} ${name}`)
    t.strictSame(['script-src-elem', 'script-src-attr'].filter((name) => policy.has(name)), [])
  }
  const { body } = await app.inject('/docs')
  const scripts = [...body.matchAll(/<script([^>]*)>([^<]*)</g)]
  t.ok(scripts.length >= 4)
  for (const [, attributes = '', text = ''] of scripts) {
    const [, source = ''] = /src="(\/docs\/static\/[\w./-]+)"/.exec(attributes) ?? []
    t.equal((await app.inject(source)).statusCode, 200, source)
    t.equal(text.trim(), '')
  }
  t.notMatch(body, / on\w+=/)
  t.match(body, '<title>Nuts &amp; &lt;bolts></title>')
})

t.test('the pages may ask the servers of the document and the token endpoints, and no one else', async (t) => {
  const servers = ['https://api.example/v1', 'http://localhost:8080', '/relative', 'https://{region}.api.example', 'http://[::1]:1', "https://x.example;script-src'"].map((url) => ({ url }))
  const app = await pages(t, { servers }, async (app) => {
    await app.register(bearerAuth, { secret, issuer, audience, tokenUrl: 'https://login.example/token', authorizationUrl: 'https://login.example/authorize' })
    await app.register(bearerAuth, { as: 'connect', secret, issuer, audience, openIdConnectUrl: 'https://connect.example/.well-known/openid-configuration' })
    await app.register(bearerAuth, { as: 'own', secret, issuer, audience, tokenUrl: '/token' })
    await app.register(apiKeyAuth, { verify: () => null })
  })
  const policy = await policyOf(app)
  t.equal(policy.get('connect-src'), "'self' https://api.example http://localhost:8080 https://login.example https://connect.example")
  t.equal(policy.get('script-src'), "'self'")
})

t.test('the pages keep the window of a login, where a scheme has people log in elsewhere', async (t) => {
  const [docs, back] = ['/docs', '/docs/static/oauth2-redirect.html?code=1&state=2']
  const endpoints = { tokenUrl: 'https://login.example/token', authorizationUrl: 'https://login.example/authorize' }
  const rows: [string, Partial<BearerAuthOptions>, (string | undefined)[]][] = [
    ['the code flow', endpoints, ['same-origin-allow-popups', 'unsafe-none']],
    ['OpenID Connect', { openIdConnectUrl: 'https://login.example/.well-known/openid-configuration' }, ['same-origin-allow-popups', 'unsafe-none']],
    ['the password flow', { tokenUrl: '/token' }, ['same-origin', 'same-origin']],
    ['no flow', {}, ['same-origin', 'same-origin']]
  ]
  for (const [what, options, expected] of rows) {
    await t.test(what, async (t) => {
      const app = Fastify()
      t.teardown(() => app.close())
      await app.register(securityHeaders)
      await app.register(openapi, { info })
      await app.register(bearerAuth, { secret, issuer, audience, ...options })
      app.get('/me', { onRequest: app.bearer }, () => ({}))
      t.strictSame([(await app.inject(docs)).headers['cross-origin-opener-policy'], (await app.inject(back)).headers['cross-origin-opener-policy']], expected)
      for (const url of ['/openapi.json', '/openapi.yaml', '/me']) t.equal((await app.inject(url)).headers['cross-origin-opener-policy'], 'same-origin', url)
    })
  }
})

t.test('Swagger UI is a public client with PKCE, under the name that it is given', async (t) => {
  const initializer = async (options: Partial<OpenapiOptions>): Promise<string> => (await (await pages(t, options)).inject('/docs/static/swagger-initializer.js')).body
  t.match(await initializer({}), 'ui.initOAuth({"usePkceWithAuthorizationCodeGrant":true})')
  const script = await initializer({ oauthClient: { clientId: 'docs', scopes: ['a'], parameters: { audience: "https://a.example/</script>'" } } })
  t.match(script, /ui\.initOAuth\(\{"clientId":"docs","scopes":\["a"\],"additionalQueryStringParams":\{"audience":"https:\/\/a\.example\/<\/script>'"\},"usePkceWithAuthorizationCodeGrant":true\}\)/)
  t.match(await initializer({ oauthClient: { clientId: 'docs' } }), '{"clientId":"docs","scopes":[],"additionalQueryStringParams":{},')
  const wrong: unknown[] = ['docs', null, {}, { clientId: '' }, { clientId: 1 }, { clientId: 'docs', clientSecret: 'x' }, { clientId: 'docs', scopes: 'a' }, { clientId: 'docs', scopes: [1] }, { clientId: 'docs', parameters: ['a'] }, { clientId: 'docs', parameters: { a: 1 } }]
  for (const oauthClient of wrong) {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => { await app.register(openapi, { info, oauthClient: oauthClient as never }) }, { code: 'GATEHOUSE_OPTION_INVALID', message: /openapi\.oauthClient/ }, JSON.stringify(oauthClient))
  }
})

t.test('an access token outlives a reload in development, and nowhere else', async (t) => {
  const before = process.env['NODE_ENV']
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_ENV']
    else process.env['NODE_ENV'] = before
  })
  for (const [environment, keeps] of [['development', true], ['test', true], ['production', false], ['staging', false], ['', false], [undefined, false]] as const) {
    await t.test(String(environment), async (t) => {
      if (environment === undefined) delete process.env['NODE_ENV']
      else process.env['NODE_ENV'] = environment
      const app = await pages(t)
      const script = await app.inject('/docs/static/theme/keep-tokens.js')
      t.equal(script.statusCode, keeps ? 200 : 404)
      t.equal((await app.inject('/docs')).body.includes('keep-tokens'), keeps)
      if (keeps) t.match(script.headers['content-type'], /^application\/javascript/)
      t.match((await app.inject('/docs/static/swagger-initializer.js')).body, '"persistAuthorization":false')
    })
  }
})

interface KeepTokens {
  statePlugins: { auth: { wrapActions: Record<'authorizeOauth2' | 'logout', (original: (payload: unknown) => string) => (payload: unknown) => string> } }
  afterLoad (system: { authActions: { restoreAuthorization (payload: unknown): void } }): void
}

/** A page that is loaded: what it restores, and the actions of Swagger UI as the script wraps them. */
function loadPage (sessionStorage: object, pathname = '/docs') {
  const window = { SwaggerUIBundle: Object.assign(({ plugins }: { plugins: (() => KeepTokens)[] }) => plugins, { presets: 'kept' }) }
  const warnings: unknown[] = []
  runInNewContext(keepTokensScript, { window, location: { pathname }, sessionStorage, console: { warn: (text: unknown) => warnings.push(text) }, Date, Map })
  const [, plugin] = window.SwaggerUIBundle({ plugins: [() => { throw new Error('not this one') }] })
  if (plugin === undefined) throw new Error('the script adds no plugin')
  const restored: unknown[] = []
  const { afterLoad, statePlugins: { auth: { wrapActions: { authorizeOauth2, logout } } } } = plugin()
  afterLoad({ authActions: { restoreAuthorization: (payload) => { restored.push(structuredClone(payload)) } } })
  return { presets: window.SwaggerUIBundle.presets, warnings, restored, authorize: authorizeOauth2(() => 'passed on'), logout: logout(() => 'passed on') }
}

t.test('what the script keeps', async (t) => {
  const kept = new Map<string, string>()
  const sessionStorage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, text: string) => { kept.set(key, text) }, removeItem: (key: string) => { kept.delete(key) } }
  const login = (expiresIn?: number) => ({ auth: { name: 'bearer', scopes: ['a'], username: 'alice', password: 'hunter2', clientSecret: 'hunter2' }, token: { access_token: 'the token', token_type: 'Bearer', refresh_token: 'hunter2', expires_in: expiresIn } })
  const restored = [{ authorized: { bearer: { name: 'bearer', scopes: ['a'], token: { access_token: 'the token', token_type: 'Bearer' } } } }]
  const page = loadPage(sessionStorage)
  t.strictSame([page.presets, page.restored], ['kept', []])

  t.equal(page.authorize(login(60)), 'passed on')
  t.notMatch([...kept.values()].join(), /hunter2|alice/, 'an access token and nothing else')
  t.strictSame(loadPage(sessionStorage, '/docs/').restored, restored, 'the same page by its other name')
  t.strictSame(loadPage(sessionStorage, '/other').restored, [], 'another API of this origin')
  t.equal(page.logout(['bearer', 'basic']), 'passed on')
  t.strictSame([kept.size, loadPage(sessionStorage).restored], [0, []], 'until the user logs out')

  page.authorize(login(-1))
  t.strictSame([loadPage(sessionStorage).restored, kept.size], [[], 0], 'or until it expires')
  page.authorize(login())
  t.strictSame(loadPage(sessionStorage).restored, restored, 'without a lifetime, for an hour')
  page.authorize({ ...login(), token: { error: 'x' } })
  t.strictSame(loadPage(sessionStorage).restored, restored)
  kept.set([...kept.keys()].join(), 'no JSON')
  t.strictSame(loadPage(sessionStorage).restored, [])
  const blocked = loadPage({ getItem () { throw new Error('blocked') }, setItem () { throw new Error('blocked') }, removeItem () {} })
  t.equal(blocked.authorize(login(60)), 'passed on', 'a browser that stores nothing can still log in')
  t.strictSame(blocked.warnings, ['The access token is not kept.'])
})

/** Asks for a path as it is written, which `inject` would tidy. */
async function ask (origin: string, path: string): Promise<{ status: number | undefined; body: string }> {
  const [response] = await once(get(origin, { path, agent: false }), 'response') as [IncomingMessage]
  return { status: response.statusCode, body: await text(response) }
}

t.test('CVE-2024-22207 R210 the assets of Swagger UI are served, and nothing else of its package', async (t) => {
  const app = await pages(t)
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  t.match(await ask(origin, '/docs/static/index.css'), { status: 200, body: /html/ })
  for (const path of ['package.json', 'index.js', 'lib/routes.js', '../package.json', '../index.js', '%2e%2e/package.json', '..%2fpackage.json', '..%5cpackage.json', '%2e%2e%2f%2e%2e%2fpackage.json', '../../package.json']) {
    for (const base of ['/docs/static/', '/docs/static/theme/', '/docs/']) {
      const { status, body } = await ask(origin, base + path)
      // A path that leaves the directory is forbidden, whatever stands there.
      t.ok(status === 404 || (status === 403 && /\.\.|%2e/.test(path)), `${String(status)} ${base}${path}`)
      t.notMatch(body, /"version"|module\.exports/)
    }
  }
})

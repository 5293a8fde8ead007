// Logging in through someone else's issuer: oidc-provider, unmodified, and Swagger UI in a real browser.
import t from 'tap'
import { buildApp } from '../../examples/foreign-issuer.ts'
import { inBrowser, keepScreenshot } from '../fixtures/chromium.ts'
import { startForeignIssuer } from '../fixtures/foreign-issuer.ts'
import { execute, openDocs } from '../fixtures/swagger-ui.ts'
import type { FastifyInstance } from 'fastify'
import type { Browser } from 'playwright-core'
import type { Test } from 'tap'
import type { ForeignIssuer } from '../fixtures/foreign-issuer.ts'

const audience = 'https://orders.example'
const partnerAudience = 'https://partner.example/orders'

// Plain http is for this machine in development.
process.env['NODE_ENV'] = 'development'
t.setTimeout(120_000)

interface Setting {
  app: FastifyInstance
  url: string
  house: ForeignIssuer
  partner: ForeignIssuer
  status (token: string): Promise<number>
}

async function start (t: Test, { called = partnerAudience } = {}): Promise<Setting> {
  const house = await startForeignIssuer(t, { extraClaims: { realm_access: { roles: ['clerk'] } } })
  const partner = await startForeignIssuer(t, { extraClaims: { scp: ['orders:read'] } })
  const app = await buildApp({ house: { issuer: house.url, audience }, partner: { issuer: partner.url, audience: called }, clientId: 'docs' })
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  for (const issuer of [house, partner]) issuer.open(`${url}/docs/static/oauth2-redirect.html`)
  return { app, url, house, partner, status: async (token) => (await app.inject({ url: '/orders', headers: { authorization: `Bearer ${token}` } })).statusCode }
}

t.test('R064 oidc-provider stopped, rotating and untrusted', async (t) => {
  const { app, house, partner, status } = await start(t)
  const real = performance.now.bind(performance)
  let passed = 0
  t.intercept(performance, 'now', { value: () => real() + passed })
  const pass = (seconds: number): void => { passed += seconds * 1000 }
  const token = await house.token(audience)
  pass(31)
  t.match((await app.inject({ url: '/orders', headers: { authorization: `Bearer ${token}` } })).json(), { reader: { issuer: house.url, subject: 'machine', roles: ['clerk'] }, orders: [] })
  t.match((await app.inject({ url: '/orders', headers: { authorization: `Bearer ${await partner.token(partnerAudience)}` } })).json(), { reader: { issuer: partner.url, roles: [] } })
  t.equal(await status(await house.token(partnerAudience)), 401, 'an audience is that of one issuer')

  const stranger = await startForeignIssuer(t)
  stranger.open('https://stranger.example/')
  t.equal(await status(await stranger.token(audience)), 401, 'a second issuer, untrusted')

  house.rotate()
  t.equal(await status(token), 200)
  pass(31)
  t.equal(await status(await house.token(audience)), 200, 'the new key is found by its name')
  t.equal(await status(token), 401, 'and the old one is gone')

  const last = await house.token(audience)
  await house.stop()
  pass(600)
  t.equal(await status(last), 200)
  pass(3001)
  t.equal(await status(last), 503)
  await house.start()
  pass(31)
  t.equal(await status(last), 200)
})

await inBrowser({
  'Swagger UI logs in by discovery': (t, browser) => logsIn(t, browser, 'bearer', 'authorization_code'),
  'Swagger UI logs in by the code flow that the document has': (t, browser) => logsIn(t, browser, 'partner', 'authorizationCode')
}, { others: true })

async function logsIn (t: Test, browser: Browser, scheme: 'bearer' | 'partner', flow: string): Promise<void> {
  const { url, house, partner, status } = await start(t, { called: audience })
  const issuer = scheme === 'bearer' ? house : partner
  const { context, page, complaints } = await openDocs(t, browser, url)
  const requests: { url: string; body: string }[] = []
  context.on('request', (request) => requests.push({ url: request.url(), body: request.postData() ?? '' }))
  t.equal((await execute(page, 'listOrders')).status, '401', 'nobody is logged in')

  await page.locator('.auth-wrapper > .authorize').click()
  const form = page.locator('.modal-ux .auth-container').filter({ has: page.locator('h4', { hasText: new RegExp(`^${scheme}\\b.*${flow} with PKCE`) }) }).first()
  await keepScreenshot(page, `foreign-issuer-${scheme}`, { fullPage: false })
  t.equal(await form.locator('[data-name="clientId"]').inputValue(), 'docs')
  const opened = context.waitForEvent('page')
  await form.getByText('Authorize', { exact: true }).click()
  const login = await opened
  await login.locator('input[name="login"]').fill('alice')
  await login.locator('input[name="password"]').fill('any')
  await keepScreenshot(login, `foreign-issuer-${scheme}-login`, { fullPage: false })
  await login.getByRole('button', { name: 'Sign-in' }).click()
  const closed = login.waitForEvent('close')
  await login.getByRole('button', { name: 'Continue' }).click()
  await closed
  await form.getByText('Logout', { exact: true }).waitFor()
  await page.locator('.close-modal').click()

  const asked = requests.find(({ url }) => url.startsWith(`${issuer.url}/auth?`))
  const parameters = new URL(asked?.url ?? 'about:blank').searchParams
  t.match(Object.fromEntries(parameters), { response_type: 'code', client_id: 'docs', code_challenge_method: 'S256', code_challenge: /^[\w-]{43}$/, resource: audience, scope: /orders:read/ })
  const exchanged = new URLSearchParams(requests.find(({ url }) => url.startsWith(`${issuer.url}/token`))?.body)
  t.match(Object.fromEntries(exchanged), { grant_type: 'authorization_code', client_id: 'docs', code_verifier: /^[\w-]{43}$/ })
  t.equal(exchanged.has('client_secret'), false)

  const orders = await execute(page, 'listOrders')
  t.equal(orders.status, '200')
  t.match(JSON.parse(orders.body), { reader: { issuer: issuer.url, subject: 'alice', roles: scheme === 'bearer' ? ['clerk'] : [] }, orders: [] })
  await keepScreenshot(page, `foreign-issuer-${scheme}-orders`)
  const stranger = await startForeignIssuer(t)
  stranger.open('https://stranger.example/')
  t.equal(await status(await stranger.token(audience)), 401)
  t.strictSame(complaints.filter((line) => !/^Failed to load resource: .* 401 /.test(line)), [], 'no policy was in the way')
}

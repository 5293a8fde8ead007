// Swagger UI in a real browser: what only a browser can tell, such as whether the policy lets the page work.
import { join } from 'node:path'
import t from 'tap'
import { buildDemo, password } from '../demo.ts'
import { inBrowser, keepScreenshot } from '../fixtures/chromium.ts'
import { execute, openDocs } from '../fixtures/swagger-ui.ts'
import type { Browser, Locator, Page } from 'playwright-core'
import type { Test } from 'tap'
import type { Demo } from '../demo.ts'

t.setTimeout(120_000)
await inBrowser({
  'Swagger UI logs in': logsIn,
  'Swagger UI keeps an access token in the tab, and nothing else': keepsTokens,
  'Swagger UI keeps nothing in production': keepsNothing
})

function inEnvironment (t: Test, environment: 'development' | 'production'): void {
  const before = process.env['NODE_ENV']
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_ENV']
    else process.env['NODE_ENV'] = before
  })
  process.env['NODE_ENV'] = environment
}

async function listening ({ app }: Demo): Promise<string> {
  return await app.listen({ host: '127.0.0.1', port: 0 })
}

/** The form of a scheme in the dialog, which is opened for it. */
async function formOf (page: Page, scheme: string): Promise<Locator> {
  await page.locator('.auth-wrapper > .authorize').click()
  return page.locator('.modal-ux .auth-container').filter({ has: page.locator('h4', { hasText: new RegExp(`^${scheme}\\b`) }) })
}

async function close (page: Page): Promise<void> {
  await page.locator('.close-modal').click()
}

async function logIn (page: Page, person: { username: string; password: string }, scopes: readonly string[]): Promise<void> {
  const form = await formOf(page, 'bearer')
  await form.locator('#oauth_username').fill(person.username)
  await form.locator('#oauth_password').fill(person.password)
  for (const scope of scopes) await form.locator(`label[for="${scope}-password-checkbox-bearer"] .item`).click()
  await form.getByText('Authorize', { exact: true }).click()
  await form.getByText('Logout', { exact: true }).waitFor()
  await close(page)
}

/** Keeps what a person would see, scrolled to the element. */
async function keepInSight (page: Page, name: string, element?: Locator): Promise<void> {
  await element?.evaluate((shown: { scrollIntoView (): void }) => { shown.scrollIntoView() })
  await keepScreenshot(page, name, { fullPage: false })
}

function stored (page: Page): Promise<{ session: string; local: string; cookies: string }> {
  return page.evaluate('({ session: JSON.stringify(sessionStorage), local: JSON.stringify(localStorage), cookies: document.cookie })')
}

async function reload (page: Page): Promise<void> {
  await page.reload()
  await page.locator('.opblock').first().waitFor()
}

async function logsIn (t: Test, browser: Browser): Promise<void> {
  inEnvironment(t, 'development')
  const demo = await buildDemo(t)
  const { page, complaints } = await openDocs(t, browser, await listening(demo))
  t.equal(await page.title(), 'Gatehouse demo')
  const account = { username: 'alice', password }
  const registered = await page.request.post(new URL('/register', page.url()).href, { data: { ...account, email: 'alice@example.com' } })
  t.equal(registered.status(), 201)

  const before = await execute(page, 'listItems')
  t.equal(before.status, '401')
  await formOf(page, 'bearer')
  t.equal(await page.evaluate('document.activeElement.id'), 'oauth_username', 'the dialog opens at its first form')
  await keepInSight(page, 'docs-authorize')
  await close(page)
  await logIn(page, account, ['me', 'items:read'])
  const items = await execute(page, 'listItems')
  t.equal(items.status, '200')
  t.match(JSON.parse(items.body), { items: [] })
  const admin = await execute(page, 'getAdmin')
  t.equal(admin.status, '403')
  t.match(JSON.parse(admin.body), { code: 'insufficient_scope', explanation: { reasons: [/admin/] } }, 'the reason can be read')
  t.equal((await execute(page, 'createItem')).status, '403', 'a scope whose box was not ticked is not granted')

  const shown = (id: string): Promise<string> => page.locator(`[id$="-${id}"] .opblock-description`).innerText()
  t.match(await shown('listItems'), /Guards: anyOf\(bearer, apiKey\), requireScopes\(items:read\)\s+Scopes: items:read/)
  await page.locator('[id$="-getLimited"] .opblock-summary-control').click()
  t.match(await shown('getLimited'), /Public: Shows a limit\s+Limits: limited: 5 in 60 seconds per address/)

  t.strictSame(complaints.filter((line) => !/^Failed to load resource: .* (401|403) /.test(line)), [], 'the console has no error but the refusals')
  await keepInSight(page, 'docs-refused', page.locator('[id$="-getAdmin"]'))
  await keepInSight(page, 'docs-public', page.locator('[id$="-getLimited"]'))

  await page.evaluate("document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.injected = true' }))")
  t.equal(await page.evaluate('window.injected'), undefined, 'the policy lets no inline script run')
  t.match(complaints.at(-1), /Content Security Policy/, 'and the console would have said so')
}

async function keepsTokens (t: Test, browser: Browser): Promise<void> {
  inEnvironment(t, 'development')
  const demo = await buildDemo(t)
  const alice = await demo.person('alice')
  const { key } = await demo.key(await demo.token(alice), ['items:read'])
  const { page } = await openDocs(t, browser, await listening(demo))

  const basic = await formOf(page, 'basic')
  await basic.locator('input[name="username"]').fill(alice.username)
  await basic.locator('input[name="password"]').fill(alice.password)
  await basic.getByText('Authorize', { exact: true }).click()
  await close(page)
  const apiKey = await formOf(page, 'apiKey')
  await apiKey.locator('input').fill(key)
  await apiKey.getByText('Authorize', { exact: true }).click()
  await close(page)
  t.equal((await execute(page, 'getBasicMe')).status, '200')
  t.equal((await execute(page, 'listItems')).status, '200', 'by key')
  t.strictSame(await stored(page), { session: '{}', local: '{}', cookies: '' })
  await reload(page)
  t.equal((await execute(page, 'listItems')).status, '401', 'the key is gone')
  // Not by a request: the browser would ask for a name and a password itself.
  t.equal(await (await formOf(page, 'basic')).locator('input[name="password"]').count(), 1, 'and so is the password')
  await close(page)

  await logIn(page, alice, [])
  const { session, local, cookies } = await stored(page)
  const [kept] = Object.values(JSON.parse(session) as Record<string, string>).map((text) => JSON.parse(text))
  t.match(kept, { bearer: { access_token: /^ey/, token_type: 'Bearer', expiresAt: Number } })
  t.strictSame([Object.keys(kept), Object.keys(kept.bearer).sort()], [['bearer'], ['access_token', 'expiresAt', 'scopes', 'token_type']], 'and nothing else')
  t.strictSame({ local, cookies }, { local: '{}', cookies: '' })
  t.notMatch(session, password)
  await reload(page)
  t.equal((await execute(page, 'listItems')).status, '200', 'the token is still there')

  await (await formOf(page, 'bearer')).getByText('Logout', { exact: true }).click()
  t.equal((await stored(page)).session, '{}', 'logging out forgets it')
  await close(page)
  t.equal((await execute(page, 'listItems')).status, '401')
}

async function keepsNothing (t: Test, browser: Browser): Promise<void> {
  const administrator = { username: 'root', password: 'harbour lamps at night' }
  await buildDemo(t)
  inEnvironment(t, 'production')
  const production = { NODE_ENV: 'production', DOCS: 'admin', TOKEN_KEY_FILE: join(t.testdirName, 'token-key'), ADMIN_USERNAME: administrator.username, ADMIN_PASSWORD: administrator.password }
  await t.test('behind Basic', async (t) => {
    const { page, complaints } = await openDocs(t, browser, await listening(await buildDemo(t, production)), { httpCredentials: administrator })
    await logIn(page, administrator, ['admin'])
    t.equal((await execute(page, 'getAdmin')).status, '200')
    t.strictSame(await stored(page), { session: '{}', local: '{}', cookies: '' })
    await reload(page)
    const form = await formOf(page, 'bearer')
    t.equal(await form.getByText('Authorize', { exact: true }).count(), 1, 'nobody is logged in')
    t.strictSame(complaints, [])
  })
}

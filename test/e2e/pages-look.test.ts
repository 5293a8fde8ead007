// How the pages look, and to whom: axe on every page and state, in light and dark, wide and on a phone; screenshots that
// people look at; and names that would like to be more than text.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import t from 'tap'
import { drive, inBrowser, keepScreenshot, signIn } from '../fixtures/chromium.ts'
import { naughtyStrings } from '../fixtures/naughty-strings.ts'
import type { Browser, Page } from 'playwright-core'
import type { Test } from 'tap'
import type { Demo, Person } from '../demo.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const looks = (['light', 'dark'] as const).flatMap((colorScheme) => [1280, 360].map((width) => ({ colorScheme, width })))

t.setTimeout(180_000)
await inBrowser({
  'every page is for everybody, in light and dark, wide and narrow': isForEverybody,
  'hostile names do nothing in a browser': staysInert
})

/** What axe finds, and what does not fit. */
async function problemsOf (page: Page, width: number): Promise<string[]> {
  await page.evaluate(axe)
  const { violations } = await page.evaluate<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }>("axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })")
  const found = violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary}`))
  const needed = await page.evaluate<number>('document.documentElement.scrollWidth')
  return needed > width ? [...found, `the page is ${String(needed)} wide`] : found
}

/** People, keys, clients and events, so that there is something to see. */
async function furnish ({ app }: Demo, { id }: Person): Promise<void> {
  const owner = { kind: 'session', scheme: 'session', subject: id, scopes: ['me', 'items:read', 'items:write', 'admin'], roles: ['admin'], attributes: {}, sessionId: '', authenticatedAt: 0 } as const
  for (const [name, scopes] of [['Backup of the archive', ['items:read']], ['Nightly import from the harbour office', ['items:read', 'items:write']], ['Dashboard', ['items:read']]] as const) {
    const { apiKey } = await app.accounts.createApiKey(owner, { name, scopes })
    if (name === 'Dashboard') await app.stores.apiKeys.revoke(apiKey.id, id)
  }
  const names: [string, string, string[]][] = [['amara', 'Amara Okafor', ['editor']], ['björn', 'Björn Åkesson', ['viewer']], ['a-name-that-goes-on-and-on-and-on-as-long-as-a-name-may-be-64-abc', 'Somebody with a very long name', []]]
  const passwordHash = await app.passwords.hash('nobody signs in with this')
  for (const [username, full_name, roles] of names) await app.stores.users.create({ username, full_name, email: `${username.normalize('NFD').replaceAll(/[^\w-]/g, '').slice(0, 20)}@example.com`, passwordHash, roles })
  const off = await app.stores.users.findByName('amara')
  if (off !== null) await app.accounts.update(off.id, { disabled: true })
  await app.tokens.createClient({ name: 'Reports', grants: ['client_credentials'], scopes: ['items:read'] })
  const { client } = await app.tokens.createClient({ name: 'An old importer', grants: ['client_credentials', 'refresh_token'], scopes: ['items:read', 'items:write'] })
  await app.tokens.revokeClient(client.client_id)
  await app.stores.audit.append({ event: 'authn_login_fail', outcome: 'failure', ip: '192.0.2.17', method: 'POST', route: '/token', reason: 'invalid_grant' })
  await app.stores.audit.append({ event: 'authn_token_created', outcome: 'success', actor: id, ip: '2001:db8::17', method: 'POST', route: '/token' })
}

async function isForEverybody (t: Test, browser: Browser): Promise<void> {
  const { demo, visit, url } = await drive(t, browser)
  const boss = await demo.person('boss', ['admin'])
  const empty = await demo.person('newcomer')
  await furnish(demo, boss)
  for (const { colorScheme, width } of looks) {
    await t.test(`${colorScheme}, ${String(width)}`, async (t) => {
      const options = { colorScheme, viewport: { width, height: 900 }, reducedMotion: 'reduce' } as const
      const { page, complaints } = await visit(t, options)
      async function look (name: string): Promise<void> {
        t.strictSame(await problemsOf(page, width), [], name)
        t.equal(await page.getByRole('main').count() + await page.getByRole('banner').count() + await page.getByRole('contentinfo').count(), 3, 'landmarks')
        await keepScreenshot(page, `pages-${name}-${colorScheme}-${String(width)}`)
      }
      await look('sign-in')
      await page.getByLabel('Username').fill('boss')
      await page.getByLabel('Password').fill('wrong')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('alert').waitFor()
      await look('sign-in-refused')
      await signIn(page, boss)
      await look('account')
      await page.getByText('Rotate').first().click()
      await look('account-rotate')
      await page.goto(url)
      await page.getByText('Make a key', { exact: true }).click()
      await page.getByLabel('Name', { exact: true }).fill('no scope')
      await page.getByRole('button', { name: 'Make the key' }).click()
      await page.getByRole('alert').waitFor()
      await look('account-refused')
      await page.getByRole('checkbox', { name: /^items:read/ }).check()
      await page.getByRole('button', { name: 'Make the key' }).click()
      await page.getByLabel('API key').waitFor()
      await look('secret')
      for (const name of ['users', 'clients', 'events']) {
        await page.goto(`${url}/administration/${name}`)
        await look(name)
      }
      await page.goto(`${url}/administration/users`)
      await page.getByText('Disable').first().click()
      await look('users-disable')
      await page.goto(`${url}/administration/users?q=nobody-has-this`)
      await look('users-empty')
      await page.goto(`${url}/administration/users?cursor=nothing`)
      await look('problem')

      const other = await visit(t, options)
      await signIn(other.page, empty)
      t.strictSame(await problemsOf(other.page, width), [], 'account-empty')
      await keepScreenshot(other.page, `pages-account-empty-${colorScheme}-${String(width)}`)
      t.strictSame([...complaints, ...other.complaints].filter((line) => !/^Failed to load resource: .* 400 /.test(line)), [])
    })
  }
}

async function staysInert (t: Test, browser: Browser): Promise<void> {
  const { demo, visit, url } = await drive(t, browser)
  const boss = await demo.person('boss', ['admin'])
  const texts = naughtyStrings.filter(({ line }) => line).map(({ text }) => text)
  const headers = await demo.token(boss)
  for (const name of texts) await demo.send({ method: 'POST', url: '/api-keys', headers, payload: { name, scopes: ['items:read'] } })
  for (const name of texts.slice(0, 12)) await demo.send({ method: 'POST', url: '/admin/clients', headers, payload: { name, grants: ['client_credentials'], scopes: ['items:read'] } })
  const { page, complaints } = await visit(t, { viewport: { width: 360, height: 900 } })
  page.on('dialog', (dialog) => { complaints.push(`a dialog: ${dialog.message()}`) })
  page.on('request', (request) => { if (!request.url().startsWith(url)) complaints.push(`asks ${request.url()}`) })
  const shown = (): Promise<string[]> => page.locator('bdi.name').evaluateAll((names: { textContent: string }[]) => names.map(({ textContent }) => textContent))

  await signIn(page, boss)
  t.strictSame(await shown(), [...texts].reverse())
  t.ok(await page.evaluate<number>('document.documentElement.scrollWidth') <= 360, 'and none makes the page wider')
  await keepScreenshot(page, 'pages-hostile-360')
  await page.goto(`${url}/administration/clients`)
  t.strictSame(await shown(), texts.slice(0, 12).reverse())
  for (const text of texts) {
    await page.goto(`${url}/administration/users?q=${encodeURIComponent(text)}`)
    t.equal(await page.getByLabel('Name or e-mail').inputValue(), text)
  }
  t.equal(await page.evaluate('window.pwned'), undefined)
  t.equal(page.url().startsWith(url), true)
  t.strictSame(complaints, [], 'no script ran, none was kept from running, nobody else was asked')
}

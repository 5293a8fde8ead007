// The pages in a real browser: everything that a person does there, with and without a script, and by keyboard alone.
import t from 'tap'
import { drive, inBrowser, signIn } from '../fixtures/chromium.ts'
import type { Browser, Locator, Page } from 'playwright-core'
import type { Test } from 'tap'

t.setTimeout(180_000)
await inBrowser({
  'somebody looks after keys, sessions and the password': looksAfterAccount,
  'an administrator looks after users, clients and events': administers,
  'everything is there by keyboard alone': byKeyboard,
  'and without a script': withoutScript
})

const notice = (page: Page): Promise<string> => page.getByRole('status').first().innerText()
const rowOf = (page: Page, name: string): Locator => page.getByRole('row').filter({ hasText: name })
/** A refused form is told by the console too. */
const unexpected = (complaints: readonly string[]): string[] => complaints.filter((line) => !/^Failed to load resource: .* (400|401|403|409) /.test(line))

async function makeKey (page: Page, name: string, scope: string): Promise<void> {
  if (!await page.getByLabel('Name', { exact: true }).isVisible()) await page.getByText('Make a key', { exact: true }).click()
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByRole('checkbox', { name: new RegExp(`^${scope}`) }).check()
  await page.getByRole('button', { name: 'Make the key' }).click()
  await page.getByLabel('API key').waitFor()
}

async function looksAfterAccount (t: Test, browser: Browser): Promise<void> {
  const { demo, visit, url } = await drive(t, browser)
  const alice = await demo.person('alice')
  const { page, complaints } = await visit(t, { permissions: ['clipboard-read', 'clipboard-write'] })
  const worksWith = async (key: string): Promise<number> => (await page.request.get(`${url}/items`, { headers: { 'x-api-key': key } })).status()

  await page.getByLabel('Username').fill('alice')
  await page.getByLabel('Password').fill('not the password at all')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').waitFor()
  t.match(await page.title(), /^Error: Sign in/)
  t.equal(await page.evaluate('document.activeElement.getAttribute("role")'), 'alert', 'the focus is on what went wrong')
  await page.getByRole('alert').getByRole('link').click()
  t.equal(await page.evaluate('document.activeElement.id'), 'sign-in-password', 'and from there it goes to the field')
  t.equal(await page.getByLabel('Username').inputValue(), 'alice', 'what was typed is still there')
  t.equal(await page.getByLabel('Password').inputValue(), '', 'but for the password')
  await signIn(page, alice)
  t.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'alice')
  t.strictSame((await page.context().cookies()).map(({ name, httpOnly, secure, sameSite }) => ({ name, httpOnly, secure, sameSite })), [{ name: '__Host-session', httpOnly: true, secure: true, sameSite: 'Lax' }])

  await makeKey(page, 'nightly import', 'items:read')
  const key = await page.getByLabel('API key').inputValue()
  await page.getByRole('button', { name: 'Copy' }).click()
  await page.getByText('Copied.').waitFor()
  t.equal(await page.evaluate('navigator.clipboard.readText()'), key)
  t.equal(await worksWith(key), 200)
  await page.reload()
  t.equal(await page.locator('#secret').count(), 0, 'a reload shows no key and makes none')
  t.notOk((await page.content()).includes(key))
  t.equal(await page.locator('tbody bdi.name').count(), 1)

  const row = rowOf(page, 'nightly import')
  await row.getByText('Rotate').first().click()
  await row.getByLabel('The old key works on for').selectOption('not a second')
  await row.getByRole('button', { name: 'Rotate the key' }).click()
  const next = await page.getByLabel('API key').inputValue()
  t.not(next, key)
  t.strictSame([await worksWith(key), await worksWith(next)], [401, 200])
  await page.getByRole('link', { name: 'I have copied it' }).click()

  await row.getByText('Revoke').first().click()
  await row.getByRole('button', { name: 'Revoke the key' }).click()
  t.equal(await notice(page), 'The key is revoked.')
  t.equal(await worksWith(next), 401)
  t.equal(new URL(page.url()).search, '', 'a message is told once')
  await page.getByText(/^Keys that ended/).click()
  t.equal(await page.locator('details.more li').count(), 2)

  const other = await visit(t)
  await signIn(other.page, alice)
  await page.goto(url)
  await page.getByRole('button', { name: /^End the session/ }).click()
  t.equal(await notice(page), 'The session has ended.')
  await other.page.goto(url)
  t.equal(await other.page.getByRole('heading', { level: 2 }).innerText(), 'Sign in', 'the other browser is signed out')
  await signIn(other.page, alice)

  await page.getByLabel('Current password').fill(alice.password)
  await page.getByLabel('New password').fill('password')
  await page.getByRole('button', { name: 'Change the password' }).click()
  t.match(await page.getByRole('alert').innerText(), /The new password must have at least 15 characters/)
  t.equal(await page.getByLabel('New password').getAttribute('aria-invalid'), 'true')
  await page.getByLabel('Current password').fill(alice.password)
  await page.getByLabel('New password').fill('a boat under the bridge')
  await page.getByRole('button', { name: 'Change the password' }).click()
  t.match(await notice(page), /Your password is changed/)
  await other.page.goto(url)
  t.equal(await other.page.getByRole('button', { name: 'Sign out', exact: true }).count(), 0, 'other sessions end with it')

  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  t.equal(await notice(page), 'You are signed out.')
  t.strictSame(await page.context().cookies(), [])
  await signIn(page, { username: 'alice', password: 'a boat under the bridge' })
  await page.getByRole('button', { name: 'End all, and sign out' }).click()
  t.equal(await notice(page), 'You are signed out.')
  t.strictSame(unexpected([...complaints, ...other.complaints]), [], 'no console error, no violation of the policy')
}

async function administers (t: Test, browser: Browser): Promise<void> {
  const { demo, visit, url } = await drive(t, browser)
  const boss = await demo.person('boss', ['admin'])
  const bert = await demo.person('bert')
  await demo.person('carl')
  const { page, complaints } = await visit(t)
  await page.goto(`${url}/administration/users`)
  t.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'You are not signed in')
  await signIn(page, boss)
  t.equal(new URL(page.url()).pathname, '/administration/users', 'signing in leads to the page that was asked for')

  await page.getByLabel('Name or e-mail').fill('ber')
  await page.getByRole('button', { name: 'Search' }).click()
  t.strictSame(await page.locator('tbody bdi.name').allInnerTexts(), ['bert'])
  const row = rowOf(page, 'bert@example.com')
  await row.getByText('Roles', { exact: false }).first().click()
  await row.getByRole('checkbox', { name: 'viewer' }).check()
  await row.getByRole('checkbox', { name: 'editor' }).uncheck()
  await row.getByRole('button', { name: 'Save the roles' }).click()
  t.equal(await notice(page), 'The roles are saved.')
  t.strictSame((await demo.app.stores.users.findById(bert.id))?.roles, ['viewer'])

  await row.getByText('Disable').first().click()
  await row.getByRole('button', { name: 'Disable the account' }).click()
  t.equal(await notice(page), 'The account is disabled.')
  t.equal((await demo.app.stores.users.findById(bert.id))?.disabled, true)
  await row.getByText('Enable').first().click()
  await row.getByRole('button', { name: 'Enable the account' }).click()
  t.equal(await notice(page), 'The account is enabled.')

  const own = rowOf(page, 'boss@example.com')
  await own.getByText('Disable').first().click()
  await own.getByRole('button', { name: 'Disable the account' }).click()
  t.match(await page.getByRole('alert').innerText(), /The last account with the role admin keeps it/)

  await page.getByRole('link', { name: 'Clients' }).click()
  t.match(await page.locator('.empty').innerText(), /no client yet/)
  await page.getByLabel('Name', { exact: true }).fill('reports')
  await page.getByRole('button', { name: 'Make the client' }).click()
  t.match(await page.getByRole('alert').innerText(), /What it may do needs at least one choice/)
  t.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'reports')
  await page.getByRole('checkbox', { name: /^items:read/ }).check()
  await page.getByRole('button', { name: 'Make the client' }).click()
  const secret = await page.getByLabel('Client secret').inputValue()
  const id = await page.getByText(/^client_/).innerText()
  const asked = await page.request.post(`${url}/token`, { form: { grant_type: 'client_credentials', client_id: id, client_secret: secret } })
  t.equal(asked.status(), 200)
  await page.getByRole('link', { name: 'I have copied it' }).click()
  await rowOf(page, 'reports').getByText('End').first().click()
  await page.getByRole('button', { name: 'End the client' }).click()
  t.equal(await notice(page), 'The client has ended.')

  await demo.app.stores.audit.append({ event: 'authn_login_fail', outcome: 'failure', actor: boss.id, ip: '192.0.2.1', method: 'POST', route: '/token', reason: 'invalid_grant' })
  await page.getByRole('link', { name: 'Events' }).click()
  t.match(await rowOf(page, 'authn_login_fail').innerText(), /boss[\s\S]*POST \/token[\s\S]*invalid_grant/)
  await page.getByRole('link', { name: 'Docs', exact: true }).click()
  await page.locator('.opblock').first().waitFor()

  const editor = await visit(t)
  await signIn(editor.page, { username: 'carl', password: boss.password })
  t.equal(await editor.page.getByRole('link', { name: 'Users' }).count(), 0)
  await editor.page.goto(`${url}/administration/users`)
  t.equal(await editor.page.getByRole('heading', { level: 1 }).innerText(), 'This is not for you')
  t.strictSame(unexpected(complaints), [])
}

async function byKeyboard (t: Test, browser: Browser): Promise<void> {
  const { demo, visit } = await drive(t, browser)
  const alice = await demo.person('alice')
  const { page } = await visit(t)
  const { keyboard } = page
  /** Tabs until the focus is on what says so; a page has fewer stops than that. */
  async function tabTo (wanted: RegExp): Promise<void> {
    for (let stops = 0; stops < 60; stops += 1) {
      await keyboard.press('Tab')
      const said = await page.evaluate<string>('(({ id, innerText, name, tagName }) => tagName === "BODY" ? "" : [id, name, innerText].join(" "))(document.activeElement)')
      if (wanted.test(said)) {
        t.not(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'), 'none', `the focus on ${String(wanted)} can be seen`)
        return
      }
    }
    t.fail(`${String(wanted)} cannot be reached`)
  }
  await keyboard.press('Tab')
  t.equal(await page.evaluate('document.activeElement.className'), 'skip', 'the first stop is the way past the navigation')
  await tabTo(/username/)
  await keyboard.type(alice.username)
  await keyboard.press('Tab')
  await keyboard.type(alice.password)
  await keyboard.press('Enter')
  await page.getByRole('button', { name: 'Sign out', exact: true }).waitFor()

  await tabTo(/key-name/)
  await keyboard.type('by keyboard')
  await tabTo(/scope-items:read/)
  await keyboard.press('Space')
  await tabTo(/Make the key/)
  await keyboard.press('Enter')
  await page.getByLabel('API key').waitFor()
  t.equal(await page.evaluate('document.activeElement.id'), 'secret', 'the focus is on the key')
  await tabTo(/I have copied it/)
  await keyboard.press('Enter')
  await page.getByRole('heading', { level: 1, name: 'alice' }).waitFor()

  await tabTo(/^ *Revoke/)
  await keyboard.press('Enter')
  t.equal(await page.getByRole('button', { name: 'Revoke the key' }).isVisible(), true)
  await keyboard.press('Escape')
  t.equal(await page.getByRole('button', { name: 'Revoke the key' }).isVisible(), false)
  await keyboard.press('Enter')
  await tabTo(/Revoke the key/)
  await keyboard.press('Enter')
  await page.getByText('The key is revoked.').waitFor()
  t.equal(await page.evaluate('document.activeElement.getAttribute("role")'), 'status', 'the focus is on what was done')
  await keyboard.press('Shift+Tab')
  await tabTo(/Sign out/)
}

async function withoutScript (t: Test, browser: Browser): Promise<void> {
  const { demo, visit } = await drive(t, browser)
  const alice = await demo.person('alice')
  const { page, complaints } = await visit(t, { javaScriptEnabled: false })
  await signIn(page, alice)
  await makeKey(page, 'no script', 'items:read')
  t.match(await page.getByLabel('API key').inputValue(), /^gate_/)
  t.equal(await page.getByRole('button', { name: 'Copy' }).isVisible(), false, 'a button that does nothing is not shown')
  await page.getByRole('link', { name: 'I have copied it' }).click()
  const row = rowOf(page, 'no script')
  await row.getByText('Revoke').first().click()
  await row.getByRole('button', { name: 'Revoke the key' }).click()
  t.equal(await notice(page), 'The key is revoked.')
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  t.equal(await notice(page), 'You are signed out.')
  t.strictSame(complaints, [])
}

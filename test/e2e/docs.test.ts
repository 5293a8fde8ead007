// Swagger UI in a real browser: what only a browser can tell, such as whether the policy lets the page work.
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { buildDemo, password } from '../demo.ts'
import type { Browser, Locator, Page } from 'playwright-core'
import type { Test } from 'tap'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const output = process.env['E2E_OUTPUT'] ?? '.ci/output'

if (!existsSync(executablePath)) t.plan(0, { skip: `no Chromium at ${executablePath}; install it, or set CHROMIUM_PATH` })
else {
  const { chromium } = await import('playwright-core')
  const args = ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync']
  const browser = await chromium.launch({ executablePath, args })
  t.teardown(() => browser.close())
  t.test('docs', (t) => suite(t, browser))
}

async function suite (t: Test, browser: Browser): Promise<void> {
  const demo = await buildDemo(t)
  const url = await demo.app.listen({ host: '127.0.0.1', port: 0 })
  const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } })
  page.on('console', (m) => console.log('CONSOLE', m.type(), m.text()))
  page.on('pageerror', (m) => console.log('PAGEERROR', m.message))
  await page.goto(`${url}/docs`)
  await page.locator('.opblock').first().waitFor()
  await mkdir(output, { recursive: true })
  await page.screenshot({ path: join(output, 'docs-1.png'), fullPage: true })
  await page.locator('.auth-wrapper .authorize').first().click()
  await page.screenshot({ path: join(output, 'docs-2.png') })
  console.log(await page.locator('.dialog-ux').innerHTML())
}

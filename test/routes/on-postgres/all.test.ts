import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

t.test('every test of routes runs on PostgreSQL too', async (t) => {
  const others = readdirSync(join(import.meta.dirname, '..')).filter((name) => name.endsWith('.test.ts'))
  t.strictSame(readdirSync(import.meta.dirname).filter((name) => name !== 'all.test.ts').sort(), others.sort())
})

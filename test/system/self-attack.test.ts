// The demo attacks itself, and finds nothing.
import '../fixtures/test-environment.ts'
import t from 'tap'
import { buildAttackedDemo } from '../fixtures/attacked-demo.ts'
import { attack, runAttempts, summaryOf } from '../../testing/index.ts'

t.test('R127 the demo holds against every attempt', async (t) => {
  const { app, options } = await buildAttackedDemo(t)
  const attempts = await attack(app, options)
  const start = Date.now()
  const results = await runAttempts(attempts)
  console.error(summaryOf(results), Date.now() - start)
  t.strictSame(results.filter(({ outcome }) => outcome === 'found').map(({ title, problems }) => [title, ...problems]), [])
})

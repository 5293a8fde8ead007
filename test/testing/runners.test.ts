// The attack in the runner that users have: the attempts are its tests, a sound service passes, a hole makes the run fail.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../fixtures/documents.ts'

const folder = join(root, 'test', 'fixtures', 'runners')
const hole = 'GET /items: apiKey: apiKey half of it'
const attempts = 8

/** How each is started, and how it tells of a test that passed and of one that did not. */
const runners: Readonly<Record<string, { args: readonly string[]; passed: RegExp; failed: RegExp }>> = {
  'node:test': { args: [...process.execArgv, join(folder, 'node-test.spec.ts')], passed: /^ok \d+ - GET \/items: /gm, failed: new RegExp(`^not ok \\d+ - ${hole}`, 'm') },
  tap: { args: [...process.execArgv, join(folder, 'tap.spec.ts')], passed: /^ok \d+ - GET \/items: /gm, failed: new RegExp(`^not ok \\d+ - ${hole}`, 'm') },
  vitest: { args: [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--root', folder, '--reporter', 'tap-flat', 'vitest.spec.ts'], passed: /^ok \d+ - vitest\.spec\.ts > GET \/items: /gm, failed: new RegExp(`^not ok \\d+ - vitest\\.spec\\.ts > ${hole}`, 'm') }
}

function run (args: readonly string[], environment: Record<string, string>): Promise<{ code: number; output: string }> {
  // Without what tap tells its own tests; and the lines that vitest counts are not those of our files.
  const told = { ...process.env, NODE_ENV: 'test', _TAPJS_PROCESSINFO_COVERAGE_: '0', ...environment }
  const env = Object.fromEntries(Object.entries(told).filter(([name]) => !name.startsWith('TAP')))
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: folder, env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: `${stdout}${stderr}` })
    })
  })
}

for (const [name, { args, passed, failed }] of Object.entries(runners)) {
  t.test(name, async (t) => {
    const sound = await run(args, {})
    t.equal(sound.code, 0, sound.output)
    t.equal(sound.output.match(passed)?.length, attempts, sound.output)
    const open = await run(args, { HOLE: 'yes' })
    t.equal(open.code, 1)
    t.match(open.output, failed)
  })
}

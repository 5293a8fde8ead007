// Changes the code in one place at a time and asks the tests whether they notice (StrykerJS, on compiled JavaScript):
// guards/, credentials/ and the schemes, or the files that are named: `npm run mutation -- guards/limit.ts`.
// Results add up in .mutation/reports: what neither changed itself nor has changed tests is not run again.
import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeMutationReport } from './mutation-report.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const build = join(root, '.mutation/build')

function run (/** @type {string} */ cwd, /** @type {string} */ program, /** @type {string[]} */ ...args) {
  const { status } = spawnSync(join(root, 'node_modules/.bin', program), args, { cwd, stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}

rmSync(build, { recursive: true, force: true })
run(root, 'tsc', '-p', 'tsconfig.test.json', '--noEmit', 'false', '--noCheck', '--declaration', 'false', '--sourceMap', 'false', '--outDir', build)
for (const path of ['package.json', 'posture.json', 'pages']) cpSync(join(root, path), join(build, path), { recursive: true })
const named = process.argv.slice(2).map((path) => path.replace(/\.ts$/, '.js'))
run(build, 'stryker', 'run', join(root, 'scripts/stryker.json'), ...named.length === 0 ? [] : ['--mutate', named.join(',')])
process.exitCode = writeMutationReport() ? 0 : 1

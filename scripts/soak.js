// What takes too long for every run: each step is a command with its environment; all run, and the last line tells.
import { spawnSync } from 'node:child_process'

const steps = [
  {
    title: 'slow clients, by slowhttptest',
    command: ['node', 'scripts/soak-slow-clients.js'],
    environment: {}
  },
  {
    title: 'SIGKILL of a process under load, 100 times on each engine',
    command: ['npx', 'tap', 'run', '--disable-coverage', '--timeout=7200', 'test/system/durability.test.ts'],
    environment: { DURABILITY_ROUNDS: '100' }
  }
]

let failed = 0
for (const { title, command: [program, ...args], environment } of steps) {
  console.log(`== ${title}: ${[program, ...args].join(' ')}`)
  const { status } = spawnSync(program, args, { stdio: 'inherit', env: { ...process.env, ...environment } })
  if (status === 0) continue
  failed += 1
  console.log(`== ${title}: failed`)
}
console.log(`soak: ${steps.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

// `node scripts/soak-slow-clients.js`, two minutes: Debian's slowhttptest in all its modes against the demo, with a second
// client beside it that has to be answered all the time. `SOAK_SECONDS` is how long each mode lasts (30).
/* global AbortSignal, fetch, performance */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const SECONDS = Number(process.env.SOAK_SECONDS ?? 30)
const CONNECTIONS = '1000'
/** How long the second client waits for an answer before the service counts as gone. */
const PATIENCE_MS = 5000

if (spawnSync('slowhttptest', ['-h']).error !== undefined) {
  console.error('slowhttptest is missing: apt-get install slowhttptest')
  process.exit(1)
}

/** @type {[string, string[], string][]} */
const modes = [
  ['slow headers', ['-H', '-i', '2'], '/items'],
  ['slow body', ['-B', '-i', '2', '-s', '8192'], '/token'],
  ['slow read', ['-X', '-k', '3', '-w', '512', '-y', '1024', '-n', '5', '-z', '32'], '/docs/static/swagger-ui-bundle.js'],
  ['ranges', ['-R', '-t', 'GET', '-a', '10', '-b', '3000'], '/docs/static/swagger-ui-bundle.js']
]

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** How the second client is answered while `isOver` says no. */
async function serve (/** @type {string} */ url, /** @type {() => boolean} */ isOver) {
  const found = { asked: 0, failed: 0, slowestMs: 0 }
  while (!isOver()) {
    for (const [path, status] of /** @type {[string, number][]} */ ([['/health/ready', 200], ['/users/me', 401]])) {
      const begun = performance.now()
      const answered = await fetch(url + path, { signal: AbortSignal.timeout(PATIENCE_MS) }).then((answer) => answer.status, () => 0)
      found.asked += 1
      if (answered !== status) found.failed += 1
      found.slowestMs = Math.max(found.slowestMs, performance.now() - begun)
    }
    await sleep(100)
  }
  return found
}

async function attack (/** @type {string} */ url, /** @type {string} */ title, /** @type {string[]} */ options, /** @type {string} */ path) {
  const tool = spawn('slowhttptest', [...options, '-c', CONNECTIONS, '-r', '200', '-l', String(SECONDS), '-v', '1', '-u', url + path], { stdio: 'ignore' })
  let over = false
  const ended = once(tool, 'close').then(() => { over = true })
  const { asked, failed, slowestMs } = await serve(url, () => over)
  await ended
  console.log(`${failed === 0 ? 'ok    ' : 'FAILED'} ${title}: ${asked} requests of a second client, ${failed} not answered as they should be, the slowest in ${slowestMs.toFixed(0)} ms`)
  return failed === 0 && asked > 0
}

execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' })
const data = mkdtempSync(join(tmpdir(), 'gatehouse-soak-'))
const port = await freePort()
const url = `http://127.0.0.1:${port}`
const server = spawn(process.execPath, ['dist/server.js'], { stdio: ['ignore', 'ignore', 'inherit'], env: { PATH: process.env.PATH, NODE_ENV: 'development', LOG_LEVEL: 'silent', PORT: String(port), DATA_DIR: data } })
const closed = once(server, 'close')
let good = true
try {
  while (server.exitCode === null && !await fetch(`${url}/health/ready`).then(({ ok }) => ok, () => false)) await sleep(50)
  for (const [title, options, path] of modes) good = await attack(url, title, options, path) && good
  if (server.exitCode !== null) good = false
  server.kill('SIGTERM')
  const [code] = await closed
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} the service closed with ${code}`)
  good &&= code === 0
} finally {
  server.kill('SIGKILL')
  rmSync(data, { recursive: true, force: true })
}
process.exitCode = good ? 0 : 1

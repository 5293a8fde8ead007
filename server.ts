// The process: configuration, listening, and a close that lets running requests finish.
import { randomBytes } from 'node:crypto'
import { ensureAdministrator } from './administrator.ts'
import { buildApp } from './app.ts'
import { ConfigurationError, readConfiguration } from './config.ts'
import type { FastifyInstance } from 'fastify'

const CLOSE_TIMEOUT_MILLISECONDS = 10_000

async function start (): Promise<void> {
  const configuration = readConfiguration(process.env)
  const app = await buildApp(configuration, { level: configuration.logLevel })
  const administrator = await ensureAdministrator(app, configuration)
  closeOnSignals(app)
  const url = await app.listen({ host: configuration.host, port: configuration.port })
  if (configuration.development) greet(url, administrator)
}

function closeOnSignals (app: FastifyInstance): void {
  let closing = false
  const close = (): void => {
    if (closing) return
    closing = true
    setTimeout(() => process.exit(1), CLOSE_TIMEOUT_MILLISECONDS).unref()
    app.close().then(() => process.exit(0), (error: unknown) => {
      app.log.error({ err: error }, 'the service did not close cleanly')
      process.exit(1)
    })
  }
  process.once('SIGTERM', close)
  process.once('SIGINT', close)
}

/** Where to look, who may administer, and three lines that work when pasted into a shell. */
function greet (url: string, administrator: { username: string; password: string } | null): void {
  const username = `alice-${randomBytes(3).toString('hex')}`
  const password = randomBytes(12).toString('base64url')
  const account = JSON.stringify({ username, email: 'alice@example.com', password })
  const lines = [
    `Docs: ${url}/docs`,
    administrator === null ? 'An administrator exists already.' : `First administrator: ${administrator.username} / ${administrator.password}  (shown once)`,
    'Try:',
    `curl -s ${url}/register -H 'content-type: application/json' -d '${account}'`,
    `TOKEN=$(curl -s ${url}/token -d 'grant_type=password&username=${username}&password=${password}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`,
    `curl -s ${url}/users/me -H "authorization: Bearer $TOKEN"`
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

function explain (error: unknown): string {
  if (error instanceof ConfigurationError) return error.message
  if (error instanceof Error && 'code' in error) return `${String(error.code)}: ${error.message}`
  return error instanceof Error ? error.message : String(error)
}

start().catch((error: unknown) => {
  process.stderr.write(`gatehouse: ${explain(error).split('\n', 1).join()}\n`)
  process.exit(1)
})

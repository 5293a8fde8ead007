// The process: configuration, listening, and a close that lets running requests finish.
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir } from 'node:fs/promises'
import { ensureAdministrator } from './administrator.ts'
import { buildApp } from './app.ts'
import { ConfigurationError, readConfiguration } from './config.ts'
import type { FastifyInstance } from 'fastify'

const CLOSE_TIMEOUT_MILLISECONDS = 10_000
const SWEEP_MILLISECONDS = 50

async function start (): Promise<void> {
  const configuration = readConfiguration(process.env)
  await prepareDirectory(configuration.dataDirectory)
  const app = await buildApp(configuration, { level: configuration.logLevel })
  const administrator = await ensureAdministrator(app, configuration)
  closeOnSignals(app)
  const url = await app.listen({ host: configuration.host, port: configuration.port })
  if (configuration.development) greet(url, administrator)
}

async function prepareDirectory (directory: string): Promise<void> {
  try {
    // eslint-disable-next-line security/detect-non-literal-fs-filename -- the operator's own choice
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await access(directory, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new ConfigurationError(`DATA_DIR: ${error instanceof Error ? error.message : directory}`)
  }
}

function closeOnSignals (app: FastifyInstance): void {
  let closing = false
  const close = (): void => {
    if (closing) return
    closing = true
    setTimeout(() => process.exit(1), CLOSE_TIMEOUT_MILLISECONDS).unref()
    // A connection that was busy when the close began is kept alive after its answer; Fastify looks for idle ones once.
    setInterval(() => { app.server.closeIdleConnections() }, SWEEP_MILLISECONDS).unref()
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
    `Pages: ${url}/`,
    `Docs: ${url}/docs`,
    ...(administrator === null ? [] : [`First administrator: ${administrator.username} / ${administrator.password}  (shown once)`]),
    'Try:',
    `curl -s ${url}/register -H 'content-type: application/json' -d '${account}'`,
    `TOKEN=$(curl -s ${url}/token -d 'grant_type=password&username=${username}&password=${password}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`,
    `curl -s ${url}/users/me -H "authorization: Bearer $TOKEN"`
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

/** What to look at, by the code of what went wrong; the message alone does not name it. */
const subjects = new Map([
  ['EADDRINUSE', 'HOST and PORT'],
  ['EADDRNOTAVAIL', 'HOST'],
  ['ENOTFOUND', 'HOST'],
  ['GATEHOUSE_KEY_FILE_INVALID', 'TOKEN_KEY_FILE']
])

/** What the driver says of a database that does not answer, of several addresses for the first; `null` for anything else. */
function outageIn (error: unknown): string | null {
  if (!(error instanceof Error)) return null
  if (!('code' in error && error.code === 'unavailable')) return outageIn(error.cause)
  const [first = error.cause] = error.cause instanceof AggregateError ? error.cause.errors as unknown[] : []
  return first instanceof Error && first.message !== '' ? first.message : 'the database does not answer'
}

function explain (error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const outage = outageIn(error)
  if (outage !== null) return `${process.env['DATABASE_URL'] ? 'DATABASE_URL' : 'DATA_DIR'}: ${outage}`
  if (error instanceof ConfigurationError || !('code' in error)) return error.message
  return `${subjects.get(String(error.code)) ?? String(error.code)}: ${error.message}`
}

start().catch((error: unknown) => {
  process.stderr.write(`gatehouse: ${explain(error).split('\n', 1).join()}\n`)
  process.exit(1)
})

// The process: configuration, listening, and a close that lets running requests finish.
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { lookup } from 'node:dns/promises'
import { access, mkdir } from 'node:fs/promises'
import { ensureAdministrator } from './administrator.ts'
import { buildApp, buildRedirect } from './app.ts'
import { ConfigurationError, readConfiguration } from './config.ts'
import { explain } from './explain.ts'
import { readCertificate, reloadOnHangup } from './tls.ts'
import type { FastifyInstance } from 'fastify'
import type { Configuration } from './config.ts'

const CLOSE_TIMEOUT_MILLISECONDS = 10_000
/** How long a close waits for what is under way: a client that stalls would otherwise keep the stores from being closed. */
const DRAIN_MILLISECONDS = 8000
const SWEEP_MILLISECONDS = 50

async function start (): Promise<void> {
  const configuration = readConfiguration(process.env)
  await prepareDirectory(configuration.dataDirectory)
  const { tls, redirectPort, logLevel, port } = configuration
  const secure = tls === null ? null : await readCertificate(tls)
  const app = await buildApp(configuration, { level: logLevel }, secure)
  const administrator = await ensureAdministrator(app, configuration)
  const redirect = redirectPort === null ? null : await buildRedirect(configuration, { level: logLevel })
  closeOnSignals(redirect === null ? [app] : [app, redirect])
  if (tls !== null) reloadOnHangup(app, tls)
  const host = await hostOf(configuration)
  const url = await app.listen({ host, port })
  if (redirect !== null && redirectPort !== null) await listenBeside(redirect, { host, port: redirectPort })
  if (configuration.development) greet(url, administrator, tls?.certFile)
}

/** Fastify makes two servers for `localhost`, of which one alone would hear of a new certificate. */
async function hostOf ({ host, tls }: Configuration): Promise<string> {
  return tls !== null && host === 'localhost' ? (await lookup(host)).address : host
}

async function listenBeside (redirect: FastifyInstance, address: { host: string; port: number }): Promise<void> {
  try {
    await redirect.listen(address)
  } catch (error) {
    throw new ConfigurationError(`HTTP_REDIRECT_PORT: ${error instanceof Error ? error.message : String(error)}`)
  }
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

function closeOnSignals (apps: readonly FastifyInstance[]): void {
  let closing = false
  const close = (): void => {
    if (closing) return
    closing = true
    setTimeout(() => process.exit(1), CLOSE_TIMEOUT_MILLISECONDS).unref()
    setTimeout(() => { for (const { server } of apps) server.closeAllConnections() }, DRAIN_MILLISECONDS).unref()
    // A connection that was busy when the close began is kept alive after its answer; Fastify looks for idle ones once.
    setInterval(() => { for (const { server } of apps) server.closeIdleConnections() }, SWEEP_MILLISECONDS).unref()
    Promise.all(apps.map((app) => app.close())).then(() => process.exit(0), (error: unknown) => {
      apps[0]?.log.error({ err: error }, 'the service did not close cleanly')
      process.exit(1)
    })
  }
  process.once('SIGTERM', close)
  process.once('SIGINT', close)
}

/** Where to look, who may administer, and three lines that work when pasted into a shell. */
function greet (url: string, administrator: { username: string; password: string } | null, certFile?: string): void {
  const curl = certFile === undefined ? 'curl -s' : `curl -s --cacert '${certFile.replaceAll("'", "'\\''")}'`
  const username = `alice-${randomBytes(3).toString('hex')}`
  const password = randomBytes(12).toString('base64url')
  const account = JSON.stringify({ username, email: 'alice@example.com', password })
  const lines = [
    `Pages: ${url}/`,
    `Docs: ${url}/docs`,
    ...(administrator === null ? [] : [`First administrator: ${administrator.username} / ${administrator.password}  (shown once)`]),
    'Try:',
    `${curl} ${url}/register -H 'content-type: application/json' -d '${account}'`,
    `TOKEN=$(${curl} ${url}/token -d 'grant_type=password&username=${username}&password=${password}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`,
    `${curl} ${url}/users/me -H "authorization: Bearer $TOKEN"`
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

start().catch((error: unknown) => {
  process.stderr.write(`gatehouse: ${explain(error)}\n`)
  process.exit(1)
})

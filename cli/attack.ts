// `gatehouse attack`: what can be tried on a running service from outside, by its OpenAPI document and given credentials.
import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { attemptsOn, runAttempts } from '../testing/attack/attempts.ts'
import { jsonOf, printable, sarifOf, summaryOf, totalsOf } from '../testing/attack/report.ts'
import { surfaceOfDocument } from '../testing/attack/surface.ts'
import { networkTransport } from '../testing/attack/transport-network.ts'
import { readCredentials } from './attack-credentials.ts'
import { readDocument, reasonOf, targetOf } from './attack-target.ts'
import { UsageFailure } from './failure.ts'
import { progress, progressBar } from './output.ts'
import type { JsonWebKey } from 'node:crypto'
import type { AttackedRoute, AttackKind, AttackResult, AttackTransport, Attempt } from '../testing/attack/types.ts'
import type { TargetDocument } from './attack-target.ts'

interface Options {
  readonly json?: boolean
  readonly document?: string
  readonly credentials?: string
  readonly rate: number
  readonly wait: number
  readonly kinds?: AttackKind[]
  readonly writes?: boolean
  readonly allowRemote?: boolean
  readonly sarif?: string
}

const safe = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
/** So many credentials of a scheme have a turn. */
const MOST_TURNS = 10
/** Shorter ones stand in any text by chance. */
const LEAST_SECRET = 4

/** Attacks the service; exit code 1 where something was found, 2 where it could not be tried. */
export async function attack (url: string, options: Options): Promise<void> {
  const { json = false, rate, wait, kinds, writes = false, sarif } = options
  const target = targetOf(url, options.allowRemote === true)
  progress('Reading the document')
  const document = await readDocument(target, options.document)
  const surface = surfaceIn(document)
  const transport = networkTransport(target.href, { perSecond: rate, waitSeconds: wait })
  const { credentials, secrets } = options.credentials === undefined
    ? { credentials: {}, secrets: [] }
    : await readCredentials(options.credentials, document.components?.securitySchemes ?? {}, surface, await publicKeysOf(transport))
  const attempts = inOrder(await attemptsOn(surface, transport, { credentials, ...(kinds === undefined ? {} : { kinds }) }), surface, writes)
  progress(`Attacking ${target.href}: ${String(attempts.length)} attempts on ${String(surface.length)} operations, ${String(rate)} requests a second at most`)
  const { results, failure } = await run(attempts)
  const told = withoutSecrets(results, secrets)
  if (sarif !== undefined) await writeReport(sarif, sarifOf(told, { version: versionOf(), target: target.href }))
  process.stdout.write(json ? jsonOf(told) : `${summaryOf(told)}\n`)
  if (failure !== null) throw new UsageFailure(failure)
  if (totalsOf(told).found > 0) process.exitCode = 1
}

function surfaceIn (document: TargetDocument): AttackedRoute[] {
  let surface: AttackedRoute[]
  try {
    surface = surfaceOfDocument(document)
  } catch (error) {
    throw new UsageFailure('the document is not what OpenAPI says', { cause: error })
  }
  if (surface.length === 0) throw new UsageFailure('the document has no operations')
  return surface
}

/** Texts that a service which confuses algorithms would take for its secret. */
async function publicKeysOf (transport: AttackTransport): Promise<string[]> {
  try {
    const { body } = await transport.send({ method: 'GET', url: '/.well-known/jwks.json' })
    const { keys } = JSON.parse(body) as { keys: JsonWebKey[] }
    return keys.flatMap((key) => [JSON.stringify(key), createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string])
  } catch {
    return []
  }
}

/**
 * What may write is left out unless it is asked for, and is last, what deletes behind the rest: it may end the very
 * credentials. Bad credentials come before it, and after all that needs good ones: an account may be closed for a while
 * because of them.
 */
function inOrder (attempts: readonly Attempt[], surface: readonly AttackedRoute[], writes: boolean): Attempt[] {
  const guarded = new Set(surface.filter(({ access }) => access === 'guarded').map(({ method, url }) => `${method} ${url}`))
  const isWriting = ({ kind, route }: Attempt): boolean => !safe.has(route.split(' ', 1).join()) && (kind === 'control' || ((kind === 'headers' || kind === 'cors') && !guarded.has(route)))
  const rank = (attempt: Attempt): number => isWriting(attempt) ? (attempt.route.startsWith('DELETE ') ? 3 : 2) : Number(attempt.kind === 'credentials')
  const readings = attempts.filter((attempt) => attempt.kind === 'control' && !isWriting(attempt))
  return attempts.toSorted((one, other) => rank(one) - rank(other)).map((attempt) => {
    if (!isWriting(attempt)) return attempt
    return writes ? whileGood(attempt, readings) : { ...attempt, probe: async () => skipped(attempt, 'a good request that may write is sent with --writes alone') }
  })
}

function skipped ({ kind, route, title }: Attempt, reason: string): AttackResult {
  return { kind, route, title, outcome: 'skipped', problems: [reason] }
}

/** That good credentials are turned away is found only as long as a request that reads is let in by them, whosever turn it is. */
function whileGood (attempt: Attempt, readings: readonly Attempt[]): Attempt {
  const means = ({ route, title }: Attempt): string => title.slice(route.length)
  const reading = attempt.kind === 'control' ? readings.find((other) => means(other) === means(attempt)) : undefined
  return {
    ...attempt,
    async probe () {
      const result = await attempt.probe()
      for (let turn = 0; result.outcome === 'found' && reading !== undefined && turn < MOST_TURNS; turn += 1) {
        if ((await reading.probe()).outcome === 'found') return skipped(attempt, 'its credentials have ended, as a request that writes may end them')
      }
      return result
    }
  }
}

/** What was found until the end, or until nobody answered any more. */
async function run (attempts: readonly Attempt[]): Promise<{ results: AttackResult[]; failure: string | null }> {
  const results: AttackResult[] = []
  const bar = progressBar(attempts.length)
  try {
    await runAttempts(attempts, (result, done) => {
      results.push(result)
      bar.show(done, `${String(totalsOf(results).found)} found`)
    })
    return { results, failure: null }
  } catch (error) {
    return { results, failure: `the service does not answer any more, at "${printable(attempts[results.length]?.title ?? '')}": ${reasonOf(error)}` }
  } finally {
    bar.end()
  }
}

/** A service may say what it was sent. */
function withoutSecrets (results: readonly AttackResult[], secrets: readonly string[]): AttackResult[] {
  const hide = (text: string): string => secrets.filter(({ length }) => length >= LEAST_SECRET).reduce((told, secret) => told.replaceAll(secret, '***'), text)
  return results.map((result) => ({ ...result, problems: result.problems.map(hide) }))
}

async function writeReport (file: string, report: string): Promise<void> {
  try {
    // eslint-disable-next-line security/detect-non-literal-fs-filename -- whoever runs the command names it
    await writeFile(file, report)
  } catch (error) {
    throw new UsageFailure(`${file} cannot be written: ${reasonOf(error)}`, { cause: error })
  }
}

/** Of this package, wherever it was built. */
function versionOf (folder = dirname(fileURLToPath(import.meta.url))): string {
  try {
    // eslint-disable-next-line security/detect-non-literal-fs-filename -- above this very file
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version
  } catch {
    return versionOf(dirname(folder))
  }
}

// What `gatehouse attack` is pointed at: an address, and the OpenAPI document that tells what there is.
import { readFile } from 'node:fs/promises'
import { isLoopback } from './doctor-environment.ts'
import { UsageFailure } from './failure.ts'
import type { AttackDocument } from '../testing/attack/surface.ts'

/** Where services have it: by the plugin `openapi`, and by @fastify/swagger-ui. */
const usual = ['/openapi.json', '/docs/json']
const MOST_BYTES = 16_777_216
const TIMEOUT_MS = 10_000

/** A security scheme of the document. */
export interface DocumentedScheme { readonly type?: string; readonly scheme?: string; readonly in?: string; readonly name?: string }

/** A document, as far as the command reads it. */
export type TargetDocument = AttackDocument & { readonly components?: { readonly securitySchemes?: Readonly<Record<string, DocumentedScheme>> } }

/** The address; one of another machine has to be meant. */
export function targetOf (text: string, allowRemote: boolean): URL {
  const target = URL.canParse(text) ? new URL(text) : null
  if (target === null || (target.protocol !== 'http:' && target.protocol !== 'https:')) throw new UsageFailure('the URL must begin with http:// or https://')
  if (target.username !== '' || target.password !== '') throw new UsageFailure('the URL has a name or a password in it; --credentials takes them')
  if (target.search !== '' || target.hash !== '') throw new UsageFailure('the URL must end with its path')
  if (!allowRemote && !isLoopback(target.hostname.replace(/^\[|\]$/g, ''))) throw new UsageFailure(`${target.host} is not this machine; say --allow-remote if you may attack it`)
  return target
}

/** The document of that file or URL, or the one that the service has where services have it. */
export async function readDocument (target: URL, place: string | undefined): Promise<TargetDocument> {
  if (place === undefined) return await findDocument(target)
  if (/^https?:/i.test(place)) {
    const answer = await fetchText(place)
    if (answer.text === null) throw new UsageFailure(`the document could not be read: ${answer.why}`)
    return documentIn(answer.text, answer.where)
  }
  try {
    // eslint-disable-next-line security/detect-non-literal-fs-filename -- whoever runs the command names it
    return documentIn(await readFile(place, 'utf8'), place)
  } catch (error) {
    throw error instanceof UsageFailure ? error : new UsageFailure(`${place} cannot be read: ${reasonOf(error)}`)
  }
}

async function findDocument (target: URL): Promise<TargetDocument> {
  const reasons: string[] = []
  for (const path of usual) {
    const answer = await fetchText(`${target.href.replace(/\/$/, '')}${path}`)
    if (answer.text !== null) return documentIn(answer.text, answer.where)
    reasons.push(answer.why)
  }
  throw new UsageFailure(`there is no OpenAPI document: ${reasons.join('; ')}. --document names its file or URL`)
}

type Answer = { readonly where: string } & ({ readonly text: string } | { readonly text: null; readonly why: string })

/** Without credentials, and not from where a redirect leads. */
async function fetchText (url: string): Promise<Answer> {
  const address = URL.canParse(url) ? new URL(url) : null
  if (address === null) throw new UsageFailure('the URL of the document is none')
  if (address.username !== '' || address.password !== '') throw new UsageFailure('the URL of the document has a name or a password in it')
  // A query may hold a key.
  const where = `${address.origin}${address.pathname}`
  try {
    const response = await fetch(address, { redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS), headers: { accept: 'application/json' } })
    if (response.status !== 200) {
      await response.body?.cancel()
      return { where, text: null, why: `${where} answers ${String(response.status)}` }
    }
    return { where, text: await bounded(response, where) }
  } catch (error) {
    if (error instanceof UsageFailure) throw error
    throw new UsageFailure(`${where} does not answer: ${reasonOf(error)}`, { cause: error })
  }
}

/** The code of what went wrong on the way, or its message; `fetch` has it as the cause of another error. */
export function reasonOf (error: unknown): string {
  const { cause = error } = error instanceof TypeError ? error : {}
  if (!(cause instanceof Error)) return 'nobody knows why'
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message
}

async function bounded ({ body }: Response, where: string): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > MOST_BYTES) throw new UsageFailure(`${where} has more than ${String(MOST_BYTES / 1_048_576)} MiB`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function documentIn (text: string, where: string): TargetDocument {
  const document = parsed(text, where)
  if (!isObject(document) || typeof document['openapi'] !== 'string' || !document['openapi'].startsWith('3.') || !isObject(document['paths'])) {
    throw new UsageFailure(`${where} is no OpenAPI document of version 3`)
  }
  return document
}

function parsed (text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageFailure(`${where} is no JSON`)
  }
}

function isObject (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

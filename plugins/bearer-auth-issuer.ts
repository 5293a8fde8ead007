// What is asked of someone else's issuer: its metadata (OpenID Connect Discovery 1.0 §4, RFC 8414 §3) and its key set.
// Where the questions go is configuration and never a token's choice (RFC 8725 §3.10), and no answer sends them
// elsewhere: no redirect is followed, and metadata name a key set of the issuer's own origin or none.
import { readPublishedKeys } from '../credentials/jwt-key-set.ts'
import { isDevelopment } from '../guards/environment.ts'
import { isRecord } from '../guards/scheme-options.ts'
import { decodeUtf8, parseStrictJson } from '../strict-json.ts'
import type { Algorithm } from '../credentials/jwt-algorithms.ts'
import type { PublishedKeys } from '../credentials/jwt-key-set.ts'

/** Where keys come from: metadata that name their place, or the place itself. */
export type Publisher = { readonly issuer: string } | { readonly jwksUri: string }

const MAX_BYTES = 512 * 1024
const jsonLimits = { maxDepth: 16, maxKeys: 4000 }
// RFC 8259 §11, RFC 7517 §8.5.2.
const JSON_TYPES = ['application/json', 'application/jwk-set+json']
const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/

/** Why `text` may not be asked, or `null`: https, or in development http to this machine; nothing that hides in a URL. */
export function defectOfUrl (text: unknown): string | null {
  if (typeof text !== 'string' || !URL.canParse(text)) return 'must be an absolute URL'
  const { protocol, hostname, username, password, hash } = new URL(text)
  if (username !== '' || password !== '' || hash !== '') return 'must have neither a user nor a fragment'
  if (protocol === 'https:') return null
  if (protocol === 'http:' && LOOPBACK.test(hostname) && isDevelopment()) return null
  return 'must be an https URL; plain http is for a loopback address in development'
}

/** Where the metadata of `issuer` stand: by OpenID Connect behind its path, by RFC 8414 before it. */
export function metadataUrls (issuer: string): readonly [string, string] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [`${origin}${path}/.well-known/openid-configuration`, `${origin}/.well-known/oauth-authorization-server${path}`]
}

/** The keys that `publisher` has now. @throws when they cannot be had; the message tells nothing of a body. */
export async function fetchKeys (publisher: Publisher, algorithms: readonly Algorithm[], signal: AbortSignal): Promise<PublishedKeys> {
  const jwksUri = 'jwksUri' in publisher ? publisher.jwksUri : await discoverKeySet(publisher.issuer, signal)
  return readPublishedKeys(await readJson(await ask(jwksUri, signal)), algorithms)
}

async function discoverKeySet (issuer: string, signal: AbortSignal): Promise<string> {
  const [openId, oauth] = metadataUrls(issuer)
  let response = await ask(openId, signal)
  if (response.status !== 200) {
    await response.body?.cancel()
    response = await ask(oauth, signal)
  }
  const metadata = await readJson(response)
  // OpenID Connect Discovery §4.3, RFC 8414 §3.3: or it would be somebody else's metadata, served here.
  if (!isRecord(metadata) || metadata.issuer !== issuer) throw new Error(`the metadata are not of this issuer${slashApart(metadata, issuer)}`)
  const { jwks_uri: jwksUri } = metadata
  if (defectOfUrl(jwksUri) !== null || typeof jwksUri !== 'string') throw new Error('the metadata name no key set that may be asked')
  if (new URL(jwksUri).origin !== new URL(issuer).origin) throw new Error("the metadata name a key set of another origin than the issuer's; where that is meant, it goes into jwksUri")
  return jwksUri
}

/** The usual mistake, told without a word of the body. */
function slashApart (metadata: unknown, issuer: string): string {
  const named = isRecord(metadata) ? metadata.issuer : undefined
  if (named === `${issuer}/`) return ', which has a slash at its end there'
  return issuer === `${String(named)}/` ? ', which has no slash at its end there' : ''
}

function ask (url: string, signal: AbortSignal): Promise<Response> {
  return fetch(url, { signal, redirect: 'manual', headers: { accept: 'application/json, application/jwk-set+json', 'accept-encoding': 'identity' } })
}

async function readJson (response: Response): Promise<unknown> {
  const { status, headers, url } = response
  const where = new URL(url).pathname
  try {
    if (status !== 200) throw new Error(`${where} answered ${String(status)}`)
    const [type = ''] = (headers.get('content-type') ?? '').split(';', 1)
    if (!JSON_TYPES.includes(type.trim().toLowerCase())) throw new Error(`${where} is not of a JSON media type`)
    return parseStrictJson(decodeUtf8(await readBounded(response, where)), jsonLimits)
  } finally {
    // What is not read to its end is not waited for.
    if (!response.bodyUsed) await response.body?.cancel()
  }
}

async function readBounded (response: Response, where: string): Promise<Buffer> {
  const body = (response.body ?? []) as AsyncIterable<Uint8Array>
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.byteLength
    if (length > MAX_BYTES) throw new Error(`${where} is longer than ${String(MAX_BYTES / 1024)} KiB`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

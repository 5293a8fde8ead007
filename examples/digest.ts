// Digest access authentication (RFC 7616) as a scheme of one's own: SHA-256, `qop=auth`. The password never travels,
// the method and the URL are bound to the answer, and a nonce lives a minute and counts upwards, so nothing is replayed.
// For clients that speak nothing else: the digests at rest are as good as passwords, and it does not replace TLS.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import { formatChallenge, guards, refusal } from '../index.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { CustomPrincipal } from '../index.ts'

const REALM = 'api'
const NONCE_SECONDS = 60
const STALE = 'the nonce is stale'
const PARAMETER = /(\w+)=(?:"([^"\\]*)"|([^\s",]+))/g

const hash = (...parts: readonly string[]): string => createHash('sha256').update(parts.join(':')).digest('hex')

/** What a service keeps of a password. */
export function digestOf (username: string, password: string): string {
  return hash(username, REALM, password)
}

/** The `response` of RFC 7616 §3.4.1. */
export function answerTo (digest: string, { method, uri, nonce, nc, cnonce }: Record<'method' | 'uri' | 'nonce' | 'nc' | 'cnonce', string>): string {
  return hash(digest, nonce, nc, cnonce, 'auth', hash(method, uri))
}

/** The parameters of `Authorization: Digest …`, or `null` when there is none; one that is sent twice is refused. */
function readParameters ({ headers: { authorization }, raw: { rawHeaders } }: FastifyRequest): ReadonlyMap<string, string> | null {
  if (authorization === undefined || !/^digest /i.test(authorization)) return null
  const headers = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'authorization')
  const pairs = [...authorization.slice(7).matchAll(PARAMETER)].map(([, name = '', quoted, token]) => [name.toLowerCase(), quoted ?? token ?? ''] as const)
  const parameters = new Map(pairs)
  if (headers.length > 1 || parameters.size < pairs.length) throw refusal('invalid_request', { reason: 'Authorization or a parameter is repeated' })
  return parameters
}

/** Nonces that only this process can make: the time, something random, and a code over both. */
function createNonces (): { make (): string; ageOf (nonce: string): number | null } {
  const secret = randomBytes(32)
  const sign = (text: string): Buffer => createHmac('sha256', secret).update(text).digest()
  return {
    make () {
      const text = `${String(Date.now())}.${randomBytes(9).toString('base64url')}`
      return `${text}.${sign(text).toString('base64url')}`
    },
    ageOf (nonce) {
      const [time = '', salt = '', code = ''] = nonce.split('.')
      const given = Buffer.from(code, 'base64url')
      const expected = sign(`${time}.${salt}`)
      return given.length === expected.length && timingSafeEqual(given, expected) ? (Date.now() - Number(time)) / 1000 : null
    }
  }
}

export async function buildApp (digests: ReadonlyMap<string, string>): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(guards)
  const nonces = createNonces()
  const counts = new Map<string, { nc: string; until: number }>()
  const strangersDigest = hash(randomBytes(32).toString('hex'))

  /** Whether this use of the nonce is later than every one before it; only good answers get as far as this. */
  function isFresh (nonce: string, nc: string): boolean {
    for (const [old, { until }] of counts) {
      if (until > Date.now()) break
      counts.delete(old)
    }
    const last = counts.get(nonce)
    if (last !== undefined && last.nc >= nc) return false
    counts.set(nonce, { nc, until: last?.until ?? Date.now() + NONCE_SECONDS * 1000 })
    return true
  }

  const digest = app.defineScheme<CustomPrincipal>({
    name: 'digest',
    definition: { type: 'http', scheme: 'digest' },
    carrier: { in: 'header', name: 'Authorization' },
    ambient: true,
    authenticate (request) {
      const parameters = readParameters(request)
      if (parameters === null) return null
      const [username = '', uri = '', nonce = '', nc = '', cnonce = '', response = ''] = ['username', 'uri', 'nonce', 'nc', 'cnonce', 'response'].map((name) => parameters.get(name))
      const expected = Buffer.from(answerTo(digests.get(username) ?? strangersDigest, { method: request.method, uri, nonce, nc, cnonce }))
      const given = Buffer.from(response)
      const age = nonces.ageOf(nonce)
      const isWellFormed = parameters.get('qop') === 'auth' && parameters.get('algorithm')?.toUpperCase() === 'SHA-256' && parameters.get('realm') === REALM && uri === request.raw.url && /^[0-9a-f]{8}$/.test(nc)
      if (!isWellFormed || age === null || given.length !== expected.length || !timingSafeEqual(given, expected)) throw refusal('invalid_credentials', { reason: 'the response is wrong' })
      if (age > NONCE_SECONDS || !isFresh(nonce, nc)) throw refusal('invalid_credentials', { reason: STALE })
      return { kind: 'custom', scheme: 'digest', subject: username, scopes: [], roles: [], attributes: {} }
    },
    challenge ({ error }) {
      if (error !== undefined && error.statusCode !== 401) return null
      const challenge = formatChallenge('Digest', { realm: REALM, qop: 'auth', nonce: nonces.make() })
      return `${challenge}, algorithm=SHA-256${error?.reason === STALE ? ', stale=true' : ''}`   // these two are never quoted
    }
  })

  app.get('/me', { onRequest: digest }, (request) => ({ username: digest.principal(request).subject }))
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const password = randomBytes(18).toString('base64url')
  const app = await buildApp(new Map([['alice', digestOf('alice', password)]]))
  process.stdout.write(`curl -i --digest -u 'alice:${password}' ${await app.listen({ port: 3000 })}/me\n`)
}

// A scheme of one's own: requests signed with a shared secret. What it declares is enforced, challenged and documented
// as the built-in ones are.
//
// The signature covers the method, the URL and the time, not a body; within the window it can be sent again.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import { formatChallenge, guards, refusal } from '../index.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { CustomPrincipal } from '../index.ts'

const WINDOW_SECONDS = 60
const CREDENTIALS = /^Signed ([A-Za-z0-9-]{1,64}):(\d{10}):([0-9a-f]{64})$/i

export interface Signature {
  method: string
  url: string
  /** Seconds since the epoch. */
  time: number
}

export function sign (secret: Uint8Array, { method, url, time }: Signature): Buffer {
  return createHmac('sha256', secret).update(`${method}\n${url}\n${String(time)}`).digest()
}

/** The value of `Authorization`, which may be sent once; `null` when it is absent or another scheme's. */
function readCredentials ({ headers: { authorization }, raw: { rawHeaders } }: FastifyRequest): string | null {
  if (authorization === undefined || !/^signed(?: |$)/i.test(authorization)) return null
  const sent = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'authorization')
  if (sent.length > 1) throw refusal('invalid_request', { reason: 'Authorization is repeated' })
  return authorization
}

export async function buildApp (secrets: ReadonlyMap<string, Uint8Array>): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(guards)
  const strangersSecret = randomBytes(32)

  const signed = app.defineScheme<CustomPrincipal>({
    name: 'signed',
    definition: { type: 'http', scheme: 'signed', description: '`Signed <client>:<seconds>:<HMAC-SHA-256 of method, URL and seconds, in hex>`' },
    carrier: { in: 'header', name: 'Authorization' },
    ambient: false,
    authenticate (request) {
      const credentials = readCredentials(request)
      if (credentials === null) return null
      const [, client = '', seconds = '', mac = ''] = CREDENTIALS.exec(credentials) ?? []
      const time = Number(seconds)
      const expected = sign(secrets.get(client) ?? strangersSecret, { method: request.method, url: request.raw.url ?? '', time })
      const given = Buffer.from(mac, 'hex')
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw refusal('invalid_credentials', { reason: 'the signature is wrong' })
      if (Math.abs(Date.now() / 1000 - time) > WINDOW_SECONDS) throw refusal('invalid_credentials', { reason: 'the signature is too old' })
      return { kind: 'custom', scheme: 'signed', subject: client, scopes: [], roles: [], attributes: {} }
    },
    challenge: ({ error }) => error === undefined || error.statusCode === 401 ? formatChallenge('Signed', { realm: 'api' }) : null
  })

  app.get('/report', { onRequest: signed }, (request) => ({ client: signed.principal(request).subject }))
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const secret = randomBytes(32)
  const app = await buildApp(new Map([['reporter', secret]]))
  const url = await app.listen({ port: 3000 })
  const time = Math.floor(Date.now() / 1000)
  const mac = sign(secret, { method: 'GET', url: '/report', time }).toString('hex')
  process.stdout.write(`curl -i ${url}/report -H 'authorization: Signed reporter:${String(time)}:${mac}'\n`)
}

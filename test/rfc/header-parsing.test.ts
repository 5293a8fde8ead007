// The readers of `Authorization` against any text: what they accept is what an independent reading of the RFC accepts.
import Fastify from 'fastify'
import fc from 'fast-check'
import t from 'tap'
import { apiKeyAuth } from '../../plugins/api-key-auth.ts'
import { basicAuth } from '../../plugins/basic-auth.ts'
import { bearerAuth } from '../../plugins/bearer-auth.ts'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { secret } from '../fixtures/tokens.ts'

interface Service { app: FastifyInstance; seen: string[][] }

async function service (t: Test): Promise<Service> {
  const app = Fastify()
  t.teardown(() => app.close())
  const seen: string[][] = []
  await app.register(basicAuth, {
    verify ({ username, password }) {
      seen.push([username, password])
      return { subject: username }
    }
  })
  await app.register(bearerAuth, { secret, issuer: null, audience: null })
  await app.register(apiKeyAuth, { in: 'cookie', name: 'key', verify: ({ key }) => ({ subject: key }) })
  app.get('/basic', { onRequest: app.basic }, () => 'ok')
  app.get('/bearer', { onRequest: app.bearer }, () => 'ok')
  app.get('/cookie', { onRequest: app.apiKey }, (request) => app.apiKey.principal(request).subject)
  await app.ready()
  return { app, seen }
}

// eslint-disable-next-line no-control-regex -- the very characters that RFC 7617 §2 forbids
const CONTROL = /[\x00-\x1f\x7f]/
const text = fc.string({ unit: 'grapheme', maxLength: 24 }).filter((value) => !CONTROL.test(value))
const visible = fc.string({ unit: fc.constantFrom(...'abcXYZ019+/=-_.~ ,;:"\\'.split('')), maxLength: 32 })
const headerValue = fc.oneof(visible, fc.tuple(fc.constantFrom('Basic', 'basic', 'BASIC', 'Bearer', 'bEARER', 'Basics', 'Bear'), fc.constantFrom(' ', '  ', '', ','), visible).map((parts) => parts.join('')))
  .map((value) => value.trim())

/** RFC 7617 §2, read again: the pair, or `null` for what is no Basic credentials. */
function pairOf (value: string): string[] | null {
  const match = /^basic +(\S+)$/i.exec(value)
  if (match?.[1] === undefined || !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(match[1])) return null
  try {
    const decoded = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(atob(match[1]), (character) => character.charCodeAt(0)))
    const colon = decoded.indexOf(':')
    if (colon < 1 || CONTROL.test(decoded) || btoa(atob(match[1])) !== match[1]) return null
    return [decoded.slice(0, colon), decoded.slice(colon + 1)]
  } catch {
    return null
  }
}

t.test('R021 R022 any name and password arrive as they were sent, split at the first colon', async (t) => {
  const { app, seen } = await service(t)
  await t.resolves(fc.assert(fc.asyncProperty(text.filter((name) => name !== '' && !name.includes(':')), text, async (username, password) => {
    seen.length = 0
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    const { statusCode } = await app.inject({ url: '/basic', headers: { authorization } })
    return statusCode === 200 && seen.length === 1 && seen[0]?.[0] === username && seen[0][1] === password
  }), { numRuns: 200 }))
})

t.test('R002 R021 Basic accepts what RFC 7617 accepts, and answers 401 to any other text', async (t) => {
  const { app, seen } = await service(t)
  await t.resolves(fc.assert(fc.asyncProperty(headerValue, async (authorization) => {
    seen.length = 0
    const { statusCode, headers } = await app.inject({ url: '/basic', headers: { authorization } })
    const pair = pairOf(authorization)
    if (pair === null) return statusCode === 401 && seen.length === 0 && headers['www-authenticate'] === 'Basic realm="api", charset="UTF-8"'
    return statusCode === 200 && JSON.stringify(seen) === JSON.stringify([pair])
  }), { numRuns: 500 }))
})

t.test('R002 R036 Bearer answers 400 to what is no b64token, 401 to what is no token, and to another scheme as to nothing', async (t) => {
  const { app } = await service(t)
  await t.resolves(fc.assert(fc.asyncProperty(headerValue, async (authorization) => {
    const { statusCode, headers } = await app.inject({ url: '/bearer', headers: { authorization } })
    const challenge = String(headers['www-authenticate'])
    const scheme = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/.exec(authorization)?.[0].toLowerCase()
    if (scheme !== 'bearer') return statusCode === 401 && challenge === 'Bearer realm="api"'
    const isToken = /^bearer +[A-Za-z0-9._~+/-]+=*$/i.test(authorization)
    return isToken ? statusCode === 401 && challenge.includes('error="invalid_token"') : statusCode === 400 && challenge.includes('error="invalid_request"')
  }), { numRuns: 500 }))
})

t.test('R073 a cookie is found among any others, and twice is refused', async (t) => {
  const { app } = await service(t)
  const name = fc.string({ unit: fc.constantFrom(...'abkey_'.split('')), minLength: 1, maxLength: 5 })
  const value = fc.string({ unit: fc.constantFrom(...'abcXYZ019'.split('')), minLength: 1, maxLength: 12 })
  await t.resolves(fc.assert(fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 5 }), async (pairs) => {
    const found = pairs.filter(([candidate]) => candidate === 'key')
    const cookie = pairs.map((pair) => pair.join('=')).join('; ')
    const { statusCode, body } = await app.inject({ url: '/cookie', headers: cookie === '' ? {} : { cookie } })
    if (found.length === 0) return statusCode === 401
    return found.length === 1 ? statusCode === 200 && body === found[0]?.[1] : statusCode === 400
  }), { numRuns: 300 }))
})

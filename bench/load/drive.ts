// The process that asks: each kind of request at its own rate, whether the service keeps up or not; what a request waits
// for is counted from when it was due.
import { Agent, request } from 'node:http'
import { quantile } from '../statistics.ts'
import { kinds, readRates } from './rates.ts'
import { addressOf, nameOf, password } from './people.ts'
import type { Kind } from './rates.ts'

export interface DriveOrder { readonly port: number; readonly seconds: number }
export interface KindResult { readonly kind: Kind; readonly asked: number; readonly asExpected: number; readonly unexpected: Readonly<Record<string, number>>; readonly p50: number; readonly p99: number }

const HOT_TOKENS = 20
/** Well within the life of a token. */
const HOT_SECONDS = 120
const TICK_MS = 5

interface Call { readonly path: string; readonly headers?: Record<string, string>; readonly form?: Record<string, string>; readonly json?: object }
interface Answer { readonly status: number; readonly body: string }
interface Grant { readonly access_token: string; readonly refresh_token: string }

const { people, keys, perSecond } = readRates()
const agent = new Agent({ keepAlive: true, maxSockets: 256 })
let port = 0
let asked = 0

async function call ({ path, headers = {}, form, json }: Call): Promise<Answer> {
  const body = form !== undefined ? new URLSearchParams(form).toString() : json !== undefined ? JSON.stringify(json) : null
  const type = form !== undefined ? 'application/x-www-form-urlencoded' : 'application/json'
  const own = body === null ? {} : { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) }
  return await new Promise((resolve) => {
    const fail = (error: NodeJS.ErrnoException): void => { resolve({ status: 0, body: String(error.code) }) }
    const sent = request({ port, path, agent, host: '127.0.0.1', method: body === null ? 'GET' : 'POST', headers: { 'x-forwarded-for': addressOf(asked++), ...own, ...headers } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => { text += part }).on('error', fail)
        .on('end', () => { resolve({ status: response.statusCode ?? 0, body: text }) })
    })
    sent.on('error', fail).end(body ?? undefined)
  })
}

const hot: { token: string; since: number }[] = []
const cold: string[] = []
const refreshTokens: string[] = []
const apiKeys: string[] = []
let turn = 0

function keep ({ body }: Answer): void {
  const { access_token: token, refresh_token: refreshToken } = JSON.parse(body) as Grant
  refreshTokens.push(refreshToken)
  const now = performance.now()
  const stale = hot.findIndex(({ since }) => now - since > HOT_SECONDS * 1000)
  if (hot.length < HOT_TOKENS) hot.push({ token, since: now })
  else if (stale !== -1) hot[stale] = { token, since: now }
  else if (cold.push(token) > 200) cold.shift()
}

async function login (name: string, secret: string): Promise<Answer> {
  return await call({ path: '/token', form: { grant_type: 'password', username: name, password: secret } })
}

const next = <T>(list: readonly T[]): T | undefined => list[turn++ % list.length]
const bearer = (token: string | undefined): Record<string, string> => ({ authorization: `Bearer ${token ?? ''}` })
const readItems = async (headers: Record<string, string>): Promise<Answer> => await call({ path: '/items', headers })

interface Duty { readonly expected: readonly number[]; ask (): Promise<Answer | null> }

/** `null` where there is nothing to ask with yet. */
const duties: Readonly<Record<Kind, Duty>> = {
  logins: { expected: [200], async ask () { return await kept(login(nameOf(turn++ % people), password)) } },
  refreshes: {
    expected: [200],
    async ask () {
      const token = refreshTokens.shift()
      return token === undefined ? null : await kept(call({ path: '/token', form: { grant_type: 'refresh_token', refresh_token: token } }))
    }
  },
  'reads, hot tokens': { expected: [200], ask: async () => await readItems(bearer(next(hot)?.token)) },
  'reads, cold tokens': {
    expected: [200],
    async ask () {
      const token = cold.shift()
      return token === undefined ? null : await readItems(bearer(token))
    }
  },
  'reads, API keys': { expected: [200], ask: async () => await readItems({ 'x-api-key': next(apiKeys) ?? '' }) },
  // Of nobody: those who log in beside would be locked out.
  'wrong passwords': { expected: [400], ask: async () => await login(`nobody-${String(turn++)}`, password) },
  'wrong tokens and keys': { expected: [401], ask: async () => await readItems(turn++ % 2 === 0 ? bearer(`${hot[0]?.token ?? 'x'}x`) : { 'x-api-key': `${(apiKeys[0] ?? '').slice(0, -1)}!` }) },
  'a flood from one address': { expected: [200, 429], ask: async () => await call({ path: '/limited', headers: { 'x-forwarded-for': '192.0.2.1' } }) }
}

async function kept (asking: Promise<Answer>): Promise<Answer> {
  const answer = await asking
  if (answer.status === 200) keep(answer)
  return answer
}

async function prepare (): Promise<void> {
  for (let person = 0; person < people; person += 1) {
    const { status } = await kept(login(nameOf(person), password))
    if (status !== 200) throw new Error(`POST /token answered ${String(status)}`)
  }
  for (let at = 0; at < keys; at += 1) {
    const made = await call({ path: '/api-keys', headers: bearer(hot[at % hot.length]?.token), json: { name: `key ${String(at)}`, scopes: ['items:read'] } })
    if (made.status !== 201) throw new Error(`POST /api-keys answered ${String(made.status)}`)
    apiKeys.push((JSON.parse(made.body) as { key: string }).key)
  }
}

async function keepRate (kind: Kind, seconds: number): Promise<KindResult> {
  const { expected, ask } = duties[kind]
  const begun = performance.now()
  const times: number[] = []
  const unexpected: Record<string, number> = {}
  const running = new Set<Promise<void>>()
  const one = async (due: number): Promise<void> => {
    const answer = await ask()
    if (answer === null) return
    times.push(performance.now() - due)
    if (!expected.includes(answer.status)) unexpected[String(answer.status)] = (unexpected[String(answer.status)] ?? 0) + 1
  }
  for (let sent = 0; performance.now() - begun < seconds * 1000;) {
    for (let due = begun + sent * 1000 / perSecond[kind]; due <= performance.now(); due = begun + ++sent * 1000 / perSecond[kind]) {
      const asking: Promise<void> = one(due).finally(() => { running.delete(asking) })
      running.add(asking)
    }
    await new Promise((resolve) => { setTimeout(resolve, TICK_MS) })
  }
  await Promise.all(running)
  const wrong = Object.values(unexpected).reduce((sum, count) => sum + count, 0)
  return { kind, asked: times.length, asExpected: times.length - wrong, unexpected, p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
}

async function drive (order: DriveOrder): Promise<KindResult[]> {
  port = order.port
  await prepare()
  return await Promise.all(kinds.map(async (kind) => await keepRate(kind, order.seconds)))
}

process.on('message', (order: DriveOrder) => {
  drive(order).then((result) => process.send?.(result), (error: unknown) => { throw error })
})
process.on('disconnect', () => { process.exit() })
process.send?.('ready')

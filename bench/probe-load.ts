// The processes that ask the services of accounts: guarded reads beside a flood of logins, and chains of refreshes.
import { Agent, request } from 'node:http'
import autocannon from 'autocannon'
import { alice } from './accounts.ts'
import { tokenMaker } from './material.ts'
import { quantile } from './statistics.ts'

export type ProbeOrder = { readonly port: number; readonly seconds: number } & ({ readonly flood: number } | { readonly chains: number })
/** Milliseconds. */
export interface Latency { readonly p50: number; readonly p99: number }
export interface FloodResult { readonly loginsPerSecond: number; readonly read: Latency; readonly asymmetricRead: Latency }
export interface ChainsResult { readonly perSecond: number }

// Reads come now and then, so that they measure what one waits for and are not a load themselves.
const PAUSE_MS = 5

interface Call { readonly port: number; readonly path: string; readonly agent: Agent; readonly headers?: Record<string, string>; readonly body?: object }

async function call ({ port, path, agent, headers, body }: Call): Promise<string> {
  const text = body === undefined ? undefined : JSON.stringify(body)
  return await new Promise((resolve, reject) => {
    const options = { port, path, agent, host: '127.0.0.1', method: text === undefined ? 'GET' : 'POST', headers: { ...headers, ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': text.length }) } }
    request(options, (response) => {
      let answer = ''
      response.setEncoding('utf8').on('data', (part: string) => { answer += part }).on('end', () => {
        if (response.statusCode === 200) resolve(answer)
        else reject(new Error(`${path} answered ${String(response.statusCode)}`))
      })
    }).on('error', reject).end(text)
  })
}

const oneConnection = (): Agent => new Agent({ keepAlive: true, maxSockets: 1 })

async function readUntil (end: number, port: number, path: string, tokenOf: (number: number) => string): Promise<Latency> {
  const agent = oneConnection()
  const times: number[] = []
  for (let number = 0; performance.now() < end; number += 1) {
    const headers = { authorization: `Bearer ${tokenOf(number)}` }
    const begun = performance.now()
    await call({ port, path, agent, headers })
    times.push(performance.now() - begun)
    await new Promise((resolve) => { setTimeout(resolve, PAUSE_MS) })
  }
  agent.destroy()
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
}

async function logins (port: number, seconds: number, connections: number): Promise<number> {
  if (connections === 0) return 0
  const result = await autocannon({
    url: `http://127.0.0.1:${String(port)}/login`, method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(alice), connections, duration: seconds, timeout: 60
  })
  if (result.non2xx + result.errors > 0) throw new Error(`${String(result.non2xx)} logins were refused`)
  return result.requests.total / seconds
}

async function flooded (port: number, seconds: number, flood: number): Promise<FloodResult> {
  const [same, each] = [tokenMaker('HS256')(0), tokenMaker('ES256')]
  const end = performance.now() + seconds * 1000
  const [loginsPerSecond, read, asymmetricRead] = await Promise.all([logins(port, seconds, flood), readUntil(end, port, '/', () => same), readUntil(end, port, '/asymmetric', each)])
  return { loginsPerSecond, read, asymmetricRead }
}

async function chained (port: number, seconds: number, chains: number): Promise<ChainsResult> {
  const end = performance.now() + seconds * 1000
  const lengths = await Promise.all(Array.from({ length: chains }, async () => {
    const agent = oneConnection()
    let length = 0
    let answer = await call({ port, path: '/login', agent, body: {} })
    for (; performance.now() < end; length += 1) answer = await call({ port, path: '/refresh', agent, body: { refreshToken: (JSON.parse(answer) as { refreshToken: string }).refreshToken } })
    agent.destroy()
    return length
  }))
  return { perSecond: lengths.reduce((sum, length) => sum + length, 0) / seconds }
}

process.on('message', (order: ProbeOrder) => {
  const { port, seconds } = order
  const answer = 'flood' in order ? flooded(port, seconds, order.flood) : chained(port, seconds, order.chains)
  answer.then((result) => process.send?.(result), (error: unknown) => { throw error })
})
process.on('disconnect', () => { process.exit() })
process.send?.('ready')

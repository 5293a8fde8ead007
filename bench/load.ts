// The process that asks: as many requests as it can in the time given, over connections that stay open.
import autocannon from 'autocannon'
import { rowNamed } from './row-named.ts'

export interface LoadOrder { readonly port: number; readonly seconds: number }
export interface LoadResult { readonly requests: number; readonly perSecond: number }

const CONNECTIONS = 64
// More than any server here answers in a run, so that no token comes twice; what is left over goes on with the next run.
const FRESH_PER_SECOND = 60_000

const { headers, distinct } = rowNamed(process.argv[2])
const headersOf = headers()
let made = 0

function requestsOf (amount: number): autocannon.Request[] {
  return Array.from({ length: amount }, () => ({ headers: headersOf(distinct === Infinity ? made++ : made++ % distinct) }))
}

// A load that sleeps has to be woken by the server's answers, which costs the server more the slower it is: the load
// looks for answers all the time, so that this is part of nobody's figure.
function stayAwake (): void {
  setImmediate(stayAwake)
}

async function run ({ port, seconds }: LoadOrder): Promise<LoadResult> {
  const share = Math.ceil(Math.min(distinct, FRESH_PER_SECOND * seconds) / CONNECTIONS)
  const lists = Array.from({ length: CONNECTIONS }, () => requestsOf(share))
  const result = await autocannon({
    url: `http://127.0.0.1:${String(port)}/`,
    connections: CONNECTIONS,
    duration: seconds,
    setupClient (client) { client.setRequests(lists.pop() ?? []) }
  })
  if (result.non2xx + result.errors + result.timeouts > 0) throw new Error(`${String(process.argv[2])}: ${String(result.non2xx)} answers were no success, ${String(result.errors)} failed`)
  return { requests: result.requests.total, perSecond: result.requests.average }
}

process.on('message', (order: LoadOrder) => {
  run(order).then((result) => process.send?.(result), (error: unknown) => { throw error })
})
process.on('disconnect', () => { process.exit() })
stayAwake()
process.send?.('ready')

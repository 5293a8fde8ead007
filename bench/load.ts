// The process that asks: as many requests as it can in the time given, over connections that stay open.
import autocannon from 'autocannon'
import { rowNamed } from './rows.ts'

export interface LoadOrder { readonly port: number; readonly seconds: number }
export interface LoadResult { readonly requests: number; readonly perSecond: number }

const CONNECTIONS = 64
// More than any server here answers in a run, so that no token comes twice; what is left over goes on with the next run.
const FRESH_PER_SECOND = 60_000

const { headers, fresh } = rowNamed(process.argv[2])
const headersOf = headers()
let made = 0

function requestsOf (amount: number): autocannon.Request[] {
  return Array.from({ length: amount }, () => ({ headers: headersOf(made++) }))
}

async function run ({ port, seconds }: LoadOrder): Promise<LoadResult> {
  const share = fresh ? Math.ceil((FRESH_PER_SECOND * seconds) / CONNECTIONS) : 1
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
process.send?.('ready')

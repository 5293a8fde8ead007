// The process that is measured: serves one row, and tells how much CPU time it has used so far.
import { rowNamed } from './row-named.ts'
import type { AddressInfo } from 'node:net'

const app = await rowNamed(process.argv[2]).service()
await app.listen({ port: 0, host: '127.0.0.1' })
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.(user + system)
})
process.on('disconnect', () => { process.exit() })
process.send?.((app.server.address() as AddressInfo).port)

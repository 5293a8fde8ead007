// What a sign-up and a login do with a password, over a table of one's own.
import Fastify from 'fastify'
import { passwords, problems, refusal } from '../../index.ts'

interface Credentials { username: string; password: string }
const hashes = new Map<string, string>()

const app = Fastify()
await app.register(problems)
await app.register(passwords, { serviceName: 'Items' })

app.post<{ Body: Credentials }>('/sign-up', async ({ body: { username, password } }) => {
  await app.passwords.assertAcceptable(password, { username })   // 400 with every reason
  hashes.set(username, await app.passwords.hash(password))
  return { username }
})

app.post<{ Body: Credentials }>('/login', async ({ body: { username, password } }) => {
  const hash = hashes.get(username) ?? null                      // unknown: the same work, and false
  if (!await app.passwords.verify(hash, password)) throw refusal('access_denied')
  return { username }
})

export { app }

if (process.argv[1] === import.meta.filename) process.stdout.write(`curl -i ${await app.listen({ port: 3000 })}/sign-up -H 'content-type: application/json' -d '{"username":"alice","password":"password"}'\n`)

// What one process changes reaches those that keep copies in another; a message is a hint, whoever sent it.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import { decodeJwt } from 'jose'
import t from 'tap'
import { accounts } from '../../plugins/accounts.ts'
import { passwords } from '../../plugins/passwords.ts'
import { redis } from '../../plugins/redis.ts'
import { onStoreChange } from '../../plugins/store-changes.ts'
import { stores } from '../../plugins/stores.ts'
import { tokens } from '../../plugins/tokens.ts'
import { aPrefix, noRedis, redisUrl } from '../fixtures/redis.ts'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { SessionPrincipal } from '../../guards/principal.ts'

const nobody = '0192f0c1-2345-7abc-8def-0123456789ab'

/** A process with stores, and what its listeners are told. */
async function member (t: Test, prefix: string): Promise<{ app: FastifyInstance; told: string[] }> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(redis, { url: redisUrl, prefix })
  await app.register(stores, { file: ':memory:' })
  const told: string[] = []
  onStoreChange(app.stores, ({ kind, id }, origin) => { told.push(`${origin} ${kind} ${id}`.trim()) })
  return { app, told }
}

async function until (check: () => boolean): Promise<void> {
  while (!check()) await sleep(10)
}

/** Two members that hear each other. */
async function pair (t: Test): Promise<[Awaited<ReturnType<typeof member>>, Awaited<ReturnType<typeof member>>]> {
  const prefix = aPrefix()
  const members: [Awaited<ReturnType<typeof member>>, Awaited<ReturnType<typeof member>>] = [await member(t, prefix), await member(t, prefix)]
  for (const [one, other] of [members, [...members].reverse()] as const) {
    while (!(other?.told.includes('elsewhere user ready') ?? true)) {
      one?.app.gatehouseRedis.publish('changes', JSON.stringify({ from: 'a test', changes: [{ kind: 'user', id: 'ready' }] }))
      await sleep(10)
    }
  }
  // What is still on its way is of before.
  await sleep(50)
  for (const { told } of members) told.length = 0
  return members
}

t.test('a change is told to the others, once, and the changes of a transaction when it is over', { skip: noRedis }, async (t) => {
  const [one, other] = await pair(t)
  await one.app.stores.users.update(nobody, { disabled: true })
  await one.app.stores.transaction(async (inside) => {
    await inside.apiKeys.revokeByOwner(nobody)
    await inside.revocations.add([{ kind: 'token', id: 'a secret of nobody', issuedBefore: null, expiresAt: new Date(Date.now() + 1000) }])
    t.notOk(other.told.some((line) => line.includes('apiKeyOwner')))
  })
  await until(() => other.told.length === 3)
  t.strictSame(other.told, [`elsewhere user ${nobody}`, `elsewhere apiKeyOwner ${nobody}`, 'elsewhere revocations'])
  t.strictSame(one.told, [`here user ${nobody}`, `here apiKeyOwner ${nobody}`, 'here revocations'], 'and not to itself')
})

t.test('R066 tokens, signing keys and API keys that end in one process end in the others, long before they would look', { skip: noRedis }, async (t) => {
  const [directory, prefix] = [t.testdir({}), aPrefix()]
  const start = async (): Promise<FastifyInstance> => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(redis, { url: redisUrl, prefix })
    await app.register(stores, { file: join(directory, 'shared.sqlite') })
    await app.register(passwords)
    await app.register(tokens, { issuer: 'https://id.example', keyFile: join(directory, 'token-key'), createKey: true, pollSeconds: 60, keyLeadSeconds: 120 })
    await app.register(accounts, { roles: { reader: ['items:read'] }, defaultRoles: ['reader'], verifiedKeySeconds: 60 })
    return app
  }
  const one = await start()
  const other = await start()
  const claims = decodeJwt(one.tokens.issue({ subject: 'alice', clientId: 'app', scopes: [] }).accessToken)
  t.notOk(other.tokens.isRevoked({ claims }))
  await one.tokens.revokeSubject('alice')
  await until(() => other.tokens.isRevoked({ claims }))

  const kid = await one.tokens.rotateKeys({ overlap: false })
  await until(() => other.tokens.keySource.get(kid) !== null)

  const { id: subject } = await one.accounts.register({ username: 'alice', email: 'a@example.com', password: 'a lamp beside the harbour' })
  const principal: SessionPrincipal = { kind: 'session', scheme: 'session', subject, scopes: ['items:read'], roles: [], attributes: {}, sessionId: 'x', authenticatedAt: 0 }
  for (const end of [
    (id: string) => one.stores.apiKeys.revoke(id, subject),
    () => one.accounts.update(subject, { roles: [] })
  ]) {
    const { key, apiKey } = await one.accounts.createApiKey(principal, { name: 'a key', scopes: ['items:read'] })
    const scopesOf = async (): Promise<readonly string[]> => (await other.accounts.verifyApiKey(key))?.scopes ?? []
    t.strictSame(await scopesOf(), ['items:read'])
    await end(apiKey.id)
    let scopes = await scopesOf()
    while (scopes.length > 0) {
      await sleep(10)
      scopes = await scopesOf()
    }
  }
})

t.test('what is no such message is passed over', { skip: noRedis }, async (t) => {
  const [one, other] = await pair(t)
  const change = { kind: 'user', id: nobody }
  const forged: unknown[] = [
    'text', null, 7, [], {}, { from: 'x' }, { changes: [change] }, { from: 'x', changes: change }, { from: 7, changes: [change] },
    { from: 'x', changes: [change, { kind: 'everything', id: '' }] }, { from: 'x', changes: [{ kind: 'toString', id: '' }] },
    { from: 'x', changes: [{ kind: 'user' }] }, { from: 'x', changes: [null] }, { from: 'x', changes: [{ kind: 'user', id: 'x'.repeat(257) }] },
    { from: 'x'.repeat(100_000), changes: [change] }
  ]
  for (const message of ['{', ...forged.map((value) => JSON.stringify(value))]) one.app.gatehouseRedis.publish('changes', message)
  one.app.gatehouseRedis.publish('changes', JSON.stringify({ from: 'x', changes: [{ kind: 'client', id: 'last' }] }))
  await until(() => other.told.length > 0)
  t.strictSame(other.told, ['elsewhere client last'])
})

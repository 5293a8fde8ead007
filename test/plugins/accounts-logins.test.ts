// The defence of logins without HTTP: guesses in parallel, names that nobody has, guesses at a change of the password.
import { join } from 'node:path'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import { accounts } from '../../plugins/accounts.ts'
import { createLoginDefence, MANY_FAILURES } from '../../plugins/accounts-logins.ts'
import { passwords } from '../../plugins/passwords.ts'
import { migrateToLatest } from '../../stores/migrate.ts'
import { createSqlStores } from '../../stores/sql.ts'
import { openSqlite } from '../../stores/sqlite.ts'
import { testClock } from '../fixtures/clock.ts'
import { fail, lockOut } from '../fixtures/failed-logins.ts'
import type { FastifyInstance } from 'fastify'
import type { KyselyPlugin } from 'kysely'
import type { Test } from 'tap'
import type { Stores } from '../../stores/ports.ts'

const password = 'a lamp beside the harbour'
const newPassword = 'a boat under the bridge'
const wrong = 'not the password of anyone'
const clients = 50

/** Stores that say of every statement what kind it is. */
async function recordedStores (t: Test): Promise<{ stores: Stores; statements: string[]; rows (): Promise<number> }> {
  const db = await openSqlite(join(t.testdir({}), 'data', 'test.sqlite'))
  await migrateToLatest(db)
  const statements: string[] = []
  const recorder: KyselyPlugin = {
    transformQuery ({ node }) { statements.push(node.kind); return node },
    transformResult: async ({ result }) => result
  }
  const stores = createSqlStores(db.withPlugin(recorder))
  t.teardown(() => stores.close())
  return { stores, statements, rows: async () => (await db.selectFrom('login_attempts').select('key').execute()).length }
}

async function service (t: Test) {
  const { stores, statements } = await recordedStores(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fp(async (app: FastifyInstance) => { app.decorate('stores', stores) }, { name: 'gatehouse-stores' }))
  await app.register(passwords, { maxQueued: clients, maxWaitSeconds: 60 })
  await app.register(accounts, { roles: { reader: [] }, defaultRoles: ['reader'] })
  const person = async (username: string): Promise<string> => (await app.accounts.register({ username, email: 'a@example.com', password })).id
  return { app, accounts: app.accounts, stores, statements, person }
}

t.test('R089 R091 of fifty guesses at once all count, and the right one that is not among the first three is not told', async (t) => {
  testClock(t, { stopped: true })
  const { accounts, stores, person } = await service(t)
  const id = await person('alice')
  const guesses = Array.from({ length: clients }, (_, n) => ({ username: 'alice', password: n < clients - 1 ? `${wrong} ${String(n)}` : password }))
  t.strictSame((await Promise.all(guesses.map((guess) => accounts.login(guess)))).filter((user) => user !== null), [])
  t.match(await stores.loginAttempts.find([id]), [{ attempts: clients, failures: 3 }])
})

t.test('right ones at once are all let in', async (t) => {
  const { accounts, person } = await service(t)
  await person('alice')
  const users = await Promise.all(Array.from({ length: 20 }, () => accounts.login({ username: 'alice', password })))
  t.ok(users.every((user) => user?.username === 'alice'))
})

t.test('R088 unknown, wrong, disabled, waiting and locked ask the store the same; a password known a moment ago asks no more than before', async (t) => {
  const { accounts, stores, statements, person } = await service(t)
  await person('alice')
  await accounts.update(await person('gone'), { disabled: true })
  await fail(stores, await person('slow'), { times: 5, waitSeconds: 86_400 })
  await lockOut(stores, await person('closed'))
  const asked = async (work: () => Promise<unknown>): Promise<string[]> => {
    statements.length = 0
    await work()
    return [...statements]
  }
  for (const [username, secret] of [['nobody', password], ['alice', wrong], ['gone', password], ['slow', password], ['closed', password], ['closed', wrong]] as const) {
    for (const way of ['login', 'verifyPassword'] as const) {
      t.strictSame(await asked(async () => { t.equal(await accounts[way]({ username, password: secret }), null) }), ['SelectQueryNode', 'InsertQueryNode'], `${way} ${username}`)
    }
  }
  await person('bob')
  t.strictSame(await asked(() => accounts.verifyPassword({ username: 'bob', password })), ['SelectQueryNode', 'InsertQueryNode'])
  t.strictSame(await asked(() => accounts.verifyPassword({ username: 'bob', password })), ['SelectQueryNode'])
})

t.test('R090 names that nobody has take no more than 1024 rows, and lock nobody', async (t) => {
  const { stores, rows } = await recordedStores(t)
  const defence = createLoginDefence(stores, Fastify().log)
  for (let n = 0; n < 3000; n += 1) if (await defence.admit({ id: null, username: `nobody ${String(n)}` }, false) === null) t.fail('nobody is let in')
  const shared = await rows()
  t.ok(shared > 900 && shared <= 1024, String(shared))
  for (let n = 0; n < 10; n += 1) await defence.admit({ id: null, username: 'nobody 5' }, false)
  t.equal(await rows(), shared)
  t.strictSame((await stores.audit.list({ event: 'authn_login_lock' })).items, [])
})

t.test('R089 many failures over all accounts in a minute are told once, and let everybody in', async (t) => {
  const clock = testClock(t, { stopped: true })
  const { stores } = await recordedStores(t)
  const lines: string[] = []
  const { log } = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } })
  const defence = createLoginDefence(stores, log)
  const origin = { ip: '203.0.113.7', method: 'POST', route: '/session', request_id: 'one' }
  const told = async (): Promise<[number, number]> => [(await stores.audit.list({ event: 'authn_login_fail_max' })).items.length, lines.length]
  const failing = async (times: number): Promise<void> => { for (let n = 0; n < times; n += 1) await defence.admit({ id: `account ${String(n)}`, username: 'x', origin }, false) }
  await failing(MANY_FAILURES - 1)
  t.strictSame(await told(), [0, 0])
  await failing(MANY_FAILURES)
  t.strictSame(await told(), [1, 1])
  t.match((await stores.audit.list()).items, [{ ...origin, outcome: 'failure', details: { failures: MANY_FAILURES, window_seconds: 60 } }])
  t.equal(await defence.admit({ id: 'somebody', username: 'x' }, true), null)
  clock.advance(60)
  await failing(MANY_FAILURES - 1)
  t.strictSame(await told(), [1, 1], 'a minute begins again')
  await failing(1)
  t.strictSame(await told(), [2, 2])
})

t.test('R089 guesses at the current password wait and are locked too, in a count of their own', async (t) => {
  const clock = testClock(t, { stopped: true })
  const { accounts, stores, person } = await service(t)
  const id = await person('alice')
  const principal = { kind: 'custom', scheme: 'x', subject: id, scopes: [], roles: [], attributes: {} } as const
  const change = (currentPassword: string): Promise<unknown> => accounts.changePassword(principal, { currentPassword, newPassword })
  const refused = { code: 'validation', errors: [{ pointer: '/current_password' }] }
  for (let failures = 0; failures < 3; failures += 1) await t.rejects(change(wrong), refused)
  await t.rejects(change(password), refused, 'it waits')
  t.match(await accounts.login({ username: 'alice', password }), { id }, 'logins do not')
  await stores.loginAttempts.reset(`change ${id}`)
  await fail(stores, `change ${id}`, { times: 99 })
  await t.rejects(change(wrong), refused)
  t.strictSame([...await accounts.lockedAmong([id])], [id])
  clock.advance(86_400)
  await t.rejects(change(password), refused)
  t.match(await accounts.login({ username: 'alice', password }), { id })
  t.equal(await accounts.unlock(id), true)
  await lockOut(stores, id)
  await change(password)
  t.equal(await accounts.login({ username: 'alice', password: newPassword }), null, 'a change does not open what is locked')
  t.equal(await accounts.unlock(id), true)
  t.match(await accounts.login({ username: 'alice', password: newPassword }), { id })
  t.equal(await accounts.unlock('0192f0c1-2345-7abc-8def-0123456789ab'), false)
})

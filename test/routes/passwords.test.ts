// Passwords through the routes of the demo: equal work for everybody, and guesses in parallel that all count.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import { anAddress, basicOf, buildDemo, comparable, form, password } from '../demo.ts'
import { testClock } from '../fixtures/clock.ts'
import { fail, lockOut } from '../fixtures/failed-logins.ts'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'

const wrong = 'not the password of anyone'
const target = { memoryKiB: 19456, timeCost: 2, parallelism: 1 }

const ways: Readonly<Record<string, (username: string, secret: string) => InjectOptions>> = {
  'POST /token': (username, secret) => ({ method: 'POST', url: '/token', ...form({ grant_type: 'password', username, password: secret }) }),
  Basic: (username, secret) => ({ url: '/basic/me', headers: basicOf(username, secret) })
}

/** What every argon2 hash cost that was computed meanwhile. */
async function costsOf (work: () => Promise<unknown>): Promise<unknown[]> {
  const costs: unknown[] = []
  const listener = (cost: unknown): void => { costs.push(cost) }
  subscribe('gatehouse:passwords:hash', listener)
  await work()
  unsubscribe('gatehouse:passwords:hash', listener)
  return costs
}

for (const [way, attempt] of Object.entries(ways)) {
  t.test(`R023 R088 by ${way} unknown, wrong, disabled, waiting and locked take one argon2 hash of the same parameters, and are one answer`, async (t) => {
    const demo = await buildDemo(t)
    await demo.person('alice')
    await demo.app.stores.users.update((await demo.person('gone')).id, { disabled: true })
    await fail(demo.app.stores, (await demo.person('slow')).id, { times: 13, waitSeconds: 900 })
    await lockOut(demo.app.stores, (await demo.person('closed')).id)
    const people: [string, string, string][] = [
      ['waiting', 'slow', password], ['waiting and wrong', 'slow', wrong], ['locked', 'closed', password], ['locked and wrong', 'closed', wrong],
      ['unknown', 'nobody', password], ['wrong', 'alice', wrong], ['disabled', 'gone', password], ['disabled and wrong', 'gone', wrong]
    ]
    const answers: object[] = []
    for (const [title, username, secret] of people) {
      t.strictSame(await costsOf(async () => { answers.push(comparable(await demo.send(attempt(username, secret)))) }), [target], title)
    }
    for (const answer of answers) t.strictSame(answer, answers[0])
  })

  t.test(`R086 R091 by ${way} 50 wrong passwords in parallel count as 50: the 20 of the limit are tried`, async (t) => {
    const clock = testClock(t, { stopped: true })
    const demo = await buildDemo(t)
    const { id } = await demo.person('alice')
    const remoteAddress = anAddress()
    const send = (secret: string): Promise<LightMyRequestResponse> => demo.send({ ...attempt('alice', secret), remoteAddress })
    const statuses: number[] = []
    const costs = await costsOf(async () => {
      for (const { statusCode } of await Promise.all(Array.from({ length: 50 }, () => send(wrong)))) statuses.push(statusCode)
    })
    t.equal(statuses.filter((status) => status === (way === 'Basic' ? 401 : 400)).length, 20)
    t.equal(statuses.filter((status) => status === 429).length, 30)
    t.equal(costs.length, 20, 'the limit is asked before the hash')
    t.equal((await send(password)).statusCode, 429, 'the right one comes too late')
    t.match(await demo.app.stores.loginAttempts.find([id]), [{ attempts: 20, failures: 3 }], 'all that were tried count, and as many are told as are free')
    t.equal((await demo.send(attempt('alice', password))).statusCode, way === 'Basic' ? 401 : 400, 'R089 from elsewhere it waits')
    clock.advance(1)
    t.equal((await demo.send(attempt('alice', password))).statusCode, 200, 'and then does not')
  })
}

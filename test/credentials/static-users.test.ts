// Fixed users: what a look-up costs, seen through a `node:crypto` that takes notes.
import t from 'tap'
import { createPasswordCheck } from '../../credentials/static-users.ts'

t.test('R023 an unknown user costs the same digest and comparison as a known one', async (t) => {
  const crypto = await t.mockImport<typeof import('../../credentials/static-users.ts')>('../../credentials/static-users.ts', {
    'node:crypto': await counting()
  })
  const isPasswordOf = crypto.createPasswordCheck({ alice: 'secret' })
  for (const [username, password, expected] of [['alice', 'secret', true], ['alice', 'wrong', false], ['nobody', 'secret', false]] as const) {
    calls.length = 0
    t.equal(isPasswordOf(username, password), expected)
    t.same(calls, ['createHash', 'timingSafeEqual 32 32'], username)
  }
  t.notOk(createPasswordCheck({})('', ''), 'an empty list accepts nobody')
})

const calls: string[] = []

/** `node:crypto` with a note of what is called. */
async function counting (): Promise<object> {
  const crypto = await import('node:crypto')
  return {
    ...crypto,
    createHash (name: string) {
      calls.push('createHash')
      return crypto.createHash(name)
    },
    timingSafeEqual (a: Buffer, b: Buffer) {
      calls.push(`timingSafeEqual ${String(a.length)} ${String(b.length)}`)
      return crypto.timingSafeEqual(a, b)
    }
  }
}

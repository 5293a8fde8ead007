import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createKeyUses } from '../../plugins/accounts-key-uses.ts'

interface Use { id: string; at: Date }

t.test('uses are written in batches, each key once, with its last use', async (t) => {
  const batches: (readonly Use[])[] = []
  const uses = createKeyUses(async (batch) => { batches.push(batch) }, { intervalMs: 20, onError: (error) => { t.fail(String(error)) } })
  for (const id of ['a', 'b', 'a', 'a']) uses.note(id)
  t.strictSame(batches, [], 'not at once')
  await sleep(60)
  t.strictSame(batches.map((batch) => batch.map(({ id }) => id)), [['a', 'b']], 'and an interval without uses writes nothing')
  uses.note('c')
  await uses.close()
  t.strictSame(batches[1]?.map(({ id }) => id), ['c'], 'what is left is written at the end')
  uses.note('d')
  await sleep(60)
  t.equal(batches.length, 2)
})

t.test('what the store does not take is written the next time, and one batch waits for another', async (t) => {
  const errors: unknown[] = []
  const batches: (readonly Use[])[] = []
  let fails = true
  let running = 0
  const uses = createKeyUses(async (batch) => {
    running += 1
    t.equal(running, 1, 'one at a time')
    await sleep(30)
    running -= 1
    if (fails) throw new Error('away')
    batches.push(batch)
  }, { intervalMs: 5, onError: (error) => { errors.push(error) } })
  uses.note('a')
  await sleep(20)
  uses.note('b')
  await sleep(60)
  t.match(errors[0], { message: 'away' })
  fails = false
  await sleep(80)
  await uses.close()
  t.strictSame(batches.flat().map(({ id }) => id).sort(), ['a', 'b'])
})

t.test('ten thousand keys in one interval do not wait for its end', async (t) => {
  const sizes: number[] = []
  const uses = createKeyUses(async (batch) => { sizes.push(batch.length) }, { intervalMs: 60_000, onError: (error) => { t.fail(String(error)) } })
  for (let key = 0; key < 10_500; key += 1) uses.note(String(key))
  await uses.close()
  t.strictSame(sizes, [10_000, 500])
})

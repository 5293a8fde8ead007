import t from 'tap'
import { Windows } from '../../plugins/rate-limit-store.ts'
import type { WindowsOptions } from '../../plugins/rate-limit-store.ts'

interface Table {
  windows: Windows
  /** Lets milliseconds pass. */
  wait (ms: number): void
  full (): number
  incr (key: string): { current: number; ttl: number }
  read (key: string): { current: number; ttl: number }
}

function table (options: Partial<WindowsOptions> = {}): Table {
  // of which 1000 later is more than 1000 later
  let now = 1210.144
  let full = 0
  const windows = new Windows({ max: 2, windowMs: 1000, maxKeys: 3, whenFull: 'open', onFull: () => { full += 1 }, now: () => now, ...options })
  const ask = (method: 'incr' | 'read', key: string): { current: number; ttl: number } => {
    let found: { current: number; ttl: number } | undefined
    windows[method](key, (error, result) => {
      if (error !== null) throw error
      found = result
    })
    if (found === undefined) throw new Error('the store answers at once')
    return found
  }
  return { windows, wait: (ms) => { now += ms }, full: () => full, incr: (key) => ask('incr', key), read: (key) => ask('read', key) }
}

t.test('a window is fixed: it begins with the first request and refusals do not prolong it', async (t) => {
  const { incr, read, wait } = table()
  t.same(read('a'), { current: 0, ttl: 0 })
  t.same(incr('a'), { current: 1, ttl: 1000 })
  wait(600)
  t.same(incr('a'), { current: 2, ttl: 400 })
  t.same(read('a'), { current: 2, ttl: 400 })
  wait(399)
  t.same(incr('a'), { current: 3, ttl: 1 })
  t.same(incr('a'), { current: 3, ttl: 1 }, 'the count stops')
  wait(1)
  t.same(incr('a'), { current: 1, ttl: 1000 })
})

t.test('R158 the least recently used key that is not exhausted makes room', async (t) => {
  const { windows, incr, read } = table()
  for (const key of ['a', 'a', 'b', 'c', 'b', 'b', 'd']) incr(key)
  t.equal(windows.size, 3)
  t.same(['a', 'b', 'c', 'd'].map((key) => read(key).current), [2, 2, 0, 1])
  incr('e')
  t.same(['a', 'b', 'd', 'e'].map((key) => read(key).current), [2, 2, 0, 1])
})

t.test('R158 a million other keys do not free an exhausted one', async (t) => {
  const { windows, incr } = table({ maxKeys: 1000 })
  incr('guilty')
  incr('guilty')
  for (let key = 0; key < 1_000_000; key += 1) incr(String(key))
  t.equal(incr('guilty').current, 3)
  t.equal(windows.size, 1000)
})

t.test('R158 full of exhausted keys: said once a window, over when windows end', async (t) => {
  const { windows, full, incr, wait } = table({ max: 1 })
  for (const key of ['a', 'b', 'c']) incr(key)
  wait(100)
  for (const key of ['d', 'd', 'e']) t.equal(incr(key).current, 1)
  t.equal(full(), 1)
  t.equal(windows.size, 3)
  t.equal(incr('a').current, 2)
  wait(900)
  t.same([incr('d').current, incr('d').current], [1, 2])
  t.equal(windows.size, 1, 'what ended is gone')
})

t.test('R158 full and closed: a refusal that says when there is room again', async (t) => {
  const { incr, wait } = table({ max: 1, maxKeys: 1, windowMs: 5000, whenFull: 'closed' })
  incr('a')
  wait(1500)
  t.throws(() => incr('b'), { code: 'unavailable', retryAfterSeconds: 4 })
  wait(3500)
  t.equal(incr('b').current, 1)
})

t.test('what is given back belongs to its own window', async (t) => {
  const { windows, incr, read, wait } = table()
  const endsBy = windows.endAfter(incr('a').ttl)
  incr('a')
  windows.giveBack('a', endsBy)
  t.equal(read('a').current, 1)
  incr('a')
  for (const key of ['b', 'c', 'd', 'e']) incr(key)
  t.equal(read('a').current, 2, 'exhausted again, it stays')
  windows.giveBack('a', endsBy)
  for (const key of ['f', 'g', 'h']) incr(key)
  t.equal(read('a').current, 0, 'with room again, it makes room')
  wait(1000)
  incr('a')
  windows.giveBack('a', endsBy)
  t.equal(read('a').current, 1, 'a later window is left alone')
  windows.giveBack('nobody', endsBy)
  windows.giveBack('a', windows.endAfter(1000))
  windows.giveBack('a', windows.endAfter(1000))
  t.equal(read('a').current, 0)
})

t.test('R158 keys are kept no longer than they need to be, and apart', async (t) => {
  const { incr, windows, read } = table({ max: 9 })
  const long = 'x'.repeat(10_000)
  t.same([incr(`${long}1`).current, incr(`${long}2`).current, incr(`${long}1`).current], [1, 1, 2])
  windows.giveBack(`${long}1`, windows.endAfter(1000))
  t.equal(read(`${long}1`).current, 1)
})

t.test('R158 100,000 windows that end together burden no single request, and none outlives its end', async (t) => {
  const { windows, incr, read, wait } = table({ max: 1, maxKeys: 100_000 })
  for (let key = 0; key < 100_000; key += 1) incr(String(key))
  wait(1000)
  t.equal(read('99999').current, 0)
  t.ok(windows.size > 99_000)
  t.equal(incr('new').current, 1, 'there is room at once')
  for (let key = 0; key < 2000; key += 1) read(String(key))
  t.equal(windows.size, 1)
})

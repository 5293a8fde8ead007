// Which stores may be used where, with transactions that overlap.
import t from 'tap'
import { createPostgresStores } from '../../stores/postgres.ts'
import { createSqliteStores } from '../../stores/sqlite.ts'
import { createDatabase, noServer } from './fixtures/postgres.ts'

function gate (): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => { open = resolve })
  return { opened, open: () => { open() } }
}

t.test('what was begun in a transaction and goes on after it may use the outer stores, though another one is open', async (t) => {
  const stores = await createSqliteStores(':memory:')
  t.teardown(() => stores.close())
  const goOn = gate()
  let later: Promise<unknown> = Promise.resolve()
  await stores.transaction(async () => {
    later = goOn.opened.then(() => stores.items.create({ owner: 'alice', title: 'later' }))
  })
  await stores.transaction(async ({ items }) => {
    goOn.open()
    await items.list()
  })
  t.match(await later, { title: 'later' })
})

t.test('the end of one transaction does not let another use the outer stores', { skip: noServer }, async (t) => {
  const { url, drop } = await createDatabase()
  t.teardown(drop)
  const stores = await createPostgresStores(url)
  t.teardown(() => stores.close())
  const [begun, goOn] = [gate(), gate()]
  const second = stores.transaction(async ({ items }) => {
    await items.list()
    begun.open()
    await goOn.opened
    await stores.items.create({ owner: 'alice', title: 'kept alone' })
  })
  await begun.opened
  await stores.transaction(async ({ items }) => items.list())
  goOn.open()
  await t.rejects(second, { message: /only the stores that it was given/ })
  t.same(await stores.items.list(), { items: [] })
})

// One connection to SQLite, at the seam under the stores: what is told of its file, and what never gets to it.
import { closeSync, mkdirSync, openSync, renameSync, symlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from '@photostructure/sqlite'
import t from 'tap'
import { kyselyDatabase } from '../../stores/sqlite-connection.ts'
import type { Test } from 'tap'

interface Opened {
  file: string
  connection: InstanceType<typeof DatabaseSync>
  told: boolean[]
  /** As Kysely does it. */
  execute (text: string, parameters?: readonly unknown[]): unknown
}

/** A file with one table in it, through a connection that knows its tables. */
function open (t: Test): Opened {
  const file = join(t.testdir({}), 'test.sqlite')
  const connection = new DatabaseSync(file, { timeout: 0 })
  t.teardown(() => { connection.close() })
  connection.exec("create table t (a primary key); insert into t values ('here')")
  const told: boolean[] = []
  const database = kyselyDatabase(connection, (isUp) => { told.push(isUp) })
  return {
    file,
    connection,
    told,
    execute (text, parameters = []) {
      const statement = database.prepare(text)
      return statement.reader ? statement.all(parameters) : statement.run(parameters)
    }
  }
}

function overwrite (file: string, position: number, length: number): void {
  const handle = openSync(file, 'r+')
  writeSync(handle, Buffer.alloc(length, 7), 0, length, position)
  closeSync(handle)
}

const CHANGE_COUNTER = 24
const PAGE = 4096

const failures: [string, RegExp, (opened: Opened) => void][] = [
  ['was moved away', /readonly/, ({ file }) => { renameSync(file, `${file}.old`) }],
  ['cannot be read', /I\/O/, ({ file }) => { mkdirSync(`${file}-journal`) }],
  ['is damaged', /malformed/, ({ file }) => { overwrite(file, CHANGE_COUNTER, 4); overwrite(file, PAGE, PAGE) }],
  ['has no room', /full/, ({ connection }) => { connection.exec('pragma max_page_count = 1') }],
  ['may have no journal', /unable to open/, ({ file }) => { symlinkSync('missing/journal', `${file}-journal`) }],
  ['was overwritten', /not a database/, ({ file }) => { overwrite(file, 0, CHANGE_COUNTER + 4) }]
]

for (const [title, cause, spoil] of failures) {
  for (const [kind, returning] of [['a write', ''], ['a write that returns rows', ' returning 1']] as const) {
    t.test(`R007 ${kind} to a file that ${title} is 503, and tells that it is down`, { skip: process.platform === 'win32' }, async (t) => {
      const opened = open(t)
      spoil(opened)
      t.throws(() => { opened.execute(`insert into t values (zeroblob(10000))${returning}`) }, { code: 'unavailable', statusCode: 503, cause })
      t.same(opened.told, [false])
    })
  }
}

for (const [title, cause, text] of [
  ['a table that is not there', /no such table/, 'select * from missing'],
  ['a row that is there already', /UNIQUE/, "insert into t values ('here')"],
  ['a row that is there already, where rows return', /UNIQUE/, "insert into t values ('here') returning 1"]
] as const) {
  t.test(`R007 ${title} is 503, and no word about the file`, async (t) => {
    const { told, execute } = open(t)
    t.throws(() => { execute(text) }, { code: 'unavailable', cause })
    t.same(told, [])
  })
}

t.test('R007 that another one writes is 503, and no word about the file', async (t) => {
  const { file, told, execute } = open(t)
  const other = new DatabaseSync(file)
  t.teardown(() => { other.close() })
  other.exec('begin exclusive')
  t.throws(() => { execute('insert into t values (1)') }, { code: 'unavailable', cause: /locked/ })
  t.throws(() => { execute('insert into t values (1) returning 1') }, { code: 'unavailable', cause: /locked/ })
  t.same(told, [])
})

t.test('that the file can be written is told when a change was kept, and by nothing else', async (t) => {
  const { told, execute } = open(t)
  const after = (text: string): boolean[] => { execute(text); return told.splice(0) }
  for (const [text, expected] of [
    ['select * from t', []],
    ["update t set a = 'x' where a = 'missing'", []],
    ["update t set a = 'x' where a = 'missing' returning 1", []],
    ['begin immediate', []],
    ['insert into t values (1)', []],
    ['rollback', []],
    ["delete from t where a = 'missing'", []],
    ['insert into t values (1)', [true]],
    ['select * from t', []],
    ['begin immediate', []],
    ['insert into t values (2) returning 1', []],
    ['commit', [true]],
    ['insert into t values (3) returning 1', [true]],
    ['begin immediate', []],
    ['commit', []]
  ] as const) t.same(after(text), expected, text)
})

t.test('text with U+0000 is refused, however a statement is asked', async (t) => {
  const { connection } = open(t)
  const statement = kyselyDatabase(connection, () => undefined).prepare('insert into t values (?) returning 1')
  for (const ask of ['all', 'run', 'iterate'] as const) t.throws(() => statement[ask](['a\0b']), { code: 'validation' }, ask)
  t.same(connection.prepare('select a from t').all(), [{ a: 'here' }])
})

// No read or change on a request's path, nor what goes on beside it, walks a table: the plans of both engines say so.
import { join } from 'node:path'
import { CompiledQuery, PostgresQueryCompiler, sql, SqliteQueryCompiler } from 'kysely'
import t from 'tap'
import { migrateToLatest } from '../../stores/migrate.ts'
import { openPostgres } from '../../stores/postgres.ts'
import { openSqlite } from '../../stores/sqlite.ts'
import { createDatabase, noServer } from './fixtures/postgres.ts'
import { statementsOf } from './fixtures/statements.ts'

t.test('SQLite: every statement searches an index, and no list is sorted', async (t) => {
  const db = await openSqlite(join(t.testdir({}), 'data', 'test.sqlite'))
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  for (const { name, list, queries } of await statementsOf(db)) {
    t.ok(queries.length > 0, name)
    for (const { node, queryId } of queries) {
      const query = new SqliteQueryCompiler().compileQuery(node, queryId)
      const { rows } = await db.executeQuery<{ detail: string }>(CompiledQuery.raw(`explain query plan ${query.sql}`, [...query.parameters]))
      t.ok(rows.length > 0, query.sql)
      for (const { detail } of rows) {
        // A list without a filter walks the index itself; `seen` is the batch that the statement brings along.
        t.notMatch(detail, list ? /^SCAN (?!\S+ USING (COVERING )?INDEX)/ : /^SCAN (?!(CONSTANT ROW|\d+-ROW VALUES|seen))/, `${name}: ${detail}`)
        t.notMatch(detail, /TEMP B-TREE/, `${name}: ${detail}`)
      }
    }
  }
})

t.test('PostgreSQL: every statement can use an index', { skip: noServer }, async (t) => {
  const { url, drop } = await createDatabase()
  const db = await openPostgres(url)
  t.teardown(async () => { await db.destroy(); await drop() })
  await migrateToLatest(db)
  const statements = await statementsOf(db)
  await db.connection().execute(async (connection) => {
    // The tables are all but empty: what is asked is whether there is another way, not whether it pays yet.
    for (const way of ['seqscan', 'hashjoin', 'mergejoin']) await sql`set ${sql.raw(`enable_${way}`)} = off`.execute(connection)
    for (const { name, list, queries } of statements) {
      t.ok(queries.length > 0, name)
      for (const { node, queryId } of queries) {
        const query = new PostgresQueryCompiler().compileQuery(node, queryId)
        const { rows } = await connection.executeQuery<{ 'QUERY PLAN': string }>(CompiledQuery.raw(`explain ${query.sql}`, [...query.parameters]))
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
        t.notMatch(plan, /Seq Scan/, `${name}\n${plan}`)
        if (list) t.notMatch(plan, /Sort/, `${name}\n${plan}`)
        else t.equal(plan.match(/Index Cond/g)?.length, plan.match(/Index (Only )?Scan/g)?.length, `${name}: no index is walked\n${plan}`)
      }
    }
  })
})

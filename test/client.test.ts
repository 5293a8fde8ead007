// The document is good enough to work from: a TypeScript client is generated from it, compiled, and driven against
// the demo. What the generated types must refuse stands in the program as @ts-expect-error.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import openapiTS, { astToString } from 'openapi-typescript'
import t from 'tap'
import { buildDemo, password } from './demo.ts'

const root = join(import.meta.dirname, '..')

const tsconfig = JSON.stringify({
  compilerOptions: { target: 'es2023', lib: ['es2023', 'dom'], module: 'nodenext', types: [], strict: true, exactOptionalPropertyTypes: true, noUnusedLocals: true, skipLibCheck: true },
  include: ['program.mts']
})

/** What the program tells of its run. */
interface Report { statuses: number[]; codes: string[]; titles: string[]; scope: string; mine: number; left: number }

t.test('R208 a TypeScript client generated from the document drives the demo', async (t) => {
  const { app } = await buildDemo(t)
  const types = astToString(await openapiTS((await app.inject('/openapi.json')).body))
  const directory = t.testdir({ 'api.d.mts': types, 'tsconfig.json': tsconfig })
  await writeFile(join(directory, 'program.mts'), await readFile(join(root, 'test/fixtures/client-program.txt'), 'utf8'))
  const compiled = await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-p', directory]).catch((error: unknown) => error as { stdout: string })
  t.equal(compiled.stdout, '', 'the program compiles, and what must not compile does not')

  const { run } = await import(pathToFileURL(join(directory, 'program.mjs')).href) as { run: (baseUrl: string, account: { username: string; password: string }) => Promise<Report> }
  const report = await run(await app.listen({ host: '127.0.0.1', port: 0 }), { username: 'carol', password })
  t.strictSame(report, {
    statuses: [201, 200, 201, 200, 201, 200, 401, 403, 409, 204, 404],
    codes: ['credentials_required', 'insufficient_scope', 'conflict', 'not_found'],
    titles: ['A lamp'],
    scope: 'me items:read items:write',
    mine: 1,
    left: 0
  })
})

// Spectral's rules for OpenAPI and for the OWASP API Security Top 10, over the document of the demo, and over copies of
// it that are broken one way each: a linter that is never red proves nothing.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { buildDemo } from './demo.ts'
import type { Test } from 'tap'

interface Finding { code: string; message: string; path: string[]; source: string }
interface Operation { security?: object[]; responses: Record<string, { content?: object; headers?: object }>; [extension: `x-${string}`]: unknown }
interface Document { paths: Record<string, Record<string, Operation>> }

const root = join(import.meta.dirname, '..')
const ruleset = join(root, '.spectral.yaml')

async function documentOfTheDemo (t: Test): Promise<Document> {
  const { app } = await buildDemo(t)
  return (await app.inject('/openapi.json')).json()
}

/** What Spectral finds in documents, by their names; it exits with 1 exactly where it finds something. */
async function lint (t: Test, documents: Record<string, object>): Promise<(name: string) => Finding[]> {
  const directory = t.testdir()
  const files = await Promise.all(Object.entries(documents).map(async ([name, document]) => {
    const file = join(directory, `${name}.json`)
    await writeFile(file, JSON.stringify(document))
    return file
  }))
  const { code = 0, stdout }: { code?: number; stdout: string } = await promisify(execFile)(join(root, 'node_modules/.bin/spectral'), ['lint', ...files, '--ruleset', ruleset, '--fail-severity', 'warn', '--format', 'json', '--quiet'], { maxBuffer: 64 * 1024 * 1024 })
    .catch((error: unknown) => error as { code?: number; stdout: string })
  const findings = JSON.parse(stdout) as Finding[]
  t.equal(code, findings.length === 0 ? 0 : 1, stdout)
  return (name) => findings.filter(({ source }) => source.endsWith(`/${name}.json`))
}

t.test('R208 the document passes Spectral with its OpenAPI and OWASP rules', async (t) => {
  const found = await lint(t, { demo: await documentOfTheDemo(t) })
  t.strictSame(found('demo').map(({ code, path, message }) => `${code} at ${path.join('.')}: ${message}`), [])
})

const items = '/items'
type Breakage = [title: string, rule: string, url: string, method: string, spoil: (operation: Operation) => void]
const breakages: Breakage[] = [
  ['a guarded read without security', 'owasp:api2:2023-read-restricted', items, 'get', (operation) => { delete operation.security }],
  ['a guarded write without security', 'owasp:api2:2023-write-restricted', items, 'post', (operation) => { delete operation.security }],
  ['a read that is public and does not say why', 'owasp:api2:2023-read-restricted', items, 'get', (operation) => { operation.security = [] }],
  ['a write that is public and does not say why', 'owasp:api2:2023-write-restricted', '/register', 'post', (operation) => { delete operation['x-public-reason']; Object.assign(operation.responses, { 401: operation.responses['400'] }) }],
  ['a public write without security', 'owasp:api2:2023-write-restricted', '/register', 'post', (operation) => { delete operation.security }],
  ['a scheme that is not defined', 'oas3-operation-security-defined', items, 'get', (operation) => { operation.security = [{ ghost: [] }] }],
  ['a 401 that is not documented', 'owasp:api8:2023-define-error-responses-401', items, 'get', ({ responses }) => { delete responses['401'] }],
  ['a 401 without a body', 'owasp:api8:2023-define-error-responses-401', items, 'get', ({ responses }) => { delete responses['401']?.content }],
  ['a 400 that is not documented', 'owasp:api8:2023-define-error-validation', items, 'get', ({ responses }) => { delete responses['400'] }],
  ['a 500 that is not documented', 'owasp:api8:2023-define-error-responses-500', items, 'get', ({ responses }) => { delete responses['500'] }],
  ['a limit without 429', 'owasp:api4:2023-rate-limit-responses-429', '/limited', 'get', ({ responses }) => { delete responses['429'] }],
  ['a limit by principal that no header tells of', 'owasp:api4:2023-rate-limit', '/users/me/password', 'put', ({ responses }) => { delete responses['204']?.headers }],
  ['a limit that no header tells of', 'owasp:api4:2023-rate-limit', '/limited', 'get', ({ responses }) => { delete responses['200']?.headers }]
]

t.test('R208 a document that is broken does not pass', async (t) => {
  const document = await documentOfTheDemo(t)
  const broken = breakages.map(([title, , url, method, spoil]) => {
    const copy = structuredClone(document)
    const operation = copy.paths[url]?.[method]
    if (operation === undefined) throw new Error(`there is no ${method} ${url} to break`)
    spoil(operation)
    return [title.replaceAll(' ', '-'), copy] as const
  })
  const found = await lint(t, Object.fromEntries(broken))
  for (const [title, rule, url, method] of breakages) {
    await t.test(title, (t) => {
      const findings = found(title.replaceAll(' ', '-'))
      t.strictSame([...new Set(findings.map(({ code }) => code))], [rule])
      t.strictSame(findings[0]?.path.slice(0, 3), ['paths', url, method])
      t.end()
    })
  }
})

t.test('at most eight rules are off, each with a line that says why', async (t) => {
  const lines = (await readFile(ruleset, 'utf8')).split('\n')
  const off = lines.flatMap((line, index) => (/^ {2}[\w:-]+: (off|false)$/.test(line) ? [[line, lines[index - 1] ?? ''] as const] : []))
  t.ok(off.length > 0 && off.length <= 8)
  for (const [rule, why] of off) {
    t.match(why, /^ {2}# Switched off\. .{20,}/, rule)
    t.notMatch(rule, /security|restricted|401/)
  }
})

// recheck judges every regular expression that a request can meet: those of the code and those of the schemas of all routes.
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { checkSync } from 'recheck'
import t from 'tap'
import { buildAttackedDemo } from './fixtures/attacked-demo.ts'
import { root } from './fixtures/documents.ts'
import { onEachRoute } from './fixtures/faults.ts'
import { patternsOfSchema, patternsOfSource } from './fixtures/patterns.ts'
import type { Pattern, SchemaPattern } from './fixtures/patterns.ts'

// Its other backends are a native program and a JAR.
process.env['RECHECK_SYNC_BACKEND'] = 'pure'
t.setTimeout(120_000)

const folders = ['credentials', 'guards', 'plugins', 'routes', 'schemas', 'stores', 'cli', 'testing', 'pages']
const sources = [
  ...readdirSync(root).map(String),
  ...folders.flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
].filter((path) => /\.[jt]s$/.test(path)).sort()

/** What is not known to take linear time, each once, with the first place where it stands. */
function unsafe (patterns: readonly Pattern[]): string[] {
  const distinct = new Map(patterns.toReversed().map((pattern) => [`/${pattern.source}/${pattern.flags}`, pattern]))
  return [...distinct].flatMap(([text, { source, flags, where }]) => {
    const verdict = checkSync(source, flags, { timeout: 20_000, randomSeed: 1 })
    if (verdict.status === 'safe') return []
    return [`${where} ${text}: ${verdict.status === 'vulnerable' ? verdict.complexity.summary : verdict.error.kind}`]
  })
}

t.test('R184 no regular expression of the code takes more than linear time', async (t) => {
  const read = sources.map((path) => patternsOfSource(path, readFileSync(join(root, path), 'utf8')))
  const patterns = read.flatMap(({ patterns }) => patterns)
  t.ok(patterns.length > 60, `${String(patterns.length)} expressions`)
  t.strictSame(unsafe(patterns), [])
  // It is made of the patterns of a service's own schemas.
  t.strictSame(read.flatMap(({ unread }) => unread.map((where) => where.replace(/:\d+$/, ''))), ['testing/attack/mutations.ts'])
})

t.test('R184 no pattern of a schema takes more than linear time, and every text that one judges is bounded', async (t) => {
  const { fullFormats } = createRequire(createRequire(import.meta.url).resolve('@fastify/ajv-compiler'))('ajv-formats/dist/formats') as { fullFormats: Record<string, unknown> }
  const requests: SchemaPattern[] = []
  const responses: SchemaPattern[] = []
  const urls: string[] = []
  const { app } = await buildAttackedDemo(t, onEachRoute(({ url, schema = {} }, name) => {
    urls.push(url)
    for (const [part, member] of Object.entries(schema)) {
      if (part === 'response') responses.push(...patternsOfSchema(member, `${name} ${part}`))
      else requests.push(...patternsOfSchema(member, `${name} ${part}`, fullFormats))
    }
  }))
  // Answers refer to schemas of their contexts, which the document has all.
  const shared = patternsOfSchema((await app.inject('/openapi.json')).json(), 'openapi.json')
  t.ok(requests.length > 60 && shared.length > 100, `${String(requests.length)} of requests, ${String(responses.length)} of responses, ${String(shared.length)} of the document`)
  t.strictSame(unsafe([...requests, ...responses, ...shared]), [])
  t.strictSame(requests.filter(({ maxLength }) => maxLength === null).map(({ where }) => where), [])
  t.strictSame(urls.filter((url) => /[()]|:[^/]*:/.test(url)), [], 'no path has an expression, or two parameters in one segment')
})

t.test('what is planted is found', async (t) => {
  const { patterns, unread } = patternsOfSource('planted.ts', String.raw`
    /^(a+)+$/.test(x); text.replace(/\s+$/u, ''); new RegExp('^(?:\\w|_)*!$', 'u'); RegExp(x); /^\d{1,5}$/`)
  t.strictSame(unread, ['planted.ts:2'])
  t.strictSame(unsafe(patterns).map((line) => line.replace(/^planted\.ts:2 /, '').replace(/: .*/, '')).sort(), [String.raw`/\s+$/u`, '/^(?:\\w|_)*!$/u', '/^(a+)+$/'])
  const schema = { type: 'object', properties: { a: { anyOf: [{ type: 'string', pattern: '^(x|x)*$' }, { type: 'string', pattern: '^x*$' }] } }, patternProperties: { '^(y*)*$': {} } }
  t.strictSame(unsafe(patternsOfSchema(schema, 'body')).map((line) => line.split(' ')[0]).sort(), ['body', 'body/properties/a/anyOf/0'])
  t.strictSame(patternsOfSchema({ format: 'word' }, 'q', { word: /^\w+$/ }).map(({ source, maxLength }) => [source, maxLength]), [[String.raw`^\w+$`, null]])
})

// What the documents say is tried: every snippet is type-checked here, those of README are run, tables and excerpts are
// compared with the code. The guides and the pages of the plugins have test files of their own.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { readConfiguration } from '../config.ts'
import { refusals } from '../errors.ts'
import * as gatehouse from '../index.ts'
import { codeIn, documents, fencesOf, loadSnippet, readDocument, root, snippetsOf, statusOf, tableOf, tokenFor, writeSnippets } from './fixtures/documents.ts'
import { guideContexts, readmeContexts } from './fixtures/snippet-contexts.ts'
import type { FastifyInstance } from 'fastify'

const folder = join(root, '.tap', 'snippets')

/** Each named option as a key of its plugin's options, for the compiler to judge. */
function optionChecks (): string {
  const lines = tableOf('README.md', 'plugins').flatMap(([plugin, , , options]) => {
    const [name = ''] = codeIn(plugin)
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Options`
    return codeIn(options).length === 0 ? [] : [`export const ${name}: (keyof gatehouse.${type})[] = ${JSON.stringify(codeIn(options))}`]
  })
  return ["import type * as gatehouse from '../../index.ts'", ...lines, ''].join('\n')
}

function compile (): Promise<string[]> {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  // Without what tap adds to every process: the compiler is not what is tested.
  const { NODE_OPTIONS: _ours, ...env } = process.env
  return new Promise((resolve) => {
    execFile(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { cwd: root, env }, (error, output) => {
      const found = output.split('\n').filter((line) => /^(?:\.tap|error)/.test(line))
      resolve(error !== null && typeof error.code !== 'number' ? [error.message] : found)
    })
  })
}

const snippets = documents.flatMap((name) => snippetsOf(name, new Map([...readmeContexts, ...guideContexts])))
writeSnippets(folder, snippets)
writeFileSync(join(folder, 'options.ts'), optionChecks())
writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.test.json', compilerOptions: { rootDir: '../..' }, include: ['*.ts'] }))
const compiled = compile()

async function load<T = object> (name: string): Promise<T & { app: FastifyInstance }> {
  return await loadSnippet<T>(folder, name)
}

t.test('every snippet and every named option passes the type check', async (t) => {
  t.ok(snippets.length >= 30)
  t.strictSame(await compiled, [])
})

t.test('every marked snippet of README is run here', async (t) => {
  t.strictSame(snippetsOf('README.md', readmeContexts).map(({ name }) => name).sort(), [...readmeContexts.keys()].sort())
})

t.test('README: one plugin', async (t) => {
  const { app } = await load('one-plugin')
  t.teardown(() => app.close())
  const refused = await app.inject('/me')
  t.equal(refused.statusCode, 401)
  t.ok(readDocument('README.md').includes(`\`WWW-Authenticate: ${String(refused.headers['www-authenticate'])}\``))
  t.equal(await statusOf(app, '/me', { 'x-api-key': 'wrong' }), 401)
  t.strictSame((await app.inject({ url: '/me', headers: { 'x-api-key': 'k' } })).json(), { owner: 'alice' })
})

t.test('README: one route, and the operation that it makes', async (t) => {
  const { app, secret } = await load<{ secret: Buffer }>('route')
  t.teardown(() => app.close())
  const post = async (payload: object, headers = {}): Promise<{ statusCode: number; body: string }> => app.inject({ method: 'POST', url: '/items', payload, headers })
  const headers = await tokenFor(secret)
  t.equal((await post({ title: 'A lamp' })).statusCode, 401)
  t.equal((await post({ title: 'A lamp' }, await tokenFor(secret, { scope: 'items:read' }))).statusCode, 403)
  t.equal((await post({ title: '' }, headers)).statusCode, 400)
  t.equal((await post({ title: 'A lamp', price: 1 }, headers)).statusCode, 400)
  t.strictSame(JSON.parse((await post({ title: 'A lamp' }, headers)).body), { owner: 'alice', title: 'A lamp' })

  const document = (await app.inject('/openapi.json')).json<{ paths: Record<string, Record<string, Record<string, unknown>>> }>()
  const [excerpt, ...more] = fencesOf(readDocument('README.md'), 'json')
  t.equal(excerpt?.mark, 'openapi: route POST /items')
  t.strictSame(more, [])
  const generated = document.paths['/items']?.['post'] ?? {}
  const { responses, ...members } = JSON.parse(excerpt?.code ?? '{}') as { responses: Record<string, unknown> }
  t.strictSame(pick(generated, members), members)
  t.hasStrict(generated['responses'], responses, 'bounds and examples are left out')
  t.strictSame(Object.keys(generated['responses'] as object).filter((status) => !['200', ...Object.keys(responses)].includes(status)), ['400', '403', '503'], 'the text names what is left out')
  t.equal((await app.inject('/docs')).statusCode, 200)
})

function pick (value: object, like: object): object {
  return Object.fromEntries(Object.entries(value).filter(([name]) => Object.hasOwn(like, name)))
}

t.test('README: composing guards', async (t) => {
  const { app, secret } = await load<{ secret: Buffer }>('composition')
  t.teardown(() => app.close())
  const bearer = await tokenFor(secret)
  const key = { 'x-api-key': 'k' }
  const basic = { authorization: `Basic ${Buffer.from('alice:wonderland').toString('base64')}` }
  for (const [url, headers, status] of [
    ['/items', {}, 401], ['/items', bearer, 200], ['/items', key, 200], ['/items', basic, 401],
    ['/vault', bearer, 200], ['/vault', basic, 401], ['/vault', key, 401], ['/vault', { ...basic, ...key }, 200],
    ['/hello', {}, 200], ['/hello', { authorization: 'Bearer bad' }, 401], ['/health', {}, 200],
    ['/search', {}, 401], ['/search', key, 200], ['/admin/users', {}, 401], ['/admin/users', bearer, 403],
    ['/admin/users', await tokenFor(secret, { roles: ['admin'] }), 200]
  ] as const) t.equal(await statusOf(app, url, headers), status, `${url} ${Object.keys(headers).join(' ')}`)
  t.match((await app.inject({ url: '/search', headers: key })).headers['ratelimit-policy'], /q=100;w=60$/)
})

t.test('README: in a service that exists', async (t) => {
  const { app, secret } = await load<{ secret: Buffer }>('existing')
  t.teardown(() => app.close())
  t.equal(await statusOf(app, '/items'), 401)
  t.strictSame((await app.inject({ url: '/items', headers: await tokenFor(secret) })).json(), ['alice'])
  t.match(app.swagger(), { paths: { '/items': { get: { security: [{ bearer: [] }] } } } })
  t.type(app.jwt.sign, 'function', "the service's own")
})

t.test('README: the tables of plugins and of what stands beside them are the exports', async (t) => {
  const named = (table: string): string[] => tableOf('README.md', table).flatMap(([first]) => codeIn(first))
  const isPlugin = (value: unknown): boolean => typeof value === 'function' && Symbol.for('skip-override') in value
  const exported = Object.entries(gatehouse)
  t.strictSame([...named('plugins'), ...named('beside')].sort(), exported.map(([name]) => name).sort())
  t.strictSame(named('plugins').filter((name) => name !== 'serverOptions').sort(), exported.filter(([, value]) => isPlugin(value)).map(([name]) => name).sort())
})

t.test('README: the table of answers has the codes and statuses of the error table', async (t) => {
  const rows = tableOf('README.md', 'answers')
  t.ok(rows.length >= 8)
  for (const [situation = '', status, code] of rows) {
    const [name = ''] = codeIn(code)
    t.equal(Number(status), Object.entries(refusals).find(([entry]) => entry === name)?.[1].status, situation)
  }
})

t.test('README: the table of the configuration names every variable that is read', async (t) => {
  const read = new Set<string>()
  const environment = new Proxy<Record<string, string>>({ NODE_ENV: 'development' }, {
    get (target, name) {
      read.add(String(name))
      return target[String(name)]
    }
  })
  const { host, port, logLevel, docs } = readConfiguration(environment)
  const rows = tableOf('README.md', 'configuration')
  t.strictSame(rows.flatMap(([names]) => codeIn(names)).sort(), [...read].sort())
  const defaults = new Map(rows.map(([names, value]) => [names, value]))
  t.strictSame([host, String(port), logLevel].map((value) => `\`${value}\``), ['`HOST`', '`PORT`', '`LOG_LEVEL`'].map((name) => defaults.get(name)))
  t.equal(docs, 'public')
})

t.test('README: the commands stand on lines of their own', async (t) => {
  t.strictSame(fencesOf(readDocument('README.md'), 'sh').map(({ code }) => code), ['npm ci && npm start\n', 'npm ci && npm test\n'])
})

t.test('CONTRIBUTING and CI name commands that exist, and CI runs every check', async (t) => {
  const { scripts } = JSON.parse(readDocument('package.json')) as { scripts: object }
  const workflow = readDocument('.github/workflows/ci.yml')
  const named = [...`${readDocument('CONTRIBUTING.md')}${workflow}`.matchAll(/npm (?:run )?(start|test|(?<=run )[\w:]+)/g)].map(([, name = '']) => name)
  t.strictSame([...new Set(named)].filter((name) => !Object.hasOwn(scripts, name)), [])
  for (const command of ['npm ci --ignore-scripts', 'npm run lint', 'npm run types', 'npm run check', 'npm run docs:check', 'npm test']) t.ok(workflow.includes(`- run: ${command}\n`), command)
  const actions = [...workflow.matchAll(/uses: (\S+)/g)].map(([, action = '']) => action)
  t.ok(actions.length > 0 && actions.every((action) => /@[0-9a-f]{40}$/.test(action)), 'actions are pinned to a commit')
  t.match(workflow, /^permissions:\n {2}contents: read\n/m)
})

t.test('links between documents lead somewhere', async (t) => {
  for (const document of documents) {
    for (const [, target = ''] of readDocument(document).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
      t.ok(existsSync(join(root, dirname(document), target)), `${document}: ${target}`)
    }
  }
})

t.test('the changelog has the version, the decisions have every dependency', async (t) => {
  const { version, dependencies, peerDependencies, devDependencies } = JSON.parse(readDocument('package.json')) as Record<'dependencies' | 'peerDependencies' | 'devDependencies', object> & { version: string }
  t.ok(readDocument('CHANGELOG.md').includes(`\n## [${version}]`))
  const entries = [...readDocument('docs/decisions.md').matchAll(/^- \*\*([^*]+)\*\*: /gm)].map(([, name = '']) => name)
  t.strictSame(entries.sort(), [...new Set(Object.keys({ ...dependencies, ...peerDependencies, ...devDependencies }))].sort())
})

t.test('examples/one-plugin.ts', async (t) => {
  const { buildApp, digestOf } = await import('../examples/one-plugin.ts')
  const app = await buildApp(new Map([[digestOf('k'), 'alice']]))
  t.teardown(() => app.close())
  t.equal(await statusOf(app, '/me'), 401)
  t.equal(await statusOf(app, '/me', { 'x-api-key': 'wrong' }), 401)
  t.strictSame((await app.inject({ url: '/me', headers: { 'x-api-key': 'k' } })).json(), { owner: 'alice' })
})

t.test('examples/items.ts', async (t) => {
  const { digestOf } = await import('../examples/one-plugin.ts')
  const { buildApp } = await import('../examples/items.ts')
  const secret = randomBytes(32)
  const app = await buildApp({
    token: { secret, issuer: 'https://id.example', audience: 'https://items.example' },
    keys: new Map([[digestOf('k'), { subject: 'bob', scopes: ['items:read'] }], [digestOf('poor'), { subject: 'eve' }]])
  })
  t.teardown(() => app.close())
  t.equal(await statusOf(app, '/items'), 401)
  t.equal(await statusOf(app, '/items', { 'x-api-key': 'poor' }), 403)
  t.strictSame((await app.inject({ url: '/items', headers: { 'x-api-key': 'k' } })).json(), [{ title: 'A chair', readWith: 'apiKey' }])
  t.strictSame((await app.inject({ url: '/items', headers: await tokenFor(secret) })).json(), [{ title: 'A lamp', readWith: 'bearer' }])
  t.match((await app.inject('/openapi.json')).json(), { paths: { '/items': { get: { security: [{ bearer: ['items:read'] }, { apiKey: [] }] } } } })
})

t.test('examples/custom-scheme.ts', async (t) => {
  const { buildApp, sign } = await import('../examples/custom-scheme.ts')
  const secret = Buffer.alloc(32, 'report')
  const app = await buildApp(new Map([['reporter', secret]]))
  t.teardown(() => app.close())
  const now = Math.floor(Date.now() / 1000)
  const signed = (url: string, { time = now, client = 'reporter' } = {}): Record<string, string> =>
    ({ authorization: `Signed ${client}:${String(time)}:${sign(secret, { method: 'GET', url, time }).toString('hex')}` })
  t.strictSame((await app.inject({ url: '/report?day=1', headers: signed('/report?day=1') })).json(), { client: 'reporter' })
  for (const [why, headers] of Object.entries({
    nothing: {},
    'another URL': signed('/report?day=2'),
    'too old': signed('/report?day=1', { time: now - 120 }),
    'an unknown client': signed('/report?day=1', { client: 'somebody' }),
    'no signature': { authorization: 'Signed' }
  })) {
    const refused = await app.inject({ url: '/report?day=1', headers })
    t.match(refused, { statusCode: 401, headers: { 'www-authenticate': 'Signed realm="api"' } }, why)
  }
})

t.test('every example is tried, here, with the guides or with the examples', async (t) => {
  const tried = ['docs.test.ts', 'docs-guides.test.ts', 'examples.test.ts'].map((name) => readFileSync(join(root, 'test', name), 'utf8')).join()
  for (const name of readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.ts'))) {
    t.ok(tried.includes(`examples/${name}`), name)
  }
})

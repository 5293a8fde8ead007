// What whoever installs the package meets: it is packed, installed into an empty project with only Fastify beside it,
// and there every plugin is tried alone, its types are compiled, and the judges of packages have their say.
// One line a check; a failure says why and makes the exit code 1.
import { execFile } from 'node:child_process'
import { cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual, promisify } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-package-'))
const largestMegabytes = 60
const compilers = ['5.9', '6.0', '7.0']
const largestOutput = 64 * 1024 * 1024
const readJson = (/** @type {string} */ path) => JSON.parse(readFileSync(join(root, path), 'utf8'))
const { name, exports, dependencies, peerDependencies, devDependencies } = readJson('package.json')
const { core, plugins, others } = readJson('test/fixtures/plugin-packages.json')
const ours = Object.keys({ ...dependencies, ...peerDependencies })
const subpaths = Object.keys(exports).map((path) => path.slice(1))
const sqlite = '@photostructure/sqlite'

// What `npm run` tells its child would be taken for this package's settings by the npm that works elsewhere.
const environment = Object.fromEntries(Object.entries(process.env).filter(([variable]) => !/^npm_|^NODE_OPTIONS$/i.test(variable)))

/** Runs a program; what it printed, or an error that says so. */
async function run (/** @type {string} */ cwd, /** @type {string} */ file, /** @type {string[]} */ ...args) {
  try {
    const { stdout } = await promisify(execFile)(file, args, { cwd, env: environment, maxBuffer: largestOutput })
    return stdout
  } catch (error) {
    throw new Error([error.message, error.stdout, error.stderr].join('\n').trim(), { cause: error })
  }
}

const install = (/** @type {string} */ cwd, /** @type {string[]} */ ...packages) =>
  run(cwd, 'npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages)

function project (/** @type {string} */ title) {
  const path = join(folder, title)
  mkdirSync(path)
  writeFileSync(join(path, 'package.json'), JSON.stringify({ name: basename(title), private: true, type: 'module' }))
  return path
}

/** One check, one line: whether it holds. */
async function check (/** @type {string} */ title, /** @type {() => Promise<string>} */ body) {
  try {
    console.log(`ok      ${title}: ${await body()}`)
    return true
  } catch (error) {
    console.log(`FAILED  ${title}: ${error.message}`)
    process.exitCode = 1
    return false
  }
}

const consumer = project('consumer')
const typed = project('typed')
const alone = project(join('typed', 'alone'))
const compiling = project('compilers')
let tarball = ''

async function pack () {
  await run(root, 'npm', 'run', 'build')
  const [{ filename, entryCount, size }] = JSON.parse(await run(root, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', folder))
  tarball = join(folder, filename)
  return `${entryCount} files, ${Math.ceil(size / 1024)} kB`
}

async function installAlone () {
  await install(consumer, tarball, `fastify@${devDependencies.fastify}`)
  const files = readdirSync(join(consumer, 'node_modules'), { recursive: true, encoding: 'utf8' })
  const megabytes = files.reduce((sum, file) => sum + lstatSync(join(consumer, 'node_modules', file)).size, 0) / 1e6
  if (megabytes > largestMegabytes) throw new Error(`${megabytes.toFixed(1)} MB installed; at most ${largestMegabytes}`)
  cpSync(join(root, 'test', 'fixtures', 'plugin-alone.mjs'), join(consumer, 'plugin-alone.mjs'))
  return `${megabytes.toFixed(1)} MB with Fastify, no script was run`
}

/** Registers the plugin in a process of its own; whether it works, and loads exactly what it is built on. */
async function tryAlone (/** @type {string} */ path, /** @type {{ imported: string[], registered?: string[] }} */ { imported, registered = [] }) {
  const found = JSON.parse(await run(consumer, process.execPath, 'plugin-alone.mjs', name, path))
  const isThere = (/** @type {string} */ entry) => entry in dependencies || existsSync(join(consumer, 'node_modules', entry))
  for (const [loaded, wanted, moment] of [[found.imported, imported, 'imported'], [found.registered, registered, 'registered']]) {
    const own = loaded.filter((/** @type {string} */ entry) => ours.includes(entry))
    if (!isDeepStrictEqual(own, wanted.filter(isThere))) throw new Error(`${path || 'the root'}, ${moment}, loads ${own.join(', ') || 'nothing'}`)
  }
}

async function tryPlugins () {
  await tryAlone('', { imported: core })
  await eachOf(Object.entries({ ...plugins, ...others }), ([path, packages]) => tryAlone(path, packages))
  await run(consumer, 'env', 'NODE_ENV=test', process.execPath, '--input-type=module', '--eval', subpaths.map((path) => `await import('${name}${path}')`).join('\n'))
  // The demo needs both.
  await install(consumer, ...[sqlite, 'prom-client'].map((peer) => `${peer}@${peerDependencies[peer]}`))
  for (const path of ['stores', 'metrics']) await tryAlone(path, plugins[path])
  return `${Object.keys(plugins).length} plugins, each from ${name}/<name> in a process of its own; ${subpaths.length} paths import`
}

/** The demo as it is packed, with the templates and files of its pages. */
const servePages = `
import { buildApp } from './node_modules/${name}/dist/app.js'
import { readConfiguration } from './node_modules/${name}/dist/config.js'
const app = await buildApp(readConfiguration({ NODE_ENV: 'test' }))
for (const url of ['/', '/assets/gatehouse.css', '/assets/gatehouse.js', '/assets/logo.svg']) {
  const { statusCode } = await app.inject(url)
  if (statusCode !== 200) throw new Error(url + ': ' + statusCode)
}
await app.close()
`

async function tryPages () {
  await run(consumer, process.execPath, '--input-type=module', '--eval', servePages)
  return 'the demo serves its pages and their files'
}

/** The command as npm links it: what it tells of the demo is what the repository recorded. */
async function tryCommand () {
  const command = join(consumer, 'node_modules', '.bin', 'gatehouse')
  const help = await run(consumer, command, '--help')
  const demo = { NODE_ENV: 'production', PUBLIC_URL: 'https://demo.example', DOCS: 'admin' }
  const told = await run(consumer, 'env', ...Object.entries(demo).map(([variable, value]) => `${variable}=${value}`), command, 'posture', '--check', '--file', join(root, 'posture.json'))
  return `${help.split('\n', 1)[0]}; ${told.trim()}`
}

/** Two at a time, which is what the smallest machine of a CI has. */
async function eachOf (/** @type {any[]} */ entries, /** @type {(entry: any) => Promise<unknown>} */ body) {
  const waiting = [...entries]
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await body(next)
  }
  await Promise.all([work(), work()])
}

/** A project that names every export and every path, and holds the examples as a user would write them. */
async function prepareTypes () {
  cpSync(consumer, typed, { recursive: true })
  // Fastify's own types need those of Node; an example makes its tokens with jose, one reads hashes with bcryptjs.
  await install(typed, ...['@types/node', 'jose', 'bcryptjs'].map((entry) => `${entry}@${devDependencies[entry]}`))
  const index = readFileSync(join(typed, 'node_modules', name, 'dist', 'index.d.ts'), 'utf8')
  writeFileSync(join(typed, 'names.ts'), index.replaceAll(/ from '[^']+'/g, ` from '${name}'`))
  writeFileSync(join(typed, 'paths.ts'), subpaths.map((path, at) => `export * as path${at} from '${name}${path}'`).join('\n'))
  writeFileSync(join(typed, 'attributes.ts'), attributes)
  for (const file of readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))) {
    const target = join(typed, 'examples', file)
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, readFileSync(join(root, 'examples', file), 'utf8')
      .replaceAll(/ from '(?:\.\.\/)+index\.ts'/g, ` from '${name}'`)
      .replaceAll(/ from '(?:\.\.\/)+routes\/([\w-]+)\.ts'/g, ` from '${name}/routes/$1'`))
  }
  writeFileSync(join(typed, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts', 'examples'] }))
  // And a project that knows one plugin only: what its types need comes with it.
  writeFileSync(join(alone, 'service.ts'), onePlugin)
  writeFileSync(join(alone, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  await install(compiling, ...compilers.map((version) => `typescript-${version}@npm:typescript@${version}`))
  return `every name, ${subpaths.length} paths, the examples, one plugin alone`
}

const compilerOptions = { module: 'nodenext', target: 'es2023', strict: true, skipLibCheck: false, noEmit: true, types: ['node'] }

const onePlugin = `
import Fastify from 'fastify'
import { apiKeyAuth } from '${name}/api-key-auth'

const app = Fastify()
await app.register(apiKeyAuth, { verify: ({ key }) => ({ subject: key }), guards: { adoptSchemaSecurity: true } })
app.get('/', { onRequest: app.optional(app.apiKey) }, (request): string | null => app.apiKey.principal(request).keyId)
app.get('/adopted', { schema: { security: [{ apiKey: [] }] } }, (request): string => request.principal.subject)
// @ts-expect-error scopes are another plugin's
app.requireScopes('a')
`

// What the README says of `attributes`: one declaration of the service's own, and a principal has it.
const attributes = `
import Fastify from 'fastify'
import { apiKeyAuth } from '${name}/api-key-auth'
import type { Principal } from '${name}'

declare module '${name}' {
  interface PrincipalAttributes { tenant?: string }
}

const app = Fastify()
await app.register(apiKeyAuth, { verify: ({ key }) => ({ subject: key, attributes: { tenant: 'a' } }) })
app.get('/', { onRequest: app.apiKey }, (request): string | undefined => app.apiKey.principal(request).attributes.tenant)
export const usernameOf = ({ attributes }: Principal): string | undefined => attributes.username
// @ts-expect-error it is a string
export const wrong: Principal['attributes'] = { tenant: 1 }
`

async function compile (/** @type {string} */ version) {
  const directory = join(compiling, 'node_modules', `typescript-${version}`)
  for (const path of ['.', 'alone']) await run(typed, process.execPath, join(directory, 'bin', 'tsc'), '-p', path)
  return `${JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')).version}, nodenext, strict, with skipLibCheck off`
}

async function judgeTypes () {
  await run(root, 'npx', '--no-install', 'attw', tarball, '--profile', 'esm-only')
  return 'resolved by every path as ESM'
}

async function judgePackage () {
  const output = await run(root, 'npx', '--no-install', 'publint', 'run', tarball, '--strict')
  if (!output.includes('All good!')) throw new Error(output)
  return 'nothing to say'
}

if (await check('npm pack', pack) && await check('npm install', installAlone)) {
  const prepared = check('what the types are tried with', prepareTypes)
  await Promise.all([
    check('each plugin alone', tryPlugins).then((held) => held && check('the pages', tryPages)).then((held) => held && check('the command', tryCommand)),
    (async () => {
      if (await prepared) await eachOf(compilers, (version) => check(`typescript ${version}`, () => compile(version)))
    })()
  ])
  await Promise.all([check('attw', judgeTypes), check('publint', judgePackage)])
}
rmSync(folder, { recursive: true })

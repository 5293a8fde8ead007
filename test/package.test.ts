// What is published, and what loading it costs: built here without types, in a directory of its own.
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import ts from 'typescript'
import * as gatehouse from '../index.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const folder = t.testdir()
const dist = join(folder, 'dist')

interface Manifest {
  files: string[]
  exports: Record<string, { types: string; default: string }>
  dependencies: Record<string, string>
  peerDependencies: Record<string, string>
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest

/** The paths of one segment; `testing` is for those who write stores, and stands apart. */
const pathsOfPlugins = Object.keys(manifest.exports).filter((name) => /^\.\/[^/]+$/.test(name) && name !== './testing').map((name) => name.slice(2))

/** A copy of the repository with what `npm run build` would make of it. */
function build (): void {
  const left = ['node_modules', '.git', '.tap', '.data', 'dist', 'coverage']
  for (const name of readdirSync(root).filter((entry) => !left.includes(entry))) cpSync(join(root, name), join(folder, name), { recursive: true })
  const { options, fileNames } = ts.parseJsonConfigFileContent(ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config, ts.sys, root)
  for (const fileName of fileNames) {
    const target = join(dist, relative(root, fileName).replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, ts.transpileModule(readFileSync(fileName, 'utf8'), { compilerOptions: { ...options, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, sourceMap: false }, fileName }).outputText)
  }
  cpSync(join(root, 'pages'), join(dist, 'pages'), { recursive: true })
}

interface Loaded {
  exports: string[]
  tried: boolean
  imported: string[]
  registered: string[]
}

async function loadAlone (name: string): Promise<Loaded> {
  // Without what tap adds to every process: it would be among what is loaded, and takes as long as the rest.
  const { stdout } = await run('env', ['-u', 'NODE_OPTIONS', 'NODE_ENV=test', process.execPath, join(root, 'test', 'fixtures', 'plugin-alone.mjs'), dist, name])
  return JSON.parse(stdout) as Loaded
}

build()
const ours = new Set(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }))

t.test('npm pack takes the build and the documents, and nothing else', async (t) => {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_')))
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: folder, env: environment })
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }]
  const paths = files.map(({ path }) => path)
  t.strictSame(paths.filter((path) => !/^(?:dist\/.+\.js|dist\/pages\/.+|docs\/.+|README\.md|LICENSE|package\.json)$/.test(path)), [])
  t.strictSame(paths.filter((path) => /^dist\/(?:test|examples|bench|scripts)\//.test(path)), [])
  for (const name of ['README.md', 'LICENSE', 'docs/decisions.md', 'dist/index.js', 'dist/pages/layout.eta', 'dist/pages/assets/gatehouse.css']) t.ok(paths.includes(name), name)
  for (const [name, { types, default: path }] of Object.entries(manifest.exports)) {
    t.ok(paths.includes(path.slice(2)), `${name} leads to a file`)
    t.equal(types, path.replace(/\.js$/, '.d.ts'))
  }
})

t.test('every plugin has a path of its own, and its name is in the index', async (t) => {
  const camel = (name: string): string => name.replace(/-(\w)/g, (_dash, letter: string) => letter.toUpperCase())
  const alone = pathsOfPlugins.map(camel)
  const beside = ['EVENT_CHANNEL', 'cspNonce', 'fault', 'faults', 'formatChallenge', 'hashOfRecord', 'isRefusal', 'problemOf', 'readCheckpoint', 'refusal', 'refusals', 'securityEvents', 'verifyChain']
  t.strictSame([...alone, ...beside].sort(), Object.keys(gatehouse).sort())
})

/** What each plugin loads of our dependencies: when it is imported, and when it is registered. */
const { core, plugins, others } = JSON.parse(readFileSync(join(root, 'test', 'fixtures', 'plugin-packages.json'), 'utf8')) as {
  core: string[]
  plugins: Record<string, { imported: string[]; registered: string[] }>
  others: Record<string, { imported: string[] }>
}

t.test('the index loads nothing heavy', async (t) => {
  const { imported } = await loadAlone('index.js')
  t.strictSame(imported.filter((name) => ours.has(name)), core, 'neither argon2, Kysely nor swagger')
})

t.test('a plugin alone loads what it is built on, when it is registered, and works', async (t) => {
  t.strictSame(Object.keys(plugins).sort(), pathsOfPlugins.filter((name) => !Object.hasOwn(others, name)).sort())
  t.jobs = 2
  for (const [name, expected] of Object.entries(plugins)) {
    t.test(name, { buffered: true }, async (t) => {
      const { tried, imported, registered } = await loadAlone(`plugins${sep}${name}.js`)
      t.ok(tried)
      t.strictSame(imported.filter((found) => ours.has(found)), expected.imported, 'imported')
      t.strictSame(registered.filter((found) => ours.has(found)), expected.registered, 'registered')
    })
  }
})

t.test('what is no plugin loads nothing heavy either', async (t) => {
  t.strictSame((await loadAlone(`testing${sep}index.js`)).imported.filter((found) => ours.has(found)), [], 'testing')
  for (const [name, expected] of Object.entries(others)) {
    const { imported } = await loadAlone(`plugins${sep}${name}.js`)
    t.strictSame(imported.filter((found) => ours.has(found)), expected.imported, name)
  }
})

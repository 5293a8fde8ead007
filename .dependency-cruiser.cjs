// Imports point one way, and never in a circle: the layers as rules, run by `npm run lint`.

const folder = (...names) => `^(${names.join('|')})/`
const file = (...names) => `^(${names.join('|')})\\.ts$`
const either = (...patterns) => patterns.join('|')

const shipped = either('^[^/]+\\.ts$', folder('guards', 'plugins', 'credentials', 'stores', 'routes', 'schemas', 'cli', 'testing'))
const beside = folder('test', 'examples', 'bench', 'scripts')
const ours = either(shipped, beside)
const inside = folder('plugins', 'guards', 'credentials', 'stores')
const errors = file('errors')
const base = file('errors', 'strict-json', 'strict-form')

/** `from` may import, of our own files, those that match `to` and nothing else. */
const only = (name, from, to, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: to === null ? { path: ours } : { path: ours, pathNot: to }
})

module.exports = {
  forbidden: [
    only('base-imports-nothing', base, null, 'the error table and the parsers stand below everything'),
    only('schemas-only-schemas', folder('schemas'), folder('schemas'), 'a schema is data'),
    only('guards-below-plugins', folder('guards'), either(folder('guards'), base)),
    only('credentials-below-stores', folder('credentials'), either(folder('credentials'), base)),
    only('stores-below-plugins', folder('stores'), either(folder('stores', 'credentials'), errors)),
    only('testing-below-plugins', folder('testing'), either(folder('testing', 'guards', 'stores', 'credentials'), errors), 'what is tested is handed in'),
    {
      name: 'planted-by-the-kit',
      comment: 'the one door past credentials: the core asks it, the test kit fills it',
      severity: 'error',
      from: { path: shipped, pathNot: '^(testing/as|guards/run|plugins/csrf)\\.ts$' },
      to: { path: '^guards/planted\\.ts$' }
    },
    only('plugins-below-routes', folder('plugins'), either(folder('schemas'), inside, base)),
    only('routes-below-app', folder('routes'), either(folder('routes', 'schemas'), inside, base)),
    only('config-below-app', file('config'), either(folder('schemas'), base, '^(?:plugins/redis|guards/scheme)-options\\.ts$'), 'what the URL of a store may hold is said once'),
    only('tls-below-server', file('tls'), file('config')),
    only('explain-below-server', file('explain'), file('config')),
    only('server-is-the-process', file('server'), file('app', 'config', 'administrator', 'explain', 'tls')),
    {
      name: 'stores-by-type',
      comment: 'a plugin is handed its stores; it knows their ports only',
      severity: 'error',
      from: { path: folder('plugins'), pathNot: '^plugins/stores\\.ts$' },
      to: { path: folder('stores'), dependencyTypesNot: ['type-only'] }
    },
    {
      name: 'stores-when-registered',
      comment: 'the one plugin that opens stores imports them when it is registered, drivers and all',
      severity: 'error',
      from: { path: '^plugins/stores\\.ts$' },
      to: { path: folder('stores'), dynamic: false, dependencyTypesNot: ['type-only'] }
    },
    {
      name: 'routes-never-inside',
      comment: 'a route reaches a plugin through its decorators; it may import their types',
      severity: 'error',
      from: { path: folder('routes') },
      to: { path: inside, dependencyTypesNot: ['type-only'] }
    },
    {
      name: 'index-is-for-users',
      comment: 'the exports of the package; inside, import the file itself',
      severity: 'error',
      from: { path: shipped },
      to: { path: file('index') }
    },
    {
      name: 'server-is-started',
      comment: 'importing the process would start it',
      severity: 'error',
      from: {},
      to: { path: file('server') }
    },
    {
      name: 'no-tests-shipped',
      severity: 'error',
      from: { path: shipped },
      to: { path: beside }
    },
    {
      name: 'no-cycle',
      comment: 'of types neither: a cycle of types is two files that are one',
      severity: 'error',
      from: {},
      to: { circular: true }
    },
    {
      name: 'no-orphan',
      comment: 'a file that nothing imports and that imports nothing is left over',
      severity: 'error',
      from: { orphan: true, path: shipped },
      to: {}
    },
    {
      name: 'no-dev-dependency-shipped',
      comment: 'types too: the published .d.ts files name them',
      severity: 'error',
      from: { path: shipped },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm', 'npm-peer', 'npm-optional'] }
    },
    {
      name: 'no-unlisted-package',
      comment: 'a package that only came with another one goes when that one drops it',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['npm-peer'] }
    }
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|docs|\\.tap|\\.mutation)/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.cjs', '.mjs', '.json', '.d.ts']
    }
  }
}

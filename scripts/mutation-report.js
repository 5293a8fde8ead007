// docs/mutation.md and the section of docs/bench.md, from what StrykerJS found.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * @typedef {{ line: number, column: number }} Position
 * @typedef {{ mutatorName: string, replacement: string, status: string, location: { start: Position, end: Position } }} Mutant
 * @typedef {{ source: string, mutants: Mutant[] }} MutatedFile
 * @typedef {{ file: string, line: string, replacement?: string, why: string }} Explanation
 * @typedef {{ file: string, line: string, change: string, replacement: string, why: string | undefined }} Survivor
 */

const root = fileURLToPath(new URL('..', import.meta.url))
const target = 85
const areas = /** @type {const} */ ([['guards/', 'guards/'], ['credentials/', 'credentials/'], ['the schemes', 'plugins/']])
const counted = ['Killed', 'Timeout', 'Survived', 'NoCoverage']

/** A row of the score, over the mutants that could be run. */
function score (/** @type {string} */ what, /** @type {Mutant[]} */ mutants) {
  const of = (/** @type {string} */ status) => mutants.filter((mutant) => mutant.status === status).length
  const [killed, timedOut, survived, uncovered] = counted.map(of)
  const all = killed + timedOut + survived + uncovered
  return { what, all, killed, timedOut, survived, uncovered, share: all === 0 ? 0 : 100 * (killed + timedOut) / all }
}

/** The text that a mutant replaces. */
function original (/** @type {string[]} */ lines, /** @type {Mutant['location']} */ { start, end }) {
  if (start.line === end.line) return lines[start.line - 1].slice(start.column - 1, end.column - 1)
  return [lines[start.line - 1].slice(start.column - 1), ...lines.slice(start.line, end.line - 1), lines[end.line - 1].slice(0, end.column - 1)].join('\n')
}

const short = (/** @type {string} */ text) => {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 90 ? `${line.slice(0, 60)} … ${line.slice(-25)}` : line
}
const code = (/** @type {string} */ text) => `\`\` ${short(text).replaceAll('|', '\\|')} \`\``

/** @returns {Survivor[]} */
function survivorsOf (/** @type {Record<string, MutatedFile>} */ files, /** @type {Explanation[]} */ explanations) {
  return Object.entries(files).sort(([a], [b]) => a < b ? -1 : 1).flatMap(([path, { source, mutants }]) => {
    const lines = source.split('\n')
    const file = path.replace(/\.js$/, '.ts')
    return mutants.filter(({ status }) => status === 'Survived' || status === 'NoCoverage').map(({ location, replacement }) => {
      const line = lines[location.start.line - 1].trim()
      const change = `${code(original(lines, location))} → ${code(replacement)}`
      const explanation = explanations.find((one) => one.file === file && one.line === line && (one.replacement === undefined || one.replacement === replacement))
      return { file, line, change, replacement, why: explanation?.why }
    })
  })
}

function table (/** @type {string[]} */ head, /** @type {string[][]} */ lines) {
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** The table of scores, and whether the tests reach the target in every area. */
function scores (/** @type {Record<string, MutatedFile>} */ files) {
  const under = (/** @type {string} */ prefix) => Object.entries(files).filter(([path]) => path.startsWith(prefix)).flatMap(([, { mutants }]) => mutants)
  const rows = [...areas.map(([what, prefix]) => score(what, under(prefix))), score('all', under(''))].filter(({ all }) => all > 0)
  const lines = rows.map(({ what, all, killed, timedOut, survived, uncovered, share }) =>
    [what, ...[all, killed, timedOut, survived, uncovered].map((count) => count.toLocaleString('en-US')), `${share.toFixed(1)} %`, `≥ ${target} % ${share >= target ? '✓' : '✗'}`])
  return { text: table(['where', 'mutants', 'killed', 'timed out', 'survived', 'not run', 'score', 'target'], lines), reached: rows.every(({ share }) => share >= target) }
}

/** docs/mutation.md. */
export function mutationPage (/** @type {Record<string, MutatedFile>} */ files, /** @type {Explanation[]} */ explanations, /** @type {string} */ made) {
  const survivors = survivorsOf(files, explanations)
  const rows = (/** @type {Survivor[]} */ list) => table(['file', 'change', 'why it stays'], list.map(({ file, change, why }) => [file, change, why ?? '**not explained**']))
  const guards = survivors.filter(({ file }) => file.startsWith('guards/'))
  const others = survivors.filter(({ file }) => !file.startsWith('guards/'))
  const { text, reached } = scores(files)
  const explained = guards.every(({ why }) => why !== undefined)
  const page = `# Mutation testing

Written by \`npm run mutation\`; not edited by hand. Why a survivor stays is told in \`scripts/mutation-survivors.json\`.

${made}

The code is changed in one place at a time, and the tests that run that place are run: a change that no test notices survives. Mutated is the compiled JavaScript of \`guards/\`, \`credentials/\` and the schemes (API keys, Basic, bearer tokens, sessions, CSRF, scopes), with no kind of change left out. A time-out is a change that made a test run without end.

${text}

## Survivors in guards/

${guards.length === 0 ? 'None.' : rows(guards)}

## Survivors elsewhere

${others.length === 0 ? 'None.' : table(['file', 'change'], others.map(({ file, change }) => [file, change]))}
`
  return { page, scores: text, passed: reached && explained, unexplained: guards.filter(({ why }) => why === undefined) }
}

const heading = '\n## Mutation testing\n'

/** The page of the bench with another section of mutation testing: its last, which `npm run bench` keeps. */
export function withMutationSection (/** @type {string} */ bench, /** @type {string} */ text) {
  const start = bench.indexOf(heading)
  return `${start === -1 ? bench : bench.slice(0, start)}${heading}\n${text}\n`
}

/** Writes both; says what is missing, and whether nothing is. */
export function writeMutationReport () {
  const read = (/** @type {string} */ path) => readFileSync(join(root, path), 'utf8')
  const git = (/** @type {string[]} */ ...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()
  const { files } = JSON.parse(read('.mutation/reports/mutation.json'))
  const { version } = JSON.parse(read('node_modules/@stryker-mutator/core/package.json'))
  const made = `- ${new Date().toISOString().slice(0, 10)}, commit ${git('rev-parse', '--short', 'HEAD')}\n- StrykerJS ${version}, Node ${process.version}`
  const { page, scores, passed, unexplained } = mutationPage(files, JSON.parse(read('scripts/mutation-survivors.json')), made)
  writeFileSync(join(root, 'docs/mutation.md'), page)
  writeFileSync(join(root, 'docs/bench.md'), withMutationSection(read('docs/bench.md'), `Written by \`npm run mutation\`: how many changes of the code the tests notice, with every survivor in [mutation.md](mutation.md).\n\n${scores}`))
  console.log(scores)
  for (const { file, change } of unexplained) console.log(`${file}: ${change} survives, unexplained`)
  return passed
}

// What no other tool checks: every requirement in scope has a test or a reasoned exception, the lockfile can be trusted,
// and nothing in the repository points into one developer's machine.
import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

/** @typedef {{ ids: string[], text: string, inScope: boolean }} Line a requirement, or an advisory with all its names */
/** @typedef {{ text: string, where: string }} Title */
/** @typedef {{ id: string, reason: string, where: string }} Exception */

const leadingId = /^(R\d+|CVE-[\d-]+|GHSA-[\da-z-]+|ADV [^\s:]+)\b:?[\s,]*/
const shortestReason = 40

/** @returns {Line[]} */
function readLines () {
  const { requirements, advisories } = JSON.parse(readFileSync('docs/requirements.json', 'utf8'))
  return [
    ...requirements.map(({ id, text, inScope = false }) => ({ ids: [id], text, inScope })),
    ...advisories.map(({ ids, package: name, text, inScope = false }) => ({ ids, text: `${name}: ${text}`, inScope }))
  ]
}

/** Test titles, and the members of tables that become titles: strings that begin with an id and are no assertion's message. */
function readTitles () {
  /** @type {Title[]} */
  const titles = []
  // `testing/` holds checks that the package exports; our tests run them too.
  const folders = ['test', 'testing'].filter((folder) => existsSync(folder))
  const files = folders.flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
  for (const path of files.filter((file) => file.endsWith('.ts')).sort()) {
    const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true)
    const visit = (/** @type {ts.Node} */ node) => {
      const text = ts.isStringLiteralLike(node) ? node.text : ts.isTemplateHead(node) ? node.text : null
      if (text !== null && leadingId.test(text) && isTitle(ts.isTemplateHead(node) ? node.parent : node)) {
        const { line } = source.getLineAndCharacterOfPosition(node.getStart())
        titles.push({ text, where: `${path}:${line + 1}` })
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  return titles
}

/** @param {ts.Node} node */
function isTitle (node) {
  const call = node.parent
  if (!ts.isCallExpression(call) || !ts.isPropertyAccessExpression(call.expression)) return true
  return call.expression.name.text === 'test' && !call.arguments.some(isSwitchedOff)
}

/** `{ skip: true }` or `{ todo: 'later' }`; a condition, such as a database that is not there, is another matter. */
function isSwitchedOff (/** @type {ts.Expression} */ argument) {
  return ts.isObjectLiteralExpression(argument) && argument.properties.some((member) =>
    ts.isPropertyAssignment(member) && ['skip', 'todo'].includes(member.name.getText()) &&
    (member.initializer.kind === ts.SyntaxKind.TrueKeyword || ts.isStringLiteralLike(member.initializer)))
}

/** @returns {{ exceptions: Exception[], problems: string[] }} */
function readExceptions () {
  const path = 'docs/exceptions.md'
  /** @type {Exception[]} */
  const exceptions = []
  const problems = []
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
  for (const [index, line] of lines.entries()) {
    const entry = /^- \*\*([^*]+)\*\*: *(.*)$/.exec(line)
    const where = `${path}:${index + 1}`
    if (entry) exceptions.push({ id: entry[1], reason: entry[2], where })
    else if (/^ {2,}\S/.test(line) && exceptions.length > 0) exceptions[exceptions.length - 1].reason += ` ${line.trim()}`
    else if (/^\s*[-*] .*\b(R\d{3}|CVE-|GHSA-|ADV )/.test(line)) problems.push(`${where}: write "- **R000**: reason"`)
  }
  return { exceptions, problems }
}

/** @returns {string[]} the ids that begin a title: `R160 R161 no CORS headers` */
function idsOf (/** @type {string} */ text) {
  const id = leadingId.exec(text)
  return id === null ? [] : [id[1], ...idsOf(text.slice(id[0].length))]
}

/** A long GHSA id is known by its beginning where the list has only that. */
function names (/** @type {Line} */ line, /** @type {string} */ id) {
  return line.ids.some((own) => id === own || (own.startsWith('GHSA-') && id.startsWith(`${own}-`)))
}

function requirementProblems () {
  const lines = readLines()
  const titles = readTitles()
  const { exceptions, problems } = readExceptions()
  const tested = new Set(titles.flatMap(({ text }) => idsOf(text)))
  const isTested = (/** @type {Line} */ line) => [...tested].some((id) => names(line, id))

  for (const { text, where } of titles) {
    for (const id of text.match(/\bR\d{2,}\b/g) ?? []) {
      if (!lines.some((line) => names(line, id))) problems.push(`${where}: the title names ${id}, which does not exist`)
    }
  }
  for (const { id, reason, where } of exceptions) {
    const line = lines.find((candidate) => names(candidate, id))
    if (line === undefined) problems.push(`${where}: ${id} does not exist`)
    else if (isTested(line)) problems.push(`${where}: ${id} has a test now; the exception is stale`)
    if (reason.length < shortestReason) problems.push(`${where}: ${id} needs a reason of at least ${shortestReason} characters`)
  }
  const inScope = lines.filter((line) => line.inScope)
  const missing = inScope.filter((line) => !isTested(line) && !exceptions.some(({ id }) => names(line, id)))
  for (const { ids, text } of missing) problems.push(`${ids.join(' / ')} has neither a test nor an exception: ${text}`)
  console.log(`${inScope.length} lines in scope, ${inScope.filter(isTested).length} with a test, ${missing.length} with nothing`)
  return problems
}

function lockfileProblems () {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
  return Object.entries(packages).flatMap(([path, { integrity, resolved, link, inBundle }]) => [
    ...(path !== '' && !link && !inBundle && !integrity ? [`package-lock.json: ${path} has no integrity hash`] : []),
    ...(resolved !== undefined && !link ? [`package-lock.json: ${path} has a download address`] : [])
  ])
}

function machinePathProblems () {
  const machinePath = /(?<![\w.~-])\/(?:work|root|home\/[\w-]+|Users\/[\w-]+)\//
  const files = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0')
  return files.filter((file) => lstatSync(file, { throwIfNoEntry: false })?.isFile()).flatMap((file) =>
    readFileSync(file, 'utf8').split('\n').flatMap((line, index) =>
      machinePath.test(line) ? [`${file}:${index + 1}: a path of one machine`] : []))
}

const problems = [...requirementProblems(), ...lockfileProblems(), ...machinePathProblems()]
for (const problem of problems) console.log(problem)
console.log(problems.length === 0 ? 'check: ok' : `check: ${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1

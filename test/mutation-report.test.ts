// What `npm run mutation` tells: the score, each survivor with its reason, and a section that the bench keeps.
import t from 'tap'
import { mutationSection } from '../bench/report.ts'

interface Mutant { mutatorName: string; replacement: string; status: string; location: { start: { line: number; column: number }; end: { line: number; column: number } } }
interface MutationReport {
  mutationPage (files: object, explanations: object[], made: string): { page: string; scores: string; passed: boolean; unexplained: { file: string }[] }
  withMutationSection (bench: string, text: string): string
}
const module = '../scripts/mutation-report.js'
const { mutationPage, withMutationSection } = await import(module) as MutationReport

const source = 'const a = 1\n  return a === 1\n'
/** Replaces `a === 1`. */
function mutant (status: string, replacement = 'true'): Mutant {
  return { mutatorName: 'ConditionalExpression', replacement, status, location: { start: { line: 2, column: 10 }, end: { line: 2, column: 17 } } }
}
const many = (count: number, status: string): Mutant[] => Array.from({ length: count }, () => mutant(status))
const why = { file: 'guards/x.ts', line: 'return a === 1', replacement: 'true', why: 'nobody can tell' }

t.test('the score counts what was killed and what timed out, of all that could be', async (t) => {
  const files = { 'guards/x.js': { source, mutants: [...many(16, 'Killed'), mutant('Timeout'), mutant('Survived'), mutant('NoCoverage'), ...many(3, 'RuntimeError')] }, 'plugins/scopes.js': { source, mutants: many(1, 'Survived') } }
  const { scores, page, passed } = mutationPage(files, [why], '- today')
  t.match(scores, '| guards/ | 19 | 16 | 1 | 1 | 1 | 89.5 % | ≥ 85 % ✓ |')
  t.match(scores, '| the schemes | 1 | 0 | 0 | 1 | 0 | 0.0 % | ≥ 85 % ✗ |')
  t.match(scores, '| all | 20 | 16 | 1 | 2 | 1 | 85.0 % | ≥ 85 % ✓ |')
  t.ok(page.includes(scores))
  t.match(page, '- today')
  t.equal(passed, false)
})

t.test('a survivor in guards/ has to be explained, by its line and what replaces it', async (t) => {
  const files = (replacement: string): object => ({ 'guards/x.js': { source, mutants: [...many(19, 'Killed'), mutant('Survived', replacement)] } })
  const explained = mutationPage(files('true'), [why], '')
  t.equal(explained.passed, true)
  t.match(explained.page, '| guards/x.ts | `` a === 1 `` → `` true `` | nobody can tell |')
  for (const [replacement, explanation] of [['false', why], ['true', { ...why, file: 'guards/y.ts' }], ['true', { ...why, line: 'return a' }]] as const) {
    const { passed, unexplained, page } = mutationPage(files(replacement), [explanation], '')
    t.equal(passed, false)
    t.equal(unexplained.length, 1)
    t.match(page, 'not explained')
  }
})

t.test('the section stands at the end of the page of the bench, once, and is kept when the bench is written anew', async (t) => {
  const once = withMutationSection('# Bench\n\nnumbers\n', 'old')
  const twice = withMutationSection(once, 'new')
  t.equal(twice, '# Bench\n\nnumbers\n\n## Mutation testing\n\nnew\n')
  t.equal(`# Bench\n\nother numbers\n${mutationSection(twice)}`, '# Bench\n\nother numbers\n\n## Mutation testing\n\nnew\n')
  t.equal(mutationSection('# Bench\n'), '')
})

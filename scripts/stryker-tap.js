// Runs tests of tap inside StrykerJS's own process: their files are loaded once, a mutant is switched on, and the
// subtests that reach it run until one fails. StrykerJS's runner for tap starts a process for each file and mutant.
import { resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'
import { PluginKind, commonTokens, declareClassPlugin, tokens } from '@stryker-mutator/api/plugin'
import { DryRunStatus, MutantRunStatus, TestStatus, determineHitLimitReached } from '@stryker-mutator/api/test-runner'
import { INSTRUMENTER_CONSTANTS } from '@stryker-mutator/api/core'

/** A test that does not end is a failure after ten times what it took unchanged, and not before this. */
const shortestTimeout = 10_000
const mutants = (globalThis[INSTRUMENTER_CONSTANTS.NAMESPACE] ??= {})

function activate (/** @type {string | undefined} */ mutant) {
  mutants.activeMutant = mutant
}

class TapRunner {
  static inject = tokens(commonTokens.options)
  /** @type {Map<string, { file: string, name: string, options: object, run: (t: object) => unknown, milliseconds: number }>} */
  tests = new Map()
  loaded = false
  ran = 0
  suspect = false
  /** How many mutants of a file a test has killed. @type {Map<string, number>} */
  kills = new Map()
  /** @type {Error | undefined} */
  thrown

  constructor (/** @type {{ testFiles: string[] }} */ { testFiles }) {
    this.testFiles = testFiles
  }

  /** A process that loaded the files cannot forget them: StrykerJS starts another for a mutant of a module's body. */
  capabilities () {
    return { reloadEnvironment: false }
  }

  async init () {
    for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, (error) => { this.thrown ??= error })
    // tap would tell a runner of its own of its timeouts; the process at the other end is StrykerJS, which reads text.
    const send = process.send
    process.send = (message, ...rest) => typeof message === 'string' && send.call(process, message, ...rest)
    this.tap = await import('tap')
    this.tap.t.setTimeout(0)
  }

  async load () {
    if (this.loaded) return
    this.loaded = true
    for (const file of this.testFiles) {
      this.tap.t.test = (name, ...rest) => {
        const run = rest.pop()
        const id = `${file} ${name}`
        if (this.tests.has(id)) throw new Error(`two tests are called ${id}`)
        this.tests.set(id, { file, name, options: rest[0] ?? {}, run, milliseconds: shortestTimeout / 10 })
      }
      await import(pathToFileURL(resolve(file)).href)
    }
  }

  /** Runs one test; why it failed, or `null`. */
  async attempt (/** @type {string} */ id) {
    const { name, options, run, milliseconds } = this.tests.get(id)
    const parent = new this.tap.Test({ name: `process ${process.pid}` })
    this.thrown = undefined
    const results = await new Promise((done) => {
      parent.on('complete', done)
      parent.resume()
      void parent.test(name, { ...options, timeout: Math.max(shortestTimeout, 10 * milliseconds) }, run)
      parent.end()
    })
    if (results.ok && this.thrown === undefined) return null
    return this.thrown?.message ?? results.failures?.map(({ name, diag }) => `${name} ${JSON.stringify(diag?.diff ?? '')}`).join(', ') ?? 'failed'
  }

  async dryRun () {
    activate(undefined)
    mutants.mutantCoverage = { static: {}, perTest: {} }
    await this.load()
    const tests = []
    for (const [id, test] of this.tests) {
      mutants.currentTestId = id
      const start = performance.now()
      const why = await this.attempt(id)
      test.milliseconds = performance.now() - start
      const result = { id, name: test.name, fileName: test.file, timeSpentMs: test.milliseconds }
      tests.push(why === null ? { ...result, status: TestStatus.Success } : { ...result, status: TestStatus.Failed, failureMessage: why })
    }
    mutants.currentTestId = undefined
    return { status: DryRunStatus.Complete, tests, mutantCoverage: mutants.mutantCoverage }
  }

  async mutantRun ({ activeMutant, sandboxFileName, testFilter, hitLimit, mutantActivation }) {
    if (this.suspect) throw new Error('an earlier mutant left something behind')
    const first = this.ran === 0
    this.ran += 1
    mutants.hitCount = hitLimit === undefined ? undefined : 0
    mutants.hitLimit = hitLimit
    if (mutantActivation === 'static') activate(activeMutant.id)
    try {
      await this.load()
    } catch (error) {
      return { status: MutantRunStatus.Killed, killedBy: [], failureMessage: error.message, nrOfTests: 1 }
    }
    let nrOfTests = 0
    const killsOf = (/** @type {string} */ id) => this.kills.get(`${sandboxFileName} ${id}`) ?? 0
    // Of a mutant in a module's body StrykerJS does not know which tests reach it.
    const ids = mutantActivation === 'static' ? this.tests.keys() : testFilter
    for (const id of [...ids].sort((a, b) => killsOf(b) - killsOf(a))) {
      nrOfTests += 1
      activate(activeMutant.id)
      const why = await this.attempt(id)
      const limited = determineHitLimitReached(mutants.hitCount, hitLimit)
      if (limited !== undefined) { this.suspect = true; return limited }
      if (why === null) continue
      if (mutantActivation === 'runtime' && !(await this.stillPasses(id))) {
        // In a process of its own it is the mutant that left something behind; else perhaps an earlier one.
        this.suspect = true
        if (!first) throw new Error('an earlier mutant left something behind')
      }
      this.kills.set(`${sandboxFileName} ${id}`, killsOf(id) + 1)
      return { status: MutantRunStatus.Killed, killedBy: [id], failureMessage: why, nrOfTests }
    }
    return { status: MutantRunStatus.Survived, nrOfTests }
  }

  /** Whether a test passes without the mutant, in this process. */
  async stillPasses (/** @type {string} */ id) {
    activate(undefined)
    mutants.hitLimit = undefined
    return await this.attempt(id) === null
  }
}

export const strykerPlugins = [declareClassPlugin(PluginKind.TestRunner, 'tap-in-process', TapRunner)]

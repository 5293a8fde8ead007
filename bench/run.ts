// `npm run bench` measures everything and writes docs/bench.md; `npm run bench -- bearer` measures the rows whose name
// holds that word, in fewer pairs, and prints them.
import { readFileSync, writeFileSync } from 'node:fs'
import { bootTimes } from './boot.ts'
import { eventTime } from './events.ts'
import { growth } from './growth.ts'
import { hookTime } from './hooks.ts'
import { loginFloods } from './logins.ts'
import { machine } from './machine.ts'
import { material } from './material.ts'
import { memoryAfterMillions } from './memory.ts'
import { pinned, sample } from './measure.ts'
import { measurePairs } from './pairs.ts'
import { mutationSection, report, verdicts } from './report.ts'
import { rows } from './rows.ts'
import { refreshRates } from './refreshes.ts'
import { quartiles } from './statistics.ts'
import type { GrowthLine, InProcess, Single } from './report.ts'

// A first look takes fewer and shorter ones: `BENCH_PAIRS=3 BENCH_SECONDS=0.5 npm run bench`.
const PAIRS = Number(process.env.BENCH_PAIRS ?? 15)
const sampling = { seconds: Number(process.env.BENCH_SECONDS ?? 2), warmUpSeconds: 1 }
const GROWTH_SAMPLES = 3
// Long enough for 10,000 tokens to come twice and be kept.
const GROWTH_WARM_UP_SECONDS = 4

const tell = (line: string): void => { process.stdout.write(`${line}\n`) }

function method (): string[] {
  return [
    `A share is the CPU time per request of bare Fastify over that of the row: the median of ${String(PAIRS)} interleaved pairs of ${String(sampling.seconds)} s, with its quartiles. Bare gets the very requests of the row, headers and all, so that reading a request is part of nobody's share. Server and load are processes of their own${pinned ? ', each on a core of its own' : ', not pinned: this system has no taskset'}; one server is alive at a time; 64 connections, one request at a time on each. The load never sleeps, since waking it would cost the server more the slower it is.`,
    'Rows that begin with the name of a package are wired by hand as its own documentation shows, with its cache where it has one.'
  ]
}

async function inProcess (): Promise<InProcess[]> {
  const time = async (name: string): Promise<number> => await hookTime(name)
  const [bearer, key] = [await time('bearer HS256'), await time('API key')]
  return [
    { what: 'a public route', nanoseconds: await time('public'), target: 1000 },
    { what: 'a stranger at optional(bearer)', nanoseconds: await time('optional(bearer), by a stranger') },
    { what: 'bearer, a token that comes again', nanoseconds: bearer },
    { what: 'scopes, over bearer', nanoseconds: await time('bearer + scopes') - bearer, target: 1000 },
    { what: 'anyOf of two and scopes, over bearer', nanoseconds: await time('anyOf(bearer, apiKey) + scopes, by token') - bearer, target: 2000 },
    { what: 'anyOf of two and scopes, over API key', nanoseconds: await time('anyOf(bearer, apiKey) + scopes, by key') - key, target: 2000 },
    { what: 'API key, and what verify does', nanoseconds: key },
    { what: 'an event that is counted, with audit, metrics and detections', nanoseconds: await eventTime('gatehouse_authenticated'), target: 5000 },
    { what: 'an event that is recorded, with the same', nanoseconds: await eventTime('gatehouse_endpoint_used'), target: 5000 }
  ]
}

function singles (): Single[] {
  const boot = bootTimes()
  const { start, afterTokens, afterAddresses } = memoryAfterMillions()
  return [
    { what: 'boot of 1,000 guarded routes, over the same unguarded', value: boot.guarded - boot.unguarded, unit: 'ms', target: 150 },
    { what: 'heap after a million tokens, over its start', value: afterTokens - start, unit: 'MB', target: 60 },
    { what: 'heap after a million addresses as well', value: afterAddresses - start, unit: 'MB', target: 60 }
  ]
}

const notes: Record<string, string> = {
  routes: 'Flat: the router finds a route in a tree, and a route holds its own compiled guards.',
  'guards on a route': 'Each guard beyond the first is a policy here, and costs the call of its function.',
  alternatives: 'Each alternative before the one that holds is asked for its credentials: a look at one header.',
  'scopes that are required': 'Each required name is looked for among those of the token: a hundred in a hundred are five thousand comparisons, ten in ten are fifty. A token of a hundred scopes is also 1 KB longer to read and to digest.',
  'keys in the set': 'Flat: a key is found by its name. Every token here is new, so that each is verified.',
  'principals that come again': 'Flat while their tokens are kept, 10,000 of them by default (`maxVerifiedTokens`). Of 100,000 in turn none is left when it comes again, so that each costs what a new token does.'
}

async function measureGrowth (): Promise<GrowthLine[]> {
  const lines: GrowthLine[] = []
  for (const { name, points, rowOf } of growth) {
    const measured: GrowthLine['points'][number][] = []
    for (const point of points) {
      const samples = []
      for (let number = 0; number < GROWTH_SAMPLES; number += 1) samples.push(await sample(rowOf(point).name, 'row', { ...sampling, warmUpSeconds: GROWTH_WARM_UP_SECONDS }))
      measured.push({ point, microseconds: quartiles(samples.map(({ microseconds }) => microseconds)).median, perSecond: quartiles(samples.map(({ perSecond }) => perSecond)).median })
    }
    tell(`${name}: ${measured.map(({ point, microseconds }) => `${String(point)}: ${microseconds.toFixed(1)} µs`).join(', ')}`)
    lines.push({ what: name, points: measured, note: notes[name] ?? '' })
  }
  return lines
}

material()
process.env.NODE_ENV = 'production'
const word = process.argv[2]
if (word !== undefined) {
  for (const { row, share, microseconds, perSecond } of await measurePairs(rows.filter(({ name }) => name.includes(word)), 5, sampling, tell)) {
    tell(`${row.name}: ${share.median.toFixed(2)} (${share.first.toFixed(2)} to ${share.third.toFixed(2)}), ${microseconds.toFixed(1)} µs, ${perSecond.toFixed(0)} a second`)
  }
} else {
  const measured = await measurePairs(rows, PAIRS, sampling, tell)
  const text = report({ machine: machine(), method: method(), rows: measured, inProcess: await inProcess(), singles: singles(), logins: await loginFloods(), refreshes: await refreshRates(), growth: await measureGrowth() })
  writeFileSync('docs/bench.md', text + mutationSection(readFileSync('docs/bench.md', 'utf8')))
  for (const { name, target, reached } of verdicts(measured)) tell(`${reached ? 'reached' : 'MISSED '} ${name} ${target}`)
}

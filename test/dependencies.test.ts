// What we depend on admits no version that is known to be vulnerable: ranges of direct dependencies, and the lockfile.
// Ranges are those of the advisories; where one names none, everything below the version that we measured.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import semver from 'semver'
import t from 'tap'
import { root } from './fixtures/documents.ts'

interface Advisory {
  package: string
  ids: readonly string[]
  vulnerable: string
}

const advisories: readonly Advisory[] = [
  { package: 'fast-jwt', ids: ['CVE-2023-48223'], vulnerable: '<3.3.2' },
  { package: 'fast-jwt', ids: ['CVE-2025-30144'], vulnerable: '<5.0.6' },
  { package: 'fast-jwt', ids: ['CVE-2026-34950', 'CVE-2026-35042'], vulnerable: '<=6.1.0' },
  { package: 'fast-jwt', ids: ['CVE-2026-35041'], vulnerable: '5.0.0 - 6.2.0' },
  { package: 'fast-jwt', ids: ['GHSA-3j8v-cgw4-2g6q'], vulnerable: '<6.2.1' },
  { package: 'fast-jwt', ids: ['CVE-2026-44351'], vulnerable: '<=6.2.3' },
  // No ranges are published; 6.3.6 was measured against all of them.
  { package: 'fast-jwt', ids: ['GHSA-ww5h-9m49-7xx4', 'GHSA-g3jj-5cmm-3hxx', 'GHSA-8wpc-h4q6-8fxv', 'CVE-2026-35039', 'ADV fast-jwt'], vulnerable: '<6.3.6' },
  { package: 'fastify', ids: ['CVE-2022-39288'], vulnerable: '<4.8.1' },
  { package: 'fastify', ids: ['CVE-2022-41919'], vulnerable: '<4.10.2' },
  { package: 'fastify', ids: ['CVE-2025-32442'], vulnerable: '5.0.0 - 5.3.1 || 4.29.0' },
  { package: 'fastify', ids: ['CVE-2026-25223'], vulnerable: '<5.7.2' },
  { package: 'fastify', ids: ['CVE-2026-3419'], vulnerable: '5.7.2 - 5.8.0' },
  { package: 'fastify', ids: ['CVE-2026-3635'], vulnerable: '<=5.8.2' },
  { package: 'fastify', ids: ['CVE-2026-33806'], vulnerable: '5.3.2 - 5.8.4' },
  { package: 'fastify', ids: ['CVE-2026-16732', 'GHSA-w2qp-rph6-63g4'], vulnerable: '<5.12.1' },
  { package: '@fastify/swagger-ui', ids: ['CVE-2024-22207'], vulnerable: '<2.1.0' },
  { package: 'jose', ids: ['CVE-2022-36083', 'CVE-2024-28176'], vulnerable: '<=2.0.6 || >=3.0.0 <=4.15.4' },
  { package: 'find-my-way', ids: ['CVE-2024-45813'], vulnerable: '>=5.5.0 <8.2.2 || 9.0.0' },
  { package: 'fast-uri', ids: ['CVE-2026-75899', 'CVE-2026-75931', 'CVE-2026-75975', 'CVE-2026-76172'], vulnerable: '<3.1.6' },
  { package: 'get-jwks', ids: ['CVE-2025-59936'], vulnerable: '<11.0.2' },
  { package: 'jsonwebtoken', ids: ['CVE-2015-9235', 'CVE-2022-23539', 'CVE-2022-23540', 'CVE-2022-23541'], vulnerable: '<=8.5.1' },
  { package: 'jws', ids: ['CVE-2025-65945'], vulnerable: '<=3.2.2 || 4.0.0' },
  { package: 'passport', ids: ['CVE-2022-25896'], vulnerable: '<0.6.0' },
  { package: 'express-rate-limit', ids: ['CVE-2026-30827'], vulnerable: '8.0.0 - 8.2.1' },
  { package: '@fastify/bearer-auth', ids: ['CVE-2022-31142'], vulnerable: '<7.0.2 || 8.0.0' },
  { package: '@fastify/csrf-protection', ids: ['CVE-2023-27495'], vulnerable: '<4.1.0 || >=5.0.0 <6.3.0' },
  { package: '@fastify/oauth2', ids: ['CVE-2023-31999'], vulnerable: '<7.2.0' },
  { package: '@fastify/passport', ids: ['CVE-2023-29019', 'CVE-2023-29020'], vulnerable: '<1.1.0 || >=2.0.0 <2.3.0' },
  { package: '@fastify/secure-session', ids: ['CVE-2024-31999'], vulnerable: '<7.3.0' },
  { package: '@fastify/session', ids: ['CVE-2024-35220'], vulnerable: '<10.9.0' }
]

/** Lines of the list that tell of a habit, not of versions. */
const withoutVersions = ['ADV @fastify/jwt', 'ADV @fastify/basic-auth', 'ADV @fastify/cors', 'ADV @fastify/rate-limit', 'ADV @fastify/session', 'ADV argon2']

function readJson (name: string): unknown {
  return JSON.parse(readFileSync(join(root, name), 'utf8'))
}

type Ranges = Record<string, string>
const { dependencies, peerDependencies, devDependencies } = readJson('package.json') as Record<'dependencies' | 'peerDependencies' | 'devDependencies', Ranges>
const direct = [dependencies, peerDependencies, devDependencies].flatMap((ranges) => Object.entries(ranges))
const { packages } = readJson('package-lock.json') as { packages: Record<string, { version: string }> }
const locked = Object.entries(packages).flatMap(([path, { version }]) => path === '' ? [] : [[path.split('node_modules/').at(-1) ?? '', version] as const])

t.test('the range of no direct dependency admits a vulnerable version', async (t) => {
  t.ok(direct.length > 20)
  for (const [name, range] of direct) {
    t.ok(semver.validRange(range) !== null, `${name}@${range} is a range of versions`)
    for (const { ids, vulnerable } of advisories.filter((advisory) => advisory.package === name)) {
      t.notOk(semver.intersects(range, vulnerable), `${name}@${range}: ${ids.join(', ')} (${vulnerable})`)
    }
  }
})

t.test('nothing in the lockfile is a vulnerable version', async (t) => {
  t.ok(locked.length > 100)
  for (const [name, version] of locked) {
    for (const { ids, vulnerable } of advisories.filter((advisory) => advisory.package === name)) {
      t.notOk(semver.satisfies(version, vulnerable, { includePrerelease: true }), `${name}@${version}: ${ids.join(', ')}`)
    }
  }
})

t.test('every advisory against what we depend on has its range here', async (t) => {
  const ours = new Set([...direct, ...locked].map(([name]) => name))
  const known = new Set([...advisories.flatMap(({ ids }) => ids), ...withoutVersions])
  const { advisories: listed } = readJson('docs/requirements.json') as { advisories: { package: string; ids: string[] }[] }
  t.ok(listed.length > 40)
  const missing = listed.filter((line) => ours.has(line.package.split(' ')[0] ?? '') && !line.ids.some((id) => known.has(id)))
  t.strictSame(missing, [])
})

t.test('the table finds what it should', async (t) => {
  for (const [name, range] of [['fastify', '^5.8.0'], ['fastify', '>=4'], ['fast-jwt', '^6.0.0'], ['jose', '^4.0.0']] as const) {
    t.ok(advisories.some((advisory) => advisory.package === name && semver.intersects(range, advisory.vulnerable)), `${name}@${range}`)
  }
})

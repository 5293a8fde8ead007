import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'

/** What was measured, and on what: lines of a report. */
export function machine (): string[] {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, { version: string } | undefined> }
  const versionOf = (name: string): string => `${name} ${packages[`node_modules/${name}`]?.version ?? ''}`
  const commit = execFileSync('git', ['log', '-1', '--format=%h of %cs'], { encoding: 'utf8' }).trim()
  const changed = execFileSync('git', ['status', '--porcelain', '--', '*.ts', 'package-lock.json'], { encoding: 'utf8' }) !== ''
  return [
    `${new Date().toISOString().slice(0, 10)}, commit ${commit}${changed ? ' with changes' : ''}`,
    `${String(cpus().length)} cores of ${cpus()[0]?.model ?? 'a processor without a name'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, ${process.platform} ${process.arch}, Node ${process.version}`,
    ['fastify', '@fastify/jwt', '@fastify/auth', '@fastify/basic-auth', '@fastify/helmet', '@fastify/cors', '@fastify/rate-limit', '@fastify/swagger'].map(versionOf).join(', ')
  ]
}

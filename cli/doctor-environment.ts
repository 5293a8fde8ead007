// What the environment alone tells: values that production refuses, and those that it takes and should not have.
import { isIP } from 'node:net'
import { ConfigurationError, readConfiguration } from '../config.ts'
import { finding } from './doctor-rules.ts'
import type { Configuration } from '../config.ts'
import type { DoctorFinding } from './doctor-rules.ts'

type Environment = Readonly<Record<string, string | undefined>>

export function environmentFindings (environment: Environment): DoctorFinding[] {
  const { NODE_ENV: mode } = environment
  const isDevelopment = mode === 'development' || mode === 'test'
  const first = isDevelopment ? [finding('not-production', `NODE_ENV is ${mode}: refusals explain themselves, the docs are public, keys are generated; judged as production here`)] : []
  const configuration = asProduction(environment)
  if (configuration instanceof ConfigurationError) return [...first, finding('configuration', configuration.message)]
  return [...first, ...networkFindings(configuration), ...secrecyFindings(configuration)]
}

/** The configuration as production has it, or the first thing that is wrong with it. */
export function asProduction (environment: Environment): Configuration | ConfigurationError {
  try {
    return readConfiguration({ ...environment, NODE_ENV: 'production' })
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
}

function networkFindings ({ host, tls, trustedProxies, corsOrigins }: Configuration): DoctorFinding[] {
  const isExposed = !isLoopback(host)
  return [
    ...(tls === null && isExposed && trustedProxies.length === 0 ? [finding('plain-http', `HOST is ${host}, without TLS_CERT_FILE and without TRUSTED_PROXIES: credentials cross the network in plain text`)] : []),
    ...(tls === null && !isExposed && trustedProxies.length === 0 ? [finding('no-trusted-proxy', 'TLS has to end at a proxy, and TRUSTED_PROXIES names none: every client counts as that proxy, and sessions are refused as plain http')] : []),
    ...corsOrigins.filter((origin) => origin.startsWith('http:')).map((origin) => finding('cors-plain-origin', `CORS_ORIGINS has ${origin}: whoever is on the way can change its pages`))
  ]
}

export function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function secrecyFindings ({ databaseUrl, logLevel, administrator }: Configuration): DoctorFinding[] {
  return [
    ...(databaseUrl !== null && isPlainDatabase(databaseUrl) ? [finding('database-plain', 'DATABASE_URL leads to another machine without sslmode=verify-full: password and data cross the network in plain text, or to anybody')] : []),
    ...(['silent', 'fatal', 'error'].includes(logLevel) ? [finding('quiet-log', `LOG_LEVEL is ${logLevel}: nobody hears of refusals and outages`)] : []),
    ...(administrator === null ? [] : [finding('password-in-environment', 'ADMIN_PASSWORD is set: once the administrator is there, take it out of the environment')])
  ]
}

function isPlainDatabase (text: string): boolean {
  const { hostname, searchParams } = new URL(text)
  const host = searchParams.get('host') ?? hostname.replace(/^\[|\]$/g, '')
  // A path is a socket of this machine.
  return !host.startsWith('/') && !isLoopback(host) && searchParams.get('sslmode') !== 'verify-full'
}

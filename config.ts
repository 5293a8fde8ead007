// The demo's configuration, read from the environment once, at start: a wrong value is one clear line.
import { join, resolve } from 'node:path'
import { isIP } from 'node:net'
import { isDecodable } from './guards/scheme-options.ts'
import { isRedisUrl } from './plugins/redis-options.ts'
import { USERNAME } from './schemas/users.ts'

export interface Configuration {
  readonly development: boolean
  readonly host: string
  readonly port: number
  /** The service's own URL: issuer and audience of its tokens. */
  readonly publicUrl: string
  readonly dataDirectory: string
  /** The PostgreSQL database; without one there is an SQLite file in the data directory. */
  readonly databaseUrl: string | null
  /** The Redis that several processes count on and tell each other by; without one a process stands alone. */
  readonly redisUrl: string | null
  readonly tokenKeyFile: string
  readonly trustedProxies: readonly string[]
  readonly corsOrigins: readonly string[]
  /** `public` in development, `none` or `admin` in production. */
  readonly docs: 'public' | 'admin' | 'none'
  readonly logLevel: string
  /** Where the certificate and its key are; `null` serves plain HTTP. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null
  /** The port that sends pages to `publicUrl`, in plain HTTP. */
  readonly redirectPort: number | null
  /** The first administrator, made where there is none yet. */
  readonly administrator: { readonly username: string; readonly password: string } | null
}

/** What is wrong with the environment; the message is the line to print. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError'
}

type Environment = Readonly<Record<string, string | undefined>>

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

/** Reads the configuration; throws {@link ConfigurationError} for the first value that is wrong. */
export function readConfiguration (environment: Environment): Configuration {
  const read = (name: string): string | undefined => environment[name] === '' ? undefined : environment[name]
  const development = ['development', 'test'].includes(read('NODE_ENV') ?? 'production')
  const host = read('HOST') ?? '127.0.0.1'
  if (isIP(host) === 0 && (!/^[A-Za-z0-9.-]{1,253}$/.test(host) || /^[\d.]+$/.test(host))) throw new ConfigurationError('HOST must be an address or a host name')
  const port = portFrom('PORT', read('PORT') ?? '3000')
  const tls = tlsFrom(read('TLS_CERT_FILE'), read('TLS_KEY_FILE'))
  const dataDirectory = resolve(read('DATA_DIR') ?? '.data')
  return Object.freeze({
    development,
    host,
    port,
    publicUrl: urlFrom(read('PUBLIC_URL'), { development, secure: tls !== null }, `http${tls === null ? '' : 's'}://${host.includes(':') ? `[${host}]` : host}:${String(port)}`),
    dataDirectory,
    databaseUrl: databaseUrlFrom(read('DATABASE_URL')),
    redisUrl: redisUrlFrom(read('REDIS_URL')),
    tokenKeyFile: keyFileFrom(read('TOKEN_KEY_FILE'), development, dataDirectory),
    trustedProxies: listFrom(read('TRUSTED_PROXIES')).map(networkFrom),
    corsOrigins: listFrom(read('CORS_ORIGINS')).map(originFrom),
    docs: docsFrom(read('DOCS'), development),
    logLevel: oneOf('LOG_LEVEL', read('LOG_LEVEL') ?? 'info', LOG_LEVELS),
    tls,
    redirectPort: redirectPortFrom(read('HTTP_REDIRECT_PORT'), port, tls !== null),
    administrator: administratorFrom(read('ADMIN_USERNAME'), read('ADMIN_PASSWORD'))
  })
}

/** The SQLite file, where there is no `databaseUrl`. */
export function databaseFileOf ({ dataDirectory }: Pick<Configuration, 'dataDirectory'>): string {
  return join(dataDirectory, 'gatehouse.sqlite')
}

function portFrom (name: string, text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new ConfigurationError(`${name} must be a number from 0 to 65535`)
  return Number(text)
}

function tlsFrom (certFile: string | undefined, keyFile: string | undefined): Configuration['tls'] {
  if (certFile === undefined && keyFile === undefined) return null
  if (certFile === undefined || keyFile === undefined) throw new ConfigurationError('TLS_CERT_FILE and TLS_KEY_FILE go together')
  return Object.freeze({ certFile: resolve(certFile), keyFile: resolve(keyFile) })
}

function redirectPortFrom (text: string | undefined, port: number, secure: boolean): number | null {
  if (text === undefined) return null
  if (!secure) throw new ConfigurationError('HTTP_REDIRECT_PORT needs TLS_CERT_FILE and TLS_KEY_FILE')
  const redirectPort = portFrom('HTTP_REDIRECT_PORT', text)
  if (redirectPort === port && port !== 0) throw new ConfigurationError('HTTP_REDIRECT_PORT must be another port than PORT')
  return redirectPort
}

function urlFrom (text: string | undefined, { development, secure }: { development: boolean; secure: boolean }, standard: string): string {
  if (text === undefined) {
    if (!development) throw new ConfigurationError('PUBLIC_URL is required in production: the https URL that clients use')
    return standard
  }
  const url = URL.canParse(text) ? new URL(text) : null
  // Clients compare the issuer byte by byte (RFC 8414 §3.3), so it has to be written in the one normal form.
  const written = url !== null && ['http:', 'https:'].includes(url.protocol) && [text, `${text}/`].includes(url.origin + url.pathname)
  if (!written) throw new ConfigurationError('PUBLIC_URL must be a normalised http or https URL without query, such as https://api.example.com')
  if (!development && url.protocol !== 'https:') throw new ConfigurationError('PUBLIC_URL must be https in production')
  if (secure && url.protocol !== 'https:') throw new ConfigurationError('PUBLIC_URL must be https with TLS_CERT_FILE')
  return text.replace(/\/$/, '')
}

/** The message repeats nothing of it: there is a password in it. */
function databaseUrlFrom (text: string | undefined): string | null {
  if (text === undefined) return null
  const url = URL.canParse(text) ? new URL(text) : null
  const isGood = url !== null && text.trim() === text && ['postgres:', 'postgresql:'].includes(url.protocol) && url.hash === '' &&
    (url.hostname !== '' || url.searchParams.has('host')) && /^\/[^/]+$/.test(url.pathname) && isDecodable(url.username + url.password + url.pathname)
  if (!isGood) throw new ConfigurationError('DATABASE_URL must be a URL such as postgres://user:password@host:5432/name')
  return text
}

/** As with the database, nothing of it is repeated. */
function redisUrlFrom (text: string | undefined): string | null {
  if (text === undefined) return null
  if (!isRedisUrl(text)) throw new ConfigurationError('REDIS_URL must be a URL such as redis://user:password@host:6379/0, or rediss:// for TLS')
  return text
}

function keyFileFrom (text: string | undefined, development: boolean, dataDirectory: string): string {
  if (text !== undefined) return resolve(text)
  if (!development) throw new ConfigurationError('TOKEN_KEY_FILE is required in production: 32 random bytes in base64, which wrap the keys that sign tokens')
  return join(dataDirectory, 'token-key')
}

function listFrom (text: string | undefined): string[] {
  return (text ?? '').split(',').map((entry) => entry.trim()).filter((entry) => entry !== '')
}

function networkFrom (text: string): string {
  const [address = '', length, ...more] = text.split('/')
  const width = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : 0
  const bits = length === undefined ? width : /^\d{1,3}$/.test(length) ? Number(length) : 0
  if (bits < 1 || bits > width || more.length > 0 || address.includes('%')) throw new ConfigurationError('TRUSTED_PROXIES must be addresses or CIDRs such as 10.0.0.0/8, with commas between them')
  return text
}

function originFrom (text: string): string {
  if (!URL.canParse(text) || new URL(text).origin !== text || text === 'null') throw new ConfigurationError('CORS_ORIGINS must be origins such as https://app.example.com, with commas between them')
  return text
}

function docsFrom (text: string | undefined, development: boolean): Configuration['docs'] {
  if (text !== undefined && text !== 'admin') throw new ConfigurationError('DOCS must be admin or unset')
  return development ? 'public' : text === 'admin' ? 'admin' : 'none'
}

function oneOf (name: string, text: string, values: readonly string[]): string {
  if (!values.includes(text)) throw new ConfigurationError(`${name} must be one of ${values.join(', ')}`)
  return text
}

function administratorFrom (username: string | undefined, password: string | undefined): Configuration['administrator'] {
  if (username === undefined && password === undefined) return null
  if (username === undefined || password === undefined) throw new ConfigurationError('ADMIN_USERNAME and ADMIN_PASSWORD go together')
  const { minLength, maxLength, pattern } = USERNAME
  const length = [...username].length
  if (length < minLength || length > maxLength || !pattern.test(username)) throw new ConfigurationError('ADMIN_USERNAME must be 3 to 64 letters, digits, dots, dashes and underscores, a letter or digit first')
  return Object.freeze({ username, password })
}

// The options of `redis`, and from them what it works with.
import { assertInteger, assertKnownOptions, invalid, isDecodable } from '../guards/scheme-options.ts'

/** Options of {@link redis}. */
export interface RedisOptions {
  /** One Redis server, 6.2 or later: `redis://user:password@host:6379/0`, or `rediss://…` over TLS. No cluster: a request's keys have to be in one place. */
  url: string
  /**
   * What every key begins with: 1 to 64 letters, digits and `._:-`. Services that share a database number need one each.
   * @defaultValue `'gatehouse:'`
   */
  prefix?: string
  /**
   * Milliseconds that Redis may take to answer or to connect, 10 to 10,000, before it counts as down.
   * @defaultValue 1000
   */
  timeoutMilliseconds?: number
}

/** The options, resolved. */
export type RedisSettings = Readonly<Required<RedisOptions>>

const PREFIX = /^[A-Za-z0-9._:-]{1,64}$/

export function resolveRedisOptions (options: RedisOptions): RedisSettings {
  assertKnownOptions('redis', options, ['url', 'prefix', 'timeoutMilliseconds'])
  const { url, prefix = 'gatehouse:', timeoutMilliseconds = 1000 } = options
  // What was given is not repeated: there is a password in it.
  if (!isRedisUrl(url)) throw invalid('redis.url', 'must be a URL such as redis://user:password@host:6379/0')
  if (typeof prefix !== 'string' || !PREFIX.test(prefix)) throw invalid('redis.prefix', 'must be 1 to 64 letters, digits, dots, dashes, underscores and colons')
  assertInteger('redis.timeoutMilliseconds', timeoutMilliseconds, { min: 10, max: 10_000 })
  return Object.freeze({ url, prefix, timeoutMilliseconds })
}

/** Whether it says where a server is, and nothing that the driver would take for an option. */
export function isRedisUrl (text: unknown): text is string {
  if (typeof text !== 'string' || text.trim() !== text || !URL.canParse(text)) return false
  const { protocol, hostname, pathname, search, hash, username, password } = new URL(text)
  return ['redis:', 'rediss:'].includes(protocol) && hostname !== '' && search === '' && hash === '' &&
    /^\/?\d{0,4}$/.test(pathname) && isDecodable(username + password)
}

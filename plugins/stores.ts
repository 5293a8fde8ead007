// Keeps what the service must not lose, in an SQLite file or in PostgreSQL, migrated when it starts.
import fp from 'fastify-plugin'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { fault } from '../errors.ts'
import { publishEvent } from '../guards/events.ts'
import type { Stores } from '../stores/ports.ts'
import { watchDependency } from './dependency.ts'
import { observed } from './store-changes.ts'
import { shareChanges } from './store-news.ts'

export type {
  ApiKey, ApiKeyLimit, ApiKeyRotation, ApiKeyStore, AuditCut, AuditEvent, AuditQuery, AuditStore, Client, ClientStore, Item, ItemStore,
  LoginAttempts, LoginAttemptStore, LoginDelay, LoginOutcome, LoginVerdict,
  NewAuditEvent, NewClient, NewItem, NewRefreshFamily, NewSession, NewStoredApiKey, NewUser, Page, PageQuery, RefreshFamily,
  RefreshOutcome, RefreshRotation, RefreshToken, RefreshTokenStore, RevocableToken, Revocation, RevocationStore, SearchQuery,
  Session, SessionStore, SigningKey, SigningKeyStore, Stores, StoreSet, User, UserChange, UserProfile, UserStore
} from '../stores/ports.ts'
export type { DependencyChange } from './dependency.ts'

/** Options of `stores`: exactly one of them. */
export interface StoresOptions {
  /** The SQLite file; it and its directory are made when they are not there. `:memory:` keeps nothing. */
  file?: string
  /** The PostgreSQL database, `postgres://user:password@host:5432/name`; it has to be there. */
  url?: string
}

declare module 'fastify' {
  interface FastifyInstance {
    stores: Stores
  }
}

function resolve (options: StoresOptions): Readonly<StoresOptions> {
  for (const name of Object.keys(options)) {
    if (name !== 'file' && name !== 'url') throw fault('GATEHOUSE_OPTION_INVALID', `stores.${name} is not an option`)
  }
  const { file, url } = options
  if ((file === undefined) === (url === undefined)) {
    throw fault('GATEHOUSE_OPTION_INVALID', 'stores needs either stores.file or stores.url')
  }
  if (file !== undefined && (typeof file !== 'string' || file === '')) {
    throw fault('GATEHOUSE_OPTION_INVALID', 'stores.file must be the path of a database file')
  }
  // What was given is not repeated: there is a password in it.
  if (url !== undefined && !isPostgresUrl(url)) {
    throw fault('GATEHOUSE_OPTION_INVALID', 'stores.url must be a URL that begins with postgres://')
  }
  return Object.freeze({ ...options })
}

function isPostgresUrl (url: unknown): boolean {
  return typeof url === 'string' && URL.canParse(url) && ['postgres:', 'postgresql:'].includes(new URL(url).protocol)
}

async function open ({ file = '', url }: Readonly<StoresOptions>, log: FastifyBaseLogger): Promise<Stores> {
  if (url === undefined) {
    const { createSqliteStores } = await import('../stores/sqlite.ts')
    return await createSqliteStores(file, watchDependency('sqlite', log))
  }
  const { createPostgresStores } = await import('../stores/postgres.ts')
  return await createPostgresStores(url, watchDependency('postgresql', log))
}

async function storesPlugin (app: FastifyInstance, options: StoresOptions): Promise<void> {
  const stores = observed(await open(resolve(options), app.log), (event) => { publishEvent({ server: app.server, event, keptAs: event.id }) })
  if (app.hasDecorator('gatehouseRedis')) shareChanges(stores, app.gatehouseRedis)
  app.decorate('stores', stores)
  app.addHook('onClose', () => stores.close())
}

/**
 * Decorates `app.stores`, whose members {@link Stores} tells; closes them with the server. When the database stops to
 * answer, or the file to take changes, and when it does again, that is one line in the log and one {@link DependencyChange}
 * on the channel `gatehouse:dependency` of `node:diagnostics_channel`. Throws
 * `GATEHOUSE_OPTION_INVALID`, and `GATEHOUSE_PEER_MISSING` without `@photostructure/sqlite`, or `pg`.
 *
 * @example
 * ```ts
 * await app.register(stores, { file: '.data/gatehouse.sqlite' })
 * const user = await app.stores.users.findByName('alice')
 * ```
 */
export const stores = fp(storesPlugin, { name: 'gatehouse-stores', fastify: '5.x' })

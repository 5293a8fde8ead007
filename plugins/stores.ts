// Keeps what the service must not lose: users, items and API keys, in an SQLite file, migrated when it starts.
import fp from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import { fault } from '../errors.ts'
import type { Stores } from '../stores/ports.ts'

/** Options of `stores`. */
export interface StoresOptions {
  /** The database file; it and its directory are made when they are not there. `:memory:` keeps nothing. */
  file: string
}

declare module 'fastify' {
  interface FastifyInstance {
    stores: Stores
  }
}

function resolve (options: StoresOptions): Readonly<StoresOptions> {
  for (const name of Object.keys(options)) {
    if (name !== 'file') throw fault('GATEHOUSE_OPTION_INVALID', `stores.${name} is not an option`)
  }
  const { file } = options
  if (typeof file !== 'string' || file === '') {
    throw fault('GATEHOUSE_OPTION_INVALID', 'stores.file must be the path of a database file')
  }
  return Object.freeze({ file })
}

async function storesPlugin (app: FastifyInstance, options: StoresOptions): Promise<void> {
  const { file } = resolve(options)
  const { createSqliteStores } = await import('../stores/sqlite.ts')
  const stores = await createSqliteStores(file)
  app.decorate('stores', stores)
  app.addHook('onClose', () => stores.close())
}

/**
 * Decorates `app.stores`: `users`, `items`, `apiKeys`, `ping`, `close`; closes them with the server.
 * Throws `GATEHOUSE_OPTION_INVALID`, and `GATEHOUSE_PEER_MISSING` without `@photostructure/sqlite`.
 *
 * @example
 * ```ts
 * await app.register(stores, { file: '.data/gatehouse.sqlite' })
 * const user = await app.stores.users.findByName('alice')
 * ```
 */
export const stores = fp(storesPlugin, { name: 'gatehouse-stores', fastify: '5.x' })

// What several processes of one service share beside their database: counts of limits, and the news of what changed.
// Redis keeps nothing here that must not be lost, and nobody believes it a credential.
import fp from 'fastify-plugin'
import { fault } from '../errors.ts'
import { expectDependency, publishDependency } from './dependency.ts'
import { openConnection } from './redis-connection.ts'
import { resolveRedisOptions } from './redis-options.ts'
import type { FastifyInstance } from 'fastify'
import type { Redis } from 'ioredis'
import type { RedisOptions } from './redis-options.ts'

export type { RedisOptions } from './redis-options.ts'

/** What `redis` decorates. */
export interface SharedRedis {
  /** Whether Redis takes writes in time; while it is `down` this process counts alone what it may, and refuses the rest. */
  state (): 'up' | 'down'
  /** A Lua script as a function of keys, which get the prefix, and arguments. It rejects with `unavailable`. */
  script (name: string, lua: string): (keys: readonly string[], values: readonly (string | number)[]) => Promise<unknown>
  /** Tells every process, this one too, that has asked for `channel`; one that is not reached is not waited for. */
  publish (channel: string, message: string): void
  /** Calls `listen` with what is published, from now on as long as it lasts: messages may be lost. */
  subscribe (channel: string, listen: (message: string) => void): void
}

declare module 'fastify' {
  interface FastifyInstance {
    gatehouseRedis: SharedRedis
  }
}

type ScriptCommand = (numberOfKeys: number, ...keysAndValues: (string | number)[]) => Promise<unknown>

const PROBE_LIVES_MS = 10_000
/** They look for Redis when they are registered. */
const counters = ['limit', 'apiKey', 'stores', 'tokens']

async function redisPlugin (app: FastifyInstance, options: RedisOptions): Promise<void> {
  const settings = resolveRedisOptions(options)
  const { prefix } = settings
  const early = counters.find((name) => app.hasDecorator(name))
  if (early !== undefined) throw fault('GATEHOUSE_REDIS_LATE', `app.${early} is there already`)
  let saidDown = false
  expectDependency('redis')

  function onDown (reason: string): void {
    if (saidDown) return
    saidDown = true
    publishDependency({ name: 'redis', state: 'down' })
    app.log.error({ reason }, 'Redis does not answer: until it does, limits count in this process alone, and those of logins refuse')
  }

  function onUp (): void {
    if (!saidDown) return
    saidDown = false
    publishDependency({ name: 'redis', state: 'up' })
    app.log.info('Redis answers again')
  }

  const commands = await openConnection(settings, {
    probe: (client) => client.set(`${prefix}probe`, '1', 'PX', PROBE_LIVES_MS),
    onDown,
    onUp
  })
  const listeners = new Map<string, Set<(message: string) => void>>()
  // A connection that listens sends nothing else; what it misses is no outage, as whoever listens also looks.
  const news = await openConnection(settings, {
    probe: (client) => listeners.size === 0 ? client.ping() : client.subscribe(...listeners.keys()),
    onDown: () => undefined,
    onUp: () => undefined
  })
  news.client.on('message', (channel: string, message: string) => { for (const listen of listeners.get(channel) ?? []) listen(message) })
  app.addHook('onClose', () => { for (const connection of [news, commands]) connection.close() })

  /** Channels know no database numbers, keys do. */
  const channelOf = (name: string): string => `${prefix}${String(commands.client.options.db ?? 0)}:${name}`

  app.decorate('gatehouseRedis', Object.freeze<SharedRedis>({
    state: () => commands.isUp() ? 'up' : 'down',

    script (name, lua) {
      const command = `gatehouse${name}`
      commands.client.defineCommand(command, { lua })
      return (keys, values) => commands.run(async (client) => {
        const run = (client as Redis & Record<string, ScriptCommand | undefined>)[command]
        return await run?.call(client, keys.length, ...keys.map((key) => prefix + key), ...values)
      })
    },

    publish (channel, message) {
      commands.run((client) => client.publish(channelOf(channel), message)).catch(() => undefined)
    },

    subscribe (channel, listen) {
      const name = channelOf(channel)
      const known = listeners.get(name) ?? new Set()
      listeners.set(name, known.add(listen))
      news.run((client) => client.subscribe(name)).catch(() => undefined)
    }
  }))
}

/**
 * Decorates `app.gatehouseRedis`, by which limits are counted, and changes told, for every process of a service; register
 * it before `rateLimit`, `stores` and whatever needs those. A Redis that does not answer is no reason not to start.
 * Throws `GATEHOUSE_OPTION_INVALID`, `GATEHOUSE_REDIS_LATE`, and `GATEHOUSE_PEER_MISSING` without `ioredis`.
 *
 * @example
 * ```ts
 * await app.register(redis, { url: 'redis://127.0.0.1:6379/0' })
 * await app.register(rateLimit, { max: 300, timeWindow: '1 minute' })
 * ```
 */
export const redis = fp(redisPlugin, { name: 'gatehouse-redis', fastify: '5.x' })

// The demo on a data directory of its own, with the people that a test needs and a way to see that nothing changed.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { buildApp } from '../app.ts'
import { ensureAdministrator } from '../administrator.ts'
import { readConfiguration } from '../config.ts'
import { createPostgresStores } from '../stores/postgres.ts'
import { createSqliteStores } from '../stores/sqlite.ts'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { Stores } from '../stores/ports.ts'

export const issuer = 'https://demo.example'
/** What a route asks for that takes sessions. */
export const cookieChallenge = 'Cookie realm="api", cookie-name="__Host-session"'
/** Good enough for R080 to R083, and nobody's. */
export const password = 'a lamp beside the harbour'

export type Headers = Record<string, string | string[]>

export interface Person {
  readonly id: string
  readonly username: string
  readonly password: string
  readonly basic: Headers
}

export interface Demo {
  readonly app: FastifyInstance
  /** Lines of the log, at every level. */
  readonly log: string[]
  /** What must stand in no answer but its own, and never in the log. */
  readonly secrets: Set<string>
  /** Sends a request from an address of its own, so that limits of one test do not meet those of another. */
  send (options: InjectOptions): Promise<LightMyRequestResponse>
  person (username: string, roles?: readonly string[]): Promise<Person>
  /** Asks `POST /token`. */
  token (person: Person, scope?: string): Promise<Headers>
  /** Makes an API key by `POST /api-keys`. */
  key (owner: Headers, scopes: readonly string[]): Promise<{ id: string; key: string; headers: Headers }>
  /** The stores of the demo, as another process has them. */
  elsewhere (): Promise<Stores>
  /** Everything the store holds, except secrets that only it can see. */
  state (): Promise<string>
}

export interface Refused {
  status: number
  code: string
  challenge?: string | string[]
}

let clients = 0

/** A new address each time. */
export function anAddress (): string {
  clients += 1
  return `10.${String(clients >> 16)}.${String((clients >> 8) & 255)}.${String(clients & 255)}`
}

export function basicOf (username: string, secret: string): Headers {
  return { authorization: `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}` }
}

export function form (fields: Record<string, string>): { headers: Headers; payload: string } {
  return { headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: new URLSearchParams(fields).toString() }
}

/** Where demos keep their data, as their environment says; nothing is an SQLite file of their own. */
export const data: { prepare (t: Test): Promise<Record<string, string>> } = { prepare: async () => ({}) }

/** How many password hashes `work` costs. */
export async function hashesOf (work: () => Promise<unknown>): Promise<number> {
  let hashes = 0
  const count = (): void => { hashes += 1 }
  subscribe('gatehouse:passwords:hash', count)
  await work()
  unsubscribe('gatehouse:passwords:hash', count)
  return hashes
}

/** Builds the demo; `environment` is added to what it is configured from. */
export async function buildDemo (t: Test, environment: Record<string, string> = {}): Promise<Demo> {
  const log: string[] = []
  const secrets = new Set<string>()
  const configuration = readConfiguration({ NODE_ENV: 'test', PUBLIC_URL: issuer, DATA_DIR: t.testdir(), ...await data.prepare(t), ...environment })
  const app = await buildApp(configuration, { level: 'trace', stream: { write: (line: string) => { log.push(line) } } })
  t.teardown(() => app.close())
  if (configuration.administrator !== null) await ensureAdministrator(app, configuration)
  await app.ready()

  const send: Demo['send'] = (options) => app.inject({ remoteAddress: anAddress(), ...options })

  return {
    app,
    log,
    secrets,
    send,

    async person (username, roles = ['editor']) {
      secrets.add(password)
      const { id } = await app.accounts.register({ username, email: `${username}@example.com`, password }, roles)
      return { id, username, password, basic: basicOf(username, password) }
    },

    async token ({ username }, scope) {
      const asked = await send({ method: 'POST', url: '/token', ...form({ grant_type: 'password', username, password, ...(scope === undefined ? {} : { scope }) }) })
      const { access_token: token } = asked.json<{ access_token: string }>()
      secrets.add(token)
      return { authorization: `Bearer ${token}` }
    },

    async key (owner, scopes) {
      const made = await send({ method: 'POST', url: '/api-keys', headers: owner, payload: { name: 'a key', scopes } })
      const { id, key } = made.json<{ id: string; key: string }>()
      secrets.add(key)
      return { id, key, headers: { 'x-api-key': key } }
    },

    async elsewhere () {
      const { databaseUrl, dataDirectory } = configuration
      const stores = await (databaseUrl === null ? createSqliteStores(join(dataDirectory, 'gatehouse.sqlite')) : createPostgresStores(databaseUrl))
      t.teardown(() => stores.close())
      return stores
    },

    async state () {
      const users = await all((cursor) => app.stores.users.list({ limit: 100, cursor }))
      const items = await all((cursor) => app.stores.items.list({ limit: 100, cursor }))
      const keys = await Promise.all(users.map(({ id }) => all((cursor) => app.stores.apiKeys.listByOwner(id, { limit: 100, cursor }))))
      const hashes = await Promise.all(users.map(async ({ username }) => (await app.stores.users.findCredentials(username))?.passwordHash))
      return JSON.stringify({ users, items, keys, hashes })
    }
  }
}

async function all<T> (list: (cursor: string | undefined) => Promise<{ items: T[]; next?: string }>): Promise<T[]> {
  const found: T[] = []
  let cursor: string | undefined
  do {
    const page = await list(cursor)
    found.push(...page.items)
    cursor = page.next
  } while (cursor !== undefined)
  return found
}

/** Asserts a problem: status, code and challenge as they should be, and none of the demo's secrets in it or in the log. */
export function assertProblem (t: Test, demo: Demo, response: LightMyRequestResponse, { status, code, challenge }: Refused): void {
  t.equal(response.statusCode, status)
  t.match(response.headers['content-type'], /^application\/problem\+json; charset=utf-8$/)
  t.match(response.json(), { status, code, title: String })
  t.strictSame(challengesOf(t, response), challenge)
  if (status === 401 || status === 403) t.equal(response.headers['cache-control'], 'no-store')
  assertNoSecret(t, demo, response)
}

const METADATA = /, resource_metadata="https?:\/\/[^"]+\/\.well-known\/oauth-protected-resource"$/

/** The challenges of an answer, without what each of Bearer has in common: where the metadata are (RFC 9728 §5.1). */
export function challengesOf (t: Test, { headers }: LightMyRequestResponse): string | string[] | undefined {
  const sent = headers['www-authenticate']
  const plain = [sent ?? []].flat().map((challenge) => {
    if (challenge.startsWith('Bearer')) t.match(challenge, METADATA)
    return challenge.replace(METADATA, '')
  })
  return typeof sent === 'string' ? plain[0] : sent === undefined ? undefined : plain
}

export function assertNoSecret (t: Test, { secrets, log }: Demo, { body, headers }: LightMyRequestResponse): void {
  const answer = `${body}\n${JSON.stringify(headers)}`
  const lines = log.join('')
  t.notOk([...secrets].some((secret) => answer.includes(secret)), 'the answer does not tell a secret')
  t.notOk([...secrets].some((secret) => lines.includes(secret)), 'the log does not tell a secret')
}

/** Sends a request that must be refused and change nothing. */
export async function assertRefused (t: Test, demo: Demo, request: InjectOptions, refused: Refused): Promise<LightMyRequestResponse> {
  const before = await demo.state()
  const response = await demo.send(request)
  assertProblem(t, demo, response, refused)
  t.equal(await demo.state(), before, 'nothing changed')
  return response
}

/** What two answers must share: everything but the id and the time of the request. */
export function comparable ({ statusCode, headers, body }: LightMyRequestResponse): object {
  return { statusCode, headers: { ...headers, date: '' }, body: body.replace(/urn:request:[0-9a-f-]+/, '') }
}

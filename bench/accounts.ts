// Services with people in a store: logins beside guarded reads, refreshes, and API keys that were verified a moment ago.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { accounts } from '../plugins/accounts.ts'
import { apiKeyAuth } from '../plugins/api-key-auth.ts'
import { guards } from '../plugins/guards.ts'
import { passwords } from '../plugins/passwords.ts'
import { stores } from '../plugins/stores.ts'
import { tokens } from '../plugins/tokens.ts'
import { audience, issuer, material } from './material.ts'
import { registerBearer, respond, service } from './services.ts'
import type { FastifyInstance } from 'fastify'
import type { PasswordsOptions } from '../plugins/passwords.ts'
import type { User } from '../stores/ports.ts'
import type { Service } from './services.ts'

export const alice = { username: 'alice', email: 'alice@example.com', password: 'a lamp beside the harbour' }
const CLIENT = 'web'

/** A directory that goes with the process. */
export function temporaryDirectory (): string {
  const directory = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
  process.on('exit', () => { rmSync(directory, { recursive: true, force: true }) })
  return directory
}

async function registerAccounts (app: FastifyInstance, options: PasswordsOptions = {}): Promise<User> {
  const directory = temporaryDirectory()
  await app.register(stores, { file: join(directory, 'bench.sqlite') })
  await app.register(passwords, options)
  await app.register(tokens, { issuer, audience, keyFile: join(directory, 'key'), createKey: true, publicClient: CLIENT, loadOwner: (subject) => app.accounts.grantFor(subject) })
  await app.register(accounts, { roles: { user: ['items:read'] }, defaultRoles: ['user'] })
  return await app.accounts.register(alice)
}

type Login = (body: { username: string; password: string }) => Promise<boolean>

/** Guarded reads beside `POST /login`, which is what `login` makes of it. */
function loginService (options: PasswordsOptions, loginOf: (app: FastifyInstance, user: User) => Promise<Login>): Service {
  return async () => {
    const app = Fastify()
    await registerBearer(app, 'HS256')
    await registerBearer(app, 'ES256', { as: 'asymmetric' })
    const login = await loginOf(app, await registerAccounts(app, options))
    app.get('/', { onRequest: app.bearer }, respond)
    app.get('/asymmetric', { onRequest: app.getDecorator<typeof app.bearer>('asymmetric') }, respond)
    app.post<{ Body: typeof alice }>('/login', { onRequest: app.publicAccess('a login') }, async ({ body }, reply) => {
      await reply.code(await login(body) ? 204 : 401).send()
    })
    return app
  }
}

// All of the flood waits its turn: an answer of 503 would be asked again at once, and measure something else.
const everyoneWaits = { maxQueued: 64, maxWaitSeconds: 60 }

/** Logins as `accounts` does them, with so many hashes at once. */
export function boundedLogins (maxConcurrent: number): Service {
  return loginService({ maxConcurrent, ...everyoneWaits }, (app) => Promise.resolve(async (body) => await app.accounts.login(body) !== null))
}

/** argon2 itself, as its README has it: as many hashes at once as there are requests, and threads. */
export const bareLogins = loginService({}, async (app, { id }) => {
  const { default: argon2 } = await import('argon2')
  const passwordHash = (await app.stores.users.findCredentials(alice.username))?.passwordHash ?? id
  return async ({ password }) => await argon2.verify(passwordHash, password)
})

/** `POST /refresh` with a refresh token answers the next; `POST /login` begins. */
export const refreshes: Service = async () => {
  const app = Fastify()
  await app.register(guards)
  const { id: subject } = await registerAccounts(app)
  const onRequest = app.publicAccess('a refresh')
  app.post('/login', { onRequest }, async () => await app.tokens.open({ subject, clientId: CLIENT, scopes: ['items:read'] }))
  app.post<{ Body: { refreshToken: string } }>('/refresh', { onRequest }, async ({ body }) => await app.tokens.refresh({ refreshToken: body.refreshToken, clientId: CLIENT }))
  return app
}

/** A key in the store that is verified by `app.accounts`. */
export const storedKey = service(async (app) => {
  const { id: owner } = await registerAccounts(app)
  const { id, digest, hint } = material().storedKey
  await app.stores.apiKeys.create({ id, owner, digest, hint, name: 'bench', scopes: ['items:read'], clientId: null, limit: null, expiresAt: new Date(Date.now() + 86_400_000) })
  await app.register(apiKeyAuth, { verify: ({ key }) => app.accounts.verifyApiKey(key) })
  return app.apiKey
})

// The service that the environment configures, opened as the process would and never listening: the same stores, the same
// rules. It is imported when a command needs it, so that help costs nothing.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfiguration } from '../config.ts'
import { createValidatorFactory } from '../plugins/server-validation.ts'
import { CommandFailure } from './failure.ts'
import { progress } from './output.ts'
import type { FastifyInstance } from 'fastify'
import type { Configuration } from '../config.ts'
import type { User } from '../stores/ports.ts'

/** Runs `work` with the service, and closes it. */
export async function withService<T> (work: (app: FastifyInstance, configuration: Configuration) => Promise<T>): Promise<T> {
  return await open(readConfiguration(process.env), work)
}

/** Runs `work` with the service over an empty store of its own: what it declares is told, and nothing that is kept is touched. */
export async function withEmptyService<T> (work: (app: FastifyInstance, configuration: Configuration) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-'))
  try {
    const keyFile = join(directory, 'token-key')
    // eslint-disable-next-line security/detect-non-literal-fs-filename -- in the directory that was made for it
    await writeFile(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 })
    return await open(readConfiguration({ ...process.env, DATABASE_URL: '', REDIS_URL: '', DATA_DIR: directory, TOKEN_KEY_FILE: keyFile }), work)
  } finally {
    await rm(directory, { recursive: true })
  }
}

async function open<T> (configuration: Configuration, work: (app: FastifyInstance, configuration: Configuration) => Promise<T>): Promise<T> {
  progress('Opening the service')
  const { buildApp } = await import('../app.ts')
  const app = await buildApp(configuration)
  try {
    await app.ready()
    return await work(app, configuration)
  } finally {
    await app.close()
  }
}

/** The account of that name; it has to be there. */
export async function findUser (app: FastifyInstance, username: string): Promise<User> {
  const user = await app.stores.users.findByName(username)
  if (user === null) throw new CommandFailure(`there is no user ${username}`)
  return user
}

/** Judges a message by the schema of the route that takes the same, as the service would. */
export function assertValid (schema: object, message: object): void {
  const compile = createValidatorFactory()({}, {}) as unknown as (route: { schema: object; httpPart: string }) => Validator
  const validate = compile({ schema, httpPart: 'body' })
  if (validate(message)) return
  const [{ instancePath = '', message: why = 'is not valid' } = {}] = validate.errors ?? []
  throw new CommandFailure(`${instancePath.slice(1).replaceAll('/', ' ')} ${why}`.trim())
}

interface Validator {
  (message: object): boolean
  errors?: { instancePath?: string; message?: string }[] | null
}

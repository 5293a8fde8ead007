// The service of somebody else's module: what it exports is a Fastify app, or a function that makes one.
import { createRequire } from 'node:module'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { CommandFailure } from './failure.ts'
import { progress } from './output.ts'
import type { FastifyInstance } from 'fastify'

/** Runs `work` with the app of the module, ready and not listening, and closes it. */
export async function withAppOf<T> (file: string, work: (app: FastifyInstance) => Promise<T>): Promise<T> {
  const path = resolve(file)
  progress(`Loading ${file}`)
  const app = await appIn(await load(path, file), file)
  try {
    await app.ready()
    if (typeof app.posture !== 'function') throw new CommandFailure(`${file}: the app has no plugin of Gatehouse on its root`)
    return await work(app)
  } finally {
    await app.close()
  }
}

type Module = Readonly<Record<string, unknown>>

async function load (path: string, file: string): Promise<Module> {
  const url = pathToFileURL(path).href
  try {
    return await import(url) as Module
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ERR_MODULE_NOT_FOUND' && error instanceof Error && error.message.includes(`'${path}'`)) throw new CommandFailure(`${file} is not there`)
    if (code !== 'ERR_UNKNOWN_FILE_EXTENSION' || !['.ts', '.mts'].includes(extname(path))) throw error
    await useTsx(path, file)
    // Under its own name Node.js remembers that it could not load it.
    return await import(`${url}?tsx`) as Module
  }
}

/** Node 20 reads no TypeScript; tsx, where the project has it, teaches it. */
async function useTsx (path: string, file: string): Promise<void> {
  let loader: string
  try {
    loader = createRequire(path).resolve('tsx/esm/api')
  } catch {
    throw new CommandFailure(`${file} is TypeScript, which this Node.js does not read: build it, or npm install --save-dev tsx`)
  }
  const { register } = await import(pathToFileURL(loader).href) as { register (): unknown }
  register()
}

async function appIn (module: Module, file: string): Promise<FastifyInstance> {
  const exported = [module['buildApp'], module['app'], module['default']].find((value) => typeof value === 'function' || isApp(value))
  const made: unknown = typeof exported === 'function' ? await (exported as () => unknown)() : exported
  if (!isApp(made)) throw new CommandFailure(`${file} exports no app: export buildApp, a function without parameters that makes one, or the app itself`)
  return made
}

function isApp (value: unknown): value is FastifyInstance {
  return typeof value === 'object' && value !== null && 'ready' in value && 'inject' in value && 'close' in value
}

// The document and the pages that are read: OpenAPI 3.1 derived from the guards, and from `problems` where it is
// registered, as JSON and YAML, and Swagger UI.
// Register it before the routes it documents.
import fp from 'fastify-plugin'
import { fault } from '../errors.ts'
import { nodeOf } from '../guards/guard.ts'
import { isRecord } from '../guards/scheme-options.ts'
import { useGuards } from './guards.ts'
import { registerPages } from './openapi-pages.ts'
import { createDocumentTransform } from './openapi-problems.ts'
import type { FastifyInstance } from 'fastify'
import type { AuthorizationGuard, Guard, LimitGuard } from '../guards/guard.ts'
import type { Principal } from '../guards/principal.ts'
import type { GuardsOptions } from './guards.ts'
import type { OauthClientOptions } from './openapi-pages.ts'

export type { OauthClientOptions } from './openapi-pages.ts'

/** An OpenAPI Server Object. */
export interface ServerObject {
  url: string
  description?: string
  [extension: `x-${string}`]: unknown
}

/** Options of {@link openapi}. */
export interface OpenapiOptions {
  /** OpenAPI Info Object. */
  info: {
    title: string
    version: string
    summary?: string
    description?: string
    termsOfService?: string
    contact?: { name?: string; url?: string; email?: string }
    license?: { name: string; identifier?: string; url?: string }
  }
  /** OpenAPI Tag Objects: what the tags of the routes mean. @defaultValue none */
  tags?: readonly { name: string; description?: string }[]
  /** OpenAPI Server Objects. @defaultValue none: the document's own origin */
  servers?: readonly ServerObject[]
  /** Where Swagger UI stands; `false` for nowhere. @defaultValue '/docs' */
  docs?: string | false
  /** Where the document stands as JSON; `false` for nowhere. @defaultValue '/openapi.json' */
  json?: string | false
  /** Where the document stands as YAML; `false` for nowhere. @defaultValue '/openapi.yaml' */
  yaml?: string | false
  /** What Swagger UI is called by the issuers that people log in at. @defaultValue none: people type the `client_id` */
  oauthClient?: OauthClientOptions
  /** Guards for the document and its pages. @defaultValue none: they are public */
  access?: readonly (Guard<Principal | null> | AuthorizationGuard | LimitGuard)[]
  /** Options of the core, where this is the first plugin to need it. */
  guards?: GuardsOptions
}

const known: readonly (keyof OpenapiOptions)[] = ['info', 'tags', 'servers', 'docs', 'json', 'yaml', 'oauthClient', 'access', 'guards']

interface OpenapiSettings {
  info: OpenapiOptions['info']
  tags: NonNullable<OpenapiOptions['tags']>
  servers: ServerObject[]
  docs: string | null
  json: string | null
  yaml: string | null
  oauthClient: OauthClientOptions | null
  access: OpenapiOptions['access']
}

function resolve (options: OpenapiOptions): OpenapiSettings {
  const unknown = Object.keys(options).find((name) => !known.some((option) => option === name))
  if (unknown !== undefined) throw fault('GATEHOUSE_OPTION_INVALID', `openapi.${unknown} is not an option`)
  const { info, tags = [], servers = [], access } = options
  if (!isRecord(info) || typeof info.title !== 'string' || typeof info.version !== 'string') throw fault('GATEHOUSE_OPTION_INVALID', 'openapi.info must have a title and a version')
  if (!isListOf('name', tags)) throw fault('GATEHOUSE_OPTION_INVALID', 'openapi.tags must be a list of tags, each with a name')
  if (!isListOf('url', servers)) throw fault('GATEHOUSE_OPTION_INVALID', 'openapi.servers must be a list of servers, each with a url')
  if (access !== undefined && (!Array.isArray(access) || access.length === 0 || access.some((guard: unknown) => nodeOf(guard) === undefined))) throw fault('GATEHOUSE_OPTION_INVALID', 'openapi.access must be a list of guards')
  return {
    info,
    tags: [...tags],
    servers: [...servers],
    docs: pathFrom('docs', options.docs, '/docs'),
    json: pathFrom('json', options.json, '/openapi.json'),
    yaml: pathFrom('yaml', options.yaml, '/openapi.yaml'),
    oauthClient: clientFrom(options.oauthClient),
    access
  }
}

function clientFrom (client: unknown): OauthClientOptions | null {
  if (client === undefined) return null
  const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''
  const isSound = isRecord(client) && Object.keys(client).every((name) => ['clientId', 'scopes', 'parameters'].includes(name))
  if (!isSound || !isText(client.clientId)) throw fault('GATEHOUSE_OPTION_INVALID', 'openapi.oauthClient must be { clientId }, with scopes and parameters or without')
  const { scopes = [], parameters = {} } = client
  if (!Array.isArray(scopes) || !scopes.every(isText)) throw fault('GATEHOUSE_OPTION_INVALID', 'openapi.oauthClient.scopes must be a list of scope names')
  if (!isRecord(parameters) || !Object.values(parameters).every(isText)) throw fault('GATEHOUSE_OPTION_INVALID', 'openapi.oauthClient.parameters must be an object of texts')
  return client as unknown as OauthClientOptions
}

function isListOf (member: string, value: unknown): boolean {
  return Array.isArray(value) && value.every((entry: unknown) => isRecord(entry) && typeof entry[member] === 'string')
}

function pathFrom (name: string, value: unknown, standard: string): string | null {
  if (value === undefined) return standard
  if (value === false) return null
  if (typeof value !== 'string' || !/^\/[\w./-]+$/.test(value)) throw fault('GATEHOUSE_OPTION_INVALID', `openapi.${name} must be a path such as ${standard}, or false`)
  return value
}

async function openapiPlugin (app: FastifyInstance, options: OpenapiOptions): Promise<void> {
  const settings = resolve(options)
  const registry = useGuards(app, options.guards)
  const { default: swagger } = await import('@fastify/swagger')
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: settings.info,
      ...(settings.tags.length > 0 ? { tags: [...settings.tags] } : {}),
      ...(settings.servers.length > 0 ? { servers: settings.servers } : {})
    },
    transform: createDocumentTransform(app),
    refResolver: { buildLocalReference: (schema: { $id?: unknown }, _base: unknown, _fragment: unknown, index: number) => typeof schema.$id === 'string' ? schema.$id : `Schema${String(index)}` }
  })
  await app.register(async (pages) => {
    pages.protect(...(settings.access ?? [pages.publicAccess('The documentation of the API')]))
    documentRoutes(pages, settings)
    const { docs, info: { title }, servers, oauthClient } = settings
    if (docs !== null) await pages.register(async (ui) => { await registerPages(ui, { path: docs, title, servers, client: oauthClient }, registry) })
  })
}

function documentRoutes (pages: FastifyInstance, { json, yaml }: OpenapiSettings): void {
  const schema = { hide: true }
  if (json !== null) pages.get(json, { schema }, (_request, reply) => reply.type('application/json; charset=utf-8').send(JSON.stringify(pages.swagger())))
  if (yaml !== null) pages.get(yaml, { schema }, (_request, reply) => reply.type('application/yaml; charset=utf-8').send(pages.swagger({ yaml: true })))
}

/** Publishes the document at `/openapi.json` and `/openapi.yaml`, and Swagger UI at `/docs`. @see {@link OpenapiOptions} */
export const openapi = fp(openapiPlugin, { name: 'gatehouse-openapi', fastify: '5.x' })

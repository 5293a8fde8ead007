// Swagger UI, under a policy that lets it run its own scripts and talk to the API, and nothing else.
import { isDevelopment } from '../guards/environment.ts'
import { firstFieldScript, keepTokensScript } from './openapi-scripts.ts'
import type { FastifyInstance } from 'fastify'
import type { Registry } from '../guards/registry.ts'
import type { SecuritySchemeObject } from '../guards/scheme.ts'

const firstField = { filename: 'first-field.js', content: firstFieldScript }
const keepTokens = { filename: 'keep-tokens.js', content: keepTokensScript }

export interface PagesSettings {
  path: string
  title: string
  /** OpenAPI Server Objects: where the pages send their requests, if not to their own origin. */
  servers: readonly { url: string }[]
}

/** Serves Swagger UI. In development an access token outlives a reload; in production the page stores nothing. */
export async function registerPages (pages: FastifyInstance, { path, title, servers }: PagesSettings, registry: Registry): Promise<void> {
  const { default: swaggerUi } = await import('@fastify/swagger-ui')
  let policy = contentSecurityPolicy([])
  pages.addHook('onReady', function allowServers (done) {
    policy = contentSecurityPolicy([...servers.map(({ url }) => url), ...[...registry.schemes.values()].flatMap(({ definition }) => endpointsOf(definition))])
    done()
  })
  await pages.register(swaggerUi, {
    routePrefix: path,
    staticCSP: policy,
    transformStaticCSP: () => policy,
    theme: { title: escapeHtml(title), js: isDevelopment() ? [firstField, keepTokens] : [firstField] },
    // The standalone layout has a bar that loads any document, to be taken for this one.
    uiConfig: { layout: 'BaseLayout', persistAuthorization: false, displayRequestDuration: true, tryItOutEnabled: true }
  })
}

/** Swagger UI styles its elements inline; scripts come from this origin alone. */
function contentSecurityPolicy (urls: readonly string[]): string {
  const connect = ["'self'", ...new Set(urls.flatMap(originOf))].join(' ')
  return `default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src ${connect}; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'`
}

/** What Swagger UI asks for a token, or for where to get one. */
function endpointsOf (definition: SecuritySchemeObject): string[] {
  if (definition.type === 'openIdConnect') return [definition.openIdConnectUrl]
  if (definition.type !== 'oauth2') return []
  return Object.values(definition.flows).flatMap((flow: { tokenUrl?: string }) => flow.tokenUrl ?? [])
}

/** The origin of an absolute URL, if a policy can name it; a relative one, or one with variables, has none. */
function originOf (url: string): string[] {
  const { protocol = '', hostname = '', origin = '' } = URL.canParse(url) ? new URL(url) : {}
  return /^https?:$/.test(protocol) && /^[\w.-]+$/.test(hostname) ? [origin] : []
}

function escapeHtml (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

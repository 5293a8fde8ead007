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
  /** What the pages are called by issuers, or `null`. */
  client: OauthClientOptions | null
}

/** The client that Swagger UI is to an issuer (RFC 6749 §2.2): a public one, with PKCE (RFC 7636) and without a secret. */
export interface OauthClientOptions {
  /** Its `client_id`, which the dialog shows and people may change. */
  clientId: string
  /** The scopes that are ticked at first. @defaultValue none */
  scopes?: readonly string[]
  /** What else the issuer wants to be told, such as Auth0's `audience` or the `resource` of RFC 8707. @defaultValue none */
  parameters?: Readonly<Record<string, string>>
}

/** Where an issuer sends people back to, below the path of the pages. */
const REDIRECT = '/static/oauth2-redirect.html'

/** Serves Swagger UI. In development an access token outlives a reload; in production the page stores nothing. */
export async function registerPages (pages: FastifyInstance, { path, title, servers, client }: PagesSettings, registry: Registry): Promise<void> {
  const { default: swaggerUi } = await import('@fastify/swagger-ui')
  let policy = contentSecurityPolicy([])
  let opensPopups = false
  pages.addHook('onReady', function allowServers (done) {
    const definitions = [...registry.schemes.values()].map(({ definition }) => definition)
    policy = contentSecurityPolicy([...servers.map(({ url }) => url), ...definitions.flatMap(endpointsOf)])
    opensPopups = definitions.some(sendsPeopleAway)
    done()
  })
  // The login stands in a window that the pages have opened; it comes back to tell them of the code. `same-origin`
  // would part the two, and on the way back any policy would part it from the issuer's pages, which mostly have none.
  pages.addHook('onRequest', function keepOpener (request, reply, done) {
    const [asked = ''] = request.url.split('?', 1)
    if (opensPopups) void reply.header('cross-origin-opener-policy', asked.endsWith(REDIRECT) ? 'unsafe-none' : 'same-origin-allow-popups')
    done()
  })
  await pages.register(swaggerUi, {
    routePrefix: path,
    staticCSP: policy,
    transformStaticCSP: () => policy,
    initOAuth: { ...(client === null ? {} : { clientId: client.clientId, scopes: [...client.scopes ?? []], additionalQueryStringParams: { ...client.parameters } }), usePkceWithAuthorizationCodeGrant: true },
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

/** Whether people log in at the issuer's own pages. */
function sendsPeopleAway (definition: SecuritySchemeObject): boolean {
  return definition.type === 'openIdConnect' || (definition.type === 'oauth2' && ['authorizationCode', 'implicit'].some((flow) => Object.hasOwn(definition.flows, flow)))
}

/** The origin of an absolute URL, if a policy can name it; a relative one, or one with variables, has none. */
function originOf (url: string): string[] {
  const { protocol = '', hostname = '', origin = '' } = URL.canParse(url) ? new URL(url) : {}
  return /^https?:$/.test(protocol) && /^[\w.-]+$/.test(hostname) ? [origin] : []
}

function escapeHtml (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

// Pages for people, rendered here and working without a script: who is signed in, keys, sessions, password, and what
// administrators see. Every form is a POST that the guards judge as any other; what was done is told after a redirect.
import { fileURLToPath } from 'node:url'
import { fault } from '../errors.ts'
import { accountPages } from './pages-account.ts'
import { administrationPages } from './pages-administration.ts'
import { takeForms } from './pages-forms.ts'
import { answerError, createPages } from './pages-frame.ts'
import type { FastifyPluginAsync, onRequestHookHandler } from 'fastify'
import type { LimitGuard } from '../guards/guard.ts'
import type { PagesSettings } from './pages-frame.ts'

/** Options of {@link pageRoutes}. */
export interface PageRoutesOptions {
  /** What the pages call the service. @defaultValue 'Gatehouse' */
  service?: string
  /** The scopes that keys and clients may have, each with the text that people see. */
  scopes: Readonly<Record<string, string>>
  /** The roles that accounts may have. */
  roles: readonly string[]
  /** Where the documentation stands. @defaultValue null: nowhere */
  docs?: string | null
  /** Whether the documentation is for administrators alone. @defaultValue false */
  docsForAdministrators?: boolean
  /** What signing in counts against, best shared with the other routes that take a password. */
  signInLimits: readonly LimitGuard[]
  /** What a wrong current password counts against, best shared with `PUT /users/me/password`. */
  passwordLimit: LimitGuard
}

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

/** Under no-referrer a form would be posted with `Origin: null`, and an older browser has no other evidence. */
const pageHeaders: onRequestHookHandler = (_request, reply, done) => {
  void reply.header('content-security-policy', POLICY).header('referrer-policy', 'same-origin')
  done()
}

function resolve (options: PageRoutesOptions): PagesSettings {
  const { service = 'Gatehouse', scopes, roles, docs = null, docsForAdministrators = false, signInLimits, passwordLimit } = options
  const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''
  const right: Record<string, boolean> = {
    service: isText(service),
    scopes: typeof scopes === 'object' && scopes !== null && Object.values(scopes).every(isText),
    roles: Array.isArray(roles) && roles.every(isText),
    docs: docs === null || (isText(docs) && docs.startsWith('/')),
    docsForAdministrators: typeof docsForAdministrators === 'boolean',
    signInLimits: Array.isArray(signInLimits) && signInLimits.length > 0 && signInLimits.every((limit: unknown) => typeof limit === 'function'),
    passwordLimit: typeof passwordLimit === 'function'
  }
  const wrong = Object.keys(right).find((name) => right[name] === false)
  if (wrong !== undefined) throw fault('GATEHOUSE_OPTION_INVALID', `pageRoutes.${wrong}`)
  return { service, scopes, roles, docs, docsForAdministrators, signInLimits, passwordLimit }
}

/**
 * `/` and what stands below it: pages, the forms on them, and their files. Needs `app.stores`, `app.accounts`,
 * `app.tokens`, `app.session`, `csrf`, `scopes` and `rateLimit`.
 */
export const pageRoutes: FastifyPluginAsync<PageRoutesOptions> = async (app, options) => {
  const settings = resolve(options)
  const folder = fileURLToPath(new URL('../pages/', import.meta.url))
  const [{ Eta }, { fastifyView }, { fastifyStatic }] = await Promise.all([import('eta'), import('@fastify/view'), import('@fastify/static')])
  const eta = new Eta({ views: folder, cache: true })
  await app.register(async (files) => {
    files.protect(files.publicAccess('The style, the script and the picture of the pages'))
    await files.register(fastifyStatic, {
      root: `${folder}assets`, prefix: '/assets/', wildcard: false, index: false, dotfiles: 'deny', decorateReply: false, cacheControl: false,
      setHeaders: (reply) => { void reply.header('cache-control', 'no-cache') }
    })
  })
  await app.register(async (context) => {
    await context.register(fastifyView, { engine: { eta }, root: folder, viewExt: 'eta', production: true })
    const pages = createPages(context, eta, settings)
    context.addHook('onRequest', pageHeaders)
    context.setErrorHandler((error, request, reply) => answerError(pages, error, request, reply))
    takeForms(context)
    await context.register(accountPages, { pages })
    await context.register(administrationPages, { pages })
  })
}

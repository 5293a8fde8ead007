// What every OAuth endpoint that takes a form has in common: parameters each at most once, an empty one as absent, answers
// that nobody keeps, and no method but POST.
import { oauthError } from '../errors.ts'
import { parseForm } from '../strict-form.ts'
import { decodeUtf8 } from '../strict-json.ts'
import { oauthErrorHandler, oauthRefusal } from './oauth-errors.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest, onSendHookHandler } from 'fastify'
import type { OriginRequest } from '../guards/events.ts'
import type { AuthenticatedClient } from '../plugins/tokens.ts'

const FORM = 'application/x-www-form-urlencoded'

/** RFC 6749 §5.1, of every answer: errors, limits and 405 too. */
const neverStore: onSendHookHandler = (_request, reply, payload, done) => {
  void reply.header('cache-control', 'no-store').header('pragma', 'no-cache')
  done(null, payload)
}

/** What the options of such a route begin with. */
export const oauthRoute = { config: { refusal: oauthRefusal }, errorHandler: oauthErrorHandler, onSend: neverStore } as const
/** The `consumes` of its schema. */
export const consumes = [FORM]

/** From here on this context takes forms (RFC 6749 §3.2) and nothing else. */
export function takeForms (app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(FORM, { parseAs: 'buffer', bodyLimit: 16_384 }, (_request, bytes: Buffer, parsed) => {
    try {
      parsed(null, withoutEmpty(parseForm(decodeUtf8(bytes))))
    } catch {
      parsed(oauthError('invalid_request'))
    }
  })
}

/** An empty value counts as absent (RFC 6749 §3.2). */
function withoutEmpty (form: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(form).filter(([, value]) => value !== ''))
}

/** Who asks. */
export async function clientOf (app: FastifyInstance, request: OriginRequest, form: { client_id?: string; client_secret?: string }): Promise<AuthenticatedClient> {
  const { rawHeaders } = request.raw
  return await app.tokens.authenticateClient({ rawHeaders, clientId: form.client_id, clientSecret: form.client_secret, address: app.clientAddress(request), origin: app.eventOrigin(request) })
}

/** RFC 9110 §15.5.6: an endpoint that takes POST alone says so, before it looks at a body. */
export function refuseOtherMethods (app: FastifyInstance, url: string, reason: string): void {
  const refuse = async (_request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    await reply.code(405).header('allow', 'POST').type(oauthRefusal.contentType).send(JSON.stringify(oauthRefusal.write({ status: 405 })))
  }
  app.route({
    method: ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    url,
    onSend: neverStore,
    onRequest: [app.publicAccess(reason), refuse],
    schema: { hide: true },
    handler: refuse
  })
}

// Client applications (RFC 6749 §2): confidential ones, made by an administrator, and the public one that has no secret.
import { isUtf8 } from 'node:buffer'
import { isCanonicalBase64 } from '../credentials/basic-credentials.ts'
import { createClientSecret, matchesClientSecret } from '../credentials/client-secrets.ts'
import { oauthError, refusal } from '../errors.ts'
import { isScope } from '../guards/scope.ts'
import type { ClientLimit } from './tokens-client-limit.ts'
import type { Client, Stores } from '../stores/ports.ts'
import type { TokensSettings } from './tokens-options.ts'
import type { TokenOrigin } from './tokens-revocation.ts'

/** The grants that a client may have, as `grant_type` has them. */
export const clientGrants = ['client_credentials', 'refresh_token', 'password'] as const

/** Who asks, as far as the request says so. */
export interface ClientCredentials {
  /** Name and value in turns, as Node has them: of two `Authorization` fields the parsed ones keep one and say nothing. */
  rawHeaders: readonly string[]
  /** Of the form. */
  clientId?: string | undefined
  /** Of the form. */
  clientSecret?: string | undefined
  /** Where from, as `app.clientAddress(request)` tells: from there a client goes on that others try with wrong secrets. @defaultValue unknown */
  address?: string | undefined
  /** Told in the audit log. */
  origin?: TokenOrigin | undefined
}

/** A client that has proved who it is, or the public one. */
export interface AuthenticatedClient {
  /** Its `client_id`. */
  clientId: string
  /** Whether it has a secret. */
  confidential: boolean
  /** The grants that it may use. */
  grants: readonly string[]
  /** The scopes that it may have; `undefined`: all. */
  scopes: readonly string[] | undefined
}

/** Clients as the other parts of `tokens` need them. */
export interface TokenClients {
  create (client: { name: string; grants: readonly string[]; scopes: readonly string[]; origin?: TokenOrigin | undefined }): Promise<{ client: Client; secret: string }>
  authenticate (credentials: ClientCredentials): Promise<AuthenticatedClient>
}

/** `Basic` with an empty name and an empty secret, which Swagger UI sends. */
const EMPTY_BASIC = /^basic +og==$/i
const BASIC = /^basic +([A-Za-z0-9+/]+={0,2})$/i
const CLIENT_ID = /^client_[0-9A-Za-z]{22}$/
const LONGEST_SECRET = 1024

/** The clients of a store. */
export function createTokenClients ({ clients, transaction }: Stores, { publicClient }: TokensSettings, limit: ClientLimit): TokenClients {
  return {
    async create ({ name, grants, scopes, origin = {} }) {
      if (!grants.every((grant) => (clientGrants as readonly string[]).includes(grant)) || !scopes.every(isScope)) throw refusal('validation')
      const { secret, digest } = createClientSecret()
      const client = await transaction(async (inside) => {
        const made = await inside.clients.create({ name, grants, scopes, secretDigest: digest })
        await inside.audit.append({ ...origin, event: 'gatehouse_client_created', outcome: 'success', target: made.client_id, details: { grants, scopes } })
        return made
      })
      return { client, secret }
    },

    async authenticate ({ rawHeaders, clientId, clientSecret, address }) {
      const [authorization, ...more] = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'authorization')
      if (more.length > 0) throw oauthError('invalid_request')
      if (authorization === undefined || EMPTY_BASIC.test(authorization)) {
        if (clientSecret !== undefined) return await confidential(clientId ?? '', clientSecret, address)
        if (publicClient === null || (clientId !== undefined && clientId !== publicClient)) throw oauthError('invalid_client')
        return { clientId: publicClient, confidential: false, grants: ['password', 'refresh_token'], scopes: undefined }
      }
      // RFC 6749 §2.3: one way to authenticate a request.
      if (clientSecret !== undefined) throw oauthError('invalid_request')
      const [id, secret] = readBasic(authorization)
      if (clientId !== undefined && clientId !== id) throw oauthError('invalid_request')
      return await confidential(id, secret, address)
    }
  }

  async function confidential (id: string, secret: string, address: string | undefined): Promise<AuthenticatedClient> {
    // An id that cannot be costs no look-up, and is answered as one that is not.
    const client = CLIENT_ID.test(id) ? await limit({ clientId: id, address }, () => judge(id, secret)) : null
    if (client === null) throw oauthError('invalid_client')
    return { clientId: id, confidential: true, grants: client.grants, scopes: client.scopes }
  }

  async function judge (id: string, secret: string): Promise<Client | null> {
    const found = await clients.findActive(id)
    return matchesClientSecret(secret.slice(0, LONGEST_SECRET), found?.secretDigest ?? null) ? found?.client ?? null : null
  }
}

/** RFC 6749 §2.3.1: id and secret are form-encoded before they are joined. */
function readBasic (authorization: string): [id: string, secret: string] {
  const [, credentials = ''] = BASIC.exec(authorization) ?? []
  if (credentials === '' || !isCanonicalBase64(credentials)) throw oauthError('invalid_client')
  const bytes = Buffer.from(credentials, 'base64')
  const [, id = '', secret = ''] = /^([^:]*):(.*)$/s.exec(isUtf8(bytes) ? bytes.toString() : '') ?? []
  try {
    return [decode(id), decode(secret)]
  } catch {
    throw oauthError('invalid_client')
  }
}

function decode (text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '))
}

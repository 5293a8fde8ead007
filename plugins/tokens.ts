// Access tokens as RFC 9068 has them: signed with a key from a file, published as a JSON Web Key Set.
import { createPublicKey, randomUUID } from 'node:crypto'
import fp from 'fastify-plugin'
import { fault } from '../errors.ts'
import { isScope } from '../guards/scope.ts'
import type { FastifyInstance } from 'fastify'
import type { PublicSigningJwk, SigningKey } from '../credentials/signing-keys.ts'
import type { StoreSet } from '../stores/ports.ts'

/** Options of {@link tokens}. */
export interface TokensOptions {
  /** The `iss` of every token: the service's own URL. */
  issuer: string
  /** The `aud` of every token. @defaultValue the issuer */
  audience?: string
  /** The PEM file of the signing key (PKCS #8, P-256). */
  keyFile: string
  /** Whether the key is made when the file is not there. @defaultValue false */
  createKey?: boolean
  /** Seconds that an access token lives, 3600 at most. @defaultValue 900 */
  lifetimeSeconds?: number
}

/** What a token says of whom. */
export interface TokenGrant {
  /** The `sub`: a user, or a client that acts for itself. */
  subject: string
  /** The `client_id`: whoever asked for the token. */
  clientId: string
  /** The `scope`; the claim is left out where there is none. */
  scopes: readonly string[]
}

/** A token, and how long it lives. */
export interface IssuedToken {
  /** The signed token, in compact form. */
  accessToken: string
  /** Seconds until it expires, as `expires_in` has them. */
  expiresInSeconds: number
}

/** What `app.tokens` does. */
export interface Tokens {
  /** Signs an access token (RFC 9068 §2). */
  issue (grant: TokenGrant): IssuedToken
  /** The public keys that verify what `issue` signs (RFC 7517 §5). */
  readonly jwks: { readonly keys: readonly PublicSigningJwk[] }
  /**
   * Logs a subject out everywhere: ends its refresh families, but for one, and its live access tokens, at once in this
   * process. With `stores`, those of a transaction, it is kept with the change that is the reason, or not at all.
   */
  revokeSubject (subject: string, options?: RevokeSubjectOptions): Promise<void>
}

/** How {@link Tokens.revokeSubject} goes about it. */
export interface RevokeSubjectOptions {
  /** The family that stays, such as the one that the request came with. @defaultValue none */
  exceptFamily?: string | undefined
  /** What {@link Stores.transaction} hands out. @defaultValue `app.stores` */
  stores?: StoreSet | undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    tokens: Tokens
  }
}

type TokensSettings = Readonly<Required<TokensOptions>>

const known = ['issuer', 'audience', 'keyFile', 'createKey', 'lifetimeSeconds']

function resolve (options: TokensOptions): TokensSettings {
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown !== undefined) throw fault('GATEHOUSE_OPTION_INVALID', `tokens.${unknown}`)
  const { issuer, audience = issuer, keyFile, createKey = false, lifetimeSeconds = 900 } = options
  for (const [name, value] of Object.entries({ issuer, audience, keyFile })) {
    if (typeof value !== 'string' || value === '') throw fault('GATEHOUSE_OPTION_INVALID', `tokens.${name}`)
  }
  if (typeof createKey !== 'boolean') throw fault('GATEHOUSE_OPTION_INVALID', 'tokens.createKey')
  if (!Number.isInteger(lifetimeSeconds) || lifetimeSeconds < 1 || lifetimeSeconds > 3600) throw fault('GATEHOUSE_OPTION_INVALID', 'tokens.lifetimeSeconds')
  return Object.freeze({ issuer, audience, keyFile, createKey, lifetimeSeconds })
}

/** @fastify/jwt on an instance of its own, so that a service's `app.jwt` and `request.user` stay its own. */
async function signerOf ({ privateKey, kid }: SigningKey): Promise<(payload: object) => string> {
  const [{ default: fastify }, { default: jwt }] = await Promise.all([import('fastify'), import('@fastify/jwt')])
  const host = fastify()
  await host.register(jwt, {
    secret: {
      private: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      public: createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString()
    },
    sign: { algorithm: 'ES256', kid, header: { alg: 'ES256', typ: 'at+jwt' } }
  })
  await host.ready()
  return (payload) => host.jwt.sign(payload)
}

async function tokensPlugin (app: FastifyInstance, options: TokensOptions): Promise<void> {
  const { issuer, audience, keyFile, createKey, lifetimeSeconds } = resolve(options)
  const { loadOrCreateSigningKey, loadSigningKey } = await import('../credentials/signing-keys.ts')
  const key = await (createKey ? loadOrCreateSigningKey(keyFile) : loadSigningKey(keyFile))
  const sign = await signerOf(key)
  app.decorate('tokens', Object.freeze<Tokens>({
    jwks: Object.freeze({ keys: Object.freeze([key.publicJwk]) }),
    issue ({ subject, clientId, scopes }) {
      if (subject === '' || clientId === '' || !scopes.every(isScope)) throw new TypeError('a token needs a subject, a client and well-formed scopes')
      const iat = Math.floor(Date.now() / 1000)
      const accessToken = sign({
        iss: issuer, sub: subject, aud: audience, client_id: clientId, iat, exp: iat + lifetimeSeconds, jti: randomUUID(),
        ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') })
      })
      return { accessToken, expiresInSeconds: lifetimeSeconds }
    },
    async revokeSubject (subject, { exceptFamily, stores = app.stores } = {}) {
      await stores.refreshTokens.revokeBySubject(subject, { exceptFamily })
    }
  }))
}

/** Decorates `app.tokens`. @see {@link TokensOptions} */
export const tokens = fp(tokensPlugin, { name: 'gatehouse-tokens', fastify: '5.x' })

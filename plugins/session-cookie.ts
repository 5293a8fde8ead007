// The cookie of a session, read and written: always `__Host-…; Path=/; HttpOnly; Secure; SameSite=Lax`, never anything less.
import { cookieValues } from '../guards/cookie-header.ts'
import { isSessionId } from '../credentials/session-ids.ts'

/** What reads and writes it. */
export interface SessionCookie {
  /** The id that a request presents; `null` for none, for what is no id, and for two, of which nobody knows whose is whose. */
  read (header: string | undefined): string | null
  /** The `Set-Cookie` that hands out an id. */
  write (id: string): string
  /** The `Set-Cookie` that takes it back. */
  readonly expired: string
}

const attributes = { path: '/', httpOnly: true, secure: true, sameSite: 'lax' } as const

/** The serializer of @fastify/cookie, which knows its own only after it was registered somewhere. */
async function loadSerializer (): Promise<(name: string, value: string, options: object) => string> {
  const [{ fastify }, { fastifyCookie }] = await Promise.all([import('fastify'), import('@fastify/cookie')])
  const host = fastify()
  await host.register(fastifyCookie)
  await host.ready()
  return host.serializeCookie
}

export async function createSessionCookie (name: string): Promise<SessionCookie> {
  const serialize = await loadSerializer()
  return Object.freeze({
    read (header) {
      if (header === undefined) return null
      const [id, second] = cookieValues(header, name)
      return id !== undefined && second === undefined && isSessionId(id) ? id : null
    },
    write: (id) => serialize(name, id, attributes),
    expired: serialize(name, '', { ...attributes, expires: new Date(0), maxAge: 0 })
  } satisfies SessionCookie)
}

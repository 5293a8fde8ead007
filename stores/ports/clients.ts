// Client applications.
import type { Page, PageQuery } from './pages.ts'

/** A client application (RFC 6749 §2) that is confidential, without its secret. */
export interface Client {
  /** `client_` and 22 digits of base62: no user has such an id. */
  client_id: string
  /** What people call it. */
  name: string
  /** The grants that it may use, as `grant_type` has them. */
  grants: string[]
  /** The scopes that it may ask for. */
  scopes: string[]
  /** RFC 3339, UTC; so is the other. */
  created_at: string
  /** When it was revoked. */
  revoked_at: string | null
}

/** A client to make. */
export interface NewClient {
  /** What people call it. */
  name: string
  /** The grants that it may use. */
  grants: readonly string[]
  /** The scopes that it may ask for. */
  scopes: readonly string[]
  /** Of a secret with at least 112 bits: it is not stretched. */
  secretDigest: string
}

/** Client applications. */
export interface ClientStore {
  /** The client, with its id. */
  create (client: NewClient): Promise<Client>
  /** `null` for an unknown and a revoked client alike; the one read that gives the digest. */
  findActive (id: string): Promise<{ client: Client; secretDigest: string } | null>
  /** All of them, revoked ones too. */
  list (query?: PageQuery): Promise<Page<Client>>
  /** Revokes it, its refresh families and the API keys that its tokens made, all or nothing; `false` when there is no such client or it was revoked before. */
  revoke (id: string): Promise<boolean>
}

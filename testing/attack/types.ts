// The words of the self-attack: what is sent, what comes back, what users give, and what is found.

/** A JSON Schema, as far as the attack reads it. */
export type AttackSchema = Readonly<Record<string, unknown>>

/** A request as it goes over the wire: nothing is normalised, a list is a header sent more than once. */
export interface AttackRequest {
  readonly method: string
  /** Path and query, as they are sent. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string
  /** The client's address; only `inject` can choose it. */
  readonly address?: string
}

/** What came back, and what could be seen besides. */
export interface AttackResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
  /** The handler that was entered, as `GET /items/:id`; `null` for none; absent where that cannot be seen. */
  readonly entered?: string | null
  /** The security events of the refusal; absent where they cannot be heard. */
  readonly events?: readonly string[]
}

/** Where attempts are sent: the service itself, or an address. */
export interface AttackTransport {
  send (request: AttackRequest): Promise<AttackResponse>
  /** Whether each attempt can come from an address of its own, so that limits do not meet other attempts. */
  readonly choosesAddress: boolean
}

/** What good credentials look like on a request, and what can be done about them. */
export interface MintedCredentials {
  /** Such as `{ authorization: 'Bearer …' }`, `{ cookie: 'name=value' }`, `{ 'x-api-key': '…' }`. */
  readonly headers?: Readonly<Record<string, string>>
  /** Of a key that travels in the query. */
  readonly query?: Readonly<Record<string, string>>
  /** What the service's own pages send with a change, for credentials that a browser sends unasked. */
  readonly csrf?: Readonly<Record<string, string>>
  /** Revokes them, logs out, disables their owner. */
  revoke? (): Promise<void>
}

/** What credentials have to be good for. */
export interface AskedCredentials {
  /** Scopes that they must have. */
  readonly scopes: readonly string[]
  /** Roles that their owner must have. */
  readonly roles: readonly string[]
  /** Scopes and roles that they must not have. */
  readonly lacking: readonly string[]
}

/** How to get credentials of one scheme. */
export interface AttackCredentials {
  /**
   * Fresh credentials that are good for `scopes` and `roles`, and not for what they are to be `lacking`; of somebody else
   * each time, so that one attempt does not meet the limits of another. `null` where there are no such credentials.
   */
  mint (asked: AskedCredentials): Promise<MintedCredentials | null>
  /** For tokens: signs any header and claims with the issuer's own key. Without it expiry, issuer, audience and `typ` are not tried. */
  sign? (token: { readonly header: Readonly<Record<string, unknown>>; readonly claims: Readonly<Record<string, unknown>> }): string | Promise<string>
  /** For tokens: the public keys, as texts that an attacker may take for a shared secret: PEM, JWK. */
  readonly publicKeys?: readonly string[]
}

/** What only the service's authors know of an operation, by its name such as `PATCH /items/:id`. */
export interface AttackExample {
  /** Path parameters of something that credentials of this service may use. @defaultValue the examples of the schema */
  readonly params?: () => Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>
  /** Path parameters of something that belongs to somebody else than whoever the credentials are for. */
  readonly foreign?: () => Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>
  /** A body that the operation takes. @defaultValue made from the schema and its examples */
  readonly body?: Readonly<Record<string, unknown>>
  /** A query that the operation takes. @defaultValue only what is required, from the schema */
  readonly query?: Readonly<Record<string, string>>
}

/** What the attack is told. */
export interface AttackOptions {
  /** By the name of the scheme; one that is missing is not tried. */
  readonly credentials?: Readonly<Record<string, AttackCredentials>>
  /** By the name of the operation, such as `PATCH /items/:id`. */
  readonly examples?: Readonly<Record<string, AttackExample>>
  /** A digest of all that a refused request must not change. @defaultValue nothing is compared */
  readonly snapshot?: () => Promise<string> | string
  /**
   * What the service is to be held to: that of {@link surfaceOf}, kept from a release. @defaultValue what the service itself
   * declares now, which cannot tell that a guard was taken away.
   */
  readonly surface?: readonly AttackedRoute[]
  /** Kinds of attempts to make. @defaultValue all of them */
  readonly kinds?: readonly AttackKind[]
  /** The most requests that one attempt at a limit may send; larger limits are left out. @defaultValue 1000 */
  readonly maxRequests?: number
}

/** Every sort of attempts, in the order in which they are made. */
export const attackKinds = [
  'control', 'credentials', 'rights', 'ownership', 'wire', 'csrf', 'cors', 'headers', 'parameters', 'body', 'limit'
] as const
/** A sort of attempts. */
export type AttackKind = typeof attackKinds[number]

/** One way in: the schemes that must all be presented, and the scopes that each is asked for. */
export type AttackedAlternative = Readonly<Record<string, readonly string[]>>

/** A route as it is attacked; safe to serialise. */
export interface AttackedRoute {
  /** One HTTP method. */
  readonly method: string
  /** The pattern, as `/items/:id`. */
  readonly url: string
  /** Who gets in; `optional` are strangers too. */
  readonly access: 'guarded' | 'optional' | 'public' | 'undeclared'
  /** The ways in, as OpenAPI has them. */
  readonly alternatives: readonly AttackedAlternative[]
  /** What every alternative needs: each name of `scopes` and `roles`, one of each list of the others. */
  readonly rights: { readonly scopes: readonly string[]; readonly roles: readonly string[]; readonly anyScopes: readonly (readonly string[])[]; readonly anyRoles: readonly (readonly string[])[] }
  /** What is counted, by what, and how many it allows. */
  readonly limits: readonly { readonly name: string; readonly by: string; readonly max: number | null }[]
  /** What requests have to prove that a browser was made to send, as `app.guardedRoutes()` says it. */
  readonly csrf: string | null
  /** Why the pages of every origin may read its answers. */
  readonly anyOrigin: string | null
  /** The parameters of the path, as an object; `null` for none, or where the document has no such route. */
  readonly params: AttackSchema | null
  /** Those of the query. */
  readonly query: AttackSchema | null
  /** The first media type that the document has, with its schema. */
  readonly body: { readonly type: string; readonly schema: AttackSchema } | null
}

/** What an attempt found out. */
export interface AttackResult {
  /** What sort of attempt it was. */
  readonly kind: AttackKind
  /** As `GET /items/:id`. */
  readonly route: string
  /** The route and what was tried. */
  readonly title: string
  /** `held`: the service refused as it should; `found`: it did not; `skipped`: it could not be tried. */
  readonly outcome: 'held' | 'found' | 'skipped'
  /** What is wrong, or why it was skipped; never a credential. */
  readonly problems: readonly string[]
}

/** One attempt. */
export interface Attempt {
  /** What sort of attempt it is. */
  readonly kind: AttackKind
  /** As `GET /items/:id`. */
  readonly route: string
  /** The route and what is tried; no two of a run have the same. */
  readonly title: string
  /** For a test runner: rejects with an `AssertionError` where something was found. */
  run (): Promise<void>
  /** Tells what was found out. */
  probe (): Promise<AttackResult>
}

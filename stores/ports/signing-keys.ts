// Keys that sign access tokens.

/** A key that signs access tokens. */
export interface SigningKey {
  /** Its RFC 7638 thumbprint. */
  kid: string
  /** The one algorithm that it is used with, as `alg` has it. */
  algorithm: string
  /** The public JWK. */
  publicJwk: Readonly<Record<string, unknown>>
  /** The private key, wrapped by whoever keeps it here: the store cannot read it. */
  wrappedPrivateKey: string
  /** When it was made. */
  createdAt: Date
  /** When it starts to sign. */
  activeFrom: Date
  /** When it stops to sign. */
  retireAt: Date
  /** When it stops to verify. */
  expiresAt: Date
}

/** Signing keys, each the successor of another. */
export interface SigningKeyStore {
  /**
   * Adds a key in the place of the newest one, named by its `kid` (`null`: there is none yet). `false`, and nothing is
   * written, when that is not the newest one any more: of several processes that rotate at once, one does.
   */
  insertIfCurrent (key: SigningKey, currentKid: string | null): Promise<boolean>
  /** Those that still verify at `now`, newest first. */
  list (now: Date): Promise<SigningKey[]>
  /** Ends signing and verifying at `at`, where they would have gone on; whether there is such a key. */
  end (kid: string, at: Date): Promise<boolean>
  /** Forgets keys that stopped to verify, except the newest; how many. */
  prune (now: Date): Promise<number>
}

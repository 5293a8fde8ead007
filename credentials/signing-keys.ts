// The key pair that signs tokens: ES256, in a file that only its owner reads, made once however many processes start.
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { link, mkdir, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fault } from '../errors.ts'
import { jwkThumbprint } from './thumbprint.ts'

/** A public key as it stands in a JSON Web Key Set (RFC 7517 §4); it has no private member. */
export interface PublicSigningJwk {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  readonly alg: 'ES256'
  readonly use: 'sig'
  readonly kid: string
}

export interface SigningKey {
  /** The RFC 7638 thumbprint of the public key. */
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicJwk: PublicSigningJwk
}

/**
 * The key in `file`: PKCS #8 PEM, EC P-256, which others than its owner and group must not be able to touch.
 * Throws `GATEHOUSE_KEY_FILE_INVALID` if it is absent or anything else.
 */
export async function loadSigningKey (file: string): Promise<SigningKey> {
  const key = await readSigningKey(file)
  if (key === null) throw fault('GATEHOUSE_KEY_FILE_INVALID', `${file} does not exist`)
  return key
}

/**
 * The key in `file`, generated there (mode 0600, its directory 0700 if it has to be made) when there is none.
 * Of several processes that start at once, all get the one key that was first. Throws as {@link loadSigningKey}.
 */
export async function loadOrCreateSigningKey (file: string): Promise<SigningKey> {
  const existing = await readSigningKey(file)
  if (existing !== null) return existing
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeExclusively(file, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  // Read back, never used from memory: another process may have been first.
  return await loadSigningKey(file)
}

async function readSigningKey (file: string): Promise<SigningKey | null> {
  let handle
  try {
    handle = await open(file, 'r')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
  try {
    const { mode } = await handle.stat()
    if (process.platform !== 'win32' && (mode & 0o007) !== 0) {
      throw fault('GATEHOUSE_KEY_FILE_INVALID', `${file} is open to everybody on this machine; chmod 600 it`)
    }
    return signingKeyOf(await handle.readFile('utf8'), file)
  } finally {
    await handle.close()
  }
}

function signingKeyOf (pem: string, file: string): SigningKey {
  let privateKey
  try {
    privateKey = createPrivateKey({ key: pem, format: 'pem' })
  } catch {
    // The parser's error is dropped: it says nothing that helps and might quote the file.
    throw fault('GATEHOUSE_KEY_FILE_INVALID', `${file} is not a private key in PEM`)
  }
  const { kty, crv, x, y } = createPublicKey(privateKey).export({ format: 'jwk' })
  if (kty !== 'EC' || crv !== 'P-256' || x === undefined || y === undefined) {
    throw fault('GATEHOUSE_KEY_FILE_INVALID', `${file} is not an EC P-256 key, which ES256 needs`)
  }
  const kid = jwkThumbprint({ kty, crv, x, y })
  return Object.freeze({
    kid,
    privateKey,
    publicJwk: Object.freeze({ kty, crv, x, y, alg: 'ES256', use: 'sig', kid })
  })
}

// Written whole beside its place and then linked there: a link, unlike a rename, never replaces what another process put.
async function writeExclusively (file: string, content: string | Buffer): Promise<void> {
  const temporary = `${file}.${randomBytes(8).toString('hex')}.tmp`
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(content)
    await handle.sync()
    await link(temporary, file)
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
  } finally {
    await handle.close()
    await unlink(temporary)
  }
  await syncDirectory(dirname(file))
}

async function syncDirectory (directory: string): Promise<void> {
  // Windows cannot open a directory, and does not need to.
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function isErrno (error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

// The key that wraps others: 32 random bytes in a file that only its owner reads, made once however many processes start.
import { randomBytes } from 'node:crypto'
import { link, mkdir, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fault } from '../errors.ts'
import { weaknessOf } from './secret-strength.ts'

const KEY_BYTES = 32
/** Of 32 bytes, in either alphabet of RFC 4648, with or without its padding. */
const KEY_TEXT = /^[A-Za-z0-9+/_-]{43}=?\s*$/

/**
 * The key in `file`, as `openssl rand -base64 32` writes one, which others than its owner and group must not be able
 * to touch. Throws `GATEHOUSE_KEY_FILE_INVALID` if it is absent or anything else.
 */
export async function loadKeyFile (file: string): Promise<Buffer> {
  const key = await readKeyFile(file)
  if (key === null) throw fault('GATEHOUSE_KEY_FILE_INVALID', `${file} does not exist`)
  return key
}

/**
 * The key in `file`, generated there (mode 0600, its directory 0700 if it has to be made) when there is none.
 * Of several processes that start at once, all get the one key that was first. Throws as {@link loadKeyFile}.
 */
export async function loadOrCreateKeyFile (file: string): Promise<Buffer> {
  const existing = await readKeyFile(file)
  if (existing !== null) return existing
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await writeExclusively(file, `${randomBytes(KEY_BYTES).toString('base64')}\n`)
  // Read back, never used from memory: another process may have been first.
  return await loadKeyFile(file)
}

async function readKeyFile (file: string): Promise<Buffer | null> {
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
    return keyOf(await handle.readFile('utf8'), file)
  } finally {
    await handle.close()
  }
}

function keyOf (text: string, file: string): Buffer {
  const key = KEY_TEXT.test(text) ? Buffer.from(text.trim(), 'base64') : null
  if (key?.length !== KEY_BYTES || weaknessOf(key, KEY_BYTES) !== null) {
    throw fault('GATEHOUSE_KEY_FILE_INVALID', `${file} is not 32 random bytes in base64; openssl rand -base64 32 makes them`)
  }
  return key
}

// Written whole beside its place and then linked there: a link, unlike a rename, never replaces what another process put.
async function writeExclusively (file: string, content: string): Promise<void> {
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

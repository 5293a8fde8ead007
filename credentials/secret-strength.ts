// What an HMAC secret must not be (RFC 7518 §3.2, RFC 8725 §3.5): short, guessable, or a key of another kind
// whose text is public. The last is algorithm confusion: who knows the public key could sign.
import { X509Certificate, createPrivateKey, createPublicKey } from 'node:crypto'

const MINIMUM_DISTINCT_BYTES = 12

// Secrets that stand in tutorials, templates and documentation, without case and punctuation.
const placeholders = [
  'yoursecret', 'yoursecretkey', 'your256bitsecret', 'your384bitsecret', 'your512bitsecret', 'yourjwtsecret',
  'yoursupersecret', 'yourprivatekey', 'yourapikey', 'yourkeyhere', 'yourtokensecret', 'yoursigningkey',
  'secretkeyhere', 'secrethere', 'putyoursecret', 'insertsecret', 'insertyour', 'enteryour', 'replaceme',
  'replacethis', 'replacewith', 'changeme', 'changethis', 'changeit', 'pleasechange', 'mysecret', 'mysecretkey',
  'myjwtsecret', 'mysupersecret', 'supersecret', 'topsecret', 'verysecret', 'secretsecret', 'secretkey',
  'jwtsecret', 'jsonwebtoken', 'tokensecret', 'accesstokensecret', 'refreshtokensecret', 'appsecret',
  'sessionsecret', 'secretpassword', 'astringsecretatleast', 'asecretthatisatleast', 'avalidstringsecret',
  'atleast32characters', 'atleast32bytes', 'minimum32characters', '32characterslong', '32characterlong',
  'thisisasecret', 'thisisnotasecret', 'thisisthesecret', 'averylongsecret', 'alongsecret', 'areallylongsecret',
  'somethingsecret', 'somesecret', 'notsosecret', 'keyboardcat', 'shhhhh', 'examplesecret', 'examplekey',
  'samplesecret', 'testsecret', 'testkey', 'devsecret', 'developmentsecret', 'defaultsecret', 'dummysecret',
  'placeholder', 'password123', 'passwordpassword', 'letmein', 'qwertyuiop', 'abcdefghijklmnop',
  '0123456789abcdef', '1234567890', 'donotuse', 'notforproduction', 'insecure', 'loremipsum',
  '09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7'
]

// The last ones begin the body of an OpenSSH key: a length and `ssh-` or `ecdsa`, in base64.
const foreignKeyMarks = [
  '-----begin', '---- begin', 'ssh-rsa', 'ssh-dss', 'ssh-ed25519', 'ssh-ed448', 'ecdsa-sha2-', 'putty-user-key-file', '"kty"',
  'aaaab3nzac1', 'aaaac3nzac1', 'aaaae2vjzhnh', 'aaaagnnrlxnzac1', 'aaaainnrlwvjzhnh'
]
// No JSON of a key is shorter, and random bytes do end with `{}` now and then.
const MINIMUM_JSON_LENGTH = 32
// Base64 of the base64 of a DER.
const MAXIMUM_DECODINGS = 2

/** Why `secret` may not key an HMAC, or `null` when nothing speaks against it. Never tells the secret. */
export function weaknessOf (secret: Uint8Array, minimumBytes: number): string | null {
  const bytes = Buffer.from(secret)
  if (bytes.length < minimumBytes) return `is shorter than ${String(minimumBytes)} bytes`
  if (isForeignKey(bytes, MAXIMUM_DECODINGS)) return 'is the text of a public or private key, not a secret'
  if (new Set(bytes).size < MINIMUM_DISTINCT_BYTES) return `has fewer than ${String(MINIMUM_DISTINCT_BYTES)} distinct bytes`
  if (isRepetition(bytes)) return 'is a repetition of a shorter string'
  if ([bytes, ...decodingsOf(textOf(bytes))].some(isSequence)) return 'is a sequence, such as 0 to 31 or an alphabet'
  const plain = bytes.toString('latin1').toLowerCase().replace(/[^a-z0-9]/g, '')
  if (placeholders.some((placeholder) => plain.includes(placeholder))) return 'contains a known placeholder'
  return null
}

/** Environment variables hold one line, so keys come in base64 or hex as well: those are read `decodings` times. */
function isForeignKey (bytes: Buffer, decodings: number): boolean {
  const text = textOf(bytes)
  const folded = text.toLowerCase()
  if (foreignKeyMarks.some((mark) => folded.includes(mark)) || isJson(text) || isDerKey(bytes)) return true
  return decodings > 0 && decodingsOf(text).some((decoded) => isForeignKey(decoded, decodings - 1))
}

/** Without NULs, so that UTF-16 is read as well. */
function textOf (bytes: Buffer): string {
  return bytes.toString('latin1').replaceAll('\0', '')
}

function isJson (text: string): boolean {
  const start = text.search(/[[{]/)
  if (start === -1 || text.length - start < MINIMUM_JSON_LENGTH) return false
  try {
    const value: unknown = JSON.parse(text.slice(start))
    return typeof value === 'object'
  } catch {
    return false
  }
}

/** The bytes behind base64, base64url (the body of a PEM, too) and hex. */
function decodingsOf (text: string): Buffer[] {
  const compact = text.replace(/\s/g, '')
  return [
    ...(/^[A-Za-z0-9+/_-]+={0,2}$/.test(compact) ? [Buffer.from(compact, 'base64')] : []),
    ...(/^[0-9a-f]+$/i.test(compact) ? [Buffer.from(compact, 'hex')] : [])
  ]
}

const derReaders: readonly ((der: Buffer) => unknown)[] = [
  (key) => createPublicKey({ key, format: 'der', type: 'spki' }),
  (key) => createPublicKey({ key, format: 'der', type: 'pkcs1' }),
  (key) => createPrivateKey({ key, format: 'der', type: 'pkcs8' }),
  (key) => createPrivateKey({ key, format: 'der', type: 'pkcs1' }),
  (key) => createPrivateKey({ key, format: 'der', type: 'sec1' }),
  (certificate) => new X509Certificate(certificate)
]

function isDerKey (der: Buffer): boolean {
  const SEQUENCE = 0x30
  if (der[0] !== SEQUENCE) return false
  return derReaders.some((read) => {
    try {
      read(der)
      return true
    } catch {
      return false
    }
  })
}

/** Whether a prefix, at least once repeated, makes up the whole; the last repetition may be cut short. */
function isRepetition (bytes: Buffer): boolean {
  for (let period = 1; period <= bytes.length / 2; period += 1) {
    if (bytes.subarray(period).equals(bytes.subarray(0, bytes.length - period))) return true
  }
  return false
}

/** Whether most bytes differ from the one before by the same step: a sequence, even one that begins anew. */
function isSequence (bytes: Buffer): boolean {
  const counts = new Map<number, number>()
  for (let at = 1; at < bytes.length; at += 1) {
    const step = (Number(bytes[at]) - Number(bytes[at - 1])) & 0xff
    counts.set(step, (counts.get(step) ?? 0) + 1)
  }
  return Math.max(0, ...counts.values()) > bytes.length / 2
}

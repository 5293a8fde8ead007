import { generateKeyPairSync, randomBytes } from 'node:crypto'
import t from 'tap'
import { weaknessOf } from '../../credentials/secret-strength.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ed = generateKeyPairSync('ed25519')
const jwk = JSON.stringify(rsa.publicKey.export({ format: 'jwk' }))
const spki = rsa.publicKey.export({ type: 'spki', format: 'der' })
const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()
const tail = randomBytes(32).toString('base64url')

t.test('R044 random secrets have no weakness', async (t) => {
  for (let round = 0; round < 200; round += 1) {
    for (const secret of [randomBytes(32), Buffer.from(randomBytes(32).toString('hex')), Buffer.from(randomBytes(24).toString('base64')), Buffer.from(randomBytes(48).toString('base64url'))]) {
      const weakness = weaknessOf(secret, 32)
      if (weakness !== null) t.fail(`${secret.toString('hex')} ${weakness}`)
    }
  }
  t.equal(weaknessOf(new Uint8Array(randomBytes(64)), 64), null)
  t.equal(weaknessOf(Buffer.from('Zq3kV7mXw9Tb5rLpNc8sYf2HgJd4Ae{}'), 32), null, 'as random bytes may end')
})

t.test('R044 a secret shorter than the algorithm asks for', async (t) => {
  for (const minimum of [32, 48, 64]) {
    t.equal(weaknessOf(randomBytes(minimum), minimum), null)
    t.match(weaknessOf(randomBytes(minimum - 1), minimum), /shorter/)
  }
})

const weak: [string, string | Uint8Array, RegExp][] = [
  ['R044 one byte repeated', 'a'.repeat(64), /distinct/],
  ['R044 eleven distinct bytes', Buffer.from([...randomBytes(64)].map((byte) => byte % 11)), /distinct/],
  ['R044 a string twice', 'Zq3kV7mXw9Tb5rLp'.repeat(2), /repetition/],
  ['R044 a string twice and a half', 'Zq3kV7mXw9Tb5rLp'.repeat(3).slice(0, 40), /repetition/],
  ...[
    'your-secret-key', 'YOUR_SECRET_KEY', 'your secret key', 'your-256-bit-secret', 'your-512-bit-secret', 'changeme', 'ChangeMe!',
    'change-me', 'change_this', 'CHANGE-IT', 'please-change', 'replace-me', 'replace-with', 'super-secret', 'supersecret', 'top-secret',
    'very-secret', 'my-secret', 'my-secret-key', 'my-jwt-secret', 'jwt-secret', 'secret-key', 'secretsecret', 'secret-here', 'insert-your',
    'enter-your', 'put-your-secret', 'keyboard cat', 'shhhhhh', 'default-secret', 'dev-secret', 'development-secret', 'test-secret',
    'test-key', 'example-secret', 'example-key', 'sample-secret', 'dummy-secret', 'placeholder', 'password123', 'letmein', 'qwertyuiop',
    'do-not-use', 'not-for-production', 'insecure', 'lorem ipsum', 'at-least-32-characters', 'access-token-secret', 'session-secret',
    'a-string-secret-at-least-256-bits-long', '0123456789abcdef', '1234567890'
  ].map((placeholder): [string, string, RegExp] => [`R044 the placeholder ${placeholder}`, `${placeholder}${tail}`, /placeholder/]),
  ['R044 the secret of a well-known tutorial', '09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7', /placeholder/],
  ['R043 PEM', pem, /text of a/],
  ['R043 PEM of PKCS #1', rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString(), /text of a/],
  ['R043 PEM of a private key', ec.privateKey.export({ type: 'sec1', format: 'pem' }).toString(), /text of a/],
  ['R043 PEM behind white space', `\n \t${pem}`, /text of a/],
  ['R043 PEM behind a byte order mark', `\uFEFF${pem}`, /text of a/],
  ['R043 PEM behind a comment', `# the key\n${pem}`, /text of a/],
  ['R043 PEM as UTF-16', Buffer.from(pem, 'utf16le'), /text of a/],
  ['R043 PEM in lower case', pem.toLowerCase(), /text of a/],
  ['R043 the body of a PEM', pem.replace(/-----.*-----/g, ''), /text of a/],
  ['R043 DER, SPKI', spki, /text of a/],
  ['R043 DER, PKCS #1', rsa.publicKey.export({ type: 'pkcs1', format: 'der' }), /text of a/],
  ['R043 DER, PKCS #8', ed.privateKey.export({ type: 'pkcs8', format: 'der' }), /text of a/],
  ['R043 DER, PKCS #1, private', rsa.privateKey.export({ type: 'pkcs1', format: 'der' }), /text of a/],
  ['R043 DER, SEC 1', ec.privateKey.export({ type: 'sec1', format: 'der' }), /text of a/],
  ['R043 DER as base64', spki.toString('base64'), /text of a/],
  ['R043 DER as base64url', ed.publicKey.export({ type: 'spki', format: 'der' }).toString('base64url'), /text of a/],
  ['R043 DER as hex', spki.toString('hex'), /text of a/],
  ...[['PEM', pem], ['a JWK', jwk], ['a JWKS', `{"keys":[${jwk}]}`], ['the body of a PEM', pem.replace(/-----.*-----/g, '')], ['an OpenSSH key', `ssh-ed25519 ${tail}`]].flatMap(([what = '', text = '']) =>
    (['base64', 'base64url', 'hex'] as const).map((encoding): [string, string, RegExp] => [`R043 ${what} as ${encoding}`, Buffer.from(text).toString(encoding), /text of a/])),
  ['R043 PEM as base64 in lines', pem.replace(/[^]*/, (text) => Buffer.from(text).toString('base64')).replace(/.{64}/g, '$&\n'), /text of a/],
  ['R043 the body of an OpenSSH RSA key', `AAAAB3NzaC1yc2E${tail} alice@example`, /text of a/],
  ['R043 the body of an OpenSSH Ed25519 key', `AAAAC3NzaC1lZDI1NTE5${tail} alice@example`, /text of a/],
  ['R043 the body of an OpenSSH ECDSA key', `AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY${tail} alice@example`, /text of a/],
  ['R043 the body of an OpenSSH Ed25519 key on a token', `AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t${tail} alice@example`, /text of a/],
  ['R043 the body of an OpenSSH ECDSA key on a token', `AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20${tail} alice@example`, /text of a/],
  ['R044 the bytes 0 to 31', Uint8Array.from({ length: 32 }, (_, at) => at), /sequence/],
  ['R044 the bytes 0 to 31 as hex', Buffer.from(Array.from({ length: 32 }, (_, at) => at)).toString('hex'), /sequence/],
  ['R044 every third byte, down', Uint8Array.from({ length: 64 }, (_, at) => 255 - 3 * at), /sequence/],
  ['R044 the alphabet backwards', 'zyxwvutsrqponmlkjihgfedcbazyxwvu', /sequence/],
  ['R044 the alphabet backwards and digits', 'ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210', /sequence/],
  ['R043 a JWK', jwk, /text of a/],
  ['R043 a JWK with escapes', jwk.replace('"kty"', '"\\u006bty"'), /text of a/],
  ['R043 a JWKS', `{"keys":[${jwk}]}`, /text of a/],
  ['R043 a list of JWKs', `[${jwk}]`, /text of a/],
  ['R043 a JWK behind white space', `  \n${jwk}`, /text of a/],
  ['R043 a JWK behind a comment', `// the key\n${jwk}`, /text of a/],
  ['R043 a JWK with something after it', `${jwk};`, /text of a/],
  ['R043 an OpenSSH ECDSA key', `ecdsa-sha2-nistp256 ${tail} alice@example`, /text of a/],
  ['R043 an OpenSSH RSA key', `ssh-rsa ${tail} alice@example`, /text of a/],
  ['R043 an OpenSSH Ed25519 key behind options', `no-pty ssh-ed25519 ${tail}`, /text of a/],
  ['R043 an RFC 4716 key', `---- BEGIN SSH2 PUBLIC KEY ----\n${tail}`, /text of a/]
]
for (const [what, secret, expected] of weak) {
  t.test(what, async (t) => {
    const weakness = weaknessOf(Buffer.from(secret as string), 32)
    t.match(weakness ?? '', expected)
    t.notOk(weakness?.includes(String(secret)), 'the secret is not told')
  })
}

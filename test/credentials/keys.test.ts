// API keys and signing keys.
import { createHash, createHmac, createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { calculateJwkThumbprint, jwtVerify } from 'jose'
import t from 'tap'
import { assertKeyPrefix, createApiKey, matchesDigest, parseApiKey } from '../../credentials/api-keys.ts'
import { createHmacCheck } from '../../credentials/hmac.ts'
import { createTokenSigner } from '../../credentials/jwt-signers.ts'
import { loadKeyFile, loadOrCreateKeyFile } from '../../credentials/key-file.ts'
import { generateSigningKey, publishedJwk, signingAlgorithms, unwrapSigningKey, verificationKeyOf, wrapSigningKey } from '../../credentials/signing-keys.ts'
import { jwkThumbprint } from '../../credentials/thumbprint.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

function valueOf (base62: string): bigint {
  return [...base62].reduce((value, digit) => value * 62n + BigInt(ALPHABET.indexOf(digit)), 0n)
}

t.test('R070 a key is <prefix>_<id 12>_<secret 43><crc 6> in base62', async (t) => {
  for (const prefix of ['gate', 'acme2']) {
    const { key, id } = createApiKey(prefix)
    const parts = new RegExp(`^(${prefix}_([0-9A-Za-z]{12})_([0-9A-Za-z]{43}))([0-9A-Za-z]{6})$`).exec(key)
    t.equal(parts?.[2], id)
    t.equal(valueOf(parts?.[4] ?? ''), BigInt(crc32(parts?.[1] ?? '')))
    t.equal(parseApiKey(key, prefix)?.id, id)
  }
  t.match(createApiKey().key, /^gate_/)
})

t.test('R070 id and secret are drawn evenly from their whole range', async (t) => {
  const keys = Array.from({ length: 2000 }, () => createApiKey())
  t.equal(new Set(keys.map(({ id }) => id)).size, keys.length)
  const secrets = keys.map(({ key }) => valueOf(key.slice(18, 61)))
  t.ok(secrets.every((secret) => secret < 1n << 256n))
  const high = secrets.filter((secret) => secret >> 255n === 1n).length
  t.ok(high > 850 && high < 1150, `the highest of 256 bits is set in half of them (${high} of 2000)`)
  const counts = new Map([...ALPHABET].map((digit) => [digit, 0]))
  for (const { id } of keys) for (const digit of id) counts.set(digit, (counts.get(digit) ?? 0) + 1)
  // 24,000 digits, 387 of each expected; six standard deviations either way. A byte modulo 62 gives 465 of the first eight.
  t.ok([...counts.values()].every((count) => count > 387 - 118 && count < 387 + 118), 'every digit of the alphabet')
  const firstEight = [...ALPHABET.slice(0, 8)].reduce((sum, digit) => sum + (counts.get(digit) ?? 0), 0)
  t.ok(Math.abs(firstEight - 3097) < 310, `no modulo bias (${firstEight})`)
})

const { key: sample } = createApiKey()
const withChecksum = (body: string): string => {
  let [digits, rest] = ['', crc32(body)]
  for (; rest > 0; rest = Math.floor(rest / 62)) digits = ALPHABET.charAt(rest % 62) + digits
  return body + digits.padStart(6, '0')
}
const swap = (at: number): string => sample.slice(0, at) + (sample[at] === 'x' ? 'y' : 'x') + sample.slice(at + 1)
const malformed: [string, string][] = [
  ['the empty text', ''],
  ['another prefix', withChecksum(`other_${sample.slice(5, 61)}`)],
  ['a changed digit of the id', swap(7)],
  ['a changed digit of the secret', swap(30)],
  ['a changed digit of the checksum', swap(66)],
  ['one digit less', sample.slice(0, -1)],
  ['one digit more', `${sample}0`],
  ['white space around it', ` ${sample}`],
  ['a line feed at the end', `${sample}\n`],
  ['other case', sample.toUpperCase()],
  ['a separator that is none', withChecksum(`${sample.slice(0, 17)}-${sample.slice(18, 61)}`)],
  ['a character outside base62', withChecksum(`${sample.slice(0, 20)}+${sample.slice(21, 61)}`)],
  ['an id with a separator', withChecksum(`${sample.slice(0, 8)}_${sample.slice(9, 61)}`)],
  ['a megabyte', 'gate_'.repeat(200_000)]
]
for (const [title, text] of malformed) {
  t.test(`R070 ${title} is no key, and is told without a store`, async (t) => {
    t.equal(parseApiKey(text), null)
  })
}
t.test('R070 what the table above re-computes is the real checksum', async (t) => {
  t.equal(withChecksum(sample.slice(0, 61)), sample)
})

for (const prefix of ['ghp', 'gho', 'github', 'github_pat', 'sk', 'pk', 'rk', 'xoxb', 'AKIA', 'akia', 'glpat', 'npm', 'pypi', 'SG', 'AIza',
  'ghpx', 'Gate', 'ga-te', 'ga_te', '2fast', 'g', 'g'.repeat(17), '', 'gaté', 7]) {
  t.test(`R070 the prefix ${JSON.stringify(prefix)} is refused at boot`, async (t) => {
    t.throws(() => { assertKeyPrefix(prefix as string) }, { code: 'GATEHOUSE_OPTION_INVALID', message: /apiKeys\.prefix/ })
    t.throws(() => createApiKey(prefix as string), { code: 'GATEHOUSE_OPTION_INVALID' })
  })
}

t.test('R071 what is kept is the SHA-256 of the secret and a hint of four characters', async (t) => {
  const { key, digest, hint, ...rest } = createApiKey()
  t.equal(digest, createHash('sha256').update(key.slice(18, 61)).digest('base64url'))
  t.equal(hint, key.slice(-4))
  t.same(Object.keys(rest), ['id'])
  t.equal(parseApiKey(key)?.digest, digest)
})

t.test('R072 digests are compared whole, and null never matches', async (t) => {
  const [one, other] = [createApiKey(), createApiKey()]
  t.equal(matchesDigest(one.digest, one.digest), true)
  t.equal(matchesDigest(one.digest, other.digest), false)
  t.equal(matchesDigest(one.digest, one.digest.slice(0, 20)), false)
  t.equal(matchesDigest(one.digest, ''), false)
  t.equal(matchesDigest(one.digest, null), false)
})

t.test('R061 the thumbprint is that of RFC 7638 §3.1 and of jose', async (t) => {
  t.equal(jwkThumbprint({
    kty: 'RSA',
    n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
    e: 'AQAB',
    alg: 'RS256',
    kid: '2011-04-29'
  }), 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
  for (const pair of [generateKeyPairSync('ed25519'), generateKeyPairSync('ec', { namedCurve: 'P-384' })]) {
    const jwk = pair.publicKey.export({ format: 'jwk' })
    t.equal(jwkThumbprint(jwk), await calculateJwkThumbprint(jwk as Parameters<typeof calculateJwkThumbprint>[0]))
  }
  t.throws(() => jwkThumbprint({ kty: 'oct', k: 'AAAA' }), TypeError)
})

t.test('R061 R207 the key that wraps is made once, for its owner only, and found again', async (t) => {
  const directory = join(t.testdir({}), 'data')
  const file = join(directory, 'token-key')
  const key = await loadOrCreateKeyFile(file)
  t.equal(key.length, 32)
  t.equal((await stat(file)).mode & 0o777, 0o600)
  t.equal((await stat(directory)).mode & 0o777, 0o700)
  t.same(await readdir(directory), ['token-key'], 'no temporary file stays')
  t.match(await readFile(file, 'utf8'), /^[A-Za-z0-9+/]{43}=\n$/)
  t.ok(key.equals(await loadKeyFile(file)))
  t.ok(key.equals(await loadOrCreateKeyFile(file)))
})

t.test('R061 of 20 that start at once all get the same key', async (t) => {
  const file = join(t.testdir({}), 'token-key')
  const keys = await Promise.all(Array.from({ length: 20 }, () => loadOrCreateKeyFile(file)))
  t.equal(new Set(keys.map((key) => key.toString('hex'))).size, 1)
})

const random = randomBytes(32)
const unusable: [string, string | null, number, RegExp][] = [
  ['that is absent', null, 0o600, /does not exist/],
  ['that everybody may read', random.toString('base64'), 0o644, /open to everybody/],
  ['that is empty', '', 0o600, /not 32 random bytes/],
  ['that is no key', 'changeme-secret', 0o600, /not 32 random bytes/],
  ['of 31 bytes', random.subarray(1).toString('base64'), 0o600, /not 32 random bytes/],
  ['of 33 bytes', Buffer.concat([random, random.subarray(0, 1)]).toString('base64'), 0o600, /not 32 random bytes/],
  ['of one byte again and again', Buffer.alloc(32, 7).toString('base64'), 0o600, /not 32 random bytes/],
  ['in hex', random.toString('hex'), 0o600, /not 32 random bytes/],
  ['with a private key', String(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })), 0o600, /not 32 random bytes/]
]
for (const [title, content, mode, message] of unusable) {
  t.test(`R207 a key file ${title} stops the start, and its content is not told`, async (t) => {
    const directory = join(t.testdir({}), 'keys')
    await mkdir(directory)
    const file = join(directory, 'key')
    if (content !== null) await writeFile(file, content, { mode })
    const error = await loadKeyFile(file).then(() => null, (error: Error) => error)
    t.match(error, { code: 'GATEHOUSE_KEY_FILE_INVALID', message })
    if (content !== null && content !== '') t.notOk(`${error?.stack} ${JSON.stringify(error)}`.includes(content.slice(0, 12)))
  })
}

t.test('R207 a damaged file is never replaced by a new key', async (t) => {
  const file = join(t.testdir({ 'token-key': 'damaged' }), 'token-key')
  await t.rejects(loadOrCreateKeyFile(file), { code: 'GATEHOUSE_KEY_FILE_INVALID' })
  t.equal(await readFile(file, 'utf8'), 'damaged')
})

for (const algorithm of signingAlgorithms) {
  t.test(`R061 R069 a signing key for ${algorithm} is kept wrapped, and opens as what it was`, async (t) => {
    const made = await generateSigningKey(algorithm)
    const kept = { ...made, wrappedPrivateKey: wrapSigningKey(made, random) }
    const jwk = publishedJwk({ ...made.publicJwk, d: 'a private member', k: 'a secret' })
    t.notOk('d' in jwk || 'k' in jwk, 'R069 no private member leaves, whatever the store has')
    if (algorithm !== 'HS256') t.equal(made.kid, await calculateJwkThumbprint(jwk as Parameters<typeof calculateJwkThumbprint>[0]))
    t.notOk(Buffer.from(kept.wrappedPrivateKey, 'base64url').includes(made.material.subarray(-16)))

    const key = unwrapSigningKey(kept, random)
    t.ok(key)
    if (key === null) return
    const verification = verificationKeyOf(kept, key)
    const token = createTokenSigner({ kid: made.kid, algorithm }, key)({ sub: 'alice', iat: 1_700_000_000 })
    const { payload, protectedHeader } = await jwtVerify(token, verification.key, { algorithms: [algorithm] })
    t.strictSame(protectedHeader, { alg: algorithm, typ: 'at+jwt', kid: made.kid })
    t.strictSame(payload, { sub: 'alice', iat: 1_700_000_000 })

    t.equal(unwrapSigningKey(kept, randomBytes(32)), null, 'another key does not open it')
    t.equal(unwrapSigningKey({ ...kept, kid: 'another' }, random), null, 'nor under another name')
    t.equal(unwrapSigningKey({ ...kept, algorithm: algorithm === 'HS256' ? 'ES256' : 'HS256' }, random), null, 'nor as a key of another kind')
    for (const changed of ['', 'AAAA', kept.wrappedPrivateKey.replace(/^./, (first) => first === 'A' ? 'B' : 'A'), kept.wrappedPrivateKey.slice(0, -4)]) {
      t.equal(unwrapSigningKey({ ...kept, wrappedPrivateKey: changed }, random), null, 'nor when it was changed')
    }
  })
}

t.test('codes under a secret are those of RFC 4231, and of node:crypto for every length', async (t) => {
  const vectors = [
    { key: Buffer.alloc(20, 0x0b), text: 'Hi There', sha256: 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7' },
    { key: Buffer.from('Jefe'), text: 'what do ya want for nothing?', sha256: '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843' },
    { key: Buffer.alloc(131, 0xaa), text: 'Test Using Larger Than Block-Size Key - Hash Key First', sha256: '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54' }
  ]
  for (const { key, text, sha256 } of vectors) t.ok(createHmacCheck('sha256', createSecretKey(key))(text, Buffer.from(sha256, 'hex')))
  for (const name of ['sha256', 'sha384', 'sha512'] as const) {
    for (const keyBytes of [32, 64, 65, 128, 129, 300]) {
      const key = createSecretKey(randomBytes(keyBytes))
      const isCodeOf = createHmacCheck(name, key)
      // A long text between short ones: what one left behind is never part of the next.
      for (const length of [0, 1, 63, 64, 65, 127, 129, 9000, 40, 2048, 20_000, 7]) {
        const text = randomBytes(length).toString('base64url').slice(0, length)
        const code = createHmac(name, key).update(text).digest()
        const changed = Buffer.from(code)
        changed[length % code.length] = (changed[length % code.length] ?? 0) ^ 1
        if (!isCodeOf(text, code)) t.fail(`${name} of ${length} bytes under ${keyBytes}`)
        for (const wrong of [changed, code.subarray(1), Buffer.concat([code, code]), Buffer.alloc(0)]) {
          if (isCodeOf(text, wrong)) t.fail(`${name} of ${length} bytes takes a wrong code`)
        }
      }
    }
  }
})

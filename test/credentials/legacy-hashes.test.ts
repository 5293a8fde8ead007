// Hashes of another system: who is asked, with what, and that no time and no slip tells or lets in anybody.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import bcrypt from 'bcryptjs'
import t from 'tap'
import { createPasswords, PASSWORD_HASH_CHANNEL } from '../../credentials/passwords.ts'
import type { PasswordOptions } from '../../credentials/password-options.ts'

const GOOD = 'correct horse battery staple'
// What the tutorial of FastAPI had for johndoe, as passlib wrote it, and what it has now, by pwdlib; both of `secret`.
const PASSLIB = '$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW'
const PWDLIB = '$argon2id$v=19$m=65536,t=3,p=4$wagCPXjifgvUFBzq4hqe3w$CYaIb8sB+wtD+Vu/P4uod1+Qof8h+1g7bbDlBID48Rc'
const TARGET = { memoryKiB: 19456, timeCost: 2, parallelism: 1 }

type Asked = Parameters<NonNullable<PasswordOptions['verifyLegacy']>>[0]

/** Verifies and tells what it took: argon2 hashes, questions to the hook, and what the operator was told. */
async function observed (answer: unknown, stored: string | null, password: string) {
  const costs: unknown[] = []
  const asked: Asked[] = []
  let told = 0
  const passwords = await createPasswords({
    verifyLegacy: (login) => {
      asked.push(login)
      return typeof answer === 'function' ? answer() : answer
    }
  }, { onUnreadableHash: () => { told++ } })
  const listener = (cost: unknown): void => { costs.push(cost) }
  subscribe(PASSWORD_HASH_CHANNEL, listener)
  const result = await passwords.verify(stored, password).catch((error: unknown) => error)
  unsubscribe(PASSWORD_HASH_CHANNEL, listener)
  return { result, asked, costs, told }
}

t.test('a hash by passlib is verified through bcrypt, and is to be hashed again', async (t) => {
  const nobodys = await bcrypt.hash('nobody', 12)
  const passwords = await createPasswords({ verifyLegacy: ({ passwordHash, password }) => bcrypt.compare(password, passwordHash ?? nobodys) })
  t.equal(await passwords.verify(PASSLIB, 'secret'), true)
  t.equal(await passwords.verify(PASSLIB, 'Secret'), false)
  t.equal(await passwords.verify(null, 'nobody'), false, 'nobody\'s hash opens nothing')
  t.equal(passwords.needsRehash(PASSLIB), true)
})

t.test('R084 a hash by pwdlib is argon2id: it needs no hook, and is to be hashed again', async (t) => {
  const passwords = await createPasswords()
  t.equal(await passwords.verify(PWDLIB, 'secret'), true)
  t.equal(await passwords.verify(PWDLIB, 'Secret'), false)
  t.equal(passwords.needsRehash(PWDLIB), true)
})

const ours = createPasswords().then((passwords) => passwords.hash(GOOD))
const everybody: [string, () => Promise<string | null>, string, { answer: boolean; expected: boolean; asked: string | null }][] = [
  ['unknown', async () => null, GOOD, { answer: false, expected: false, asked: null }],
  ['a new hash, right', () => ours, GOOD, { answer: false, expected: true, asked: null }],
  ['a new hash, wrong', () => ours, `${GOOD}!`, { answer: false, expected: false, asked: null }],
  ['a legacy hash, right', async () => PASSLIB, 'secret', { answer: true, expected: true, asked: PASSLIB }],
  ['a legacy hash, wrong', async () => PASSLIB, 'Secret', { answer: false, expected: false, asked: PASSLIB }],
  ['a legacy hash, with a password that bcrypt would cut', async () => PASSLIB, 'x'.repeat(73), { answer: true, expected: false, asked: null }],
  ['unknown, to a hook that says yes to nobody', async () => null, GOOD, { answer: true, expected: false, asked: null }],
  ['a new hash, wrong, to a hook that says yes to nobody', () => ours, `${GOOD}!`, { answer: true, expected: false, asked: null }]
]
for (const [title, stored, password, { answer, expected, asked }] of everybody) {
  t.test(`R023 R088 ${title}: one argon2 hash of the same parameters and one question to the hook`, async (t) => {
    t.strictSame(await observed(answer, await stored(), password), { result: expected, asked: [{ passwordHash: asked, password }], costs: [TARGET], told: 0 })
  })
}

const whole: [string, string, boolean][] = [
  ['72 bytes', 'a'.repeat(72), true],
  ['73 bytes', 'a'.repeat(73), false],
  ['72 bytes in 24 characters', '馬'.repeat(24), true],
  ['73 bytes in 25 characters', `${'馬'.repeat(24)}a`, false],
  ['a NUL inside', 'before\0after', false],
  ['a NUL at the end', 'secret\0', false]
]
for (const [title, password, tried] of whole) {
  t.test(`R082 R085 ${title}: ${tried ? 'tried' : 'never tried'} against bcrypt`, async (t) => {
    t.strictSame(await observed(true, PASSLIB, password), { result: tried, asked: [{ passwordHash: tried ? PASSLIB : null, password }], costs: [TARGET], told: 0 })
  })
}

t.test('R082 passwords that differ after byte 72 do not match, though bcrypt says so', async (t) => {
  const stored = await bcrypt.hash('a'.repeat(73), 10)
  t.equal(await bcrypt.compare(`${'a'.repeat(72)}b`, stored), true)
  const passwords = await createPasswords({ verifyLegacy: ({ passwordHash, password }) => bcrypt.compare(password, passwordHash ?? PASSLIB) })
  t.equal(await passwords.verify(stored, `${'a'.repeat(72)}b`), false)
  t.equal(await passwords.verify(stored, 'a'.repeat(73)), false, 'nor does the one that was cut when it was stored')
  t.equal(await passwords.verify(stored, 'a'.repeat(72)), true)
})

t.test('R081 the hook gets the password as it was sent, the new hash its normal form', async (t) => {
  t.match(await observed(true, PASSLIB, 'cafe\u0301 ﬁn'), { asked: [{ password: 'cafe\u0301 ﬁn' }] })
})

const rest = PASSLIB.slice(7)
const neverHanded: [string, string][] = [
  ['R085 bcrypt of cost 9', `$2b$09$${rest}`],
  ['R087 bcrypt of cost 16', `$2b$16$${rest}`],
  ['R087 bcrypt of cost 31, which takes days', `$2b$31$${rest}`],
  ['bcrypt 2x, which a bug made weak', `$2x$12$${rest}`],
  ['bcrypt without a version', `$2$12$${rest}`],
  ['bcrypt that was cut short', PASSLIB.slice(0, -1)],
  ['bcrypt and more', `${PASSLIB}\n`],
  ['R087 argon2id of 4 GiB', PWDLIB.replace('m=65536', 'm=4194304')],
  ['R087 argon2id of 11 passes', PWDLIB.replace('t=3', 't=11')]
]
for (const [title, stored] of neverHanded) {
  t.test(`${title} is never handed to the hook: the same work, false, and the operator is told`, async (t) => {
    t.strictSame(await observed(true, stored, 'secret'), { result: false, asked: [{ passwordHash: null, password: 'secret' }], costs: [TARGET], told: 1 })
  })
}

for (const stored of [PASSLIB.replace('2b', '2a'), PASSLIB.replace('2b', '2y'), `$2b$10$${rest}`, `$2b$15$${rest}`, '$pbkdf2-sha256$600000$salt$tag', 'plain']) {
  t.test(`R085 handed to the hook: ${stored}`, async (t) => {
    t.match(await observed(true, stored, 'secret'), { result: true, asked: [{ passwordHash: stored }], told: 0 })
  })
}

t.test('a hook that cannot read a hash says null: false, and the operator is told', async (t) => {
  t.match(await observed(null, 'plain', 'secret'), { result: false, told: 1 })
  t.match(await observed(null, null, 'secret'), { result: false, told: 0 }, 'of nobody\'s there is nothing to tell')
})

const failures: [string, unknown][] = [
  ['throws', () => { throw new Error('down') }],
  ['rejects', () => Promise.reject(new Error('down'))],
  ['answers nothing', undefined],
  ['answers a number', 1],
  ['answers a text', 'false'],
  ['answers a function', () => () => true],
  ['answers an object', { matches: true }]
]
for (const [title, answer] of failures) {
  t.test(`R007 a hook that ${title} is 503 for everybody, and lets nobody in`, async (t) => {
    for (const stored of [PASSLIB, await ours, null]) {
      t.match((await observed(answer, stored, GOOD)).result, { code: 'unavailable', statusCode: 503, retryAfterSeconds: 1 })
    }
  })
}

t.test('R007 R086 a hook that does not answer is 503 after 5 s and gives its place back', async (t) => {
  const { setTimeout: real } = globalThis
  const passwords = await createPasswords({ maxConcurrent: 1, verifyLegacy: ({ passwordHash }) => passwordHash === null ? false : new Promise<boolean>(() => {}) })
  t.intercept(globalThis, 'setTimeout', { value: (work: (error: Error) => void, milliseconds: number, error: Error) => real(work, milliseconds / 1000, error) })
  await t.rejects(passwords.verify(PASSLIB, GOOD), { code: 'unavailable', statusCode: 503 })
  t.equal(await passwords.verify(await ours, GOOD), true)
})

t.test('R086 the hook runs in the place of a hash, so it is bounded with them', async (t) => {
  let [running, most] = [0, 0]
  const passwords = await createPasswords({
    maxConcurrent: 2,
    verifyLegacy: async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => { setTimeout(resolve, 20) })
      running--
      return false
    }
  })
  await Promise.all(Array.from({ length: 8 }, (_, index) => passwords.verify(index % 2 === 0 ? PASSLIB : null, GOOD)))
  t.equal(most, 2)
})

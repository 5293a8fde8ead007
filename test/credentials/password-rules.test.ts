// Which new passwords are accepted (NIST 800-63B-4 §3.1.1.2), and why the others are not.
import { createHash } from 'node:crypto'
import { dictionary } from '@zxcvbn-ts/language-common'
import t from 'tap'
import type { Test } from 'tap'
import { createPasswords } from '../../credentials/passwords.ts'
import type { Passwords } from '../../credentials/passwords.ts'

const GOOD = 'correct horse battery staple'

async function reasonsOf (t: Test, passwords: Passwords, [password, context]: Parameters<Passwords['assertAcceptable']>) {
  const error = await passwords.assertAcceptable(password, context).then(() => null, (error) => error)
  if (error === null) return []
  t.match(error, { code: 'validation', statusCode: 400 })
  t.notOk(JSON.stringify(error).includes(password), 'the password is not echoed')
  t.ok(error.errors.every((entry: { in: string; pointer: string }) => entry.in === 'body' && entry.pointer.startsWith('/')))
  return error.errors.map(({ detail }: { detail: string }) => detail)
}

const TOO_SHORT = 'must have at least 15 characters'
const COMMON = 'is a commonly used password'
const CONTEXT = 'is made of the user name, the e-mail address or the name of the service'
const judged: [string, Parameters<Passwords['assertAcceptable']>, string[]][] = [
  ['R080 14 characters', ['kV8#qLw2!zTr5x'], [TOO_SHORT]],
  ['R080 15 characters', ['kV8#qLw2!zTr5xP'], []],
  ['R080 128 characters', ['kV8#qLw2!zTr5x P'.repeat(8)], []],
  ['R081 14 emoji, 28 code units', ['😀😁😂🤣😃😄😅😆😉😊😋😎😍😘'], [TOO_SHORT]],
  ['R081 15 emoji', ['😀😁😂🤣😃😄😅😆😉😊😋😎😍😘🥰'], []],
  ['R081 one code point that is 18 in its normal form', ['\ufdfa'], [TOO_SHORT]],
  ['R081 lower case and spaces only', ['it was a quiet evening'], []],
  ['R081 digits only', ['918273645546372'], []],
  ['R083 a common password', ['passwordpassword'], [COMMON]],
  ['R083 a common password in other case', ['PasswordPassword'], [COMMON]],
  ['R083 a common password in full-width letters', ['ｐａｓｓｗｏｒｄｐａｓｓｗｏｒｄ'], [COMMON]],
  ['R083 an English word', ['responsibilities'], [COMMON]],
  ['R083 the whole is compared, not parts', ['passwordpassword of mine'], []],
  ['R080 R083 short and made of the user name: every reason', ['bob!', { username: 'bob' }], [TOO_SHORT, CONTEXT]],
  ['R083 the user name', ['Alexandra.Carrington', { username: 'alexandra.carrington' }], [CONTEXT]],
  ['R083 the user name with digits', ['alexandra1234567', { username: 'Alexandra' }], [CONTEXT]],
  ['R083 the user name twice', ['alexandra-ALEXANDRA', { username: 'alexandra' }], [CONTEXT]],
  ['R083 the e-mail address', ['alex@mail.example', { email: 'alex@mail.example' }], [CONTEXT]],
  ['R083 the local part of the e-mail address', ['alexandra.c-123456', { email: 'alexandra.c@mail.example' }], [CONTEXT]],
  ['R083 the service', ['gatehouse-gatehouse'], [CONTEXT]],
  ['R083 user and service', ['gatehouse/alexandra!', { username: 'alexandra' }], [CONTEXT]],
  ['R083 a user name inside a sentence', ['alexandra likes long walks', { username: 'alexandra' }], []]
]
const rules = createPasswords({ serviceName: 'Gatehouse' })
for (const [title, args, expected] of judged) {
  t.test(`${title}: ${expected.length === 0 ? 'accepted' : 'refused'}`, async (t) => {
    t.same(await reasonsOf(t, await rules, args), expected)
  })
}

t.test('R080 R083 with the least minimum of 8, 10,000 common passwords are refused, placeholders among them', async (t) => {
  const passwords = await createPasswords({ minLength: 8 })
  const list = dictionary['passwords-common'].filter((entry) => entry.length >= 8)
  let refused = 0
  for (const entry of list) {
    await passwords.assertAcceptable(entry).catch(() => { refused++ })
  }
  t.equal(refused, list.length)
  t.ok(list.length >= 10_000)
  t.same(await reasonsOf(t, passwords, ['changeme', { pointer: '/new_password' }]), [COMMON])
  t.same(await reasonsOf(t, passwords, ['kV8#qLw2']), [])
})

t.test('R083 isBreached is asked by five digits of the SHA-1, and only for what is else acceptable', async (t) => {
  const sha1 = createHash('sha1').update(GOOD).digest('hex').toUpperCase()
  const asked: unknown[] = []
  const passwords = await createPasswords({
    isBreached: async (range) => {
      asked.push(range)
      return ['0'.repeat(35), sha1.slice(5).toLowerCase()]
    }
  })
  t.same(await reasonsOf(t, passwords, [GOOD]), ['is known from a data breach'])
  t.same(asked, [{ sha1Prefix: sha1.slice(0, 5) }])
  t.same(await reasonsOf(t, passwords, ['another good sentence']), [])
  await reasonsOf(t, passwords, ['short'])
  t.equal(asked.length, 2)
})

const suffixes = ['0'.repeat(35)]
const unanswered: Readonly<Record<string, () => unknown>> = {
  'throws': () => { throw new Error('down') },
  'rejects': () => Promise.reject(new Error('down')),
  'answers yes': () => true,
  'answers nothing': () => undefined,
  'answers the text of the corpus, whose characters match nothing': () => suffixes.join('\r\n'),
  'answers lines with their counts': () => suffixes.map((suffix) => `${suffix}:3`),
  'answers whole digests': () => suffixes.map((suffix) => `ABCDE${suffix}`)
}
for (const [title, isBreached] of Object.entries(unanswered)) {
  t.test(`R083 R007 isBreached that ${title} is 503, not an acceptance`, async (t) => {
    const passwords = await createPasswords({ isBreached: isBreached as () => string[] })
    await t.rejects(passwords.assertAcceptable(GOOD), { code: 'unavailable', statusCode: 503, retryAfterSeconds: 1 })
  })
}

t.test('R083 R007 isBreached that does not answer is 503 after 5 s', async (t) => {
  const { setTimeout: real } = globalThis
  const waits: number[] = []
  t.intercept(globalThis, 'setTimeout', { value: (work: (error: Error) => void, milliseconds: number, error: Error) => {
    waits.push(milliseconds)
    return real(work, 1, error)
  } })
  const passwords = await createPasswords({ isBreached: () => new Promise(() => {}) })
  await t.rejects(passwords.assertAcceptable(GOOD), { code: 'unavailable', statusCode: 503 })
  t.same(waits, [5000])
})

const CLASSES = { lowercase: 'must have a lower-case letter', uppercase: 'must have an upper-case letter', digit: 'must have a digit', symbol: 'must have a character that is neither a letter nor a digit' }
const classes: [string, string, (keyof typeof CLASSES)[]][] = [
  ['one of each', 'Correct horse 4 battery', []],
  ['letters of other alphabets', 'Верная лошадь 4 батарея', []],
  ['digits of other alphabets', 'Correct horse ٤ battery', []],
  ['a space is a symbol', 'CorrectHorse Battery4', []],
  ['so is an emoji', 'CorrectHorse🐎Battery4', []],
  ['full-width letters count as what they stand for', 'Ｃorrect-horse-４-battery', []],
  ['no lower case', 'CORRECT HORSE 4 BATTERY', ['lowercase']],
  ['no upper case', 'correct horse 4 battery', ['uppercase']],
  ['no digit', 'Correct horse battery', ['digit']],
  ['no symbol', 'CorrectHorse4Battery', ['symbol']],
  ['an accent alone is no symbol', 'CorrectHorse4Batterx\u0300y', ['symbol']],
  ['a script without case', '正しい馬の電池のホッチキスです', ['lowercase', 'uppercase', 'digit', 'symbol']]
]
const strict = createPasswords({ requiredClasses: Object.freeze(['symbol', 'lowercase', 'uppercase', 'digit', 'digit'] as const) })
for (const [title, password, missing] of classes) {
  t.test(`R081 where classes are asked for, ${title}: ${missing.join(', ') || 'accepted'}`, async (t) => {
    const found = await reasonsOf(t, await strict, [password])
    t.same(found.sort(), missing.map((name) => CLASSES[name]).sort())
    t.same(await reasonsOf(t, await rules, [password]), [], 'and without the option nothing is')
  })
}

t.test('R081 of the classes only those that are named are asked for', async (t) => {
  const passwords = await createPasswords({ requiredClasses: ['digit'] })
  t.same(await reasonsOf(t, passwords, ['correct horse battery']), [CLASSES.digit])
  t.same(await reasonsOf(t, passwords, ['short']), [TOO_SHORT, CLASSES.digit], 'with every other reason')
})

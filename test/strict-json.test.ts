import t from 'tap'
import fc from 'fast-check'
import { StrictJsonError, decodeUtf8, parseStrictJson } from '../strict-json.ts'
import { FormError, parseForm } from '../strict-form.ts'

function problemOf (parse: () => unknown): string | null {
  try {
    parse()
    return null
  } catch (error) {
    if (error instanceof StrictJsonError || error instanceof FormError) return error.problem
    throw error
  }
}

const BOM = String.fromCharCode(0xfeff)
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
const names = (count: number): string => `{${Array.from({ length: count }, (_, at) => `"k${at}":0`).join(',')}}`

const refused: [string, string, string][] = [
  ['a duplicate name', '{"a":1,"a":2}', 'duplicate_name'],
  ['a duplicate name after unescaping', '{"a":1,"\\u0061":2}', 'duplicate_name'],
  ['a duplicate name in a nested object', '[{"b":{"a":[{}],"a":{}}}]', 'duplicate_name'],
  ['a duplicate name after a nested object with the same name', '{"a":{"a":1},"b":[],"a":2}', 'duplicate_name'],
  ['a duplicate empty name', '{"":1,"":1}', 'duplicate_name'],
  ['a duplicate name that holds quotes and brackets', '{"\\"}{":1,"\\"}{":2}', 'duplicate_name'],
  ['a duplicate name after whitespace', '{ "a" : 1 ,\n\t"a" : 2 }', 'duplicate_name'],
  ['__proto__', '{"__proto__":{"admin":true}}', 'forbidden_name'],
  ['__proto__ escaped', '{"\\u005f_proto__":1}', 'forbidden_name'],
  ['__proto__ deep inside', '{"a":[{"b":{"__proto__":1}}]}', 'forbidden_name'],
  ['constructor.prototype', '{"constructor":{"prototype":{"a":1}}}', 'forbidden_name'],
  ['constructor.prototype escaped', '{"c\\u006fnstructor":{"pr\\u006ftotype":1}}', 'forbidden_name'],
  ['constructor.prototype after another member', '{"constructor":{"a":{"b":1},"prototype":1}}', 'forbidden_name'],
  ['33 nested arrays', nested(33), 'depth'],
  ['100,000 nested arrays', nested(100_000), 'depth'],
  ['100,000 opening brackets', '['.repeat(100_000), 'depth'],
  ['100,000 nested objects', '{"a":'.repeat(100_000), 'depth'],
  ['1001 names', names(1001), 'names'],
  ['1001 names over many objects', `[${Array.from({ length: 1001 }, () => '{"a":1}').join(',')}]`, 'names'],
  ['a byte order mark', `${BOM}{}`, 'byte_order_mark'],
  ['a lone surrogate in a value', '["\\ud800"]', 'lone_surrogate'],
  ['a lone surrogate in a name', '{"\\udc00x":1}', 'lone_surrogate'],
  ['an unterminated string', '{"a', 'syntax'],
  ['an unterminated escape', '{"a\\"', 'syntax'],
  ['a bad escape in a name', '{"\\x":1}', 'syntax'],
  ['an empty text', '', 'syntax'],
  ['a trailing comma', '{"a":1,}', 'syntax'],
  ['two values', '{} {}', 'syntax'],
  ['a stray closing bracket', ']{"a":1}', 'syntax'],
  ['mismatched brackets', '{"a":[1}]', 'syntax'],
  ['NaN', 'NaN', 'syntax'],
  ['a comment', '{/*"a":1*/}', 'syntax'],
  ['single quotes', "{'a':1}", 'syntax']
]

t.test('R182 strict JSON refuses', (t) => {
  for (const [title, text, problem] of refused) {
    t.test(title, async (t) => {
      t.equal(problemOf(() => parseStrictJson(text)), problem)
    })
  }
  t.end()
})

t.test('R182 strict JSON accepts what only looks like it', async (t) => {
  for (const text of ['{"a":1,"b":{"a":1}}', '[{"a":1},{"a":1}]', '{"a":"a","b":"a"}', '["a","a"]', '{"constructor":1,"prototype":{}}', '["__proto__"]', '{"a":"{\\"b\\":1,\\"b\\":2}"}', '"\\ud83d\\ude00"', ' [1e3] ', 'null', '"\\\\"', '{"\\\\":"\\\\\\""}']) {
    t.same(parseStrictJson(text), JSON.parse(text), text)
  }
  t.same(parseStrictJson(nested(32)), JSON.parse(nested(32)), '32 levels')
  t.same(parseStrictJson(names(1000)), JSON.parse(names(1000)), '1000 names')
})

t.test('R182 depth and names are configurable', async (t) => {
  t.equal(problemOf(() => parseStrictJson('[[[]]]', { maxDepth: 2 })), 'depth')
  t.equal(problemOf(() => parseStrictJson('{"a":{"b":1}}', { maxKeys: 1 })), 'names')
  t.same(parseStrictJson(nested(50), { maxDepth: 50 }), JSON.parse(nested(50)))
})

t.test('R182 the error never quotes the text', async (t) => {
  try {
    parseStrictJson('{"password":"hunter2"')
    t.fail('parsed')
  } catch (error) {
    t.notMatch(String((error as Error).stack), 'hunter2')
    t.equal((error as Error).cause, undefined)
  }
})

t.test('R182 UTF-8 is decoded fatally', async (t) => {
  t.equal(decodeUtf8(Buffer.from('zoë 😀')), 'zoë 😀')
  t.equal(decodeUtf8(Buffer.from(BOM)), BOM, 'a byte order mark is kept for the parser to refuse')
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80]]) {
    t.equal(problemOf(() => decodeUtf8(Buffer.from(bytes))), 'encoding', Buffer.from(bytes).toString('hex'))
  }
})

const wellFormed = fc.jsonValue({ stringUnit: 'grapheme', maxDepth: 6 })
const forbidden = /__proto__|prototype/

t.test('R182 agrees with JSON.parse on any JSON value', async () => {
  fc.assert(fc.property(wellFormed, fc.constantFrom(0, 1, 4), (value, space) => {
    const text = JSON.stringify(value, null, space)
    fc.pre(!forbidden.test(text))
    return JSON.stringify(parseStrictJson(text, { maxDepth: 100, maxKeys: 100_000 })) === JSON.stringify(JSON.parse(text))
  }), { numRuns: 300 })
})

t.test('R182 never accepts a text that JSON.parse refuses, and bounds its depth', async () => {
  const soup = fc.array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', 'a', '1', ' ', '"a"', '"a":'), { maxLength: 40 })
  fc.assert(fc.property(soup, (tokens) => {
    const text = tokens.join('')
    let parsed: unknown
    try {
      parsed = parseStrictJson(text)
    } catch (error) {
      return error instanceof StrictJsonError
    }
    return JSON.stringify(parsed) === JSON.stringify(JSON.parse(text))
  }), { numRuns: 2000 })
})

t.test('R182 refuses any duplicated member, wherever it stands', async () => {
  fc.assert(fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), wellFormed, { minKeys: 1, maxKeys: 6 }), fc.nat(), (object, pick) => {
    const entries = Object.entries(object).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
    const again = entries[pick % entries.length] ?? ''
    const text = `[{"outer":{${[...entries, again].join(',')}}}]`
    fc.pre(!forbidden.test(text))
    return problemOf(() => parseStrictJson(text, { maxDepth: 100, maxKeys: 100_000 })) === 'duplicate_name'
  }), { numRuns: 300 })
})

t.test('R185 forms are flat, without a prototype', async (t) => {
  const form = parseForm('a=1&b=x+y%20z&__proto__=evil&c&d[e]=1&&%C3%A9==')
  t.equal(Object.getPrototypeOf(form), null)
  t.same({ ...form }, Object.fromEntries([['a', '1'], ['b', 'x y z'], ['__proto__', 'evil'], ['c', ''], ['d[e]', '1'], ['é', '=']]))
  t.equal(({} as Record<string, unknown>)['evil'], undefined)
})

t.test('R185 forms refuse', (t) => {
  const rows: [string, string, string][] = [
    ['a repeated name', 'grant_type=password&grant_type=client_credentials', 'repeated'],
    ['a repeated name, encoded', 'scope=a&%73cope=b', 'repeated'],
    ['a repeated empty value', 'a=&a=', 'repeated'],
    ['1001 parameters', Array.from({ length: 1001 }, (_, at) => `p${at}=1`).join('&'), 'parameters'],
    ['a bad percent sign', 'a=%zz', 'encoding'],
    ['bytes that are not UTF-8', 'a=%ff', 'encoding'],
    ['an overlong encoding', '%c0%80=1', 'encoding']
  ]
  for (const [title, text, problem] of rows) {
    t.test(title, async (t) => {
      t.equal(problemOf(() => parseForm(text)), problem)
    })
  }
  t.end()
})

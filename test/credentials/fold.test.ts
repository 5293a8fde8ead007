import t from 'tap'
import { fold } from '../../credentials/fold.ts'

t.test('names that differ in case, in form or in compatible spelling are one', async (t) => {
  const same = [
    ['alice', 'Alice', 'ALICE', 'ａｌｉｃｅ', 'ⓐlice'], ['straße', 'STRASSE', 'STRAẞE', 'strasse'], ['ΟΔΟΣ', 'οδος', 'οδοσ'],
    ['ς', 'σ', 'Σ'], ['ﬁona', 'FIONA'], ['İ', 'i\u0307'], ['é', 'e\u0301', 'É'], ['admın', 'ADMIN']
  ]
  for (const [first = '', ...others] of same) for (const other of others) t.equal(fold(other), fold(first), `${first} ${other}`)
  for (const [one, other] of [['alice', 'alicе'], ['o', '0'], ['u', 'ü'], ['a b', 'ab']] as const) t.not(fold(one), fold(other), `${one} ${other}`)
})

t.test('a sigma is one whatever stands around it', async (t) => {
  for (const around of ['ΝΙΚΟΣ', 'ΝΙΚΟΣ1990', 'ΝΙΚΟΣX', 'Σ', 'ΣΣ']) t.equal(fold(around), fold(around.toLowerCase()), around)
  t.ok(fold('ΝΙΚΟΣX').startsWith(fold('ΝΙΚΟΣ')))
})

t.test('every character folds as its cases and forms do, and what is folded stays', async (t) => {
  const different: string[] = []
  for (let point = 0; point < 0x110000; point += 1) {
    const character = String.fromCodePoint(point)
    const folded = fold(character)
    const others = [folded, character.toUpperCase(), character.toLowerCase(), character.normalize('NFD'), character.normalize('NFKD')]
    if (others.some((other) => fold(other) !== folded)) different.push(point.toString(16))
  }
  t.strictSame(different, [])
})

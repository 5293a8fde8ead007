import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createVerifiedPasswords } from '../../credentials/verified-passwords.ts'

const hash = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$dGFn'

t.test('a password is known with its very hash, for its time and no longer, however often it is asked for', async (t) => {
  const verified = createVerifiedPasswords(1)
  t.notOk(verified.has('correct horse', hash))
  verified.add('correct horse', hash)
  t.ok(verified.has('correct horse', hash))
  t.notOk(verified.has('correct horse', `${hash}x`), 'a changed password has another hash')
  t.notOk(verified.has('xcorrect horse', hash.slice(0, -1)))
  t.notOk(verified.has('orrect horse', `${hash}c`), 'where one part ends is told')
  t.notOk(verified.has('correct horse ', hash))
  t.notOk(createVerifiedPasswords(1).has('correct horse', hash), 'each has a key of its own')
  for (let times = 0; times < 6; times += 1) {
    await sleep(200)
    verified.has('correct horse', hash)
  }
  t.notOk(verified.has('correct horse', hash))
})

t.test('with 0 seconds nothing is kept', async (t) => {
  const verified = createVerifiedPasswords(0)
  verified.add('correct horse', hash)
  t.notOk(verified.has('correct horse', hash))
})

t.test('the table is bounded', async (t) => {
  const verified = createVerifiedPasswords(60)
  for (let number = 0; number < 10_001; number += 1) verified.add(`password ${number}`, hash)
  t.notOk(verified.has('password 0', hash))
  t.ok(verified.has('password 10000', hash))
})

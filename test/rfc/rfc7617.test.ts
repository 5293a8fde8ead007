// RFC 7617, The 'Basic' HTTP Authentication Scheme.
import t from 'tap'
import { basicAuth } from '../../plugins/basic-auth.ts'
import { assertOptionRefused, assertRefused, guardedService } from '../fixtures/guarded-service.ts'
import type { Test } from 'tap'
import type { BasicAuthOptions } from '../../plugins/basic-auth.ts'
import type { GuardedService } from '../fixtures/guarded-service.ts'

const challenge = 'Basic realm="api", charset="UTF-8"'

async function basicService (t: Test, options: BasicAuthOptions): Promise<GuardedService> {
  return await guardedService(t, async (app) => {
    await app.register(basicAuth, options)
    return app.basic
  })
}

function encode (text: string | Buffer): string {
  return Buffer.from(text as string).toString('base64')
}

t.test('R020 the challenge has the realm and the charset, and nothing else', async (t) => {
  const plain = await basicService(t, { users: { alice: 'secret' } })
  await assertRefused(t, plain, { status: 401, code: 'credentials_required', challenge })
  const quoted = await basicService(t, { users: { alice: 'secret' }, realm: 'the "api" \\ v1' })
  await assertRefused(t, quoted, { status: 401, code: 'credentials_required', challenge: 'Basic realm="the \\"api\\" \\\\ v1", charset="UTF-8"' })
})

for (const [what, realm] of [['CR LF', 'a\r\nSet-Cookie: b=c'], ['a control character', 'a\u0007'], ['DEL', 'a\u007f'], ['non-ASCII', 'größe'], ['nothing', '']] as const) {
  t.test(`R020 a realm with ${what} is refused at boot`, async (t) => {
    await assertOptionRefused(t, (app) => app.register(basicAuth, { users: { alice: 'secret' }, realm }), 'basicAuth.realm')
  })
}

t.test('R002 R020 R021 R022 what is well-formed is accepted', async (t) => {
  const seen: string[] = []
  const service = await basicService(t, {
    verify ({ username, password }) {
      seen.push(`${username}|${password}`)
      return { subject: `user ${username}` }
    }
  })
  const rows: [string, string, string][] = [
    ['an ordinary pair', `Basic ${encode('alice:secret')}`, 'alice|secret'],
    ['the scheme in lower case', `basic ${encode('alice:secret')}`, 'alice|secret'],
    ['the scheme in upper case, several spaces', `BASIC   ${encode('alice:secret')}`, 'alice|secret'],
    ['a password with colons, split at the first', `Basic ${encode('alice:a:b:c')}`, 'alice|a:b:c'],
    ['an empty password', `Basic ${encode('alice:')}`, 'alice|'],
    ['an empty username', `Basic ${encode(':secret')}`, '|secret'],
    ['UTF-8', `Basic ${encode('zoë:pässwörd€😀')}`, 'zoë|pässwörd€😀'],
    ['plus and slash of the standard alphabet', `Basic ${encode('a:\u00fb\u00ff\u07ff>>>???')}`, 'a|\u00fb\u00ff\u07ff>>>???']
  ]
  for (const [what, authorization, expected] of rows) {
    await t.test(what, async (t) => {
      const response = await service.get({ authorization })
      t.equal(response.statusCode, 200)
      t.equal(seen.pop(), expected)
    })
  }
})

t.test('R021 R022 what is malformed is 401 and never reaches verify', async (t) => {
  let asked = 0
  const service = await basicService(t, {
    verify () {
      asked += 1
      return { subject: 'anyone' }
    }
  })
  const rows: [string, string][] = [
    ['R021 nothing after the scheme', 'Basic'],
    ['R021 a space inside', `Basic ${encode('alice:secret').replace(/^(.{4})/, '$1 ')}`],
    ['R021 something after the credentials', `Basic ${encode('alice:secret')} x`],
    ['R021 a tab instead of the space', `Basic\t${encode('alice:secret')}`],
    ['R021 the URL-safe alphabet', `Basic ${Buffer.from('a:\u00fb\u00ff\u07ff>>>???').toString('base64url')}`],
    ['R021 padding left out', `Basic ${encode('alice:secret1').replace(/=+$/, '')}`],
    ['R021 too much padding', `Basic ${encode('alice:secret')}=`],
    ['R021 non-canonical trailing bits', `Basic ${encode('alice:secret1').replace(/.==$|.=$/, (end) => (end.startsWith('Q') ? 'R' : String.fromCharCode(end.charCodeAt(0) + 1)) + end.slice(1))}`],
    ['R021 not base64 at all', 'Basic !!!!'],
    ['R021 bad UTF-8', `Basic ${encode(Buffer.from([0x61, 0x3a, 0xff, 0xfe]))}`],
    ['R021 overlong UTF-8 of the colon', `Basic ${encode(Buffer.from([0x61, 0xc0, 0xba, 0x62]))}`],
    ['R021 Latin-1 instead of UTF-8', `Basic ${Buffer.from('zoë:x', 'latin1').toString('base64')}`],
    ['R022 no colon', `Basic ${encode('alice')}`],
    ['R022 NUL in the username', `Basic ${encode('al\0ice:secret')}`],
    ['R022 LF in the password', `Basic ${encode('alice:sec\nret')}`],
    ['R022 DEL in the password', `Basic ${encode('alice:sec\u007fret')}`]
  ]
  for (const [what, authorization] of rows) {
    await t.test(what, async (t) => {
      await assertRefused(t, service, { headers: { authorization }, status: 401, code: 'invalid_credentials', challenge })
      t.equal(asked, 0, 'verify was not asked')
    })
  }
})

t.test('R023 unknown users, wrong passwords and names of Object.prototype are one answer', async (t) => {
  const service = await basicService(t, { users: { alice: 'correct horse', bob: 'staple' } })
  t.match((await service.get({ authorization: `Basic ${encode('alice:correct horse')}` })).json(), { kind: 'basic', subject: 'alice' })
  for (const pair of ['alice:staple', 'alice:', 'mallory:staple', '__proto__:x', 'constructor:x', 'toString:x', ':', 'Alice:correct horse']) {
    await t.test(pair, async (t) => {
      await assertRefused(t, service, { headers: { authorization: `Basic ${encode(pair)}` }, status: 401, code: 'invalid_credentials', challenge, secret: encode(pair) })
    })
  }
})

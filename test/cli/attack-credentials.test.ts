// The credentials that `gatehouse attack` is given: where they come from, what is wrong with them, and which of them an attempt gets.
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readCredentials } from '../../cli/attack-credentials.ts'
import { UsageFailure } from '../../cli/failure.ts'
import { surfaceOfDocument } from '../../testing/attack/surface.ts'
import { fencesOf, readDocument } from '../fixtures/documents.ts'
import type { GivenCredentials } from '../../cli/attack-credentials.ts'

const SECRET = 'hunter2-canary'
const schemes = {
  bearer: { type: 'oauth2' }, jwt: { type: 'http', scheme: 'Bearer' }, login: { type: 'openIdConnect' }, basic: { type: 'http', scheme: 'basic' },
  apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' }, queryKey: { type: 'apiKey', in: 'query', name: 'key' }, session: { type: 'apiKey', in: 'cookie', name: 'sid' },
  mutual: { type: 'mutualTLS' }, digest: { type: 'http', scheme: 'digest' }
}
const surface = surfaceOfDocument({ paths: {
  '/a': { get: { security: [{ bearer: ['read'] }], 'x-required-roles': ['admin'] }, post: { security: [{ bearer: [] }, { session: [] }], 'x-csrf': 'token' } },
  '/b': { get: { security: [{ bearer: ['write'] }] } }
} })
const variable = 'ATTACK_CREDENTIALS_OF_THIS_TEST'
t.teardown(() => { Reflect.deleteProperty(process.env, variable) })

async function given (value: unknown): Promise<GivenCredentials> {
  process.env[variable] = typeof value === 'string' ? value : JSON.stringify(value)
  return await readCredentials(`env:${variable}`, schemes, surface, ['a public key'])
}

t.test('each kind of scheme, as it stands on a request', async (t) => {
  const { credentials, secrets } = await given({
    bearer: [{ token: 't1' }], jwt: [{ token: 't2' }], login: [{ token: 't3' }], basic: [{ username: 'alice', password: 'p: w' }],
    apiKey: [{ key: 'k1' }], queryKey: [{ key: 'k2' }], session: [{ cookie: 'c1', csrf: 'x1' }]
  })
  const asked = { scopes: [], roles: [], lacking: [] }
  const minted = Object.fromEntries(await Promise.all(Object.entries(credentials).map(async ([name, { mint }]) => [name, await mint(asked)])))
  const basic = Buffer.from('alice:p: w').toString('base64')
  t.strictSame(minted, {
    bearer: { headers: { authorization: 'Bearer t1' } }, jwt: { headers: { authorization: 'Bearer t2' } }, login: { headers: { authorization: 'Bearer t3' } },
    basic: { headers: { authorization: `Basic ${basic}` } },
    apiKey: { headers: { 'x-api-key': 'k1' } }, queryKey: { query: { key: 'k2' } },
    session: { headers: { cookie: 'sid=c1' }, csrf: { 'sec-fetch-site': 'same-origin', 'x-csrf-token': 'x1' } }
  })
  t.strictSame(Object.entries(credentials).filter(([, { publicKeys }]) => publicKeys?.[0] === 'a public key').map(([name]) => name), ['bearer', 'jwt', 'login'])
  t.strictSame([...secrets].sort(), ['t1', 't2', 't3', 'k1', 'k2', 'c1', 'x1', 'p: w', basic].sort())
})

t.test('who is good for what is asked, each in its turn; and who lacks what is to be lacking', async (t) => {
  const { credentials: { bearer } } = await given({ bearer: [
    { token: 'all' }, { token: 'reader', scopes: ['read'], roles: ['admin'] }, { token: 'writer', scopes: ['write'], roles: [] }, { token: 'both', scopes: ['read', 'write'], roles: [] }
  ] })
  const mint = async (scopes: string[], roles: string[], lacking: string[]): Promise<string | undefined> => (await bearer?.mint({ scopes, roles, lacking }))?.headers?.['authorization']?.slice(7)
  const several = async (...asked: Parameters<typeof mint>): Promise<(string | undefined)[]> => [...new Set([await mint(...asked), await mint(...asked), await mint(...asked)])].sort()
  t.strictSame(await several(['read'], [], []), ['all', 'both', 'reader'])
  t.strictSame(await several(['read'], ['admin'], []), ['all', 'reader'])
  t.strictSame(await several(['write'], ['admin'], ['read']), ['writer'], 'who says nothing of scopes lacks none')
  t.strictSame(await several(['read', 'write'], [], ['admin']), ['both'], 'a role; of two that lack it the stronger')
  t.strictSame(await several([], [], ['read', 'write']), [undefined])
  t.strictSame(await several(['other'], [], []), ['all'])
})

t.test('command.md: what stands there is taken', async (t) => {
  const [example] = fencesOf(readDocument('docs/command.md'), 'json')
  const { credentials } = await given(example?.code ?? '')
  t.strictSame(Object.keys(credentials), ['bearer', 'apiKey', 'basic', 'session'])
})

t.test('a file, which is closed to others', { skip: process.platform === 'win32' ? 'there are no such modes' : false }, async (t) => {
  const file = join(t.testdir(), 'credentials.json')
  writeFileSync(file, `{"apiKey":[{"key":"${SECRET}"}]}`, { mode: 0o600 })
  t.strictSame((await readCredentials(file, schemes, surface, [])).secrets, [SECRET])
  chmodSync(file, 0o644)
  await t.rejects(readCredentials(file, schemes, surface, []), { name: 'UsageFailure', message: `${file} is open to everybody on this machine; chmod 600 it` })
  await t.rejects(readCredentials(`${file}.no`, schemes, surface, []), { name: 'UsageFailure', message: `${file}.no cannot be read` })
})

t.test('what is wrong is named, and never its value', async (t) => {
  const rows: [title: string, value: unknown, told: RegExp][] = [
    ['no JSON', `{"bearer": ${SECRET}`, /is no JSON$/], ['a list', [SECRET], /must be an object whose members/], ['nothing', 'null', /must be an object/],
    ['an unknown scheme', { nobody: [{ token: SECRET }] }, /the document has no scheme "nobody"; there are bearer, jwt/], ['a name of every object', '{"__proto__": []}', /has no scheme "__proto__"/],
    ['a scheme that cannot be given', { mutual: [] }, /credentials of mutual cannot be given/], ['another of HTTP', { digest: [] }, /credentials of digest cannot be given/],
    ['no list', { bearer: { token: SECRET } }, /bearer must be array$/], ['an empty list', { bearer: [] }, /bearer must NOT have fewer than 1 items$/],
    ['another form', { bearer: [{ key: SECRET }] }, /bearer 0 must have required property 'token'$/], ['a number', { bearer: [{ token: 7 }] }, /bearer 0 token must be string$/],
    ['a line break', { bearer: [{ token: `${SECRET}\r\nx: y` }] }, /bearer 0 token must match pattern/], ['a name with a colon', { basic: [{ username: 'a:b', password: SECRET }] }, /basic 0 username must match pattern/],
    ['an unknown member', { apiKey: [{ key: SECRET, scope: 'read' }] }, /apiKey 0 must NOT have additional properties$/], ['scopes that are no list', { apiKey: [{ key: SECRET, scopes: 'read' }] }, /apiKey 0 scopes must be array$/],
    ['a cookie without its token', { session: [{ cookie: SECRET }] }, /session 0 needs csrf, the X-CSRF-Token of its session: POST \/a asks for it$/]
  ]
  for (const [title, value, told] of rows) {
    await t.test(title, async (t) => {
      const error = await given(value).then(() => null, (error: unknown) => error)
      t.type(error, UsageFailure)
      t.match((error as Error).message, told)
      t.notMatch((error as Error).message, SECRET)
      t.match((error as Error).message, new RegExp(`^env:${variable}: |^env:${variable} `))
    })
  }
  await t.rejects(readCredentials('env:NOTHING_OF_THIS_NAME', schemes, surface, []), { name: 'UsageFailure', message: 'env:NOTHING_OF_THIS_NAME: the variable is not set' })
})

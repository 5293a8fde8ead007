// How credentials are read from `Authorization`, and a header that may be sent once, before any scheme judges them.
import t from 'tap'
import { readAuthorization, readHeader } from '../../guards/authorization-header.ts'
import type { GuardedRequest } from '../../guards/scheme.ts'

/** A request as Node would give it: the first value of a name, and every line as it was sent. */
function request (...lines: [name: string, value: string][]): GuardedRequest {
  const headers = Object.fromEntries([...lines].reverse().map(([name, value]) => [name.toLowerCase(), value]))
  return { headers, raw: { rawHeaders: lines.flat() } } as unknown as GuardedRequest
}

t.test('R002 what stands after the scheme, whose name compares without case', async (t) => {
  const rows: [authorization: string, credentials: string | null][] = [
    ['Bearer x', 'x'], ['bearer x', 'x'], ['BEARER x', 'x'], ['Bearer  x', 'x'], ['bearer    x', 'x'], ['Bearer x y', 'x y'], ['Bearer x  y ', 'x  y '], ['Bearer Bearer', 'Bearer'],
    ['Bearer', ''], ['Bearer ', ''], ['Bearer   ', ''], ['bearer ', ''],
    // no space, so nothing that could be credentials
    ['Bearer/x', ''], ['Bearer,x', ''], ['Bearer\tx', ''], ['bearer"x"', ''],
    ['Bearerx', null], ['Bearer-x y', null], ['Basic x', null], ['Digest Bearer', null], ['Dearer x', null], ['Beare x', null], [' Bearer x', null], ['', null], ['"Bearer" x', null]
  ]
  for (const [authorization, credentials] of rows) t.equal(readAuthorization(request(['Authorization', authorization]), 'Bearer'), credentials, JSON.stringify(authorization))
  t.equal(readAuthorization(request(['Accept', '*/*']), 'Bearer'), null)
})

t.test('a header that was sent twice is refused, however its name was written', async (t) => {
  const repeated = { code: 'invalid_request', reason: 'the header x-api-key is repeated' }
  for (const names of [['X-Api-Key', 'X-Api-Key'], ['x-api-key', 'X-API-KEY']] as const) {
    t.throws(() => readHeader(request([names[0], 'a'], ['Accept', '*/*'], [names[1], 'a']), 'x-api-key'), repeated)
  }
  t.throws(() => readHeader({ headers: { 'x-api-key': ['a', 'b'] }, raw: { rawHeaders: [] } } as unknown as GuardedRequest, 'x-api-key'), repeated)
  t.equal(readHeader(request(['X-Api-Key', 'a'], ['X-Other-1', 'b'], ['X-Other-2', 'x-api-key'], ['x-api-keys', 'c']), 'x-api-key'), 'a', 'others of the same length are others')
  t.equal(readHeader(request(['X-Other-1', 'b']), 'x-api-key'), null)
})

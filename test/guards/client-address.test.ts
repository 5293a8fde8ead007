import t from 'tap'
import type { IncomingMessage } from 'node:http'
import { createClientAddress, normalizeAddress } from '../../guards/client-address.ts'

function requestFrom (remoteAddress: string | undefined, forwardedFor?: string): IncomingMessage {
  return { socket: { remoteAddress }, headers: forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor } } as unknown as IncomingMessage
}

const normalized: [string, string | null][] = [
  ['1.2.3.4', '1.2.3.4'],
  ['::ffff:1.2.3.4', '1.2.3.4'],
  ['::FFFF:1.2.3.4', '1.2.3.4'],
  ['::ffff:102:304', '1.2.3.4'],
  ['::ffff:1.2.3.4%eth0', '1.2.3.4'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
  ['fe80::1%eth0', 'fe80::/64'],
  ['fe80::1%25eth0', 'fe80::/64'],
  ['::1', '::/64'],
  ['', null],
  ['localhost', null],
  ['1.2.3', null],
  ['127.1', null],
  ['010.0.0.1', null],
  ['0x7f.0.0.1', null],
  ['1.2.3.4:80', null],
  ['[::1]', null],
  ['1.2.3.4.5', null],
  ['1::2::3', null],
  ['256.1.1.1', null]
]

t.test('R153 normalizeAddress', (t) => {
  for (const [address, key] of normalized) {
    t.test(`${address || 'an empty text'} is ${String(key)}`, async (t) => {
      t.equal(normalizeAddress(address), key)
    })
  }
  t.end()
})

t.test('CVE-2026-30827 R153 mapped IPv4 is unmapped before IPv6 is cut: every client keeps its own key', async (t) => {
  const keyOf = createClientAddress([])
  t.not(keyOf(requestFrom('::ffff:1.2.3.4')), keyOf(requestFrom('::ffff:1.2.3.5')))
  t.equal(keyOf(requestFrom('::ffff:1.2.3.4')), keyOf(requestFrom('1.2.3.4')))
})

t.test('ADV @fastify/rate-limit: one IPv6 network is one key, not 2^64 of them', async (t) => {
  const keyOf = createClientAddress([])
  t.equal(keyOf(requestFrom('2001:db8::1')), keyOf(requestFrom('2001:db8::ffff:ffff:ffff:ffff')))
  t.not(keyOf(requestFrom('2001:db8::1')), keyOf(requestFrom('2001:db8:0:1::1')))
})

t.test('R153 the prefix is configurable from 48 to 128', async (t) => {
  const address = '2001:db8:1:2ff:3:4:5:6'
  t.equal(normalizeAddress(address, { ipv6PrefixLength: 48 }), '2001:db8:1::/48')
  t.equal(normalizeAddress(address, { ipv6PrefixLength: 60 }), '2001:db8:1:2f0::/60')
  t.equal(normalizeAddress(address, { ipv6PrefixLength: 128 }), '2001:db8:1:2ff:3:4:5:6/128')
  t.equal(createClientAddress([], { ipv6PrefixLength: 56 })(requestFrom(address)), '2001:db8:1:200::/56')
  for (const ipv6PrefixLength of [47, 129, 64.5, NaN]) {
    t.throws(() => createClientAddress([], { ipv6PrefixLength }), { code: 'GATEHOUSE_OPTION_INVALID' }, String(ipv6PrefixLength))
  }
})

const proxies = ['10.0.0.0/8', '192.168.1.1', '2001:db8:ffff::/48', '::ffff:172.16.0.0/108']

const walks: [string, string | undefined, string | undefined, string][] = [
  ['an untrusted peer is the client, whatever it says', '1.2.3.4', '9.9.9.9', '1.2.3.4'],
  ['a trusted peer that says nothing is the client', '10.0.0.1', undefined, '10.0.0.1'],
  ['one hop', '10.0.0.1', '9.9.9.9', '9.9.9.9'],
  ['never the leftmost', '10.0.0.1', '6.6.6.6, 9.9.9.9', '9.9.9.9'],
  ['trusted hops are passed from right to left', '10.0.0.1', '6.6.6.6, 9.9.9.9, 192.168.1.1, 10.9.9.9', '9.9.9.9'],
  ['a mapped peer is trusted as IPv4', '::ffff:10.0.0.1', '9.9.9.9', '9.9.9.9'],
  ['a mapped network is an IPv4 network', '172.31.0.1', '9.9.9.9', '9.9.9.9'],
  ['an address beside the network is not trusted', '172.32.0.1', '9.9.9.9', '172.32.0.1'],
  ['an IPv6 peer in a network is trusted', '2001:db8:ffff::1', '2001:db8:1:2::3', '2001:db8:1:2::/64'],
  ['mapped entries are unmapped', '10.0.0.1', '::ffff:9.9.9.9', '9.9.9.9'],
  ['only trusted entries: the furthest', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['a malformed entry: the peer', '10.0.0.1', 'garbage', '10.0.0.1'],
  ['an empty entry: the peer', '10.0.0.1', '9.9.9.9,', '10.0.0.1'],
  ['an empty header: the peer', '10.0.0.1', '', '10.0.0.1'],
  ['an entry with a port: the peer', '10.0.0.1', '9.9.9.9:80', '10.0.0.1'],
  ['octal: the peer', '10.0.0.1', '010.9.9.9', '10.0.0.1'],
  ['malformed behind trusted hops: the peer', '10.0.0.1', '9.9.9.9, unknown, 10.0.0.2', '10.0.0.1'],
  ['malformed to the left of the client is never read', '10.0.0.1', 'garbage, 9.9.9.9', '9.9.9.9'],
  ['a socket without an address', undefined, '9.9.9.9', 'unknown']
]

t.test('R154 X-Forwarded-For', (t) => {
  const keyOf = createClientAddress(proxies)
  for (const [title, peer, forwardedFor, key] of walks) {
    t.test(title, async (t) => {
      t.equal(keyOf(requestFrom(peer, forwardedFor)), key)
    })
  }
  t.end()
})

t.test('R154 without proxies the header is never read', async (t) => {
  const keyOf = createClientAddress([])
  t.equal(keyOf(requestFrom('10.0.0.1', '9.9.9.9')), '10.0.0.1')
  t.equal(keyOf(requestFrom(undefined)), 'unknown')
})

t.test('CVE-2026-16732 R154 trustedProxies refuses', (t) => {
  const rows: [string, unknown][] = [
    ['true', true], ['a hop count', 1], ['a text', '10.0.0.0/8'], ['nothing', null], ['a number in the list', [1]],
    ['a name', ['loopback']], ['a host', ['proxy.example.com']], ['an empty text', ['']], ['a prefix too long', ['10.0.0.0/33']],
    ['every address', ['0.0.0.0/0']], ['every IPv6 address', ['::/0']], ['every mapped address', ['::ffff:0.0.0.0/96']],
    ['a negative prefix', ['10.0.0.0/-8']], ['two prefixes', ['10.0.0.0/8/8']], ['octal', ['010.0.0.0/8']], ['a short form', ['10/8']],
    ['a zone', ['fe80::1%eth0']]
  ]
  for (const [title, trustedProxies] of rows) {
    t.test(title, async (t) => {
      t.throws(() => createClientAddress(trustedProxies as string[]), { code: 'GATEHOUSE_OPTION_INVALID' })
    })
  }
  t.end()
})

t.test('R154 the list is read once: a later change trusts nobody new', async (t) => {
  const list = ['10.0.0.0/8']
  const keyOf = createClientAddress(list)
  list.push('1.0.0.0/8')
  t.equal(keyOf(requestFrom('1.2.3.4', '9.9.9.9')), '1.2.3.4')
})

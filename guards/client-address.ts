// Whose request it is: the socket's peer, or what trusted proxies say of it; never what a client says of itself.
import ipaddr from 'ipaddr.js'
import type { IncomingMessage } from 'node:http'
import { fault } from '../errors.ts'

type Address = ipaddr.IPv4 | ipaddr.IPv6

interface Networks {
  readonly ipv4: readonly (readonly [ipaddr.IPv4, number])[]
  readonly ipv6: readonly (readonly [ipaddr.IPv6, number])[]
}

/** What a request has whose socket tells no address: a Unix socket, or one that is gone. */
export const UNKNOWN_ADDRESS = 'unknown'

export interface AddressOptions {
  /** How much of an IPv6 address counts as one client: 48 to 128. @defaultValue 64 */
  ipv6PrefixLength?: number
}

/**
 * The function from a request to its client's address, as a key for limits and audit.
 * Behind a peer in `trustedProxies` (addresses and CIDRs) it walks `X-Forwarded-For` from right to left to the first
 * address that is not trusted; a malformed entry on the way makes the peer the client.
 * @throws `GATEHOUSE_OPTION_INVALID` for anything but a list of addresses and CIDRs: a hop count or `true` cannot be checked.
 */
export function createClientAddress (trustedProxies: readonly string[], options: AddressOptions = {}): (raw: IncomingMessage) => string {
  const networks = compileNetworks(trustedProxies)
  const prefixLength = resolvePrefixLength(options.ipv6PrefixLength ?? 64)
  if (networks === null) return (raw) => keyOf(raw.socket.remoteAddress, prefixLength)
  return (raw) => forwardedKey(raw, networks, prefixLength)
}

/**
 * The function from a request to whether it came over HTTPS: as the socket has it, or as a peer in `trustedProxies` says
 * in the last entry of `X-Forwarded-Proto`. It is Fastify's `request.protocol`, for what Fastify makes no full request of.
 */
export function createSecurityCheck (trustedProxies: readonly string[]): (raw: IncomingMessage) => boolean {
  const networks = compileNetworks(trustedProxies)
  return ({ socket, headers }) => {
    const told = headers['x-forwarded-proto']
    const peer = networks === null || told === undefined ? null : parseAddress(socket.remoteAddress ?? '')
    if (networks === null || peer === null || !isIn(networks, peer)) return 'encrypted' in socket && socket.encrypted === true
    return String(told).split(',').pop()?.trim() === 'https'
  }
}

/**
 * An address as a key: zone id stripped, then mapped IPv4 as IPv4, then IPv6 cut to its network (`2001:db8::/64`).
 * In another order every IPv4 client would share the key of `::ffff:0:0` (CVE-2026-30827). `null` for what is no address.
 */
export function normalizeAddress (text: string, options: AddressOptions = {}): string | null {
  const address = parseAddress(text)
  return address === null ? null : format(address, resolvePrefixLength(options.ipv6PrefixLength ?? 64))
}

function keyOf (remoteAddress: string | undefined, prefixLength: number): string {
  if (remoteAddress === undefined) return UNKNOWN_ADDRESS
  // A socket's IPv4 address is canonical as it is.
  if (!remoteAddress.includes(':')) return remoteAddress
  const address = parseAddress(remoteAddress)
  return address === null ? UNKNOWN_ADDRESS : format(address, prefixLength)
}

function forwardedKey (raw: IncomingMessage, networks: Networks, prefixLength: number): string {
  const peer = raw.socket.remoteAddress
  const peerAddress = peer === undefined ? null : parseAddress(peer)
  if (peerAddress === null || !isIn(networks, peerAddress)) return keyOf(peer, prefixLength)
  const header = raw.headers['x-forwarded-for']
  if (header === undefined) return format(peerAddress, prefixLength)
  const entries = (typeof header === 'string' ? header : header.join(',')).split(',')
  let furthest: Address = peerAddress
  for (let at = entries.length - 1; at >= 0; at--) {
    const address = parseAddress((entries[at] ?? '').trim())
    if (address === null) return format(peerAddress, prefixLength)
    if (!isIn(networks, address)) return format(address, prefixLength)
    furthest = address
  }
  return format(furthest, prefixLength)
}

/** `null` for anything but dotted decimal IPv4 and IPv6: `010.0.0.1`, `127.1`, a port or a name are no addresses. */
function parseAddress (text: string): Address | null {
  if (!text.includes(':')) return ipaddr.IPv4.isValidFourPartDecimal(text) ? ipaddr.IPv4.parse(text) : null
  const zone = text.indexOf('%')
  const bare = zone === -1 ? text : text.slice(0, zone)
  if (!ipaddr.IPv6.isValid(bare)) return null
  const address = ipaddr.IPv6.parse(bare)
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address
}

function format (address: Address, prefixLength: number): string {
  if (address instanceof ipaddr.IPv4) return address.toString()
  const bytes = address.toByteArray()
  for (let bit = prefixLength; bit < 128; bit += 8 - (bit % 8)) {
    const at = bit >> 3
    bytes[at] = (bytes[at] ?? 0) & (0xff00 >> (bit % 8))
  }
  return `${new ipaddr.IPv6(bytes).toString()}/${String(prefixLength)}`
}

function isIn ({ ipv4, ipv6 }: Networks, address: Address): boolean {
  return address instanceof ipaddr.IPv4
    ? ipv4.some(([network, bits]) => address.match(network, bits))
    : ipv6.some(([network, bits]) => address.match(network, bits))
}

function compileNetworks (trustedProxies: unknown): Networks | null {
  if (!Array.isArray(trustedProxies)) throw invalid('must be a list of addresses and CIDRs')
  if (trustedProxies.length === 0) return null
  const ipv4: [ipaddr.IPv4, number][] = []
  const ipv6: [ipaddr.IPv6, number][] = []
  for (const entry of trustedProxies as unknown[]) {
    const [address, bits] = parseNetwork(entry)
    if (address instanceof ipaddr.IPv4) ipv4.push([address, bits])
    else ipv6.push([address, bits])
  }
  return { ipv4, ipv6 }
}

const PREFIX_LENGTH = /^\d{1,3}$/

function parseNetwork (entry: unknown): [Address, number] {
  const [text = '', length, ...more] = typeof entry === 'string' ? entry.split('/') : []
  const address = text.includes('%') || more.length > 0 || !PREFIX_LENGTH.test(length ?? '0') ? null : parseAddress(text)
  if (address === null) throw invalid('must hold addresses and CIDRs, such as 10.0.0.0/8')
  const width = address instanceof ipaddr.IPv4 ? 32 : 128
  const mapped = width === 32 && text.includes(':') ? 96 : 0
  const bits = length === undefined ? width : Number(length) - mapped
  if (bits > width) throw invalid('has a CIDR whose prefix is longer than its address')
  if (bits < 1) throw invalid('has a CIDR that trusts every address')
  return [address, bits]
}

function resolvePrefixLength (length: unknown): number {
  if (!Number.isInteger(length) || Number(length) < 48 || Number(length) > 128) {
    throw fault('GATEHOUSE_OPTION_INVALID', 'ipv6PrefixLength must be a whole number from 48 to 128')
  }
  return Number(length)
}

function invalid (why: string): Error {
  return fault('GATEHOUSE_OPTION_INVALID', `trustedProxies ${why}`)
}

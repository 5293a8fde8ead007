// HMAC (RFC 2104 §2) out of one-shot hashes: `createHmac` makes an object for each message that the collector has to
// finalise, which cost a request four times what the two hashes do (docs/decisions.md).
import { hash, timingSafeEqual } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** The hash functions of RFC 7518 §3.2: their block and their output in bytes (FIPS 180-4 §1). */
const sizes = {
  sha256: { block: 64, length: 32 },
  sha384: { block: 128, length: 48 },
  sha512: { block: 128, length: 64 }
} as const

export type HmacHash = keyof typeof sizes

/** Makes the function that tells in constant time whether `code` is the one of an ASCII text under `key`. */
export function createHmacCheck (name: HmacHash, key: KeyObject): (text: string, code: Buffer) => boolean {
  const { block, length } = sizes[name]
  const secret = key.export()
  const short = secret.length > block ? hash(name, secret, 'buffer') : secret
  const padded = (pad: number, room: number): Buffer => Buffer.from(Uint8Array.from({ length: block + room }, (_zero, at) => (short[at] ?? 0) ^ pad))
  const outer = padded(0x5c, length)
  const expected = Buffer.alloc(length)
  let inner = padded(0x36, 2048)
  return function isCodeOf (text, code) {
    const end = block + text.length
    if (end > inner.length) inner = Buffer.concat([inner, Buffer.alloc(text.length)])
    inner.write(text, block, 'latin1')
    outer.write(hash(name, inner.subarray(0, end), 'binary'), block, 'latin1')
    expected.write(hash(name, outer, 'binary'), 'latin1')
    return code.length === length && timingSafeEqual(code, expected)
  }
}

// Base62: digits, then upper-case, then lower-case letters; nothing in it needs escaping anywhere.
import { randomInt } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** So many digits, each drawn evenly by a generator fit for secrets: 22 of them have 131 bits. */
export function randomBase62 (length: number): string {
  return Array.from({ length }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join('')
}

/** A number in base62, with zeros before it up to `length`. */
export function toBase62 (value: bigint, length: number): string {
  let digits = ''
  for (let rest = value; rest > 0n; rest /= 62n) digits = ALPHABET.charAt(Number(rest % 62n)) + digits
  return digits.padStart(length, '0')
}

/** Whether a text is one digit of base62 or more, and nothing else. */
export function isBase62 (text: string): boolean {
  return /^[0-9A-Za-z]+$/.test(text)
}

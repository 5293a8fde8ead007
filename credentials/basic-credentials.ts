// What RFC 7617 §2 allows after `Basic`, and no more: lenient decoders disagree, and disagreement is a bypass.
import { isUtf8 } from 'node:buffer'

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\x00-\x1f\x7f]/

/** Whether `text` can be a user-id: not empty, no colon, no control character. */
export function isUserId (text: string): boolean {
  return text !== '' && !text.includes(':') && !CONTROL.test(text)
}

/**
 * Whether `credentials` is canonical base64 (RFC 4648 §4, padded) of UTF-8 text that holds a colon and no
 * control character.
 */
export function isBasicCredentials (credentials: string): boolean {
  if (!BASE64.test(credentials)) return false
  const bytes = Buffer.from(credentials, 'base64')
  if (bytes.toString('base64') !== credentials || !isUtf8(bytes)) return false
  const text = bytes.toString('utf8')
  return text.includes(':') && !CONTROL.test(text)
}

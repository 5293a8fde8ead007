// What stands after `Basic` (RFC 7617 §2), where lenient decoders disagree: disagreement is a bypass.
import { isUtf8 } from 'node:buffer'

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\x00-\x1f\x7f]/

/** Whether `text` can be a user-id: not empty, no colon, no control character. */
export function isUserId (text: string): boolean {
  return text !== '' && !text.includes(':') && !CONTROL.test(text)
}

/** Whether `credentials` is base64 in its one canonical form (RFC 4648 §4, padded) and holds UTF-8. */
export function isCanonicalBase64 (credentials: string): boolean {
  const bytes = Buffer.from(credentials, 'base64')
  return bytes.toString('base64') === credentials && isUtf8(bytes)
}
